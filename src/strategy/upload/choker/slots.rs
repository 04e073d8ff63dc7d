//! One decision of the choker: the peers, the slots, and who gets which.

use super::{Known, ROUND, View};
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// For how long a peer is a newcomer.
const NEW: Duration = Duration::from_secs(60);
/// How many lots a newcomer has where others have one.
const LOTS_OF_A_NEWCOMER: u32 = 3;

/// Who has a regular slot counts for a little more than what it gives, so that peers who give the same do
/// not lose each other to chance: two that serve each other gain more than strangers who take turns.
const LOYALTY: f64 = 1.1;

/// How we stand to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Choked,
    /// Unchoked, for what it gives.
    Regular,
    /// Unchoked for a while: optimistically, or in its turn.
    Turn,
}

/// Who keeps a slot in a round, the first come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It was changed less than a round ago and is left as it is.
    Settling,
    /// It is among those who give most.
    Earned,
    /// Its turn is not over.
    InTurn,
    /// Its turn is over.
    Over,
    /// It has not been interested since the last round.
    Idle,
}

/// One peer in this decision.
#[derive(Debug)]
pub(super) struct Peer<Key> {
    view: View<Key>,
    known: Known,
    /// How it stood before.
    was: State,
    /// It may be choked or unchoked now.
    may_change: bool,
    turn_is_over: bool,
    new: bool,
    /// It is among those who give most, and is unchoked or can be.
    earned: bool,
}

impl<Key> Peer<Key> {
    pub(super) fn new(view: View<Key>, known: Known, turn: Duration, now: Instant) -> Peer<Key> {
        let changed_before =
            |time| known.changed.is_none_or(|changed| now.saturating_duration_since(changed) >= time);
        Peer {
            was: known.state,
            may_change: changed_before(ROUND),
            turn_is_over: changed_before(turn),
            new: now.saturating_duration_since(view.since) < NEW,
            earned: false,
            view,
            known,
        }
    }

    fn unchoked(&self) -> bool {
        self.known.state != State::Choked
    }

    /// Unchoked, and uses it.
    fn served(&self) -> bool {
        self.unchoked() && self.view.interested
    }

    /// Could use a slot now.
    fn waits(&self) -> bool {
        !self.unchoked() && self.view.interested && self.may_change
    }

    fn gives(&self) -> bool {
        self.known.wanting && !self.view.snubs && self.view.gives > 0.0
    }

    /// What a regular slot is earned with.
    fn merit(&self) -> f64 {
        if self.known.state == State::Regular { self.view.gives * LOYALTY } else { self.view.gives }
    }

    fn rank(&self) -> Rank {
        if !self.may_change {
            Rank::Settling
        } else if self.earned {
            Rank::Earned
        } else if !self.known.wanting {
            Rank::Idle
        } else if self.known.state == State::Turn && !self.turn_is_over {
            Rank::InTurn
        } else {
            Rank::Over
        }
    }

    /// Since when it is unchoked, or how long it has waited.
    fn since(&self) -> Instant {
        self.known.changed.unwrap_or(self.view.since)
    }
}

/// The peers and the slots of one decision.
#[derive(Debug)]
pub(super) struct Seats<Key> {
    peers: Vec<Peer<Key>>,
    seeding: bool,
    slots: usize,
    /// How many of the slots go to peers that did not earn them.
    turns: usize,
    now: Instant,
}

impl<Key: Copy + Ord> Seats<Key> {
    pub(super) fn new(peers: Vec<Peer<Key>>, seeding: bool, slots: usize, now: Instant) -> Seats<Key> {
        let givers = peers.iter().filter(|peer| peer.gives()).count();
        let turns = match givers {
            _ if seeding => slots,
            0 => slots,
            // A few who give must not be swamped by as many as there are slots for.
            _ => (slots / 5).min(givers / 4).max(1).min(slots.saturating_sub(1)),
        };
        Seats { peers, seeding, slots, turns, now }
    }

    /// Gives the slots anew to those who are unchoked and to those who earned one.
    pub(super) fn round(&mut self) {
        for peer in &mut self.peers {
            peer.known.tried |= peer.unchoked() && peer.turn_is_over;
        }
        if !self.seeding {
            self.find_who_earned();
        }
        let waiting = self.peers.iter().filter(|peer| peer.waits() && !peer.earned).count();
        let kept_free = if self.seeding { waiting.min((self.slots / 4).max(1)) } else { waiting };
        let (slots, turns, seeding) = (self.slots, self.turns, self.seeding);
        let mut order: Vec<&mut Peer<Key>> =
            self.peers.iter_mut().filter(|peer| peer.unchoked() || peer.earned).collect();
        sort(&mut order, &|a, b| by_rank(a, b, seeding));
        let (mut used, mut in_turn) = (0, 0);
        for peer in order {
            let stays = match peer.rank() {
                Rank::Settling => true,
                Rank::Earned | Rank::Idle => used < slots,
                Rank::InTurn => used < slots && (in_turn < turns || !peer.known.tried),
                Rank::Over => used + kept_free < slots && in_turn + kept_free < turns,
            };
            peer.known.state = match (stays, peer.earned) {
                (false, _) => State::Choked,
                (true, true) => State::Regular,
                (true, false) => State::Turn,
            };
            peer.may_change &= stays;
            used += usize::from(stays);
            in_turn += usize::from(stays && !peer.earned);
        }
        for peer in &mut self.peers {
            peer.known.wanting = peer.view.interested;
        }
    }

    /// Marks those who give most, as many as there are regular slots.
    fn find_who_earned(&mut self) {
        let regular = self.slots.saturating_sub(self.turns);
        let mut givers: Vec<&mut Peer<Key>> = self.peers.iter_mut().filter(|peer| peer.gives()).collect();
        sort(&mut givers, &|a, b| most_first(a.merit(), b.merit()).then(a.view.key.cmp(&b.view.key)));
        for peer in givers.into_iter().take(regular) {
            peer.earned = peer.unchoked() || peer.waits();
        }
    }

    /// Fills the slots that nobody uses.
    pub(super) fn fill(&mut self, random: &mut fastrand::Rng) {
        let unchoked = self.peers.iter().filter(|peer| peer.unchoked()).count();
        let served = self.peers.iter().filter(|peer| peer.served()).count();
        let room = self.slots.saturating_mul(2).saturating_sub(unchoked);
        for _ in 0..self.slots.saturating_sub(served).min(room) {
            let next = if self.seeding { self.longest_waiting() } else { self.next(random) };
            let Some((key, state)) = next else { return };
            for peer in self.peers.iter_mut().filter(|peer| peer.view.key == key) {
                peer.known.state = state;
            }
        }
    }

    fn longest_waiting(&self) -> Option<(Key, State)> {
        let waiting = self.peers.iter().filter(|peer| peer.waits());
        waiting.min_by_key(|peer| (peer.since(), peer.view.key)).map(|peer| (peer.view.key, State::Turn))
    }

    /// Who gives most, where regular slots are left, and else whom the lot falls on.
    fn next(&self, random: &mut fastrand::Rng) -> Option<(Key, State)> {
        let served =
            |state| self.peers.iter().filter(|peer| peer.served() && peer.known.state == state).count();
        if served(State::Regular) + self.turns < self.slots {
            let givers = self.peers.iter().filter(|peer| peer.waits() && peer.gives());
            if let Some(best) = givers.min_by(|a, b| most_first(a.view.gives, b.view.gives)) {
                return Some((best.view.key, State::Regular));
            }
        }
        let optimistic = served(State::Turn) < self.turns;
        let lots = |peer: &Peer<Key>| match peer.waits() && (optimistic || !peer.known.tried) {
            false => 0,
            true if peer.new => LOTS_OF_A_NEWCOMER,
            true => 1,
        };
        let all: u32 = self.peers.iter().map(lots).sum();
        let mut drawn = (all > 0).then(|| random.u32(..all))?;
        let winner = self.peers.iter().find(|peer| match drawn.checked_sub(lots(peer)) {
            Some(left) => {
                drawn = left;
                false
            }
            None => true,
        })?;
        Some((winner.view.key, State::Turn))
    }

    /// Who is choked, and then who is unchoked.
    pub(super) fn changes(&mut self) -> Vec<(Key, bool)> {
        for peer in self.peers.iter_mut().filter(|peer| peer.unchoked() != (peer.was != State::Choked)) {
            peer.known.changed = Some(self.now);
        }
        let changed = |peer: &&Peer<Key>| peer.unchoked() != (peer.was != State::Choked);
        let mut changes = Vec::new();
        for unchoke in [false, true] {
            let such = self.peers.iter().filter(changed).filter(|peer| peer.unchoked() == unchoke);
            changes.extend(such.map(|peer| (peer.view.key, unchoke)));
        }
        changes
    }

    pub(super) fn remembered(self) -> impl Iterator<Item = (Key, Known)> {
        self.peers.into_iter().map(|peer| (peer.view.key, peer.known))
    }
}

/// What goes before what comes first. One sort in the program for all orders.
fn sort<Key>(peers: &mut [&mut Peer<Key>], order: &dyn Fn(&Peer<Key>, &Peer<Key>) -> Ordering) {
    peers.sort_by(|a, b| order(a, b));
}

/// By rank; then, seeding, the faster; then who came later, whose turn has longer to go.
fn by_rank<Key: Ord>(a: &Peer<Key>, b: &Peer<Key>, seeding: bool) -> Ordering {
    // Peers that share one upload differ by chance. Only twice the rate is a faster peer.
    let pace = |peer: &Peer<Key>| if seeding { peer.view.takes.max(1.0).log2().floor() } else { 0.0 };
    a.rank()
        .cmp(&b.rank())
        .then(most_first(pace(a), pace(b)))
        .then(b.since().cmp(&a.since()))
        .then(a.view.key.cmp(&b.view.key))
}

fn most_first(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}
