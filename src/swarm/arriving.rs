//! Peers that come to us, and peers that come twice.

use super::Coordinator;
use super::roster::Peer;
use crate::message::{Knock, PeerKey};
use crate::peer::Worker;
use log::debug;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Two connections to one peer that began within this time were begun by both sides at once.
const AT_ONCE: Duration = Duration::from_secs(10);

impl Coordinator<'_> {
    /// Somebody has connected to us and said which torrent it wants.
    pub(super) fn knocked(&mut self, knock: Knock) {
        let (now, address) = (Instant::now(), knock.address);
        if self.is_leaving() {
            return;
        }
        if self.liars.contains(&address.ip()) {
            debug!("{address}: turned away, somebody there sent wrong data");
            return;
        }
        if self.roster.len() >= self.limits.max_peers && !self.let_idle_go(now) {
            debug!("{address}: turned away, we have as many peers as we may (--max-peers)");
            return;
        }
        let key = self.roster.next_key();
        match Worker::accept(&self.shared, key, knock) {
            Ok(worker) => self.roster.add(key, Peer::incoming(address, worker, now)),
            Err(error) => debug!("{address}: cannot start a thread: {error}"),
        }
    }

    /// The peer says that it listens at this port: where it could be reached once it is gone.
    pub(super) fn listens(&mut self, key: PeerKey, port: u16) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let at = SocketAddr::new(peer.address.ip(), port);
        if peer.dial.is_none() && self.candidates.met(at) {
            peer.dial = Some(at);
        }
    }

    /// Whether the peer that was just greeted may stay. Who connects to us while we connect to it is
    /// here twice: then both sides have to keep the same connection, and it is the one that was begun by
    /// the side with the greater peer id. One that comes later than that is one too many.
    pub(super) fn may_stay(&mut self, key: PeerKey) -> bool {
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
        if let Some(peer) = self.roster.get_mut(stays) {
            // Where it can be reached is where the one is that stays: no reason to try there again.
            peer.dial = peer.dial.or(dial);
        }
        self.let_go(goes, "we are connected to it already");
        new_stays
    }
}
