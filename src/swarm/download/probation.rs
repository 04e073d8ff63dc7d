//! Newcomers: peers that have not proved yet that what they send is right (`strategy/download/trust.rs`).
//!
//! A lie costs the whole piece that it is part of. So what a newcomer may spoil is bounded, and what it costs to
//! find out who lied as well:
//!
//! - A newcomer has to do with one piece at a time; with more if they are small, up to what every peer is asked for at
//!   first anyway. A peer that lies from the beginning spoils no more than that.
//! - Where there is memory for it, a newcomer begins with a piece of its own, and others begin others. A wrong piece
//!   then convicts its only sender at once. If others have nothing else to do they help, so that a slow newcomer
//!   holds nothing up.
//! - Only so many newcomers have pieces of their own at a time, and only so many pieces are in the hands of newcomers
//!   alone: of two hundred liars that come at once, few are asked before the first are convicted.
//! - After many failures they are tried one at a time, each with a piece of its own, and if others send us what we
//!   want, more and more seldom.
//!
//! What was asked of peers that have proved themselves is not bounded by this. And honest swarms should not pay for it.
//! So as long as no piece was wrong, newcomers are bounded only where that costs nothing: pieces are not large, since
//! one large piece for each would take long, and more than one peer sends, but not so many that most of them would
//! wait for a piece. Elsewhere the first wrong piece sets the bounds.

use super::requests::{PieceSource, Within};
use crate::message::PeerKey;
use crate::piece::PieceIndex;
use crate::swarm::Coordinator;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// A newcomer that has to do with so many blocks gets no further piece.
const FIRST_BLOCKS: u32 = 16;
/// Before any piece was wrong, newcomers are bounded if pieces are no longer than this and so many peers send.
const BOUNDED_PIECES: u32 = 1024 * 1024;
const BOUNDED_SOURCES: RangeInclusive<usize> = 2..=16;
/// As long as no piece was wrong, a newcomer that has sent its part of a piece and waits for the parts of others may
/// have to do with so many pieces.
const MOST_WAITING: usize = 2;
/// So long it has to wait first.
const WAITING: Duration = Duration::from_millis(500);
/// Newcomers that send a piece alone at a time.
const MOST_ALONE: usize = 4;
/// Pieces that are in the hands of newcomers alone.
const MOST_PIECES: usize = 8;
/// Pieces of single newcomers take no more than this part of the memory: they are complete later than shared ones.
const PART_OF_MEMORY: u64 = 4;
/// And no more than this part of the missing pieces is in the hands of newcomers: near the end, what is open should be
/// complete soon.
const PART_OF_PIECES: usize = 4;
/// A slow peer may take some blocks' time, but no longer than this: the time of a block is an estimate that grows with
/// the silence itself.
const LONGEST_BLOCK: Duration = Duration::from_secs(8);
/// If a block that we wanted came within this time, there are peers that send.
const LATELY: Duration = Duration::from_secs(2);

/// What a peer may be asked for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::swarm) struct Scope {
    /// Blocks of these open pieces.
    pub first: Within,
    /// If there are none, a piece may be opened that is sent by these.
    pub opens: Option<PieceSource>,
    /// If that is not possible, blocks of these.
    pub then: Option<Within>,
}

impl Coordinator<'_> {
    /// What this peer may be asked for next.
    pub(in crate::swarm) fn scope(&self, key: PeerKey, now: Instant) -> Scope {
        let shared = Within::Shared;
        if self.is_unbounded(key) {
            return Scope { first: shared, opens: Some(PieceSource::Anyone), then: Some(Within::All) };
        }
        let own = self.requests.pieces_of(key);
        let blocks = self.requests.blocks_of(&own);
        let waits = own.len() < MOST_WAITING && !self.suspicions.has_any() && self.waits_for_others(key, now);
        let is_full = blocks >= FIRST_BLOCKS && !waits;
        let has_none = own.is_empty();
        let own = Within::These(own);
        let alone = self.requests.lone_newcomers();
        let begun = self.requests.count_of_newcomers();
        if is_full {
            Scope { first: own, opens: None, then: None }
        } else if self.suspicions.is_wary() {
            let waits = alone.iter().any(|other| *other != key)
                || (self.statistics.idle_for(now) < LATELY && !self.suspicions.may_try(now));
            let opens = (!waits).then_some(PieceSource::Newcomer(key));
            // If there is none to open, what others have begun has to be completed.
            Scope { first: own, opens, then: (!waits).then_some(Within::All) }
        } else if alone.contains(&key)
            || (alone.len() < MOST_ALONE && !self.is_enough_on_its_way() && self.has_room_for_single(begun))
        {
            Scope { first: own, opens: Some(PieceSource::Newcomer(key)), then: Some(Within::All) }
        } else {
            // As long as no piece was wrong, nobody stands idle because one newcomer has begun a part of a small torrent.
            let is_idle = has_none && !self.suspicions.has_any();
            let most = if is_idle { MOST_PIECES } else { self.most_pieces() };
            let opens = (begun < most).then_some(PieceSource::Newcomers);
            Scope { first: shared, opens, then: Some(Within::All) }
        }
    }

    fn is_unbounded(&self, key: PeerKey) -> bool {
        let is_cheap = self.geometry.piece_length() <= BOUNDED_PIECES
            && BOUNDED_SOURCES.contains(&self.roster.sources());
        self.is_proved(key) || !(is_cheap || self.suspicions.has_any())
    }

    /// Whether a peer has sent all that it was asked for, and nothing else was found for it for some time.
    fn waits_for_others(&self, key: PeerKey, now: Instant) -> bool {
        let last_block = self.roster.get(key).map_or(now, |peer| peer.download.last_block);
        self.requests.count(key) == 0 && now.saturating_duration_since(last_block) >= WAITING
    }

    /// How many pieces may be in the hands of newcomers alone.
    fn most_pieces(&self) -> usize {
        MOST_PIECES.min((self.pieces.rarity().len() / PART_OF_PIECES).max(2))
    }

    fn has_room_for_single(&self, begun: usize) -> bool {
        let bytes = u64::from(self.geometry.piece_length()).saturating_mul(begun as u64 + 1);
        begun < self.most_pieces() / 2 && bytes <= self.budget.allowance() / PART_OF_MEMORY
    }

    /// The open pieces of which this peer may be asked for blocks that others owe us, and whether only for those of
    /// silent peers: a newcomer waits where there is something else that it will be asked for later.
    pub(in crate::swarm) fn may_help_with(&self, key: PeerKey) -> (Within, bool) {
        if self.is_unbounded(key) {
            return (Within::All, false);
        }
        let own = self.requests.pieces_of(key);
        let waits = self.pieces.room() > 0 && !self.suspicions.has_any();
        let is_free = own.is_empty() && !self.suspicions.is_wary();
        (if is_free { Within::All } else { Within::These(own) }, waits)
    }

    /// Peers have sent blocks that were right.
    pub(in crate::swarm) fn prove(&mut self, senders: &[PeerKey]) {
        for key in senders {
            if self.roster.get_mut(*key).is_some_and(|peer| peer.download.trust.proved()) {
                self.suspicions.proved();
            }
        }
    }

    pub(in crate::swarm) fn is_proved(&self, key: PeerKey) -> bool {
        self.roster.get(key).is_some_and(|peer| peer.download.trust.is_proved())
    }

    /// Fetches a piece that was wrong again, from one peer alone. If none is there that could send it, or no room, then
    /// later.
    pub(in crate::swarm) fn retry(&mut self, piece: PieceIndex, but: Option<PeerKey>, now: Instant) {
        let Some(sender) = self.choose_sender(piece, but, now) else { return };
        if self.pieces.open_one_of([piece]).is_some() {
            self.open(piece, PieceSource::OnePeer(Some(sender)), now);
            self.ask_alone(sender, now);
        }
    }

    /// Of pieces that one peer alone is to send: finds another if there is none, or if this one has fallen silent. The
    /// attempt begins anew then, so that again one peer has sent all of it.
    pub(in crate::swarm) fn look_after_retries(&mut self, now: Instant) {
        self.requests.share_overdue(now);
        self.release_held_back(now);
        for owner in self.requests.lone_newcomers() {
            if self.requests.count(owner) == 0 || !self.is_silent(owner, now) {
                continue;
            }
            let is_first_time = self.roster.get_mut(owner).is_some_and(|peer| peer.download.trust.held_up());
            if is_first_time && self.suspicions.has_any() {
                // What it has sent would spoil the piece for whoever goes on with it.
                self.requests.alone_of(owner).into_iter().for_each(|piece| self.give_up(piece, now));
            }
            self.ask_others(owner, now);
        }
        for (piece, owner, senders) in self.requests.exclusive() {
            if owner.is_some_and(|owner| !self.is_silent(owner, now)) {
                continue;
            }
            let Some(other) = self.choose_sender(piece, owner, now) else { continue };
            if owner.is_none() && senders.iter().all(|sender| *sender == other) {
                self.requests.assign(piece, other);
                self.ask_alone(other, now);
                continue;
            }
            if self.suspicions.may_begin_anew(piece) {
                self.give_up(piece, now);
                self.retry(piece, owner, now);
            }
        }
    }

    /// If nothing is to be found out soon, pieces of suspects wait no longer.
    pub(in crate::swarm) fn release_held_back(&mut self, now: Instant) {
        if !self.suspicions.are_fresh(now) {
            self.requests.release_held_back();
        }
    }

    fn ask_alone(&mut self, sender: PeerKey, now: Instant) {
        if let Some(peer) = self.roster.get_mut(sender) {
            peer.download.trust.wake();
        }
        self.fill(sender, now);
    }

    fn is_silent(&self, key: PeerKey, now: Instant) -> bool {
        let Some(peer) = self.roster.get(key) else { return true };
        let block_time = peer.download.pipeline.block_time().unwrap_or(1.0) * 4.0;
        let slow = Duration::try_from_secs_f64(block_time).unwrap_or(Duration::MAX).min(LONGEST_BLOCK);
        let silence = now.saturating_duration_since(peer.download.last_block);
        let patience = self.patience().max(slow).max(peer.shortest_silence());
        peer.download.overtaken || (self.requests.count(key) > 0 && silence > patience)
    }

    /// The peer that is to send a piece alone: one that has proved itself and no part in the failures of this piece, if
    /// there is one, and of those the fastest.
    fn choose_sender(&self, piece: PieceIndex, but: Option<PeerKey>, now: Instant) -> Option<PeerKey> {
        let suspects = self.suspicions.senders_of(piece);
        let may_send = |key: &PeerKey, peer: &crate::swarm::peers::Peer| {
            Some(*key) != but
                && !peer.download.overtaken
                && !peer.download.standing.rests(now)
                && peer.may_be_asked().is_some_and(|allowed| allowed.allows(piece))
        };
        let candidates = self.roster.senders().filter(|(key, peer)| may_send(key, peer));
        let rank = |key: PeerKey, peer: &crate::swarm::peers::Peer| {
            let trust = peer.download.trust;
            (trust.is_proved() && !suspects.contains(&key), trust.has_sent_good(), !suspects.contains(&key))
        };
        let best = candidates.max_by(|(one, peer), (other, than)| {
            let by_rate = peer.download.pipeline.rate().total_cmp(&than.download.pipeline.rate());
            rank(*one, peer).cmp(&rank(*other, than)).then(by_rate)
        });
        best.map(|(key, _)| key)
    }
}
