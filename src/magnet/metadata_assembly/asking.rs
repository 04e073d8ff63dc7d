//! Which peer is asked for which piece of the metadata, and when a second one is asked for the same.
//!
//! A request cannot be taken back: who was asked sends the piece, whoever else has sent it meanwhile. Thirty peers that
//! are asked for the same share a thin line, and no piece of any of them comes to its end for minutes. So each piece is
//! asked of one peer, and of others only when that one is *late*:
//!
//! - nothing comes from it for some round trips, and from nobody else: the line is idle. For each that is late one more
//!   is asked, so that a good one among thirty silent peers is found after a few looks.
//! - it is silent for [`SILENCE`] while others send.
//! - the one that could be asked now has shown that it needs far less time for a piece.
//!
//! A peer that sends a byte now and then is none of these. Where it does so for [`SLOW`], one other is asked, and for
//! each further one it takes longer.
//!
//! The pieces that are asked for at once are limited too ([`WINDOW`]): on a thin line more of them would only come all at
//! the end. The limit grows while pieces come fast.

use super::{MetadataAssembly, MetadataAttempt, MetadataPeer};
use crate::piece::PeerKey;
use std::time::{Duration, Instant};

/// The shortest time after which a peer is late that has sent nothing.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// A peer that is silent for so long is late, whoever else sends.
const SILENCE: Duration = Duration::from_secs(2);
/// A peer is late that has taken so many times as long as the one that could be asked in its place.
const TIMES_AS_LONG: u32 = 4;
/// A piece that a peer is sending, and that is not there after this time, may be asked of another one.
const SLOW: Duration = Duration::from_secs(10);
/// Pieces of one attempt that are asked for at once, at first, of peers that are not late.
const WINDOW: u32 = 8;
/// A piece that came in so short a time shows that there is room for one more at once.
const FAST: Duration = Duration::from_secs(1);

/// A request that was not answered yet.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) piece: u32,
    pub(super) since: Instant,
}

/// How fast a peer is.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long an answer may take before another peer is asked, while nobody sends anything.
    wait: Duration,
    /// When some of what it was asked for came last.
    heard: Instant,
    /// When a whole piece came last.
    sent: Instant,
    /// How long its pieces take, the slow ones of late above all.
    takes: Option<Duration>,
}

/// The requests of one attempt at the moment, by piece.
struct Holders {
    /// How many peers owe the piece in time, and how many are late.
    fresh: u32,
    late: u32,
    /// Since when the one owes it that was asked last.
    youngest: Option<Instant>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace { wait: SHORTEST_WAIT, heard: now, sent: now, takes: None }
    }
}

/// How an attempt goes on.
#[derive(Debug)]
pub(super) struct Progress {
    /// When some of it came last, from any of its peers.
    heard: Instant,
    /// How many pieces are asked for at once.
    window: u32,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Progress {
        Progress { heard: now, window: WINDOW }
    }
}

impl MetadataAssembly {
    /// A peer's answer may take this long before another one is asked for the same, while nobody sends anything.
    pub fn answers_in(&mut self, key: PeerKey, wait: Duration) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.key == key) {
            peer.pace.wait = wait.clamp(SHORTEST_WAIT, SILENCE);
        }
    }

    /// Some bytes came of what this peer was asked for.
    pub fn heard(&mut self, key: PeerKey) {
        let (now, at) = (self.now, self.attempt_of(key));
        if let Some(attempt) = at.and_then(|at| self.attempts.get_mut(at)) {
            attempt.progress.heard = now;
        }
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.key == key) {
            peer.pace.heard = now;
        }
    }

    /// A peer sent a piece that it was asked for at this time.
    pub(super) fn paced(&mut self, key: PeerKey, asked: Instant) {
        self.heard(key);
        let (now, at) = (self.now, self.attempt_of(key));
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.key == key) else { return };
        let took = now.saturating_duration_since(peer.pace.sent.max(asked));
        peer.pace.takes = Some(peer.pace.takes.map_or(took, |before| took.max(before / 2)));
        peer.pace.sent = now;
        let is_fast = now.saturating_duration_since(asked) < FAST;
        if let Some(attempt) = at.and_then(|at| self.attempts.get_mut(at)).filter(|_| is_fast) {
            attempt.progress.window = attempt.progress.window.saturating_add(1);
        }
    }

    /// The piece to request from this peer now. It counts as requested from then on. No piece is requested
    /// from one peer twice at a time, and those that are requested from the fewest peers come first. `None`
    /// if the peer has nothing that we need now, or there is no memory for it.
    pub fn next(&mut self, key: PeerKey) -> Option<u32> {
        let at = self.attempt_of(key)?;
        if !self.has_room(at) {
            return None;
        }
        let attempt = self.attempts.get(at).filter(|_| self.verified.is_none())?;
        let peer = self.peers.iter().find(|peer| peer.key == key)?;
        let mut pieces: Vec<Option<Holders>> = Vec::new();
        pieces.resize_with(attempt.count() as usize, || Some(Holders { fresh: 0, late: 0, youngest: None }));
        let (mut in_time, mut overdue) = (0_u32, 0_u32);
        for other in self.peers.iter().filter(|peer| attempt.is_for(peer)) {
            for asked in &other.requested {
                let is_late = self.is_late(other, asked, attempt, peer.pace.takes);
                let is_slow = is_late || self.owes_for(other, asked) >= SLOW;
                *(if is_slow { &mut overdue } else { &mut in_time }) += 1;
                let holders = pieces.get_mut(asked.piece as usize).and_then(Option::as_mut);
                holders.into_iter().for_each(|holders| holders.add(asked, is_late));
            }
        }
        let there = attempt.pieces.iter().map(|piece| &piece.number);
        let requested = peer.requested.iter().map(|asked| &asked.piece);
        for piece in there.chain(requested).chain(&peer.rejected) {
            pieces.get_mut(*piece as usize).into_iter().for_each(|holders| *holders = None);
        }
        if in_time >= attempt.progress.window.saturating_add(overdue) {
            return None;
        }
        let open = (0..).zip(pieces).filter_map(|(piece, holders)| Some((piece, holders?)));
        let open = open.filter(|(_, holders)| holders.admit_another(self.now));
        let (_, piece) = open.map(|(piece, holders)| (holders.count(), piece)).min()?;
        let asked = Asked { piece, since: self.now };
        self.peers.iter_mut().find(|peer| peer.key == key)?.requested.push(asked);
        Some(piece)
    }

    /// How long a peer has owed this piece, or has taken since the piece that it sent before.
    fn owes_for(&self, peer: &MetadataPeer, asked: &Asked) -> Duration {
        self.now.saturating_duration_since(asked.since.max(peer.pace.sent))
    }

    /// Whether another peer is to be asked for what this one owes: one whose pieces take so long.
    fn is_late(
        &self,
        peer: &MetadataPeer,
        asked: &Asked,
        attempt: &MetadataAttempt,
        other_takes: Option<Duration>,
    ) -> bool {
        let silent = self.now.saturating_duration_since(peer.pace.heard.max(asked.since));
        let idle = silent.min(self.now.saturating_duration_since(attempt.progress.heard));
        let outdone = other_takes.is_some_and(|takes| {
            self.owes_for(peer, asked) >= takes.saturating_mul(TIMES_AS_LONG).max(SHORTEST_WAIT)
        });
        silent >= SILENCE || idle >= peer.pace.wait || outdone
    }
}

impl Holders {
    fn add(&mut self, asked: &Asked, is_late: bool) {
        *(if is_late { &mut self.late } else { &mut self.fresh }) += 1;
        self.youngest = self.youngest.max(Some(asked.since));
    }

    fn count(&self) -> u32 {
        self.fresh.saturating_add(self.late)
    }

    /// Whether one more peer may be asked for the piece.
    fn admit_another(&self, now: Instant) -> bool {
        let Some(youngest) = self.youngest else { return true };
        let is_slow = now.saturating_duration_since(youngest) >= SLOW.saturating_mul(self.count());
        self.fresh < self.late || is_slow
    }
}

#[cfg(test)]
mod tests;
