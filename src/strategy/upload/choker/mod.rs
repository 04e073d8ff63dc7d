//! Chooses the peers that we upload to (BEP 3, "choking").
//!
//! Runs on the coordinator's thread, several times a second, and sees rates and interest, never sockets.
//!
//! We *choke* a peer when we do not answer its requests, and *unchoke* it when we do. A peer is *interested*
//! when it wants pieces that we have. Only a few peers are unchoked at a time, since upload that is split
//! among too many helps none of them: each of these has an *unchoke slot*. Every ten seconds there is a
//! *round*, in which the slots are given anew:
//!
//! - *Tit for tat*, while we download: most slots are *regular*. They go to the peers that upload to us
//!   fastest, so that a peer earns speed by giving it. A peer that *snubs* us, which means that it owes us
//!   blocks and sends none, has earned nothing.
//! - *Optimistic unchoke*: a fifth of the slots, at least one and at most one for every four peers that
//!   upload to us, goes for thirty seconds each to peers drawn at random, which had no chance to earn a slot
//!   yet. A newcomer is drawn three times as often as others, since it has nothing to give until it was given
//!   something.
//! - If no peer uploads to us, every slot is optimistic: two peers that meet without any pieces start at
//!   once. If some do, slots that no peer earned go to peers that had no chance yet. A peer that had its
//!   thirty seconds and gave nothing gets one of the few optimistic slots only, so that it takes nothing from
//!   the peers that give.
//! - *Seeding*, no peer can earn anything. In every round a quarter of the slots, at least one, passes to the
//!   peers that have waited longest, so that every peer gets a turn, of at least twenty seconds. A peer that
//!   downloads twice as fast as others keeps its slot longer than they do.
//!
//! Between these rounds no peer is choked, not even when the download is complete, but a slot that no peer
//! uses is filled at once.
//!
//! A peer that is no longer interested uses no slot. It stays unchoked until the next round, and beyond it if
//! slots are left. In a swarm that waits for its seed, interest comes and goes with every piece, and a peer
//! that was choked for that would have to wait ten seconds for what the next piece brings. So for up to ten
//! seconds more peers may be unchoked than there are slots, but never more than twice as many.
//!
//! Nor does a peer use its slot that asks for nothing in it, though it says that it is interested. Its first
//! request takes a round trip, which is no longer than it took to say that it is interested. When that is over
//! another is unchoked beside it. As many as hesitate so are tried at once beyond the slots that are free, so that
//! their number doubles at every look: a crowd of two hundred is seen through in two seconds. After three seconds
//! such a peer may be choked for another, and from then on it comes behind all others that wait, until it asks for
//! something. One at a time is unchoked beyond the slots, so that it can. Otherwise peers that want nothing would
//! keep all others waiting.
//!
//! With n peers and s slots a peer's turn at a seed comes within 10 s × n / (s/4).
//!
//! `tests/choking.rs` tests this in swarms of 20 peers: a seed, 15 that upload, and 4 *free riders*, which
//! upload nothing. With 6 to 10 slots the peers that upload finish within 10 % of one another, and all free
//! riders after them. With 4 or 5 slots the last peer that uploads may be 15 % behind the first, and 10 to 30
//! % if peers leave when they are complete and take their upload along. In a swarm whose seed is slower than
//! what the leechers can pass on, all peers wait for the seed, and free riders finish with the others. No
//! choking can change that.

mod contender;
mod slots;

use crate::piece::PeerKey;
use contender::{Contender, HeldSlot};
use slots::SlotAllocation;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The time between two rounds, and the least time between two changes of one peer, unless it makes no use of
/// its slot.
const ROUND: Duration = Duration::from_secs(10);
/// The shortest and the longest time that an unchoked peer has for its first request. When it is over, another is
/// unchoked beside it.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(1);
/// An unchoked peer that asks for nothing for this long makes no use of its slot.
const USE_DEADLINE: Duration = Duration::from_secs(3);
/// How long an optimistic unchoke lasts.
const OPTIMISTIC_TURN: Duration = Duration::from_secs(30);
/// How long a turn lasts while we seed.
const SEEDING_TURN: Duration = Duration::from_secs(20);
const MIN_SLOTS: usize = 4;
const MAX_SLOTS: usize = 200;
/// So many times as many peers as there are slots may be unchoked, if all but a few of them make no use of that.
const MOST_UNCHOKED: usize = 64;

/// One connected peer as the choker sees it.
#[derive(Clone, Copy, Debug)]
pub struct ChokerPeer {
    /// Which connection it is.
    pub key: PeerKey,
    /// It wants something that we have.
    pub peer_interested: bool,
    /// Bytes a second that we download from it.
    pub download_rate: f64,
    /// Bytes a second that we upload to it.
    pub upload_rate: f64,
    /// It owes us blocks and sends none.
    pub snubbing: bool,
    /// When it was connected.
    pub connected_at: Instant,
    /// How long after that it first said that it is interested: for longer than a round trip, since it had to
    /// hear first what we have.
    pub interested_after: Option<Duration>,
    /// When it last asked us for a block or was sent one; `None` if it never was.
    pub asked_at: Option<Instant>,
    /// Up to when `asked_at` is known.
    pub counted_at: Instant,
}

/// Unchoke slots for an upload rate in bytes a second: the user's limit, or what was measured. At least 4.
///
/// They grow with the square root of the rate, so that a faster line serves more peers and each of them
/// faster: 5 at 100 KiB/s, 16 at 1 MiB/s, 50 at 10 MiB/s. More than 200 would serve no peer better.
pub fn unchoke_slots(upload_rate: f64) -> usize {
    (((upload_rate / 1024.0).sqrt() / 2.0) as usize).clamp(MIN_SLOTS, MAX_SLOTS)
}

/// Which peers of one torrent are unchoked.
#[derive(Debug)]
pub struct Choker {
    records: HashMap<PeerKey, ChokeRecord>,
    next_round: Instant,
}

/// What the choker remembers of a peer.
#[derive(Clone, Copy, Debug)]
struct ChokeRecord {
    slot: HeldSlot,
    /// When it was last choked or unchoked.
    changed: Option<Instant>,
    /// It was interested at some time since the last round.
    was_interested: bool,
    /// It had a whole turn in which it could have given us something.
    had_its_chance: bool,
    /// When it last had a slot, it asked for nothing.
    wastes_slots: bool,
}

impl Choker {
    /// A choker that knows no peer.
    pub fn new(now: Instant) -> Choker {
        Choker { records: HashMap::new(), next_round: now + ROUND }
    }

    /// Which peers change; `true` means unchoke. The chokes come first.
    ///
    /// To be called several times a second, and when interest changes or a peer leaves, with all peers of the
    /// torrent: a peer that is not among them is forgotten. Costs a step for each peer. If peers wait and
    /// slots are free, it costs a step for each peer and each such slot.
    pub fn decide(
        &mut self,
        peers: &[ChokerPeer],
        seeding: bool,
        slots: usize,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Vec<(PeerKey, bool)> {
        let turn = if seeding { SEEDING_TURN } else { OPTIMISTIC_TURN };
        let contender = |peer: &ChokerPeer| {
            let mut record = self.records.get(&peer.key).copied().unwrap_or(ChokeRecord::new());
            record.was_interested |= peer.peer_interested;
            Contender::new(*peer, record, turn, now)
        };
        let mut allocation = SlotAllocation::new(peers.iter().map(contender).collect(), seeding, slots, now);
        if now >= self.next_round {
            self.next_round = now + ROUND;
            allocation.round();
        }
        allocation.fill(random);
        let changes = allocation.changes();
        self.records = allocation.records().collect();
        changes
    }

    /// Whether this peer had the time to ask for something in a slot. Whether it did so its caller knows.
    pub fn had_its_time(&self, key: PeerKey, now: Instant) -> bool {
        let had = |record: &ChokeRecord| {
            let since = record.changed.filter(|_| record.slot != HeldSlot::None);
            since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
        };
        self.records.get(&key).is_some_and(|record| record.wastes_slots || had(record))
    }

    /// Whether this peer is unchoked.
    pub fn is_unchoked(&self, key: PeerKey) -> bool {
        self.records.get(&key).is_some_and(|record| record.slot != HeldSlot::None)
    }

    /// Why this peer is unchoked, or choked, in words.
    pub fn reason(&self, key: PeerKey, seeding: bool) -> &'static str {
        match self.records.get(&key).map(|record| record.slot) {
            Some(HeldSlot::Regular) => "it is among those that upload to us fastest",
            Some(HeldSlot::Temporary) if seeding => "its turn to have a slot",
            Some(HeldSlot::Temporary) => "optimistic unchoke",
            Some(HeldSlot::None) | None => "others get its slot, or it does not use it",
        }
    }

    /// This peer has left: its slot is free.
    pub fn left(&mut self, key: PeerKey) {
        self.records.remove(&key);
    }
}

impl ChokeRecord {
    /// Of a peer that was never unchoked.
    fn new() -> ChokeRecord {
        ChokeRecord {
            slot: HeldSlot::None,
            changed: None,
            was_interested: false,
            had_its_chance: false,
            wastes_slots: false,
        }
    }
}

#[cfg(test)]
mod tests;
