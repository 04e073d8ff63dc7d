//! The peers of one torrent.

use super::Peer;
use crate::message::PeerKey;
use crate::swarm::ordered_list::OrderedList;
use std::net::IpAddr;

/// The connections and the attempts at one, by their numbers: always gone through in that order, so that the
/// same events lead to the same decisions.
#[derive(Debug)]
pub struct Roster {
    peers: OrderedList<PeerKey, Peer>,
    last_key: PeerKey,
    useless: usize,
}

impl Roster {
    /// An empty roster, whose first number comes after this one.
    pub fn after(last_key: PeerKey) -> Roster {
        Roster { peers: OrderedList::new(), last_key, useless: 0 }
    }

    /// A number for the next connection.
    pub fn next_key(&mut self) -> PeerKey {
        self.last_key = PeerKey(self.last_key.0.wrapping_add(1));
        self.last_key
    }

    /// Adds a connection.
    pub fn add(&mut self, key: PeerKey, peer: Peer) {
        self.peers.insert(key, peer);
    }

    /// Takes a connection out.
    pub fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        self.peers.remove(key)
    }

    /// Takes every connection out, and so ends them.
    pub fn clear(&mut self) {
        self.peers.clear();
    }

    /// This connection.
    pub fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.peers.get(key)
    }

    /// This connection, to change it.
    pub fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.peers.get_mut(key)
    }

    /// Every connection and every attempt at one.
    pub fn all(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.peers.iter()
    }

    /// Every connection and every attempt at one, to change them.
    pub fn all_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut Peer)> {
        self.peers.iter_mut()
    }

    /// The peers whose handshake came and that are to stay.
    pub fn greeted(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.all().filter(|(_, peer)| peer.is_here())
    }

    /// The same, to change them.
    pub fn greeted_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut Peer)> {
        self.all_mut().filter(|(_, peer)| peer.is_here())
    }

    /// How many connections came in, and how many of them from this address.
    pub fn incoming(&self, from: IpAddr) -> (usize, usize) {
        let incoming = || self.all().map(|(_, peer)| peer).filter(|peer| peer.incoming);
        (incoming().count(), incoming().filter(|peer| peer.address.ip() == from).count())
    }

    /// How many connections and attempts there are.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// How many of them are attempts.
    pub fn half_open(&self) -> usize {
        self.all().filter(|(_, peer)| peer.greeting.is_none()).count()
    }

    /// Counts the peers that have nothing for us. Several times a second, since it looks at all of them.
    pub fn count_useless(&mut self) {
        self.useless = self.greeted().filter(|(_, peer)| peer.wanted == 0).count();
    }

    /// How many connections and attempts can be a source of blocks, as of the last count.
    pub fn sources(&self) -> usize {
        self.peers.len().saturating_sub(self.useless)
    }
}
