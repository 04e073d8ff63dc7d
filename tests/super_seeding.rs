//! Swarms in a loop with a super-seed or a plain one: a counter is the clock, and there is no socket.
//!
//! A round is a second. The seed sends as many pieces a round as its line takes, in turns to those who ask
//! it for one; every leecher that shares sends one piece a round to somebody who lacks it. Who may ask for
//! what follows from what each was told: of the seed's pieces a leecher knows those that it heard of.

#![cfg(test)]

use std::time::{Duration, Instant};

use femtotorrent::piece::{Bitfield, Geometry, PieceIndex};
use femtotorrent::strategy::{Leecher, PeerPieces, SuperSeeding};

const SECOND: Duration = Duration::from_secs(1);

struct Member {
    has: PeerPieces,
    /// Which pieces of the seed it knows of.
    told: Bitfield,
    shares: bool,
    reachable: bool,
    finished: Option<u32>,
}

impl Member {
    fn lacks(&self, piece: PieceIndex) -> bool {
        !self.has.has(piece)
    }
}

struct Swarm {
    geometry: Geometry,
    members: Vec<Member>,
    /// `None`: a plain seed.
    seed: Option<SuperSeeding<usize>>,
    /// Pieces a round.
    line: usize,
    sent: u32,
    start: Instant,
    second: u32,
    turn: usize,
    random: fastrand::Rng,
}

impl Swarm {
    fn new(pieces: u32, members: usize, line: usize, superb: bool, seed: u64) -> Swarm {
        let geometry = Geometry::new(u64::from(pieces), 1).unwrap();
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut swarm = Swarm {
            geometry,
            members: Vec::new(),
            seed: superb.then(|| SuperSeeding::new(geometry, random.fork(), start)),
            line,
            sent: 0,
            start,
            second: 0,
            turn: 0,
            random,
        };
        (0..members).for_each(|_| swarm.join(Bitfield::none(pieces)));
        swarm
    }

    fn now(&self) -> Instant {
        self.start + SECOND * self.second
    }

    fn join(&mut self, pieces: Bitfield) {
        let count = self.geometry.piece_count();
        let told = if self.seed.is_some() { Bitfield::none(count) } else { Bitfield::all(count) };
        let (has, key, now) = (PeerPieces::Some(pieces), self.members.len(), self.now());
        let first = self.seed.as_mut().and_then(|seed| seed.joined(key, &has, now));
        self.members.push(Member { has, told, shares: true, reachable: true, finished: None });
        first.into_iter().for_each(|piece| self.tell(key, piece));
    }

    fn tell(&mut self, key: usize, piece: PieceIndex) {
        assert!(self.members[key].lacks(piece), "nobody is told of what it has");
        assert!(self.members[key].told.insert(piece), "nobody is told twice");
    }

    /// A second passes.
    fn live(&mut self) {
        self.second += 1;
        let members = self.members.len();
        // From the seed, in turns.
        for _ in 0..self.line {
            let asking = (0..members).map(|at| (at + self.turn) % members).find_map(|key| {
                let member = &self.members[key];
                let wanted: Vec<PieceIndex> =
                    self.geometry.pieces().filter(|p| member.told.has(*p) && member.lacks(*p)).collect();
                Some((key, self.rarest(&wanted)?))
            });
            let Some((key, piece)) = asking else { break };
            self.turn = key + 1;
            self.sent += 1;
            self.arrives(key, piece);
        }
        // From each other.
        let mut order: Vec<usize> = (0..members).collect();
        self.random.shuffle(&mut order);
        for from in order {
            let to = self.random.usize(..members);
            if !self.members[from].shares || !self.members[from].reachable {
                continue;
            }
            for to in (0..members).map(|at| (at + to) % members) {
                let (sender, taker) = (&self.members[from], &self.members[to]);
                let wanted: Vec<PieceIndex> =
                    self.geometry.pieces().filter(|p| sender.has.has(*p) && taker.lacks(*p)).collect();
                if let Some(piece) = self.rarest(&wanted).filter(|_| from != to && taker.reachable) {
                    self.arrives(to, piece);
                    break;
                }
            }
        }
        let now = self.now();
        if let Some(mut seed) = self.seed.take() {
            let tell = seed.tick(&|key| self.leecher(key), now);
            self.seed = Some(seed);
            tell.into_iter().for_each(|(key, piece)| self.tell(key, piece));
        }
    }

    /// As every leecher does: the rarest first, ties at random.
    fn rarest(&self, wanted: &[PieceIndex]) -> Option<PieceIndex> {
        let first = self.second as usize * 31;
        let copies = |piece: PieceIndex| self.members.iter().filter(|member| !member.lacks(piece)).count();
        (0..wanted.len()).map(|at| wanted[(at + first) % wanted.len()]).min_by_key(|piece| copies(*piece))
    }

    fn leecher(&self, key: usize) -> Option<Leecher<'_>> {
        self.members.get(key).map(|member| Leecher { has: &member.has, unchoked: true })
    }

    fn arrives(&mut self, key: usize, piece: PieceIndex) {
        let PeerPieces::Some(pieces) = &mut self.members[key].has else { panic!("it has everything") };
        assert!(pieces.insert(piece));
        if pieces.is_full() {
            self.members[key].finished = Some(self.second);
        }
        let now = self.now();
        if let Some(mut seed) = self.seed.take() {
            let tell = seed.has(key, piece, &|key| self.leecher(key), now);
            self.seed = Some(seed);
            tell.into_iter().for_each(|(key, piece)| self.tell(key, piece));
        }
    }

    /// Lives until all have everything. In how many seconds.
    fn finish(&mut self) -> u32 {
        while self.members.iter().any(|member| member.finished.is_none()) {
            assert!(self.second < 20_000, "somebody stalls");
            self.live();
        }
        self.second
    }

    fn copies_sent(&self) -> f64 {
        f64::from(self.sent) / f64::from(self.geometry.piece_count())
    }
}

#[test]
fn a_super_seed_sends_little_more_than_one_copy_where_a_plain_one_sends_two() {
    for seed in 0..3 {
        // A line that is as fast as a leecher's, and one three times as fast.
        for (line, at_least) in [(1, 1.0), (3, 2.0)] {
            let mut plain = Swarm::new(200, 10, line, false, seed);
            let mut superb = Swarm::new(200, 10, line, true, seed);
            let (plainly, superbly) = (plain.finish(), superb.finish());
            assert!(superb.copies_sent() <= 1.1, "{}", superb.copies_sent());
            assert!(plain.copies_sent() >= superb.copies_sent().max(at_least), "{}", plain.copies_sent());
            assert!(superbly <= plainly * 5 / 4, "{superbly} s after {plainly} s");
        }
    }
}

#[test]
fn one_leecher_alone_is_served_as_fast_as_the_line_allows() {
    let mut swarm = Swarm::new(300, 1, 1, true, 1);
    assert_eq!(swarm.finish(), 300);
    assert_eq!(swarm.sent, 300);
}

#[test]
fn one_that_never_shares_costs_little_and_gets_everything() {
    for seed in 0..3 {
        let mut swarm = Swarm::new(200, 10, 2, true, seed);
        swarm.members[3].shares = false;
        swarm.finish();
        assert!(swarm.copies_sent() <= 1.1, "{}", swarm.copies_sent());
    }
}

#[test]
fn peers_that_cannot_reach_each_other_are_held_back_for_some_minutes_only() {
    let mut swarm = Swarm::new(300, 3, 3, true, 1);
    swarm.members.iter_mut().for_each(|member| member.reachable = false);
    let seconds = swarm.finish();
    assert!(seconds <= 300 + 200, "{seconds}");
}

#[test]
fn one_that_comes_to_a_swarm_of_idle_owners_is_served() {
    let mut swarm = Swarm::new(300, 0, 3, true, 1);
    let mut nearly = Bitfield::all(300);
    nearly.remove(swarm.geometry.piece(7).unwrap());
    for _ in 0..3 {
        swarm.join(nearly.clone());
    }
    swarm.finish();
    swarm.members.iter_mut().for_each(|member| member.shares = false);
    swarm.join(Bitfield::none(300));
    let seconds = swarm.finish();
    assert!(seconds <= 300 + 200, "{seconds}");
}
