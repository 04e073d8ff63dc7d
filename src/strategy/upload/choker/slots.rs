//! One decision of the choker: the peers that compete, the slots, and which peer gets which.

use super::contender::{Contender, HeldSlot, SlotClaim, SlotUse};
use super::{ChokeRecord, MOST_UNCHOKED};
use crate::piece::PeerKey;
use std::cmp::Ordering;
use std::time::Instant;

/// Lots of a newcomer in a draw in which other peers have one.
const NEWCOMER_LOTS: u32 = 3;

/// The peers and the slots of one decision.
#[derive(Debug)]
pub(super) struct SlotAllocation {
    contenders: Vec<Contender>,
    seeding: bool,
    slots: usize,
    /// How many of the slots go to peers that did not earn them.
    temporary_slots: usize,
    now: Instant,
}

impl SlotAllocation {
    pub(super) fn new(
        contenders: Vec<Contender>,
        seeding: bool,
        slots: usize,
        now: Instant,
    ) -> SlotAllocation {
        let givers = contenders.iter().filter(|contender| contender.gives()).count();
        let temporary_slots = match givers {
            _ if seeding => slots,
            0 => slots,
            // If only a few peers upload to us, they must not have to share our upload with optimistic
            // unchokes in all other slots.
            _ => (slots / 5).min(givers / 4).max(1).min(slots.saturating_sub(1)),
        };
        SlotAllocation { contenders, seeding, slots, temporary_slots, now }
    }

    /// A round: gives the slots anew to the peers that are unchoked and to those that earned one.
    pub(super) fn round(&mut self) {
        for contender in &mut self.contenders {
            contender.record.had_its_chance |= contender.is_unchoked() && contender.turn_is_over;
        }
        if !self.seeding {
            self.find_earners();
        }
        let waiting = self.contenders.iter().filter(|it| it.waits() && !it.earned);
        let waiting = waiting.filter(|contender| !contender.record.wastes_slots).count();
        // Left for the peers that wait, which `fill` chooses from.
        let kept_free = if self.seeding { waiting.min((self.slots / 4).max(1)) } else { waiting };
        let (slots, temporary_slots, seeding) = (self.slots, self.temporary_slots, self.seeding);
        let mut order: Vec<&mut Contender> = self
            .contenders
            .iter_mut()
            .filter(|contender| contender.is_unchoked() || contender.earned)
            .collect();
        sort(&mut order, &|a, b| by_claim(a, b, seeding));
        let asking = order.iter().filter(|contender| contender.slot_use() == Some(SlotUse::Asks)).count();
        // Peers that are tried beyond the slots take nothing from those that ask.
        let mut tried = asking.max(slots);
        let (mut used, mut temporary) = (0, 0);
        for contender in order {
            let counts = match contender.slot_use() {
                Some(SlotUse::Hesitates) => false,
                Some(SlotUse::MayAsk) => {
                    tried = tried.saturating_sub(1);
                    tried >= asking
                }
                _ => true,
            };
            let stays = match contender.claim() {
                SlotClaim::Settling => true,
                SlotClaim::Earned | SlotClaim::NotInterested => used < slots,
                SlotClaim::InTurn => {
                    used < slots && (temporary < temporary_slots || !contender.record.had_its_chance)
                }
                SlotClaim::TurnOver | SlotClaim::Unused => {
                    used + kept_free < slots && temporary + kept_free < temporary_slots
                }
            };
            contender.record.slot = match (stays, contender.earned) {
                (false, _) => HeldSlot::None,
                (true, true) => HeldSlot::Regular,
                (true, false) => HeldSlot::Temporary,
            };
            contender.may_change &= stays;
            used += usize::from(stays && counts);
            temporary += usize::from(stays && counts && !contender.earned);
        }
        for contender in &mut self.contenders {
            contender.record.was_interested = contender.peer.peer_interested;
        }
    }

    /// Marks the peers that upload to us fastest, as many as there are regular slots.
    fn find_earners(&mut self) {
        let regular_slots = self.slots.saturating_sub(self.temporary_slots);
        let mut givers: Vec<&mut Contender> =
            self.contenders.iter_mut().filter(|contender| contender.gives()).collect();
        sort(&mut givers, &|a, b| greatest_first(a.merit(), b.merit()).then(a.peer.key.cmp(&b.peer.key)));
        for contender in givers.into_iter().take(regular_slots) {
            contender.earned = contender.is_unchoked() || contender.waits();
        }
    }

    /// Fills the slots that no peer uses. What is left, but at least one slot beyond them, goes to peers that
    /// wasted their last one, so that they can show that they have learned to ask.
    pub(super) fn fill(&mut self, random: &mut fastrand::Rng) {
        for _ in 0..self.room(self.slots, |_| true) {
            let next = if self.seeding { self.longest_waiting(false) } else { self.next(random) };
            let Some((key, slot)) = next.filter(|_| self.make_room()) else { break };
            self.give(key, slot);
        }
        let used = self.contenders.iter().filter(|contender| contender.uses_slot()).count();
        let free = self.slots.saturating_sub(used);
        while self.unchoked_wasters() < free.max(1).min(self.slots)
            && self.unchoked() < self.slots.saturating_mul(2)
            && let Some((key, slot)) = self.longest_waiting(true)
        {
            self.give(key, slot);
        }
    }

    /// How many more peers may be unchoked to fill so many slots, of which these peers have some. If peers that had
    /// the time to ask have not, as many more are tried at once.
    fn room(&self, slots: usize, is_one: impl Fn(&Contender) -> bool) -> usize {
        let count = |slot_use| {
            let those = self.contenders.iter().filter(|it| it.slot_use() == Some(slot_use) && is_one(it));
            those.count()
        };
        match slots.saturating_sub(count(SlotUse::Asks)) {
            0 => 0,
            free => (free + count(SlotUse::Hesitates)).saturating_sub(count(SlotUse::MayAsk)),
        }
    }

    fn give(&mut self, key: PeerKey, slot: HeldSlot) {
        for contender in self.contenders.iter_mut().filter(|contender| contender.peer.key == key) {
            contender.record.slot = slot;
        }
    }

    fn unchoked(&self) -> usize {
        self.contenders.iter().filter(|contender| contender.is_unchoked()).count()
    }

    fn unchoked_wasters(&self) -> usize {
        self.contenders.iter().filter(|contender| contender.wastes_slot()).count()
    }

    /// Sees to it that one peer more may be unchoked, where need be in place of one that makes no use of that.
    /// False if there is no such peer.
    fn make_room(&mut self) -> bool {
        let count = |is_one: fn(SlotUse) -> bool| {
            let uses = self.contenders.iter().filter_map(Contender::slot_use);
            uses.filter(|slot_use| is_one(*slot_use)).count()
        };
        let idle = count(|it| matches!(it, SlotUse::Hesitates | SlotUse::Wastes));
        let tried = count(|it| it == SlotUse::Hesitates);
        let unchoked = self.unchoked();
        if unchoked.saturating_sub(idle) < self.slots.saturating_mul(2).saturating_add(tried)
            && unchoked < self.slots.saturating_mul(MOST_UNCHOKED)
        {
            return true;
        }
        let wasters = self
            .contenders
            .iter_mut()
            .filter(|contender| contender.wastes_slot() && contender.record.slot == HeldSlot::Temporary);
        let longest = wasters.min_by_key(|contender| (contender.since(), contender.peer.key));
        longest.is_some_and(|contender| {
            contender.record.slot = HeldSlot::None;
            contender.may_change = false;
            true
        })
    }

    /// The peer that has waited longest among those that wasted their last slot, or among the others.
    fn longest_waiting(&self, wasters: bool) -> Option<(PeerKey, HeldSlot)> {
        let is_one = |it: &&Contender| it.waits() && it.record.wastes_slots == wasters;
        let waiting = self.contenders.iter().filter(is_one);
        let longest = waiting.min_by_key(|contender| (contender.since(), contender.peer.key))?;
        Some((longest.peer.key, HeldSlot::Temporary))
    }

    /// The peer that uploads to us fastest, if regular slots are left; otherwise one drawn at random.
    fn next(&self, random: &mut fastrand::Rng) -> Option<(PeerKey, HeldSlot)> {
        let used = |slot| {
            let those = self.contenders.iter();
            those.filter(|contender| contender.uses_slot() && contender.record.slot == slot).count()
        };
        if used(HeldSlot::Regular) + self.temporary_slots < self.slots {
            let givers = self.contenders.iter().filter(|contender| contender.waits() && contender.gives());
            let best = givers.min_by(|a, b| greatest_first(a.peer.download_rate, b.peer.download_rate));
            if let Some(best) = best {
                return Some((best.peer.key, HeldSlot::Regular));
            }
        }
        let is_temporary = |it: &Contender| it.record.slot == HeldSlot::Temporary;
        let optimistic_slot_is_free = self.room(self.temporary_slots, is_temporary) > 0;
        let lots = |contender: &Contender| {
            let may_draw = contender.waits()
                && !contender.record.wastes_slots
                && (optimistic_slot_is_free || !contender.record.had_its_chance);
            match may_draw {
                false => 0,
                true if contender.is_newcomer => NEWCOMER_LOTS,
                true => 1,
            }
        };
        let all: u32 = self.contenders.iter().map(lots).sum();
        let mut drawn = (all > 0).then(|| random.u32(..all))?;
        let winner = self.contenders.iter().find(|contender| match drawn.checked_sub(lots(contender)) {
            Some(left) => {
                drawn = left;
                false
            }
            None => true,
        })?;
        Some((winner.peer.key, HeldSlot::Temporary))
    }

    /// The peers that are choked now and were not before, and then those that are unchoked now and were not.
    pub(super) fn changes(&mut self) -> Vec<(PeerKey, bool)> {
        let mut changes = Vec::new();
        for unchoke in [false, true] {
            for contender in &mut self.contenders {
                if contender.has_changed() && contender.is_unchoked() == unchoke {
                    contender.record.changed = Some(self.now);
                    changes.push((contender.peer.key, unchoke));
                }
            }
        }
        changes
    }

    pub(super) fn records(self) -> impl Iterator<Item = (PeerKey, ChokeRecord)> {
        self.contenders.into_iter().map(|contender| (contender.peer.key, contender.record))
    }
}

/// Sorts by `order`. Behind a `dyn`, so that the program holds only one copy of the sorting code.
fn sort(contenders: &mut [&mut Contender], order: &dyn Fn(&Contender, &Contender) -> Ordering) {
    contenders.sort_by(|a, b| order(a, b));
}

/// By claim. Then, while we seed, the faster peer first. Then the one that was unchoked later, whose turn has
/// longer to go.
fn by_claim(a: &Contender, b: &Contender, seeding: bool) -> Ordering {
    // The rates of peers that share our upload differ by chance. Only a peer with twice the rate is faster.
    let speed = |contender: &Contender| {
        if seeding { (contender.peer.upload_rate as u64).checked_ilog2().unwrap_or(0) } else { 0 }
    };
    a.claim()
        .cmp(&b.claim())
        .then(speed(b).cmp(&speed(a)))
        .then(b.since().cmp(&a.since()))
        .then(a.peer.key.cmp(&b.peer.key))
}

fn greatest_first(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}
