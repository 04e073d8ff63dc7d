//! Peers that connect to us, and peers that are connected twice.

use crate::address::is_local;
use crate::message::{HandedOver, HangUp, Incoming, PeerKey};
use crate::strategy::AttemptFailure;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use crate::swarm::peers::other_addresses::{AT_ONCE, may_be_one};
use log::debug;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

/// The most connections from one address. Several peers may share it: a household, or the customers of a
/// small provider.
const MAX_FROM_ONE: usize = 8;

/// Why a peer that connects to us is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::swarm) enum NoEntry {
    /// A peer at its address sent wrong data, or several of its network.
    Banned,
    /// Its address has as many connections as one address may have.
    CrowdedAddress,
    /// The roster is full.
    Full,
}

impl fmt::Display for NoEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            NoEntry::Banned => "another peer from its address or network sent wrong data",
            NoEntry::CrowdedAddress => "too many connections from its address",
            NoEntry::Full => "the limit of peers is reached (--max-peers, ulimit -n)",
        })
    }
}

impl Coordinator<'_> {
    /// A peer has connected to us and said that it wants this torrent.
    pub(in crate::swarm) fn incoming(&mut self, incoming: Incoming, now: Instant) {
        let address = incoming.address;
        if self.is_leaving() {
            return;
        }
        if let Err(why) = self.admit(address, now) {
            debug!("{address}: incoming connection refused: {why}");
            return;
        }
        let key = self.roster.next_key();
        match self.environment.accept(key, incoming) {
            Ok(worker) => self.roster.add(key, Peer::incoming(address, worker, now)),
            Err(error) => self.had_no_room(None, &error, now),
        }
    }

    /// A peer has given us the metadata, and its connection can go on with the payload.
    pub(in crate::swarm) fn handed_over(&mut self, handed_over: HandedOver, now: Instant) {
        let (address, incoming) = (handed_over.address, handed_over.incoming);
        if !incoming && !self.dialer.candidates_mut().mark_connected(address) {
            debug!("{address}: not continued: already connected, or not to be connected to");
            return;
        }
        let has_room = self.roster.len() < self.settings.limits.max_peers;
        let key = self.roster.next_key();
        let worker = (!self.is_leaving() && has_room)
            .then(|| self.environment.resume(key, handed_over))
            .and_then(Result::ok);
        match worker {
            Some(worker) if incoming => self.roster.add(key, Peer::incoming(address, worker, now).going_on()),
            Some(worker) => self.roster.add(key, Peer::outgoing(address, worker, now).going_on()),
            // We can connect to it again.
            None if !incoming => self.dialer.candidates_mut().release(address, now),
            None => {}
        }
    }

    /// Whether to accept a peer that connects to us. Disconnects another peer if that makes the room.
    pub(in crate::swarm) fn admit(&mut self, address: SocketAddr, now: Instant) -> Result<(), NoEntry> {
        if self.dialer.candidates().is_banned(address.ip()) {
            return Err(NoEntry::Banned);
        }
        let (incoming, from_there) = self.roster.incoming(address.ip());
        let most = self.settings.limits.max_peers;
        let most_from_there = match address.ip() {
            // This host may run many peers, and we trust each of them as much as ourselves.
            ip if ip.is_loopback() => usize::MAX,
            // It may stand for everybody, as the bridge of a container does.
            ip if is_local(ip) => (most / 2).max(MAX_FROM_ONE),
            _ => MAX_FROM_ONE,
        };
        if from_there >= most_from_there {
            return Err(NoEntry::CrowdedAddress);
        }
        // While something is missing, a quarter of the places is kept for peers that we connect to, so that
        // incoming peers cannot keep us from those that trackers and other sources name.
        let room = if self.is_downloading() { most.saturating_sub(most / 4) } else { most };
        let crowded = incoming >= room.max(1);
        // If there are too many incoming peers, one of them leaves and none that we connected to.
        let may_go: fn(&Peer) -> bool = if crowded { |peer| peer.is_incoming() } else { |_| true };
        if (crowded || self.free_places() == 0)
            && !self.disconnect_bystander(address.ip(), may_go, now)
            && !self.make_place(may_go, now)
            && !self.disconnect_lower(address, may_go, now)
        {
            return Err(NoEntry::Full);
        }
        Ok(())
    }

    /// The peer says that it listens at this port. With it we know an address that we can connect to once the
    /// connection is gone.
    pub(in crate::swarm) fn listens(&mut self, key: PeerKey, port: u16) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let address = SocketAddr::new(peer.address.ip(), port);
        if peer.is_utp() {
            self.environment.speaks_utp(address);
        }
        peer.messages.listens_at = Some(port);
        if peer.dial.is_none() && self.dialer.candidates_mut().add_incoming(address) {
            peer.dial = Some(address);
            if peer.download.useful {
                self.dialer.candidates_mut().proved_useful(address);
            }
        }
        self.replaces_stale(key, address);
    }

    /// A peer that listens at this address and has connected to us once more knows that its first connection
    /// is dead, which we may not learn for minutes.
    fn replaces_stale(&mut self, key: PeerKey, address: SocketAddr) {
        let Some(new) = self.roster.get(key).filter(|new| !new.leaving) else { return };
        let is_stale = |peer: &Peer| peer.dial == Some(address) && comes_again(new, peer);
        let stale = self.roster.greeted().find(|(other, peer)| *other != key && is_stale(peer));
        let Some(stale) = stale.map(|(stale, _)| stale) else { return };
        let dial = self.roster.get_mut(stale).and_then(|peer| peer.dial.take());
        if let Some(peer) = self.roster.get_mut(key) {
            peer.dial = dial;
        }
        self.disconnect(stale, HangUp::Duplicate);
    }

    /// Disconnects one of two connections to the same peer. Returns whether the new one stays.
    ///
    /// A peer that connects to us while we connect to it has two connections, and so has one that we connect to
    /// at two of its addresses. Both sides then have to keep the same one: the second if the side with the
    /// greater peer ID began it, and otherwise the first. That is libtorrent's rule. If the second connection
    /// began [`AT_ONCE`] after the first or later, it goes, whichever side began it.
    ///
    /// Two peers behind one address may have one peer ID, as where a client was copied with its settings. They
    /// are told apart by the ports at which they listen. A peer that has connected to us says its port later,
    /// so a second such connection stays at first.
    pub(in crate::swarm) fn resolve_duplicate(&mut self, key: PeerKey, now: Instant) -> bool {
        let Some(new) = self.roster.get(key) else { return false };
        let twin = self.roster.greeted().find(|(other, peer)| {
            *other != key
                && peer.peer_id() == new.peer_id()
                && (peer.address.ip() == new.address.ip() || may_be_one(new, peer))
                && !listen_apart(new, peer)
                && !comes_again(new, peer)
        });
        let Some((twin, old)) = twin else { return true };
        let ours = self.settings.peer_id;
        let begun_by = |peer: &Peer| if peer.is_incoming() { peer.peer_id() } else { Some(ours) };
        let at_once = new.since.saturating_duration_since(old.since) < AT_ONCE;
        let new_stays = at_once && begun_by(new) == new.peer_id().max(Some(ours));
        let is_other_host = old.address.ip() != new.address.ip();
        let (goes, stays) = if new_stays { (twin, key) } else { (key, twin) };
        let leaving = self.roster.get_mut(goes);
        let (dial, also_at) =
            leaving.map(|peer| (peer.dial.take(), std::mem::take(&mut peer.also_at))).unwrap_or_default();
        also_at.into_iter().for_each(|address| self.keep_address(stays, address));
        if let (Some(peer), Some(dial)) = (self.roster.get_mut(stays), dial) {
            // The address of the connection that goes leads to the peer that stays, so it is not tried again.
            match peer.dial {
                // What one host did is not held against the address of another: anyone can copy a peer ID.
                _ if is_other_host => self.keep_address(stays, dial),
                None => peer.dial = Some(dial),
                Some(_) => self.dialer.failed(dial, AttemptFailure::Banned, now),
            }
        }
        self.disconnect(goes, HangUp::Duplicate);
        new_stays
    }
}

/// Whether both listen, and at different ports.
fn listen_apart(one: &Peer, other: &Peer) -> bool {
    one.dial.is_some_and(|one| other.dial.is_some_and(|other| one.port() != other.port()))
}

/// Whether both connected to us under one peer ID from one address, the second long after the first.
fn comes_again(new: &Peer, old: &Peer) -> bool {
    let is_one = new.peer_id() == old.peer_id() && new.address.ip() == old.address.ip();
    is_one
        && new.is_incoming()
        && old.is_incoming()
        && new.since.saturating_duration_since(old.since) >= AT_ONCE
}
