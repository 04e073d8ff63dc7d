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
        if self.inquires(now) {
            return self.scope_during_inquiry(key);
        }
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

    /// Whether what this peer is asked for has no bound but its pipeline.
    pub(in crate::swarm) fn is_unbounded(&self, key: PeerKey) -> bool {
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
    pub(in crate::swarm) fn may_help_with(&self, key: PeerKey, now: Instant) -> (Within, bool) {
        if self.inquires(now) && !self.is_proved(key) {
            return (Within::These(Vec::new()), true);
        }
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

    /// A newcomer that sends a piece alone and has fallen silent: others are asked.
    pub(in crate::swarm) fn look_after_newcomers(&mut self, now: Instant) {
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
    }
}
