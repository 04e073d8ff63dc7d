//! Which piece a super-seed tells which peer of (BEP 16), so that the first copy leaves it only once.
//!
//! Runs on the coordinator's thread. A super-seed says that it has nothing, and then tells each peer of one
//! piece at a time: one that nobody has, or else a rare one. The peer asks for it, since it knows of no
//! other. It is told of the next when the piece is *out*: when two peers have it, so that somebody passed it
//! on. A peer that is alone can pass nothing on: for it a piece is out as soon as it has it.
//!
//! Nobody is held back for ever, since being held back is of use only where peers exchange:
//!
//! - A peer that has its piece and does not spread it within the *patience*, a minute, is told of another,
//!   and others may be told of the piece that it keeps.
//! - A piece that is out is the business of the swarm: we tell of it only those who have waited for as long
//!   as the patience.
//! - While no peer gets anything from another, the patience halves each time that it has run out; the first
//!   piece that somebody got elsewhere restores it. So two peers that cannot reach each other, or the only
//!   one among many that send nothing, are held back for two minutes and then served at full speed.
//! - A peer that may ask and does not finish its piece is told of another after a minute, in case it does
//!   not want the first.
//!
//! What an event costs grows with the number of peers, not of pieces, but for two: a peer that leaves costs
//! a step for each of its pieces, and a choice for a peer that has the 256 rarest pieces goes through all of
//! them, 64 a step.

use super::rarity::{Has, Rarity, lacked};
use crate::piece::{Bitfield, Geometry, PieceIndex};
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long a peer gets to pass a piece on.
const PATIENCE: Duration = Duration::from_secs(60);
/// A shorter patience is none.
const SHORTEST: Duration = Duration::from_secs(1);
/// How many peers have a piece that is out.
const OUT: usize = 2;
/// Of how many pieces that it does not fetch a peer is told, before others are told of the first.
const MOST: usize = 64;

/// What the coordinator knows of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Leecher<'a> {
    /// What it has.
    pub has: &'a Has,
    /// It may ask us for blocks.
    pub unchoked: bool,
}

/// Finds a peer by its key.
pub type Leechers<'a, Key> = dyn Fn(Key) -> Option<Leecher<'a>> + 'a;

/// Who was told of what.
#[derive(Debug)]
pub struct SuperSeeding<Key> {
    geometry: Geometry,
    /// The pieces that a peer may be told of, by how many have them.
    table: Rarity,
    /// Pieces that somebody was told of, and that are not out.
    open: Bitfield,
    /// Pieces that somebody was ever told of: no other can have come from peer to peer.
    given: Bitfield,
    peers: HashMap<Key, Peer>,
    patience: Duration,
    /// When a peer got something from another, or else the patience halved; or when last nobody waited.
    quiet_since: Instant,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Peer {
    /// What it was told of and is not out.
    told: Vec<Told>,
    /// When it was told something, or while it was choked: that it cannot help.
    since: Instant,
}

#[derive(Debug)]
struct Told {
    piece: PieceIndex,
    /// Since when it has it.
    had: Option<Instant>,
}

impl<Key: Copy + Eq + Hash> SuperSeeding<Key> {
    /// A super-seed without peers.
    pub fn new(geometry: Geometry, mut random: fastrand::Rng, now: Instant) -> SuperSeeding<Key> {
        let all = Bitfield::all(geometry.piece_count());
        SuperSeeding {
            geometry,
            table: Rarity::new(geometry, &all, &mut random),
            open: Bitfield::none(geometry.piece_count()),
            given: Bitfield::none(geometry.piece_count()),
            peers: HashMap::new(),
            patience: PATIENCE,
            quiet_since: now,
            random,
        }
    }

    /// A peer joined, with these pieces. Returns the piece to tell it of.
    ///
    /// One whose pieces become known all at once, and later, has to leave and join again.
    pub fn joined(&mut self, key: Key, has: &Has, now: Instant) -> Option<PieceIndex> {
        let Has::Some(pieces) = has else { return None };
        self.peers.insert(key, Peer { told: Vec::new(), since: now });
        for piece in pieces.iter(self.geometry) {
            self.table.gained(piece);
            self.settle(piece);
        }
        // Those whom that sets free are told by the next tick.
        self.next(key, has, now)
    }

    /// This peer has one piece more, which `leechers` knows already. Returns whom to tell of which piece.
    pub fn has(
        &mut self,
        key: Key,
        piece: PieceIndex,
        leechers: &Leechers<'_, Key>,
        now: Instant,
    ) -> Vec<(Key, PieceIndex)> {
        let Some(peer) = self.peers.get_mut(&key) else { return Vec::new() };
        match peer.told.iter_mut().find(|told| told.piece == piece) {
            Some(told) => told.had = Some(now),
            None if self.given.has(piece) => {
                self.patience = PATIENCE;
                self.quiet_since = now;
            }
            // It says so, or has it from another seed.
            None => {}
        }
        self.table.gained(piece);
        let mut free = self.settle(piece);
        if self.give_up(key, now) {
            free.push(key);
        }
        free.into_iter().filter_map(|key| self.tell(key, leechers, now)).collect()
    }

    /// This peer is gone, and had these pieces. Whom that sets free is told by the next tick.
    pub fn left(&mut self, key: Key, has: &Has) {
        let Some(peer) = self.peers.remove(&key) else { return };
        if let Has::Some(pieces) = has {
            pieces.iter(self.geometry).for_each(|piece| self.table.lost(piece));
        }
        peer.told.iter().for_each(|told| self.release(told.piece));
        let open: Vec<PieceIndex> =
            self.peers.values().flat_map(|peer| &peer.told).map(|told| told.piece).collect();
        for piece in open {
            self.settle(piece);
        }
    }

    /// To be called several times a second. Returns whom to tell of which piece.
    pub fn tick(&mut self, leechers: &Leechers<'_, Key>, now: Instant) -> Vec<(Key, PieceIndex)> {
        let keys: Vec<Key> = self.peers.keys().copied().collect();
        let mut waits = false;
        for key in &keys {
            let (Some(peer), Some(leecher)) = (self.peers.get_mut(key), leechers(*key)) else { continue };
            if !leecher.unchoked && peer.told.iter().any(|told| told.had.is_none()) {
                peer.since = now;
            }
            waits |= !is_full(leecher.has) && peer.told.iter().all(|told| told.had.is_some());
            self.give_up(*key, now);
        }
        if !waits {
            self.quiet_since = now;
        } else if now.saturating_duration_since(self.quiet_since) >= self.patience {
            self.patience = if self.patience < SHORTEST { Duration::ZERO } else { self.patience / 2 };
            self.quiet_since = now;
        }
        keys.into_iter().filter_map(|key| self.tell(key, leechers, now)).collect()
    }

    fn tell(&mut self, key: Key, leechers: &Leechers<'_, Key>, now: Instant) -> Option<(Key, PieceIndex)> {
        Some((key, self.next(key, leechers(key)?.has, now)?))
    }

    /// The next piece for this peer, if it is time.
    fn next(&mut self, key: Key, has: &Has, now: Instant) -> Option<PieceIndex> {
        let peer = self.peers.get(&key)?;
        let waited = now.saturating_duration_since(peer.since);
        let free = peer.told.is_empty();
        let fetching = peer.told.iter().all(|told| told.had.is_none());
        let late = fetching && waited >= PATIENCE || free && waited >= self.patience;
        if is_full(has) || !free && !late {
            return None;
        }
        let needs_us = |table: &Rarity, piece| usize::from(table.availability(piece)) < OUT;
        if !late && !self.table.rarest().is_some_and(|piece| needs_us(&self.table, piece)) {
            return None;
        }
        let known = |piece| peer.told.iter().any(|told| told.piece == piece);
        let rarest = self.table.rarest_lacked(has, &known, &mut self.random);
        let piece = match rarest.filter(|piece| late || needs_us(&self.table, *piece)) {
            Some(piece) => piece,
            // Of all that it lacks somebody else was told, who may never pass it on.
            None if late => lacked(self.geometry, has, &self.open, &known, &mut self.random)?,
            None => return None,
        };
        self.table.take(piece);
        self.open.insert(piece);
        self.given.insert(piece);
        let peer = self.peers.get_mut(&key)?;
        peer.since = now;
        peer.told.push(Told { piece, had: None });
        if peer.told.len() > MOST {
            let first = peer.told.remove(0).piece;
            self.release(first);
        }
        Some(piece)
    }

    /// Where this piece is out, nobody is held back for it. Returns who is not held back any more.
    fn settle(&mut self, piece: PieceIndex) -> Vec<Key> {
        if usize::from(self.table.availability(piece)) < OUT.min(self.peers.len()) {
            return Vec::new();
        }
        self.release(piece);
        let freed = self.peers.iter_mut().filter_map(|(key, peer)| {
            let before = peer.told.len();
            peer.told.retain(|told| told.piece != piece);
            (peer.told.is_empty() && before > 0).then_some(*key)
        });
        freed.collect()
    }

    /// Waits no longer for the pieces that this peer has had for too long. Whether that sets it free.
    fn give_up(&mut self, key: Key, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&key) else { return false };
        let patience = self.patience;
        let too_long =
            |told: &mut Told| told.had.is_some_and(|had| now.saturating_duration_since(had) >= patience);
        let given_up: Vec<Told> = peer.told.extract_if(.., too_long).collect();
        let free = peer.told.is_empty() && !given_up.is_empty();
        given_up.into_iter().for_each(|told| self.release(told.piece));
        free
    }

    /// Others may be told of this piece.
    fn release(&mut self, piece: PieceIndex) {
        if self.open.remove(piece) {
            self.table.put_back(piece);
        }
    }
}

fn is_full(has: &Has) -> bool {
    match has {
        Has::All => true,
        Has::Some(pieces) => pieces.is_full(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seed {
        geometry: Geometry,
        seed: SuperSeeding<u32>,
        peers: HashMap<u32, (Has, bool)>,
        now: Instant,
    }

    impl Seed {
        fn new(pieces: u32) -> Seed {
            let (geometry, now) = (Geometry::new(u64::from(pieces), 1).unwrap(), Instant::now());
            let seed = SuperSeeding::new(geometry, fastrand::Rng::with_seed(3), now);
            Seed { geometry, seed, peers: HashMap::new(), now }
        }

        fn joined(&mut self, key: u32) -> Option<PieceIndex> {
            let has = Has::Some(Bitfield::none(self.geometry.piece_count()));
            let told = self.seed.joined(key, &has, self.now);
            self.peers.insert(key, (has, true));
            told
        }

        fn has(&mut self, key: u32, piece: PieceIndex) -> Vec<(u32, PieceIndex)> {
            if let Some((Has::Some(pieces), _)) = self.peers.get_mut(&key) {
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
        assert_eq!(seed.seed.joined(1, &Has::All, seed.now), None);
        assert_eq!(seed.has(5, piece), []);
        seed.seed.left(5, &Has::All);
        assert_eq!(seed.tick(), []);
        assert_eq!(Seed::new(0).joined(1), None);
    }
}
