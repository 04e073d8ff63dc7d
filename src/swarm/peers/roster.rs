//! The peers and the web seeds of one torrent.

use super::Peer;
use super::other_addresses::Closed;
use crate::message::PeerKey;
use crate::strategy::Bystanders;
use crate::swarm::ordered_list::OrderedList;
use crate::swarm::web_seeds::WebSeeds;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

/// How many of the peers that closed their connection are remembered.
const MAX_CLOSED: usize = 8;

/// The connections, in the order of their keys. They are always gone through in
/// that order, so that the same events lead to the same decisions.
#[derive(Debug)]
pub struct Roster {
    peers: OrderedList<PeerKey, Peer>,
    /// The last key of the search for the metadata.
    before_first: PeerKey,
    last_key: PeerKey,
    /// Connected peers that are not asked for anything, as of the last count.
    without_wanted: usize,
    /// The peers that closed their connection last, the latest at the end.
    closed: VecDeque<Closed>,
    /// Where peers came from that did nothing.
    bystanders: Bystanders,
    /// The rate of the fastest peer in bytes a second, as of the last count.
    fastest_rate: f64,
    /// The web seeds, and how many of them are among the connections.
    web_seeds: WebSeeds,
    connected_web_seeds: usize,
}

impl Roster {
    /// An empty roster, whose first key comes after this one, with these web seeds, none of which is asked yet.
    pub fn after(last_key: PeerKey, web_seeds: WebSeeds) -> Roster {
        Roster {
            peers: OrderedList::new(),
            before_first: last_key,
            last_key,
            without_wanted: 0,
            fastest_rate: 0.0,
            closed: VecDeque::new(),
            bystanders: Bystanders::default(),
            web_seeds,
            connected_web_seeds: 0,
        }
    }

    /// A key for the next connection.
    pub fn next_key(&mut self) -> PeerKey {
        self.last_key = PeerKey(self.last_key.0.wrapping_add(1));
        self.last_key
    }

    /// Whether the key was given before this roster was made.
    pub fn is_of_the_search(&self, key: PeerKey) -> bool {
        key.0 <= self.before_first.0
    }

    /// Adds a connection.
    pub fn add(&mut self, key: PeerKey, peer: Peer) {
        self.connected_web_seeds += usize::from(peer.is_web_seed());
        self.peers.insert(key, peer);
    }

    /// Takes a connection out.
    pub fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        let gone = self.peers.remove(key)?;
        self.connected_web_seeds -= usize::from(gone.is_web_seed());
        Some(gone)
    }

    /// A peer has closed its connection.
    pub fn remember(&mut self, closed: Closed) {
        if self.closed.len() >= MAX_CLOSED {
            self.closed.pop_front();
        }
        self.closed.push_back(closed);
    }

    /// The peers that closed their connection last.
    pub fn closed(&self) -> impl Iterator<Item = &Closed> {
        self.closed.iter()
    }

    /// Takes every connection out. Their workers are dropped, which ends them.
    pub fn clear(&mut self) {
        self.peers.clear();
        self.connected_web_seeds = 0;
        self.web_seeds.all_dropped();
    }

    /// This connection.
    pub fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.peers.get(key)
    }

    /// This connection, to change it.
    pub fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.peers.get_mut(key)
    }

    /// The web seeds.
    pub fn web_seeds(&self) -> &WebSeeds {
        &self.web_seeds
    }

    /// The same, to change them.
    pub fn web_seeds_mut(&mut self) -> &mut WebSeeds {
        &mut self.web_seeds
    }

    /// The web seeds that are asked now.
    pub fn running_web_seeds(&self) -> impl Iterator<Item = PeerKey> {
        self.senders().filter(|(_, peer)| peer.is_web_seed()).map(|(key, _)| key)
    }

    /// Every connection with a peer, also those whose peer has not greeted yet or is to leave.
    pub fn peers(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.all().filter(|(_, peer)| !peer.is_web_seed())
    }

    /// Whoever may send us blocks: the greeted peers and the web seeds, without those that we have hung up on.
    pub fn senders(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.all().filter(|(_, peer)| peer.is_introduced() && !peer.leaving)
    }

    /// Every connection, with peers and with web seeds.
    pub fn all(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.peers.iter()
    }

    /// The same, to change them.
    pub fn all_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut Peer)> {
        self.peers.iter_mut()
    }

    /// The peers with which handshakes were exchanged, without those that we have hung up on.
    pub fn greeted(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.all().filter(|(_, peer)| peer.is_connected())
    }

    /// The same, to change them.
    pub fn greeted_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut Peer)> {
        self.all_mut().filter(|(_, peer)| peer.is_connected())
    }

    /// How many connections came in, and how many of them from this address.
    pub fn incoming(&self, from: IpAddr) -> (usize, usize) {
        let incoming = || self.all().map(|(_, peer)| peer).filter(|peer| peer.is_incoming());
        (incoming().count(), incoming().filter(|peer| peer.address.ip() == from).count())
    }

    /// Where peers came from that did nothing.
    pub fn bystanders(&mut self) -> &mut Bystanders {
        &mut self.bystanders
    }

    /// Whether a peer from there has lately done nothing.
    pub fn is_bystander(&self, from: IpAddr, now: Instant) -> bool {
        self.bystanders.has(from, now)
    }

    /// How many connections with peers there are.
    pub fn len(&self) -> usize {
        self.peers.len().saturating_sub(self.connected_web_seeds)
    }

    /// Counts the peers and web seeds that may be a source of blocks, and looks for the fastest. This goes through
    /// all peers, so it is done in each tick and not whenever the number is needed.
    pub fn count_sources(&mut self, now: Instant) {
        let is_no_source = |peer: &Peer| peer.wanted == 0 || peer.download.rests(now);
        self.without_wanted = self.senders().filter(|(_, peer)| is_no_source(peer)).count();
        let rates = self.senders().map(|(_, peer)| peer.download.pipeline.rate());
        self.fastest_rate = rates.fold(0.0, f64::max);
    }

    /// The rate of the fastest peer in bytes a second, as of the last count.
    pub fn fastest_rate(&self) -> f64 {
        self.fastest_rate
    }

    /// How many connections may be a source of blocks, as of the last count: all but those with peers that
    /// have no piece that we want, or that are not asked because of their chokes.
    pub fn sources(&self) -> usize {
        self.peers.len().saturating_sub(self.without_wanted)
    }
}
