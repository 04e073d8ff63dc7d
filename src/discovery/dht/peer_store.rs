//! The peers that other nodes announced to us: our part of the distributed hash table.
//!
//! Pure. All of it comes from strangers, so everything has a bound, and a peer that is not announced again is
//! forgotten after half an hour.

use super::addresses::owner;
use crate::chance;
use crate::metainfo::InfoHash;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an announce counts.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
const MAX_TORRENTS: usize = 500;
const MAX_PEERS: usize = 50;
/// Peers of one torrent at one address: a few programs may be behind one router.
const MAX_OF_ONE_OWNER: usize = 4;

#[derive(Debug)]
struct StoredTorrent {
    info_hash: InfoHash,
    /// In the order in which they were last announced.
    peers: Vec<(SocketAddr, Instant)>,
}

/// Torrents and their peers.
#[derive(Debug, Default)]
pub struct PeerStore {
    /// Sorted by info-hash.
    torrents: Vec<StoredTorrent>,
}

impl PeerStore {
    /// Remembers a peer. If there is no room, the peer or the torrent that was announced longest ago is
    /// dropped.
    pub fn add(&mut self, info_hash: InfoHash, peer: SocketAddr, now: Instant) {
        self.torrents.retain(|torrent| torrent.last().is_some_and(|last| is_fresh(last, now)));
        if self.place(info_hash).is_err() && self.torrents.len() >= MAX_TORRENTS {
            let oldest = self.torrents.iter().enumerate().min_by_key(|(_, torrent)| torrent.last());
            if let Some((oldest, _)) = oldest {
                self.torrents.remove(oldest);
            }
        }
        let at = match self.place(info_hash) {
            Ok(at) => at,
            Err(at) => {
                self.torrents.insert(at, StoredTorrent { info_hash, peers: Vec::new() });
                at
            }
        };
        let Some(StoredTorrent { peers, .. }) = self.torrents.get_mut(at) else { return };
        peers.retain(|(known, _)| *known != peer);
        let of_owner = |(known, _): &(SocketAddr, Instant)| owner(known.ip()) == owner(peer.ip());
        if peers.iter().filter(|known| of_owner(known)).count() >= MAX_OF_ONE_OWNER {
            peers.iter().position(of_owner).map(|oldest| peers.remove(oldest));
        }
        if peers.len() >= MAX_PEERS {
            peers.remove(0);
        }
        peers.push((peer, now));
    }

    /// The peers of a torrent in random order, so that the first few are a fair choice.
    pub fn peers(&self, info_hash: InfoHash, now: Instant, random: &mut fastrand::Rng) -> Vec<SocketAddr> {
        let torrent = self.place(info_hash).ok().and_then(|at| self.torrents.get(at));
        let Some(torrent) = torrent else { return Vec::new() };
        let fresh = torrent.peers.iter().filter(|(_, since)| is_fresh(*since, now));
        let mut peers: Vec<SocketAddr> = fresh.map(|(peer, _)| *peer).collect();
        chance::shuffle(&mut peers, random);
        peers
    }

    /// The torrents that have peers.
    pub fn torrents(&self, now: Instant) -> Vec<InfoHash> {
        let has_peers = |torrent: &&StoredTorrent| torrent.last().is_some_and(|last| is_fresh(last, now));
        self.torrents.iter().filter(has_peers).map(|torrent| torrent.info_hash).collect()
    }

    fn place(&self, info_hash: InfoHash) -> Result<usize, usize> {
        self.torrents.binary_search_by(|torrent| torrent.info_hash.cmp(&info_hash))
    }
}

impl StoredTorrent {
    fn last(&self) -> Option<Instant> {
        self.peers.last().map(|(_, since)| *since)
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32, port: u16) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4((0x0100_0000 + number).into()), port)
    }

    fn peers(store: &PeerStore, torrent: u8, now: Instant) -> Vec<SocketAddr> {
        store.peers(InfoHash([torrent; 20]), now, &mut fastrand::Rng::with_seed(1))
    }

    #[test]
    fn a_peer_is_remembered_once_and_half_an_hour() {
        let start = Instant::now();
        let mut store = PeerStore::default();
        store.add(InfoHash([1; 20]), peer(1, 1), start);
        store.add(InfoHash([1; 20]), peer(1, 1), start + LIFETIME / 2);
        store.add(InfoHash([2; 20]), peer(2, 1), start);
        assert_eq!(peers(&store, 1, start), [peer(1, 1)]);
        assert_eq!(peers(&store, 1, start + LIFETIME), [peer(1, 1)]);
        assert!(peers(&store, 2, start + LIFETIME).is_empty());
        store.add(InfoHash([3; 20]), peer(1, 1), start + LIFETIME * 2);
        assert_eq!(store.torrents.len(), 1);
    }

    #[test]
    fn torrents_peers_and_ports_of_one_address_are_bounded_and_the_oldest_go() {
        let start = Instant::now();
        let mut store = PeerStore::default();
        for number in 0..200 {
            store.add(InfoHash([1; 20]), peer(7, number + 1), start);
        }
        let mut ports: Vec<u16> = peers(&store, 1, start).iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [197, 198, 199, 200]);
        for number in 0..200 {
            store.add(InfoHash([1; 20]), peer(number, 1), start);
        }
        assert_eq!(peers(&store, 1, start).len(), MAX_PEERS);
        assert!(peers(&store, 1, start).contains(&peer(199, 1)));
        for number in 0..2000_u32 {
            let mut info_hash = [9; 20];
            info_hash[..4].copy_from_slice(&number.to_be_bytes());
            store.add(InfoHash(info_hash), peer(number, 1), start + Duration::from_millis(number.into()));
        }
        assert_eq!(store.torrents.len(), MAX_TORRENTS);
        assert!(peers(&store, 1, start).is_empty());
    }
}
