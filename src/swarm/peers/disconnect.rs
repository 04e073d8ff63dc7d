//! Connections that end, from either side.

use crate::message::{HangUp, PeerError, PeerKey};
use crate::piece::BLOCK_LENGTH;
use crate::strategy::{AttemptFailure, Rebuff};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use log::debug;
use std::time::Instant;

impl Coordinator<'_> {
    /// A connection is over. The blocks that the peer owed us can be requested of others.
    pub(in crate::swarm) fn gone(&mut self, key: PeerKey, why: &PeerError, now: Instant) {
        let owed = self.requests.take_back(key).len() as u32;
        if self.web_seed_gone(key, why, now) {
            return;
        }
        let Some(peer) = self.roster.remove(key) else { return };
        debug!("{}: {why}", peer.address);
        self.statistics.sent(peer.worker.account().sent);
        self.note_bystander(key, &peer, why, now);
        if why.is_an_attack() {
            self.environment.refuse_connections(peer.address.ip());
        } else if peer.is_incoming() && !peer.download.useful && peer.upload.asked_at.is_none() {
            self.environment.came_in_vain(peer.address.ip(), peer.told_pieces);
        }
        let sent = peer.download.total.bytes / u64::from(BLOCK_LENGTH);
        if let Some(dial) = peer.dial.filter(|_| why.is_by_the_peer() && sent < u64::from(owed)) {
            self.dialer.candidates_mut().overwhelmed(dial, owed);
        }
        self.slots.left(key);
        self.super_seed_lost(key, &peer.pieces);
        if let Some(pieces) = peer.partial_pieces() {
            self.pieces.rarity_mut().lost_all(pieces);
        }
        self.release_addresses(&peer, now);
        if why.is_silence() {
            self.environment.fell_silent(peer.best_address());
        }
        if matches!(why, PeerError::Ourselves) && !peer.is_incoming() {
            self.environment.met_ourselves(peer.address);
        }
        if why.is_no_room() {
            self.had_no_room(peer.dial, why, now);
        } else if let Some(dial) = peer.dial.filter(|_| why.is_interface_gone()) {
            self.dialer.candidates_mut().release(dial, now);
        } else if self.is_tried_otherwise(&peer, why, now) {
            debug!("{}: trying again, encrypted or plain as it was not before", peer.address);
        } else {
            self.failed(&peer, why, now);
        }
        self.fill_hungry(None, now);
        self.slots.rechoke_soon(now);
    }

    /// Whether the connection ended before the peer's handshake, and the other approach is tried at once. Then
    /// it is no failure.
    fn is_tried_otherwise(&mut self, peer: &Peer, why: &PeerError, now: Instant) -> bool {
        let is_early = !peer.is_incoming() && peer.greeting.is_none();
        let Some(rebuff) = why.rebuff().filter(|_| is_early) else { return false };
        let is_tried = self.dialer.candidates_mut().rebuffed(peer.address, rebuff, now);
        if rebuff == Rebuff::Closed && !is_tried {
            self.environment.closed_early(peer.address);
        }
        is_tried
    }

    /// A connection has ended, and its address waits or is given up.
    fn failed(&mut self, peer: &Peer, why: &PeerError, now: Instant) {
        if let Some(dial) = peer.dial
            && !(why.is_by_the_peer() && self.has_moved(peer, now))
        {
            let failure = match self.is_second_way(peer, why) {
                true => AttemptFailure::SecondWay,
                false => why.failure(peer.greeting.is_some(), peer.download.useful),
            };
            self.dialer.failed(dial, failure, now);
        }
        if !peer.is_incoming() {
            let hint = why.rebuff().filter(|_| peer.greeting.is_none());
            let hint = hint.and_then(|_| self.settings.encryption.hint());
            self.statistics.peer_trouble().note(peer.address, why, peer.greeting.is_some(), hint);
        }
    }

    /// Hangs up. The peer leaves the roster when its worker reports the end, as [`Coordinator::gone`].
    pub(in crate::swarm) fn disconnect(&mut self, key: PeerKey, why: HangUp) {
        self.requests.take_back(key);
        if let Some(peer) = self.roster.get_mut(key) {
            peer.leaving = true;
            // We request nothing of it any more, and it gets no upload slot.
            peer.flags.peer_choking = true;
            peer.flags.peer_interested = false;
            peer.download.allowed_fast.clear();
            peer.worker.hang_up(why);
        }
    }
}
