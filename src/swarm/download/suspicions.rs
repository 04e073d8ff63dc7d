//! Which peers may have sent wrong data: the senders of pieces that failed.
//!
//! A piece that one peer sent alone convicts that peer. A piece that several sent is fetched again, from one
//! peer alone. When it verifies, the blocks that differ between the two attempts convict their senders, and the
//! others are cleared. A sender may have left by then, so its address is remembered and that address is banned.

use crate::message::PeerKey;
use crate::piece::{PieceIndex, Suspects};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The most failed attempts at one piece that are remembered. Each convicts the senders of its wrong blocks
/// when the piece verifies.
const MAX_ATTEMPTS: usize = 4;
/// So many times an attempt at a piece is begun anew because its only sender fell silent.
const MAX_ANEW: u32 = 8;
/// From so many failed pieces on we are wary of newcomers. One that proves itself makes up for one failure.
const WARY: u32 = 6;
/// How long no newcomer is tried after a failure when we are wary and others send. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long the other pieces of suspects wait for the one that has failed. A fast peer sends one of 4 MiB in that time;
/// where all are slow, waiting would cost more than a wrong piece.
const FRESH: Duration = Duration::from_secs(10);

/// The suspects of one torrent.
#[derive(Debug, Default)]
pub struct Suspicions {
    /// The failed attempts at pieces: which peer sent which block, with what digest.
    attempts: Vec<(PieceIndex, Suspects)>,
    /// The addresses of their senders, which may have left.
    addresses: HashMap<PeerKey, SocketAddr>,
    /// How many times an attempt of one peer alone was begun anew because the peer fell silent.
    anew: HashMap<PieceIndex, u32>,
    /// Failed pieces, less the newcomers that have proved themselves since.
    failures: u32,
    last_failure: Option<Instant>,
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
        self.last_failure = Some(now);
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
        let is_fresh = |last| now.saturating_duration_since(last) < FRESH;
        !self.attempts.is_empty() && self.last_failure.is_some_and(is_fresh)
    }

    /// Whether so many pieces failed that newcomers are tried one at a time.
    pub fn is_wary(&self) -> bool {
        self.failures >= WARY
    }

    /// Whether another newcomer may be tried now although others send what we want.
    pub fn may_try(&self, now: Instant) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.saturating_sub(WARY)));
        self.last_failure.is_none_or(|last| now.saturating_duration_since(last) >= pause.min(LONGEST_PAUSE))
    }
}
