//! Peers that come to us, and peers that come twice.

use crate::message::{HandedOver, HangUp, Incoming, PeerKey};
use crate::peer::Worker;
use crate::strategy::Failure;
use crate::swarm::peers::Peer;
use crate::swarm::{Coordinator, Phase};
use log::debug;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections from one address: a household, or the customers of a small provider.
const MAX_FROM_ONE: usize = 8;
/// Pieces of which a peer is told one by one that was told before that we have none.
const MAX_TOLD: u32 = 1000;
/// Two connections to one peer that began within this time were begun by both sides at once.
const AT_ONCE: Duration = Duration::from_secs(10);

impl Coordinator<'_> {
    /// Somebody has connected to us and said which torrent it wants.
    pub(in crate::swarm) fn incoming(&mut self, incoming: Incoming) {
        let (now, address) = (Instant::now(), incoming.address);
        if self.is_leaving() {
            return;
        }
        if self.liars.contains(&address.ip()) {
            debug!("{address}: turned away, somebody there sent wrong data");
            return;
        }
        if let Some(why) = self.no_room_for(address, now) {
            debug!("{address}: turned away, {why}");
            return;
        }
        let key = self.roster.next_key();
        match Worker::accept(&self.shared, key, incoming) {
            Ok(worker) => self.roster.add(key, Peer::incoming(address, worker, now)),
            Err(error) => debug!("{address}: cannot start a thread: {error}"),
        }
    }

    /// A peer has given us the metadata, and can go on with the payload.
    pub(in crate::swarm) fn handed(&mut self, handed: HandedOver) {
        let (now, address, incoming) = (Instant::now(), handed.address, handed.incoming);
        if !incoming && !self.candidates.taken(address) {
            debug!("{address}: not gone on with, another connection to it has begun or it is not to be one");
            return;
        }
        // It was told that we have nothing, and would have to be told of each piece by itself.
        let too_late =
            self.pieces.stored_bytes() > 0 && self.shared.served_pieces.offered().count() > MAX_TOLD;
        let room = !self.is_leaving() && !too_late && self.roster.len() < self.limits.max_peers;
        let key = self.roster.next_key();
        match room.then(|| Worker::go_on(&self.shared, key, handed)) {
            Some(Ok(worker)) if incoming => self.roster.add(key, Peer::incoming(address, worker, now)),
            Some(Ok(worker)) => self.roster.add(key, Peer::outgoing(address, worker, now)),
            // It can be connected to again.
            Some(Err(_)) | None if !incoming => self.candidates.released(address, now),
            Some(Err(_)) | None => {}
        }
    }

    /// Why a peer that comes cannot stay, if so.
    fn no_room_for(&mut self, address: SocketAddr, now: Instant) -> Option<&'static str> {
        let (incoming, from_there) = self.roster.incoming(address.ip());
        // A host of our own may be many, and each can be trusted as much as we.
        if from_there >= MAX_FROM_ONE && !address.ip().is_loopback() {
            return Some("enough are here from its address");
        }
        // While something is missing, who comes may not keep us from those who were named to us.
        let most = self.limits.max_peers;
        let room = if self.phase == Phase::Downloading { most.saturating_sub(most / 4) } else { most };
        let full = self.roster.len() >= most || incoming >= room.max(1);
        let no_room = full && !self.let_idle_go(now) && !self.let_lower_go(address, now);
        no_room.then_some("we have as many peers as we may (--max-peers)")
    }

    /// The peer says that it listens at this port: where it could be reached once it is gone.
    pub(in crate::swarm) fn listens(&mut self, key: PeerKey, port: u16) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let mut at = peer.address;
        at.set_port(port);
        if peer.dial.is_none() && self.candidates.met(at) {
            peer.dial = Some(at);
            if peer.useful {
                self.candidates.proved(at);
            }
        }
    }

    /// Whether the peer that was just greeted may stay. Who connects to us while we connect to it is
    /// here twice: then both sides have to keep the same connection, and it is the one that was begun by
    /// the side with the greater peer id. One that comes later than that is one too many.
    pub(in crate::swarm) fn may_stay(&mut self, key: PeerKey) -> bool {
        let Some(new) = self.roster.get(key) else { return false };
        let twin = self.roster.greeted().find(|(other, peer)| {
            *other != key && peer.peer_id() == new.peer_id() && peer.address.ip() == new.address.ip()
        });
        let Some((twin, old)) = twin else { return true };
        let ours = self.shared.peer_id;
        let begun_by = |peer: &Peer| if peer.incoming { peer.peer_id() } else { Some(ours) };
        let at_once = new.since.saturating_duration_since(old.since) < AT_ONCE;
        let new_stays = at_once && begun_by(new) > begun_by(old);
        let (goes, stays) = if new_stays { (twin, key) } else { (key, twin) };
        let dial = self.roster.get_mut(goes).and_then(|peer| peer.dial.take());
        if let (Some(peer), Some(dial)) = (self.roster.get_mut(stays), dial) {
            // Where it can be reached is where the one is that stays: no reason to try there again.
            match peer.dial {
                None => peer.dial = Some(dial),
                Some(_) => self.candidates.failed(dial, Failure::Never, Instant::now(), &mut self.random),
            }
        }
        self.let_go(goes, HangUp::Duplicate);
        new_stays
    }
}
