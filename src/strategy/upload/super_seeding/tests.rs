use super::*;

/// A super-seed and its peers, which are known by numbers here.
struct TestSwarm {
    geometry: Geometry,
    seed: SuperSeeding,
    /// What each peer has, and whether it is unchoked.
    peers: HashMap<PeerKey, (PeerPieces, bool)>,
    now: Instant,
}

impl TestSwarm {
    fn new(pieces: u32) -> TestSwarm {
        let (geometry, now) = (Geometry::new(u64::from(pieces), 1).unwrap(), Instant::now());
        let seed = SuperSeeding::new(geometry, fastrand::Rng::with_seed(3), now);
        TestSwarm { geometry, seed, peers: HashMap::new(), now }
    }

    fn joined(&mut self, key: PeerKey) -> Option<PieceIndex> {
        let has = PeerPieces::Some(Bitfield::none(self.geometry.piece_count()));
        let offer = self.seed.joined(key, &has, self.now);
        self.peers.insert(key, (has, true));
        offer
    }

    fn has(&mut self, key: PeerKey, piece: PieceIndex) -> Vec<(PeerKey, PieceIndex)> {
        if let Some((PeerPieces::Some(pieces), _)) = self.peers.get_mut(&key) {
            assert!(pieces.insert(piece));
        }
        let find = |key| self.peers.get(&key).map(|(has, unchoked)| Leecher { has, unchoked: *unchoked });
        self.seed.has(key, piece, &find, self.now)
    }

    fn lost(&mut self, key: PeerKey, piece: PieceIndex) {
        if let Some((PeerPieces::Some(pieces), _)) = self.peers.get_mut(&key) {
            assert!(pieces.remove(piece));
        }
        self.seed.lost(key, piece);
    }

    fn left(&mut self, key: PeerKey) {
        let (has, _) = self.peers.remove(&key).unwrap();
        self.seed.left(key, &has);
    }

    fn tick(&mut self) -> Vec<(PeerKey, PieceIndex)> {
        self.now += Duration::from_millis(250);
        let find = |key| self.peers.get(&key).map(|(has, unchoked)| Leecher { has, unchoked: *unchoked });
        self.seed.tick(&find, self.now)
    }

    /// Ticks for this time. After how many seconds a piece was offered, and to which peer.
    fn live(&mut self, seconds: u32) -> Vec<(u32, PeerKey)> {
        let mut offers = Vec::new();
        for second in 0..seconds {
            offers.extend((0..4).flat_map(|_| self.tick()).map(|(key, _)| (second, key)));
        }
        offers
    }

    fn check(&self) {
        for piece in self.geometry.pieces() {
            let offers = self.seed.peers.values().flat_map(|peer| &peer.offers);
            let offers = offers.filter(|offer| offer.piece == piece).count();
            assert!(offers > 0 || !self.seed.offered.has(piece), "{piece:?} is kept for no peer");
            let owners = self.peers.values().filter(|(has, _)| has.has(piece)).count();
            assert_eq!(usize::from(self.seed.rarity.availability(piece)), owners);
        }
        let offered = self.seed.offered.count() as usize;
        assert_eq!(self.seed.rarity.len() + offered, self.geometry.piece_count() as usize);
    }
}

#[test]
fn each_peer_is_offered_a_piece_of_its_own_and_the_next_when_another_peer_has_it() {
    let mut swarm = TestSwarm::new(100);
    let first = swarm.joined(PeerKey(1)).unwrap();
    let second = swarm.joined(PeerKey(2)).unwrap();
    assert_ne!(first, second);
    assert_eq!(swarm.has(PeerKey(1), first), []);
    assert_eq!(swarm.live(50), []);
    let next = swarm.has(PeerKey(2), first);
    assert!(matches!(next[..], [(PeerKey(1), piece)] if piece != first && piece != second), "{next:?}");
    swarm.check();
}

#[test]
fn a_peer_that_is_left_alone_gets_its_next_piece_at_once() {
    let mut swarm = TestSwarm::new(100);
    let first = swarm.joined(PeerKey(1)).unwrap();
    swarm.joined(PeerKey(2));
    assert_eq!(swarm.has(PeerKey(1), first), []);
    swarm.left(PeerKey(2));
    let next = swarm.tick();
    assert_eq!(next.len(), 1);
    assert_eq!(swarm.has(PeerKey(1), next[0].1).len(), 1);
    swarm.check();
}

#[test]
fn a_peer_that_does_not_spread_its_piece_waits_a_minute_and_the_piece_is_offered_to_others() {
    let mut swarm = TestSwarm::new(2);
    let first = swarm.joined(PeerKey(1)).unwrap();
    let second = swarm.joined(PeerKey(2)).unwrap();
    assert_eq!(swarm.has(PeerKey(1), first), []);
    let offers = swarm.live(90);
    assert!(offers.iter().all(|(second, _)| *second >= 59), "{offers:?}");
    assert!(
        offers.iter().any(|(_, key)| *key == PeerKey(1)) && offers.iter().any(|(_, key)| *key == PeerKey(2)),
        "{offers:?}"
    );
    assert!(swarm.peers[&PeerKey(2)].0.has(second) || swarm.seed.peers[&PeerKey(2)].offers.len() == 2);
    swarm.check();
}

#[test]
fn a_choked_peer_is_offered_nothing_more_and_one_that_does_not_want_its_piece_gets_others() {
    let mut swarm = TestSwarm::new(1000);
    swarm.joined(PeerKey(1));
    swarm.joined(PeerKey(2));
    swarm.peers.get_mut(&PeerKey(1)).unwrap().1 = false;
    let offers = swarm.live(60 * 10 + 1);
    assert_eq!(offers.iter().filter(|(_, key)| *key == PeerKey(1)).count(), 0);
    assert_eq!(offers.iter().filter(|(_, key)| *key == PeerKey(2)).count(), 10);
    swarm.live(60 * 100);
    assert!(swarm.seed.peers[&PeerKey(2)].offers.len() <= MAX_OFFERS);
    swarm.check();
}

#[test]
fn the_records_stay_right_through_any_history() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut swarm = TestSwarm::new(30);
    let mut last_key = 0;
    for _ in 0..20_000 {
        let keys: Vec<PeerKey> = swarm.peers.keys().copied().collect();
        let some = random.choice(&keys).copied();
        let piece = swarm.geometry.piece(random.u32(..30)).unwrap();
        match (random.u8(..20), some) {
            (0, _) if keys.len() < 8 => {
                last_key += 1;
                swarm.joined(PeerKey(last_key));
            }
            (1, Some(key)) if random.u8(..3) == 0 => swarm.left(key),
            (2..10, Some(key)) if !swarm.peers[&key].0.has(piece) => {
                let offers = swarm.has(key, piece);
                assert!(offers.iter().all(|(key, piece)| !swarm.peers[key].0.has(*piece)));
            }
            (10, Some(key)) => swarm.peers.get_mut(&key).unwrap().1 ^= true,
            _ => swarm.now += Duration::from_secs(random.u64(..20)),
        }
        swarm.tick();
        swarm.check();
    }
}

#[test]
fn seeds_unknown_peers_and_peers_of_an_empty_torrent_are_offered_nothing() {
    let mut swarm = TestSwarm::new(10);
    let piece = swarm.geometry.piece(0).unwrap();
    assert_eq!(swarm.seed.joined(PeerKey(1), &PeerPieces::All, swarm.now), None);
    assert_eq!(swarm.has(PeerKey(5), piece), []);
    swarm.seed.left(PeerKey(5), &PeerPieces::All);
    assert_eq!(swarm.tick(), []);
    assert_eq!(TestSwarm::new(0).joined(PeerKey(1)), None);
}

#[test]
fn a_piece_that_a_peer_has_lost_is_one_copy_less() {
    let mut swarm = TestSwarm::new(4);
    let [one, other] = [1, 2].map(PeerKey);
    let first = swarm.joined(one).unwrap();
    swarm.joined(other);
    swarm.has(one, first);
    swarm.lost(one, first);
    swarm.check();
    // What a peer that is gone has lost changes nothing.
    swarm.has(one, first);
    swarm.left(other);
    swarm.seed.lost(other, first);
    swarm.check();
}
