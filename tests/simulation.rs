//! A swarm in a loop: the picker decides for every peer, a counter is the clock, and there is no socket.

#![cfg(test)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use femtotorrent::piece::{Bitfield, Geometry, PieceIndex};
use femtotorrent::strategy::{Candidates, Failure, PeerPieces, Pipeline, Rarity, Source};

const LEECHERS: usize = 20;
const PIECES: u32 = 200;

struct Leecher {
    has: Bitfield,
    table: Rarity,
    random: fastrand::Rng,
}

/// One seed that sends one piece a round, and leechers of which each sends one piece a round.
struct Swarm {
    leechers: Vec<Leecher>,
    from_the_seed: u32,
}

impl Swarm {
    fn new(geometry: Geometry, seed: u64) -> Swarm {
        let mut random = fastrand::Rng::with_seed(seed);
        let leechers = (0..LEECHERS)
            .map(|_| {
                let mut random = random.fork();
                let table = Rarity::new(geometry, &Bitfield::all(PIECES), &mut random);
                Leecher { has: Bitfield::none(PIECES), table, random }
            })
            .collect();
        Swarm { leechers, from_the_seed: 0 }
    }

    /// Lets everybody send one piece to somebody who wants it. Whether anything moved.
    fn round(&mut self, random: &mut fastrand::Rng) -> bool {
        let mut sent = Vec::new();
        let mut busy = HashSet::new();
        let mut senders: Vec<Option<usize>> = (0..LEECHERS).map(Some).chain([None]).collect();
        random.shuffle(&mut senders);
        for sender in senders {
            let has = match sender {
                Some(number) => PeerPieces::Some(self.leechers[number].has.clone()),
                None => PeerPieces::All,
            };
            let mut others: Vec<usize> = (0..LEECHERS).filter(|other| Some(*other) != sender).collect();
            random.shuffle(&mut others);
            others.retain(|other| !busy.contains(other));
            for other in others {
                let leecher = &mut self.leechers[other];
                let first = leecher.has.count() == 0;
                if let Some(piece) = leecher.table.pick(&has, first, &mut leecher.random) {
                    busy.insert(other);
                    sent.push((other, piece));
                    self.from_the_seed += u32::from(sender.is_none());
                    break;
                }
            }
        }
        sent.iter().for_each(|(to, piece)| self.arrives(*to, *piece));
        !sent.is_empty()
    }

    fn arrives(&mut self, to: usize, piece: PieceIndex) {
        self.leechers[to].table.take(piece);
        assert!(self.leechers[to].has.insert(piece), "no piece comes twice");
        for (other, leecher) in self.leechers.iter_mut().enumerate() {
            if other != to {
                leecher.table.gained(piece);
            }
        }
    }
}

#[test]
fn everybody_gets_everything_and_the_seed_sends_little_more_than_one_copy() {
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
                after_one_copy = Some(swarm.from_the_seed);
            }
        }
        assert!(swarm.leechers.iter().all(|leecher| leecher.has.is_full()));
        // Had each fetched in its own order, the seed would have sent many pieces more than once
        // before it had sent each once.
        let sent = after_one_copy.unwrap();
        assert!(sent <= PIECES * 5 / 4, "the seed sent {sent} pieces before all {PIECES} had left it");
    }
}

#[test]
fn two_who_start_together_begin_with_different_pieces() {
    let geometry = Geometry::new(u64::from(PIECES), 1).unwrap();
    let swarm = Swarm::new(geometry, 3);
    let firsts: HashSet<PieceIndex> = swarm
        .leechers
        .into_iter()
        .map(|mut leecher| leecher.table.pick(&PeerPieces::All, true, &mut leecher.random).unwrap())
        .collect();
    assert!(firsts.len() > LEECHERS * 3 / 4, "{} of {LEECHERS}", firsts.len());
}

#[test]
fn a_peer_that_becomes_slow_is_soon_asked_for_less() {
    let mut now = Instant::now();
    let mut pipeline = Pipeline::new(now);
    pipeline.named_limit(500);
    let mut live = |pipeline: &mut Pipeline, blocks_a_tick: u32, ticks: u32| {
        for tick in 0..ticks {
            now += Duration::from_millis(100);
            pipeline.received(blocks_a_tick, now);
            if tick % 10 == 9 {
                pipeline.tick(now);
            }
        }
    };
    live(&mut pipeline, 100, 100);
    assert!(pipeline.depth() > 50, "{}", pipeline.depth());
    live(&mut pipeline, 1, 200);
    assert!(
        (10..=50).contains(&pipeline.depth()),
        "at most four seconds of 10 blocks a second: {}",
        pipeline.depth()
    );
}

#[test]
fn of_many_addresses_the_reachable_ones_are_found_whatever_the_others_do() {
    let mut candidates = Candidates::default();
    let mut random = fastrand::Rng::with_seed(5);
    let start = Instant::now();
    let mut now = start;
    let good = |port: u16| port.is_multiple_of(50);
    for port in 1..=1000 {
        candidates.add(([127, 0, 0, 1], port).into(), Source::Tracker, now);
    }
    let mut found = HashSet::new();
    let mut attempts = 0;
    while now < start + Duration::from_secs(600) {
        now += Duration::from_secs(1);
        // As many as a second allows.
        for _ in 0..18 {
            let Some(address) = candidates.next(now) else { break };
            attempts += 1;
            if good(address.port()) {
                assert!(found.insert(address), "who is connected is not connected to again");
            } else {
                candidates.failed(address, Failure::Unreachable, now, &mut random);
            }
        }
    }
    assert_eq!(found.len(), 20);
    assert!(attempts < 980 * 8, "the others are tried less and less often: {attempts}");
}
