//! Which peers may have sent wrong data: the senders of pieces that failed.
//!
//! A piece that one peer sent alone convicts that peer. A piece that several sent is fetched again, as
//! `swarm/download/inquiry.rs` says. When it verifies, the blocks that differ between the attempts convict their
//! senders, and the others are cleared. A sender may have left by then, so its address is remembered and that address
//! is banned.

use crate::message::PeerKey;
use crate::piece::{PieceIndex, Suspects};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The most failed attempts at one piece that are remembered. Each convicts the senders of its wrong blocks
/// when the piece verifies.
const MAX_ATTEMPTS: usize = 4;
/// The most peers of which it is remembered that they were right when most were not.
const MAX_CREDIBLE: usize = 20;
/// So many times an attempt at a piece is begun anew because its only sender fell silent.
const MAX_ANEW: u32 = 8;
/// From so many failed pieces on we are wary of newcomers. One that proves itself makes up for one failure.
const WARY: u32 = 6;
/// How long no newcomer is tried after a failure when we are wary and others send. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long an inquiry goes on when nothing is heard of its piece, and how long at most.
const FRESH: Duration = Duration::from_secs(10);
const LONGEST_INQUIRY: Duration = Duration::from_secs(60);

/// The suspects of one torrent.
#[derive(Debug, Default)]
pub struct Suspicions {
    /// The failed attempts at pieces: which peer sent which block, with what digest.
    attempts: Vec<(PieceIndex, Suspects)>,
    /// The addresses of their senders, which may have left.
    addresses: HashMap<PeerKey, SocketAddr>,
    /// The pieces of which no two peers send the same, and the peers that were right of some, with how many times.
    not_comparable: Vec<PieceIndex>,
    credible: Vec<(PeerKey, u32)>,
    /// Peers were asked for the same, and most of them did not agree.
    most_lie: bool,
    /// How many times an attempt of one peer alone was begun anew because the peer fell silent.
    anew: HashMap<PieceIndex, u32>,
    /// Failed pieces, less the newcomers that have proved themselves since.
    failures: u32,
    last_failure: Option<Instant>,
    /// When something was last heard of a piece that had failed.
    last_heard: Option<Instant>,
}

impl Suspicions {
    /// The failed attempts at a piece.
    pub fn attempts_at(&self, piece: PieceIndex) -> Vec<Suspects> {
        let of_it = self.attempts.iter().filter(|(other, _)| *other == piece);
        of_it.map(|(_, attempt)| attempt.clone()).collect()
    }

    /// The peers that sent blocks of a piece when it failed.
    pub fn senders_of(&self, piece: PieceIndex) -> Vec<PeerKey> {
        self.attempts_at(piece).iter().flat_map(Suspects::senders).collect()
    }

    /// A piece failed.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        (self.last_failure, self.last_heard) = (Some(now), Some(now));
    }

    /// A block of a piece that had failed came.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = Some(now);
    }

    /// This piece does not come by comparing it, but these peers have sent some blocks as others had.
    pub fn not_comparable(&mut self, piece: PieceIndex, credible: Vec<PeerKey>) {
        self.not_comparable.push(piece);
        credible.into_iter().for_each(|peer| self.was_right(peer));
    }

    /// Peers were asked for the same, and most of them did not agree.
    pub fn most_seem_to_lie(&mut self) {
        self.most_lie = true;
    }

    /// This peer has sent something alone, or as only few did, of which most had sent something else.
    pub fn was_right(&mut self, peer: PeerKey) {
        let times = self.times_right(peer);
        self.credible.retain(|(other, _)| *other != peer);
        if self.credible.len() >= MAX_CREDIBLE {
            self.credible.remove(0);
        }
        self.credible.push((peer, times.saturating_add(1)));
    }

    /// Whether peers may agree on what this piece is.
    pub fn may_be_compared(&self, piece: PieceIndex) -> bool {
        !self.not_comparable.contains(&piece)
    }

    /// Whether most of those that were asked for the same did not agree.
    pub fn most_lie(&self) -> bool {
        self.most_lie
    }

    /// The pieces that failed and have not verified since.
    pub fn pieces(&self) -> Vec<PieceIndex> {
        let mut pieces: Vec<PieceIndex> = self.attempts.iter().map(|(piece, _)| *piece).collect();
        pieces.dedup();
        pieces
    }

    /// How many times this peer was right where most were not.
    pub fn times_right(&self, peer: PeerKey) -> u32 {
        self.credible.iter().find(|(other, _)| *other == peer).map_or(0, |(_, times)| *times)
    }

    /// An attempt at a piece failed. Several peers had sent its blocks, from these addresses.
    pub fn suspect(
        &mut self,
        piece: PieceIndex,
        attempt: Suspects,
        senders: impl IntoIterator<Item = (PeerKey, SocketAddr)>,
    ) {
        self.addresses.extend(senders);
        if self.attempts.iter().filter(|(other, _)| *other == piece).count() < MAX_ATTEMPTS {
            self.attempts.push((piece, attempt));
        }
    }

    /// Where a suspect was when it sent its blocks.
    pub fn address_of(&self, sender: PeerKey) -> Option<SocketAddr> {
        self.addresses.get(&sender).copied()
    }

    /// The piece verified: its failed attempts are of no use any more. Returns who had sent them.
    pub fn verified(&mut self, piece: PieceIndex) -> Vec<PeerKey> {
        let senders = self.senders_of(piece);
        self.anew.remove(&piece);
        self.not_comparable.retain(|other| *other != piece);
        self.attempts.retain(|(other, _)| *other != piece);
        senders
    }

    /// The convicted senders of a verified piece are banned. Forgets the addresses if no suspect is left.
    pub fn convicted(&mut self) {
        if self.attempts.is_empty() {
            self.addresses.clear();
        }
    }

    /// Whether another peer may begin a piece anew, because the one that was to send it alone fell silent. Where all are
    /// slow together that would go on for ever.
    pub fn may_begin_anew(&mut self, piece: PieceIndex) -> bool {
        let times = self.anew.entry(piece).or_insert(0);
        *times += 1;
        *times <= MAX_ANEW
    }

    /// A newcomer has proved itself.
    pub fn proved(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }

    /// Whether any piece failed.
    pub fn has_any(&self) -> bool {
        self.last_failure.is_some()
    }

    /// Whether it may soon be known who lied: a piece that has failed lately is being fetched again.
    pub fn are_fresh(&self, now: Instant) -> bool {
        let within =
            |last: Option<Instant>, time| last.is_some_and(|last| now.saturating_duration_since(last) < time);
        !self.attempts.is_empty()
            && within(self.last_heard, FRESH)
            && within(self.last_failure, LONGEST_INQUIRY)
    }

    /// Whether so many pieces failed, or so many lie, that newcomers are tried one at a time.
    pub fn is_wary(&self) -> bool {
        self.failures >= if self.most_lie { 1 } else { WARY }
    }

    /// Whether another newcomer may be tried now although others send what we want.
    pub fn may_try(&self, now: Instant) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.saturating_sub(WARY)));
        self.last_failure.is_none_or(|last| now.saturating_duration_since(last) >= pause.min(LONGEST_PAUSE))
    }
}
