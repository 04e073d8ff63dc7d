//! Which peer leaves when others wait for its place.
//!
//! A place is worth something only to a peer that does something with it. So while others wait, a peer that
//! has not begun to do anything holds its place for seconds. One that was of use to nobody for [`IDLE`] holds
//! it until its turn to leave comes: they go a few at a time, because others may do no better, and a peer that
//! chokes us may still choose us for its next optimistic unchoke. Where nobody waits, they all stay.
//!
//! Nobody leaves for an address that may be dead. The one that is to leave is found when its successor is
//! there: it has connected to us, or we to it. Of those that came in, `bystanders.rs` finds more that may go.

use crate::message::{HangUp, PeerKey};
use crate::strategy::Places;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// How long a peer may take for its handshake, and then to say what it has or wants.
const SILENT: Duration = Duration::from_secs(4);
/// How long a peer that unchokes us and has never sent a block that was right may take for one.
const SENDS_NOTHING: Duration = Duration::from_secs(15);
/// How long a peer may go without a transfer.
const IDLE: Duration = Duration::from_secs(90);
/// The connections of all torrents are counted together. One that is downloaded may have this many in any case, so that
/// the others do not leave it without any. One that seeds has the next that is free (`peer/connection_count.rs`).
const ALWAYS: usize = 2;
/// How long the next idle peer stays after one has left.
const TURN: Duration = Duration::from_secs(10);

/// Why a peer may have to leave, the most pressing reason last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Idle,
    SendsNothing,
    Silent,
}

impl Coordinator<'_> {
    /// How many peers we may connect to.
    pub(in crate::swarm) fn places(&self, now: Instant) -> Places {
        if self.is_leaving() {
            return Places { free: 0, for_untried: 0 };
        }
        let mut places = Places { free: self.free_places(), for_untried: 0 };
        if places.free == 0 {
            let reasons = || self.roster.peers().filter_map(|(key, peer)| self.reason(key, peer, now));
            places.for_untried = reasons().filter(|reason| *reason > Reason::Idle).count();
            places.free = usize::from(now >= self.timers.turnover && reasons().any(|_| true));
        }
        places
    }

    /// Finds a place for a peer that we have connected to. Disconnects another one if that makes the room.
    pub(in crate::swarm) fn find_place(&mut self, now: Instant) -> bool {
        self.free_places() > 0 || self.make_place(|_| true, now)
    }

    /// Disconnects the peer that was of the least use to either side, if it is time for one to leave. Only
    /// those go that `may_go`.
    pub(in crate::swarm) fn make_place(&mut self, may_go: fn(&Peer) -> bool, now: Instant) -> bool {
        let leaves = self.least_useful(may_go, now);
        let leaves = leaves.filter(|(reason, _)| *reason > Reason::Idle || now >= self.timers.turnover);
        if let Some((Reason::Idle, _)) = leaves {
            self.timers.turnover = now + TURN;
        }
        if let Some((reason, key)) = leaves {
            let why = if reason == Reason::Idle { HangUp::Idle } else { HangUp::Unproven };
            self.disconnect(key, why);
        }
        leaves.is_some()
    }

    /// Where the process can have no more connections, peers that do nothing leave although nobody waits for their
    /// place here: somebody may, in another torrent.
    pub(in crate::swarm) fn make_place_for_others(&mut self, now: Instant) {
        if self.roster.len() > 0 && !self.environment.has_room(0) {
            self.make_place(|_| true, now);
        }
    }

    /// How many places nobody has.
    pub(in crate::swarm) fn free_places(&self) -> usize {
        let always = if self.is_downloading() { ALWAYS } else { 0 };
        if self.roster.len() >= always && !self.environment.has_room(self.roster.len()) {
            return 0;
        }
        self.settings.limits.max_peers.saturating_sub(self.roster.len())
    }

    /// Of the peers whose time is over the one with the most pressing reason, and among those the one that
    /// did nothing for the longest time.
    fn least_useful(&self, may_go: fn(&Peer) -> bool, now: Instant) -> Option<(Reason, PeerKey)> {
        let over = self.roster.peers().filter(|(_, peer)| may_go(peer)).filter_map(|(key, peer)| {
            Some((self.reason(key, peer, now)?, Reverse(peer.last_transfer()), key))
        });
        over.max_by_key(|(reason, last, _)| (*reason, *last)).map(|(reason, _, key)| (reason, key))
    }

    /// Why this peer would have to leave now if its place were needed.
    fn reason(&self, key: PeerKey, peer: &Peer, now: Instant) -> Option<Reason> {
        let for_longer_than = |time| now.saturating_duration_since(peer.last_transfer()) >= time;
        let owes = self.requests.count(key) > 0 || peer.download.overtaken;
        let first_block = SENDS_NOTHING.saturating_add(self.limited_wait());
        // A peer that waits to be unchoked is not at fault.
        let waits = peer.flags.peer_interested && !self.slots.is_unchoked(key);
        if peer.leaving {
            None
        } else if !peer.has_spoken && for_longer_than(SILENT) {
            Some(Reason::Silent)
        } else if owes && !peer.download.trust.has_sent_good() && !waits && for_longer_than(first_block) {
            Some(Reason::SendsNothing)
        } else {
            (peer.is_connected() && !owes && !waits && for_longer_than(IDLE)).then_some(Reason::Idle)
        }
    }
}
