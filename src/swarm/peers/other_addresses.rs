//! One peer at several addresses, such as an IPv4 and an IPv6 one.
//!
//! Trackers, the DHT and other peers name both, and we connect to both. libtorrent keeps one connection with a peer
//! ID, and closes the other. If we came back to the closed one, it would close the one that we have, and so on. So
//! where two connections are to one peer, the address of that which ends is kept with the one that stays, and counts
//! as connected as long as that lives.
//!
//! A peer ID proves little, since anyone can copy one. By the ID alone we believe only that addresses of different
//! families, or of one IPv6 network, or one in our own network and one on the internet, are one peer, and only where
//! they have one port. Any other two are, if the peer itself closes one connection just when the other comes about.
//!
//! libtorrent since version 2 has a new ID for each connection, which has in common with the others only the name of
//! the program, and knows us by ours. So where the peer closes one of two connections, the name and the port are
//! enough, at addresses that may be of one host. Mostly it closes the second one without a word of its own, so that
//! nothing but the port tells who it is. Then the address is left alone for minutes, if we exchange blocks with the peer
//! of that port: it may be somebody else's after all.

use super::Peer;
use crate::address::is_local;
use crate::message::{PeerError, PeerKey};
use crate::strategy::Rebuff;
use crate::swarm::Coordinator;
use crate::wire::PeerId;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Two connections to one peer that began within this time count as begun by both sides at once.
pub(super) const AT_ONCE: Duration = Duration::from_secs(10);

/// A peer that closed its connection.
#[derive(Debug)]
pub struct Closed {
    peer_id: PeerId,
    /// The address that we can connect to.
    address: SocketAddr,
    at: Instant,
}

/// Bytes of a peer ID that name the program and its version (BEP 20).
const NAME: usize = 8;

/// Whether the peer at this address, which has just closed its connection, is likely to be the other one.
fn is_likely_one(closed: &Closed, other: &Peer) -> bool {
    let Some(id) = other.peer_id() else { return false };
    let is_one_program = closed.peer_id.0.iter().take(NAME).eq(id.0.iter().take(NAME));
    let same_port = other.dial.is_some_and(|dial| dial.port() == closed.address.port());
    let (one, other) = (closed.address.ip(), other.address.ip());
    one != other && (closed.peer_id == id || is_one_program && same_port && may_be_one_host(one, other))
}

/// Whether two peers of one ID at different addresses are likely to be one.
pub(super) fn may_be_one(one: &Peer, other: &Peer) -> bool {
    let ports = one.dial.zip(other.dial).map(|(one, other)| (one.port(), other.port()));
    let listen_apart = ports.is_some_and(|(one, other)| one != other);
    !listen_apart && may_be_one_host(one.address.ip(), other.address.ip())
}

/// Whether one host is likely to have both addresses: they differ in their family, or are in one IPv6 network of 64
/// bits, in which a host has several by turns (RFC 8981), or one is in our own network, and the other may be that of
/// its router.
fn may_be_one_host(one: IpAddr, other: IpAddr) -> bool {
    if is_local(one) != is_local(other) {
        return true;
    }
    match (one, other) {
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            one != other && one.segments().iter().take(4).eq(other.segments().iter().take(4))
        }
        _ => one.is_ipv4() != other.is_ipv4(),
    }
}

impl Coordinator<'_> {
    /// The address leads to this peer too. It is not tried as long as the connection lives.
    pub(super) fn keep_address(&mut self, key: PeerKey, address: SocketAddr) {
        if let Some(peer) = self.roster.get_mut(key) {
            peer.also_at.push(address);
        }
    }

    /// Whether a peer that has connected to us listens at this address. Then the address is its own from now on: a
    /// second connection would be in vain. We were connecting to it when it said so, or we would know.
    pub(super) fn is_here_already(&mut self, address: SocketAddr) -> bool {
        let listens_there = |peer: &Peer| {
            peer.dial.is_none()
                && peer.address.ip() == address.ip()
                && peer.messages.listens_at == Some(address.port())
        };
        let here = self.roster.greeted().find(|(_, peer)| listens_there(peer)).map(|(key, _)| key);
        if let Some(peer) = here.and_then(|key| self.roster.get_mut(key)) {
            peer.dial = Some(address);
        }
        here.is_some()
    }

    /// The peer has closed its connection. If it did so because it has another one with us, its address is kept with
    /// that, and this returns true. The handshake of the other one may still be on its way.
    pub(super) fn has_moved(&mut self, gone: &Peer, now: Instant) -> bool {
        let (Some(peer_id), Some(address)) = (gone.peer_id(), gone.dial) else { return false };
        let closed = Closed { peer_id, address, at: now };
        let twin = self.roster.greeted().find(|(_, peer)| {
            now.saturating_duration_since(peer.since) < AT_ONCE && is_likely_one(&closed, peer)
        });
        let twin = twin.map(|(key, _)| key);
        match twin {
            Some(twin) => self.keep_address(twin, address),
            None => self.roster.remember(closed),
        }
        twin.is_some()
    }

    /// Whether a connection that we made, and that the peer has closed without a word, was likely a second one to a peer
    /// that is connected at another address and of use.
    pub(super) fn is_second_way(&self, gone: &Peer, why: &PeerError) -> bool {
        let is_of_use = |peer: &Peer| peer.download.useful || peer.upload.asked_at.is_some();
        let leads_to = |peer: &Peer| {
            let dial = peer.dial.filter(|dial| dial.port() == gone.address.port());
            dial.is_some_and(|dial| may_be_one_host(dial.ip(), gone.address.ip()))
        };
        let is_wordless = gone.greeting.is_none() && !gone.is_incoming();
        is_wordless
            && why.rebuff() == Some(Rebuff::Closed)
            && self.roster.greeted().any(|(_, peer)| is_of_use(peer) && leads_to(peer))
    }

    /// The handshakes with this peer were exchanged. If it has just closed another connection, which it may have done
    /// because of this one, the address of that is kept with it.
    pub(super) fn find_moved(&mut self, key: PeerKey) {
        let Some(new) = self.roster.get(key) else { return };
        let is_its_own = |closed: &&Closed| closed.at >= new.since && is_likely_one(closed, new);
        let addresses: Vec<SocketAddr> =
            self.roster.closed().filter(is_its_own).map(|closed| closed.address).collect();
        for address in addresses {
            if self.dialer.candidates_mut().mark_connected(address) {
                self.keep_address(key, address);
            }
        }
    }

    /// The connection with this peer is over, so its other addresses may be tried again, even if it did harm:
    /// that they are its own is only likely.
    pub(super) fn release_addresses(&mut self, gone: &Peer, now: Instant) {
        for address in gone.also_at.iter().copied() {
            self.dialer.candidates_mut().release(address, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_addresses_of_both_families_and_of_one_network_and_one_behind_its_router() {
        for (one, other, expected) in [
            ("203.0.113.1", "2001:db8::1", true),
            ("2001:db8::1", "203.0.113.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1::1", false),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("203.0.113.1", "203.0.113.2", false),
            ("203.0.113.1", "192.168.1.7", true),
            ("fd00::1", "2001:db8::1", true),
            ("192.168.1.7", "192.168.1.8", false),
        ] {
            assert_eq!(
                may_be_one_host(one.parse().unwrap(), other.parse().unwrap()),
                expected,
                "{one}, {other}"
            );
        }
    }
}
