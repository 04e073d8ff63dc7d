//! Peers that leave, and what becomes of their leases.

use crate::message::{HangUp, PeerError, PeerKey};
use crate::piece::BLOCK_LENGTH;
use crate::strategy::PeerPieces;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use log::debug;
use std::time::Instant;

impl Coordinator<'_> {
    /// A connection is over, or never came to be.
    pub(in crate::swarm) fn gone(&mut self, key: PeerKey, why: PeerError) {
        let Some(peer) = self.roster.get(key) else { return };
        let Peer { address, useful, dial, incoming, .. } = *peer;
        let greeted = peer.greeting.is_some();
        debug!("{address}: {why}");
        self.give_back_all(key);
        if let Some(peer) = self.roster.remove(key) {
            self.counters.sent(peer.worker.account().sent);
            self.super_seed_lost(key, &peer.has);
            if let PeerPieces::Some(pieces) = &peer.has {
                for piece in pieces.iter(self.geometry) {
                    self.pieces.rarity_mut().lost(piece);
                }
            }
        }
        let now = Instant::now();
        let failure = why.failure(greeted, useful);
        if let Some(dial) = dial {
            self.candidates.failed(dial, failure, now, &mut self.random);
        }
        self.choker.left(key);
        let no_route = why.is_no_route();
        if no_route {
            // It must not keep those waiting that can be reached.
            self.attempts.give_back();
        }
        if !incoming && (!no_route || self.peer_trouble.is_none()) {
            self.peer_trouble = Some(format!("{address}: {why}"));
        }
        self.fill_starving(now);
        self.rechoke_soon(now);
    }

    /// Takes back what the peer was asked for.
    pub(in crate::swarm) fn give_back_all(&mut self, key: PeerKey) {
        if let Some(peer) = self.roster.get_mut(key) {
            peer.in_flight.clear();
        }
        self.leases.give_back_all(key);
    }

    /// Gives up an open piece that no peer may be asked for. It holds memory, and where none is left it
    /// keeps the peers that are there from sending what they have. Nothing is given up without need.
    pub(in crate::swarm) fn give_up_orphan(&mut self) {
        if self.pieces.has_room() || !self.roster.all().any(|(_, peer)| peer.starving) {
            return;
        }
        let has_source = |piece| {
            self.roster
                .all()
                .any(|(_, peer)| peer.may_be_asked().is_some_and(|allowed| allowed.allows(piece)))
        };
        let orphan = self.leases.idle().find(|(piece, _)| !has_source(*piece));
        if let Some((piece, received)) = orphan {
            debug!("piece {} is given up: no peer may be asked for it", piece.get());
            self.counters.wasted += u64::from(received) * u64::from(BLOCK_LENGTH);
            if let Some(assembly) = self.leases.close(piece) {
                // Workers may hold it for long; its memory is what we want back.
                assembly.abandon(&self.shared.buffers);
            }
            self.pieces.miss(piece);
        }
    }

    /// Hangs up. The rest follows when the worker says farewell.
    pub(in crate::swarm) fn let_go(&mut self, key: PeerKey, why: HangUp) {
        self.give_back_all(key);
        if let Some(peer) = self.roster.get_mut(key) {
            peer.leaving = true;
            peer.unchoked = false;
            peer.wants_ours = false;
            peer.allowed_fast.clear();
            peer.worker.hang_up(why);
        }
    }
}
