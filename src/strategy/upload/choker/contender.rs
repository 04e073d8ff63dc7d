//! A peer that competes for an upload slot: what it does with the one that it has, and what its claim to one is.

use super::{ChokeRecord, ChokerPeer, LEAST_PATIENCE, PATIENCE, ROUND, USE_DEADLINE};
use std::time::{Duration, Instant};

/// For how long after it connected a peer is a newcomer.
const NEWCOMER_TIME: Duration = Duration::from_secs(60);

/// The download rate of a peer that has a regular slot counts for a little more than it is, so that peers
/// that give the same do not lose each other by chance: two that serve each other gain more than strangers
/// that take turns.
const LOYALTY: f64 = 1.1;

/// The unchoke slot that a peer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldSlot {
    /// None: it is choked.
    None,
    /// It earned the slot by what it uploads to us.
    Regular,
    /// It has the slot for a limited time: by an optimistic unchoke, or as its turn while we seed.
    Temporary,
}

/// What an unchoked peer does with its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotUse {
    /// It has asked for something.
    Asks,
    /// It was unchoked so lately that its first request may be on its way.
    MayAsk,
    /// It has asked for nothing yet, although it had the time.
    Hesitates,
    /// It asks for nothing.
    Wastes,
    /// It wants nothing now.
    NotInterested,
}

/// What a peer's claim to a slot in a round rests on, the strongest claim first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SlotClaim {
    /// It was choked or unchoked less than a round ago, so it stays as it is.
    Settling,
    /// It is among the peers that upload to us fastest.
    Earned,
    /// Its turn is not over.
    InTurn,
    /// Its turn is over.
    TurnOver,
    /// It has not been interested since the last round.
    NotInterested,
    /// It asks for nothing.
    Unused,
}

/// One peer in this decision.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) peer: ChokerPeer,
    pub(super) record: ChokeRecord,
    /// Its slot before this decision.
    pub(super) slot_before: HeldSlot,
    /// It may be choked or unchoked now.
    pub(super) may_change: bool,
    pub(super) turn_is_over: bool,
    pub(super) is_newcomer: bool,
    /// It has asked for something since it was unchoked.
    has_asked: bool,
    /// It had the time to ask for something since it was unchoked.
    had_its_time: bool,
    /// It is among the peers that upload to us fastest, and is unchoked or can be.
    pub(super) earned: bool,
}

impl Contender {
    pub(super) fn new(peer: ChokerPeer, record: ChokeRecord, turn: Duration, now: Instant) -> Contender {
        let unchanged_for =
            |time| record.changed.is_none_or(|changed| now.saturating_duration_since(changed) >= time);
        let mut record = record;
        let is_unchoked = record.slot != HeldSlot::None;
        let last = peer.asked_at.max(record.changed);
        let has_asked = is_unchoked && peer.asked_at.is_some() && last == peer.asked_at;
        if is_unchoked && peer.peer_interested {
            let silent = last.is_some_and(|last| now.saturating_duration_since(last) >= USE_DEADLINE);
            record.wastes_slots = silent || (record.wastes_slots && !has_asked);
        }
        let patience = peer.interested_after.unwrap_or(PATIENCE).clamp(LEAST_PATIENCE, PATIENCE);
        let known_for = |since| peer.counted_at.saturating_duration_since(since);
        Contender {
            slot_before: record.slot,
            may_change: unchanged_for(ROUND),
            turn_is_over: unchanged_for(turn),
            is_newcomer: now.saturating_duration_since(peer.connected_at) < NEWCOMER_TIME,
            earned: false,
            has_asked,
            had_its_time: is_unchoked && record.changed.is_some_and(|since| known_for(since) >= patience),
            peer,
            record,
        }
    }

    pub(super) fn is_unchoked(&self) -> bool {
        self.record.slot != HeldSlot::None
    }

    pub(super) fn has_changed(&self) -> bool {
        self.is_unchoked() != (self.slot_before != HeldSlot::None)
    }

    /// What it does with its slot. `None` if it has none.
    pub(super) fn slot_use(&self) -> Option<SlotUse> {
        if !self.is_unchoked() {
            return None;
        }
        Some(if !self.peer.peer_interested {
            SlotUse::NotInterested
        } else if self.record.wastes_slots {
            SlotUse::Wastes
        } else if self.has_asked {
            SlotUse::Asks
        } else if self.had_its_time {
            SlotUse::Hesitates
        } else {
            SlotUse::MayAsk
        })
    }

    /// Whether it is unchoked and makes use of that, or may.
    pub(super) fn uses_slot(&self) -> bool {
        matches!(self.slot_use(), Some(SlotUse::Asks | SlotUse::MayAsk))
    }

    /// Whether it is unchoked, could make use of that and does not.
    pub(super) fn wastes_slot(&self) -> bool {
        self.slot_use() == Some(SlotUse::Wastes)
    }

    /// Whether it could use a slot now.
    pub(super) fn waits(&self) -> bool {
        !self.is_unchoked() && self.peer.peer_interested && self.may_change
    }

    /// Whether it uploads to us, and wants something for it.
    pub(super) fn gives(&self) -> bool {
        self.record.was_interested && !self.peer.snubbing && self.peer.download_rate > 0.0
    }

    /// What counts for a regular slot, in bytes a second.
    pub(super) fn merit(&self) -> f64 {
        let loyalty = if self.record.slot == HeldSlot::Regular { LOYALTY } else { 1.0 };
        self.peer.download_rate * loyalty
    }

    pub(super) fn claim(&self) -> SlotClaim {
        if self.wastes_slot() && !self.earned {
            SlotClaim::Unused
        } else if !self.may_change {
            SlotClaim::Settling
        } else if self.earned {
            SlotClaim::Earned
        } else if !self.record.was_interested {
            SlotClaim::NotInterested
        } else if self.record.slot == HeldSlot::Temporary && !self.turn_is_over {
            SlotClaim::InTurn
        } else {
            SlotClaim::TurnOver
        }
    }

    /// Since when it is unchoked, or since when it waits.
    pub(super) fn since(&self) -> Instant {
        self.record.changed.unwrap_or(self.peer.connected_at)
    }
}
