use super::*;

struct Seed {
    geometry: Geometry,
    seed: SuperSeeding<u32>,
    peers: HashMap<u32, (PeerPieces, bool)>,
    now: Instant,
}

impl Seed {
    fn new(pieces: u32) -> Seed {
        let (geometry, now) = (Geometry::new(u64::from(pieces), 1).unwrap(), Instant::now());
        let seed = SuperSeeding::new(geometry, fastrand::Rng::with_seed(3), now);
        Seed { geometry, seed, peers: HashMap::new(), now }
    }

    fn joined(&mut self, key: u32) -> Option<PieceIndex> {
        let has = PeerPieces::Some(Bitfield::none(self.geometry.piece_count()));
        let told = self.seed.joined(key, &has, self.now);
        self.peers.insert(key, (has, true));
        told
    }

    fn has(&mut self, key: u32, piece: PieceIndex) -> Vec<(u32, PieceIndex)> {
        if let Some((PeerPieces::Some(pieces), _)) = self.peers.get_mut(&key) {
            assert!(pieces.insert(piece));
        }
        let find = |key| self.peers.get(&key).map(|(has, unchoked)| Leecher { has, unchoked: *unchoked });
        self.seed.has(key, piece, &find, self.now)
    }

    fn left(&mut self, key: u32) {
        let (has, _) = self.peers.remove(&key).unwrap();
        self.seed.left(key, &has);
    }

    fn tick(&mut self) -> Vec<(u32, PieceIndex)> {
        self.now += Duration::from_millis(250);
        let find = |key| self.peers.get(&key).map(|(has, unchoked)| Leecher { has, unchoked: *unchoked });
        self.seed.tick(&find, self.now)
    }

    /// Ticks for so long; what was told and after how many seconds.
    fn live(&mut self, seconds: u32) -> Vec<(u32, u32)> {
        let mut told = Vec::new();
        for second in 0..seconds {
            told.extend((0..4).flat_map(|_| self.tick()).map(|(key, _)| (second, key)));
        }
        told
    }

    fn check(&self) {
        for piece in self.geometry.pieces() {
            let told = self.seed.peers.values().flat_map(|peer| &peer.told);
            let told = told.filter(|told| told.piece == piece).count();
            assert!(told > 0 || !self.seed.open.has(piece), "{piece:?} is kept for nobody");
            let owners = self.peers.values().filter(|(has, _)| has.has(piece)).count();
            assert_eq!(usize::from(self.seed.table.availability(piece)), owners);
        }
        let open = self.seed.open.count() as usize;
        assert_eq!(self.seed.table.len() + open, self.geometry.piece_count() as usize);
    }
}

#[test]
fn each_is_told_of_a_piece_of_its_own_and_of_the_next_when_another_has_it() {
    let mut seed = Seed::new(100);
    let first = seed.joined(1).unwrap();
    let second = seed.joined(2).unwrap();
    assert_ne!(first, second);
    assert_eq!(seed.has(1, first), []);
    assert_eq!(seed.live(50), []);
    let next = seed.has(2, first);
    assert!(matches!(next[..], [(1, piece)] if piece != first && piece != second), "{next:?}");
    seed.check();
}

#[test]
fn one_that_is_left_alone_goes_on_at_once() {
    let mut seed = Seed::new(100);
    let first = seed.joined(1).unwrap();
    seed.joined(2);
    assert_eq!(seed.has(1, first), []);
    seed.left(2);
    let next = seed.tick();
    assert_eq!(next.len(), 1);
    assert_eq!(seed.has(1, next[0].1).len(), 1);
    seed.check();
}

#[test]
fn one_that_does_not_spread_waits_a_minute_and_others_are_told_of_its_piece() {
    let mut seed = Seed::new(2);
    let first = seed.joined(1).unwrap();
    let second = seed.joined(2).unwrap();
    assert_eq!(seed.has(1, first), []);
    let told = seed.live(90);
    assert!(told.iter().all(|(second, _)| *second >= 59), "{told:?}");
    assert!(told.iter().any(|(_, key)| *key == 1) && told.iter().any(|(_, key)| *key == 2), "{told:?}");
    assert!(seed.peers[&2].0.has(second) || seed.seed.peers[&2].told.len() == 2);
    seed.check();
}

#[test]
fn one_that_may_not_ask_is_not_hurried_and_one_that_does_not_want_its_piece_gets_others() {
    let mut seed = Seed::new(1000);
    seed.joined(1);
    seed.joined(2);
    seed.peers.get_mut(&1).unwrap().1 = false;
    let told = seed.live(60 * 10 + 1);
    assert_eq!(told.iter().filter(|(_, key)| *key == 1).count(), 0);
    assert_eq!(told.iter().filter(|(_, key)| *key == 2).count(), 10);
    seed.live(60 * 100);
    assert!(seed.seed.peers[&2].told.len() <= MOST);
    seed.check();
}

#[test]
fn the_books_are_right_through_any_history() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut seed = Seed::new(30);
    let mut next_key = 0;
    for _ in 0..20_000 {
        let keys: Vec<u32> = seed.peers.keys().copied().collect();
        let some = random.choice(&keys).copied();
        let piece = seed.geometry.piece(random.u32(..30)).unwrap();
        match (random.u8(..20), some) {
            (0, _) if keys.len() < 8 => {
                next_key += 1;
                seed.joined(next_key);
            }
            (1, Some(key)) if random.u8(..3) == 0 => seed.left(key),
            (2..10, Some(key)) if !seed.peers[&key].0.has(piece) => {
                let told = seed.has(key, piece);
                assert!(told.iter().all(|(key, piece)| !seed.peers[key].0.has(*piece)));
            }
            (10, Some(key)) => seed.peers.get_mut(&key).unwrap().1 ^= true,
            _ => seed.now += Duration::from_secs(random.u64(..20)),
        }
        seed.tick();
        seed.check();
    }
}

#[test]
fn seeds_strangers_and_a_torrent_without_pieces_are_told_nothing() {
    let mut seed = Seed::new(10);
    let piece = seed.geometry.piece(0).unwrap();
    assert_eq!(seed.seed.joined(1, &PeerPieces::All, seed.now), None);
    assert_eq!(seed.has(5, piece), []);
    seed.seed.left(5, &PeerPieces::All);
    assert_eq!(seed.tick(), []);
    assert_eq!(Seed::new(0).joined(1), None);
}
