//! Chooses the peers that we upload to (BEP 3, "choking").
//!
//! Runs on the coordinator's thread, several times a second, and sees rates and interest, never sockets.
//! Every ten seconds the *unchoke slots* are given anew:
//!
//! - *Tit for tat*, while we download: most slots go to those who give us most, so that a peer earns
//!   speed by giving it. A *snubbing* peer, which owes us blocks and sends none, has earned nothing.
//! - *Optimistic unchokes*: a fifth of the slots, one at least, goes for thirty seconds each to peers
//!   drawn by lot, which could not earn a slot yet. A newcomer has three lots, since it has nothing to
//!   give before it was given something.
//! - Where nobody has given anything, every slot is optimistic: two that meet with nothing begin at once.
//!   Where somebody has, slots that nobody earned go to peers that were never tried; who had its thirty
//!   seconds and gave nothing shares the few optimistic slots, and does not share with those who give.
//! - *Seeding*, there is nothing to earn. A quarter of the slots, one at least, passes in every round to
//!   those who have waited longest, so that everybody gets a turn, of twenty seconds at least. Who takes
//!   twice as fast as others keeps its slot before them.
//!
//! Between these rounds nobody is choked, but a slot that nobody uses is filled at once.
//!
//! A peer that is no longer interested uses no slot and stays unchoked until the next round, and beyond it
//! where slots are left: in a swarm that waits for its seed, interest comes and goes with every piece, and
//! who was choked for that would have to wait ten seconds for what the next piece brings. So for ten
//! seconds more peers may be unchoked than there are slots, but never twice as many.
//!
//! With n peers and s slots a peer's turn at a seed comes within 10 s × n / (s/4).
//!
//! `tests/choking.rs` runs swarms of 20 (a seed, 15 that share, 4 that give nothing) against this. With 6
//! to 10 slots those that share finish within 10 % of one another, and the free riders after them all.
//! With 4 or 5 slots the last that shares may be 15 % behind the first, and 10 to 30 % where a peer that
//! is done leaves and takes its upload along. In a swarm whose seed is slower than what the leechers can
//! pass on, all peers wait for the seed, and free riders finish with the others: no choking can change
//! that.

mod slots;

use slots::{Peer, Seats, State};
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How often the slots are given anew, and the least time between two changes of one peer.
const ROUND: Duration = Duration::from_secs(10);
/// How long an optimistic unchoke lasts.
const TURN: Duration = Duration::from_secs(30);
/// How long, seeding, a turn lasts.
const SEED_TURN: Duration = Duration::from_secs(20);
const MIN_SLOTS: usize = 4;
const MAX_SLOTS: usize = 200;

/// One connected peer as the choker sees it.
#[derive(Clone, Copy, Debug)]
pub struct View<Key> {
    /// Names it.
    pub key: Key,
    /// It wants something that we have.
    pub interested: bool,
    /// Bytes a second that it gives us.
    pub gives: f64,
    /// Bytes a second that it takes from us.
    pub takes: f64,
    /// It owes us blocks and sends none.
    pub snubs: bool,
    /// When it was connected.
    pub since: Instant,
}

/// Unchoke slots for an upload rate in bytes a second: the user's limit, or what was measured. At least 4.
///
/// They grow with the square root of the rate, so that a faster line serves more peers and each of them
/// faster: 5 at 100 KiB/s, 16 at 1 MiB/s, 50 at 10 MiB/s. More than 200 serve nobody better.
pub fn slots(rate: f64) -> usize {
    (((rate / 1024.0).sqrt() / 2.0) as usize).clamp(MIN_SLOTS, MAX_SLOTS)
}

/// Who is unchoked in one torrent.
#[derive(Debug)]
pub struct Choker<Key> {
    known: HashMap<Key, Known>,
    next_round: Instant,
}

/// What is remembered of a peer.
#[derive(Clone, Copy, Debug)]
struct Known {
    state: State,
    /// When it was choked or unchoked last.
    changed: Option<Instant>,
    /// It was interested at some time since the last round.
    wanting: bool,
    /// It had its chance to give us something.
    tried: bool,
}

impl<Key: Copy + Eq + Hash + Ord> Choker<Key> {
    /// A choker that knows nobody.
    pub fn new(now: Instant) -> Choker<Key> {
        Choker { known: HashMap::new(), next_round: now + ROUND }
    }

    /// Which peers change; `true` is unchoke. The chokes come first.
    ///
    /// To be called several times a second, and when interest changes or a peer leaves, with all peers of
    /// the torrent: who is not among them is forgotten. Costs a step for each peer, and where somebody
    /// waits for a slot that is free, a step for each peer and each such slot.
    pub fn decide(
        &mut self,
        peers: &[View<Key>],
        seeding: bool,
        slots: usize,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Vec<(Key, bool)> {
        let known = |view: &View<Key>| {
            let mut known = self.known.get(&view.key).copied().unwrap_or(Known::stranger());
            known.wanting |= view.interested;
            Peer::new(*view, known, if seeding { SEED_TURN } else { TURN }, now)
        };
        let mut slots = Seats::new(peers.iter().map(known).collect(), seeding, slots, now);
        if now >= self.next_round {
            self.next_round = now + ROUND;
            slots.round();
        }
        slots.fill(random);
        let changes = slots.changes();
        self.known = slots.remembered().collect();
        changes
    }

    /// Whether this peer is unchoked.
    pub fn is_unchoked(&self, key: Key) -> bool {
        self.known.get(&key).is_some_and(|known| known.state != State::Choked)
    }

    /// This peer has left: its slot is free.
    pub fn left(&mut self, key: Key) {
        self.known.remove(&key);
    }
}

impl Known {
    fn stranger() -> Known {
        Known { state: State::Choked, changed: None, wanting: false, tried: false }
    }
}

#[cfg(test)]
mod tests;
