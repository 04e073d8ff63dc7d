//! Does rarest first keep a swarm alive? Simulated: one seed and twenty leechers, each of which chooses its
//! pieces with a `Rarity` of its own. There is no socket and no clock: everything happens in rounds.

#![cfg(test)]

use std::collections::HashSet;

use femtotorrent::chance;
use femtotorrent::piece::{Bitfield, Geometry, PieceIndex};
use femtotorrent::strategy::{PeerPieces, Rarity};

const LEECHERS: usize = 20;
const PIECES: u32 = 200;

struct Leecher {
    has: Bitfield,
    rarity: Rarity,
    random: fastrand::Rng,
}

/// One seed and the leechers. In each round each of them sends one piece.
struct Swarm {
    leechers: Vec<Leecher>,
    sent_by_seed: u32,
}

impl Swarm {
    fn new(geometry: Geometry, seed: u64) -> Swarm {
        let mut random = fastrand::Rng::with_seed(seed);
        let leechers = (0..LEECHERS)
            .map(|_| {
                let mut random = random.fork();
                let rarity = Rarity::new(geometry, &Bitfield::all(PIECES), &mut random);
                Leecher { has: Bitfield::none(PIECES), rarity, random }
            })
            .collect();
        Swarm { leechers, sent_by_seed: 0 }
    }

    /// Every member sends one piece to a leecher that wants one of its pieces. Whether any piece was sent.
    fn round(&mut self, random: &mut fastrand::Rng) -> bool {
        let mut sent = Vec::new();
        // Leechers that receive a piece in this round.
        let mut busy = HashSet::new();
        let mut senders: Vec<Option<usize>> = (0..LEECHERS).map(Some).chain([None]).collect();
        chance::shuffle(&mut senders, random);
        for sender in senders {
            let has = match sender {
                Some(number) => PeerPieces::Some(self.leechers[number].has.clone()),
                None => PeerPieces::All,
            };
            let mut others: Vec<usize> = (0..LEECHERS).filter(|other| Some(*other) != sender).collect();
            chance::shuffle(&mut others, random);
            others.retain(|other| !busy.contains(other));
            for other in others {
                let leecher = &mut self.leechers[other];
                let first = leecher.has.count() == 0;
                if let Some(piece) = leecher.rarity.pick(&has, first, &mut leecher.random) {
                    busy.insert(other);
                    sent.push((other, piece));
                    self.sent_by_seed += u32::from(sender.is_none());
                    break;
                }
            }
        }
        sent.iter().for_each(|(to, piece)| self.receive(*to, *piece));
        !sent.is_empty()
    }

    fn receive(&mut self, to: usize, piece: PieceIndex) {
        self.leechers[to].rarity.take(piece);
        assert!(self.leechers[to].has.insert(piece), "no piece comes twice");
        for (other, leecher) in self.leechers.iter_mut().enumerate() {
            if other != to {
                leecher.rarity.gained(piece);
            }
        }
    }
}

#[test]
fn all_leechers_finish_and_the_seed_sends_little_more_than_one_copy() {
    let geometry = Geometry::new(u64::from(PIECES), 1).unwrap();
    for seed in 0..5 {
        let mut swarm = Swarm::new(geometry, seed);
        let mut random = fastrand::Rng::with_seed(seed + 100);
        let mut rounds = 0;
        let mut after_one_copy = None;
        while swarm.round(&mut random) {
            rounds += 1;
            assert!(rounds < PIECES * 10, "the swarm is stuck");
            let somewhere = |piece| swarm.leechers.iter().any(|leecher| leecher.has.has(piece));
            if after_one_copy.is_none() && geometry.pieces().all(somewhere) {
                after_one_copy = Some(swarm.sent_by_seed);
            }
        }
        assert!(swarm.leechers.iter().all(|leecher| leecher.has.is_full()));
        // If each leecher fetched in an order of its own, the seed would send many pieces more than
        // once before it had sent each of them once.
        let sent = after_one_copy.unwrap();
        assert!(sent <= PIECES * 5 / 4, "the seed sent {sent} pieces before all {PIECES} had left it");
    }
}

#[test]
fn leechers_that_start_together_begin_with_different_pieces() {
    let geometry = Geometry::new(u64::from(PIECES), 1).unwrap();
    let swarm = Swarm::new(geometry, 3);
    let firsts: HashSet<PieceIndex> = swarm
        .leechers
        .into_iter()
        .map(|mut leecher| leecher.rarity.pick(&PeerPieces::All, true, &mut leecher.random).unwrap())
        .collect();
    assert!(firsts.len() > LEECHERS * 3 / 4, "{} of {LEECHERS}", firsts.len());
}
