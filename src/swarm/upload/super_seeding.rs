//! Super-seeding (BEP 16): peers are told of one piece at a time. `strategy/upload/super_seeding/mod.rs`
//! decides which one, and when the next. This file tells it what happens, and sends the orders that follow.

use super::UploadSlots;
use crate::message::{Order, PeerKey};
use crate::piece::{Bitfield, PieceIndex};
use crate::strategy::{Leecher, PeerPieces};
use crate::swarm::Coordinator;
use crate::swarm::peers::Roster;
use std::time::Instant;

impl Coordinator<'_> {
    /// The handshakes with a peer were exchanged. A peer that speaks BEP 6 says at once which pieces it has.
    /// One that does not may never say anything, so it counts as having nothing.
    pub(in crate::swarm) fn super_seed_greeted(&mut self, key: PeerKey, now: Instant) {
        let Some(greeting) = self.roster.get(key).and_then(|peer| peer.greeting) else { return };
        if let Some(super_seed) = self.super_seed.as_mut().filter(|_| !greeting.fast) {
            let nothing = PeerPieces::Some(Bitfield::none(self.geometry.piece_count()));
            let next = super_seed.joined(key, &nothing, now);
            self.tell_of_each(next.map(|piece| (key, piece)));
        }
    }

    /// A peer has said which pieces it has; before, it had those of `before`.
    pub(in crate::swarm) fn super_seed_has_pieces(
        &mut self,
        key: PeerKey,
        before: &PeerPieces,
        now: Instant,
    ) {
        let (Some(super_seed), Some(peer)) = (&mut self.super_seed, self.roster.get(key)) else { return };
        super_seed.left(key, before);
        let next = super_seed.joined(key, &peer.pieces, now);
        self.tell_of_each(next.map(|piece| (key, piece)));
    }

    /// A peer has one piece more.
    pub(in crate::swarm) fn super_seed_gained_piece(
        &mut self,
        key: PeerKey,
        piece: PieceIndex,
        now: Instant,
    ) {
        let Some(super_seed) = &mut self.super_seed else { return };
        let leecher = leechers(&self.roster, &self.slots);
        let next = super_seed.has(key, piece, &leecher, now);
        self.tell_of_each(next);
    }

    /// A peer has a piece no more, and is still there.
    pub(in crate::swarm) fn super_seed_lost_piece(&mut self, key: PeerKey, piece: PieceIndex) {
        if let Some(super_seed) = &mut self.super_seed {
            super_seed.lost(key, piece);
        }
    }

    /// A peer is gone that had these pieces.
    pub(in crate::swarm) fn super_seed_lost(&mut self, key: PeerKey, pieces: &PeerPieces) {
        if let Some(super_seed) = &mut self.super_seed {
            super_seed.left(key, pieces);
        }
    }

    /// Runs several times a second.
    pub(in crate::swarm) fn super_seed_tick(&mut self, now: Instant) {
        let Some(super_seed) = &mut self.super_seed else { return };
        let leecher = leechers(&self.roster, &self.slots);
        let next = super_seed.tick(&leecher, now);
        self.tell_of_each(next);
    }

    fn tell_of_each(&self, next: impl IntoIterator<Item = (PeerKey, PieceIndex)>) {
        for (key, piece) in next {
            if let Some(peer) = self.roster.get(key) {
                let why = || "super-seeding: it is to pass this piece on (BEP 16)".to_owned();
                peer.worker.explain("have", 1, why);
                peer.order(Order::Have(piece));
            }
        }
    }
}

/// What super-seeding is told about a peer.
fn leechers<'a>(roster: &'a Roster, slots: &'a UploadSlots) -> impl Fn(PeerKey) -> Option<Leecher<'a>> + 'a {
    |key| Some(Leecher { has: &roster.get(key)?.pieces, unchoked: slots.is_unchoked(key) })
}
