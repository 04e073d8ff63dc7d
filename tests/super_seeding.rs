//! Does super-seeding save the seed's upload? Simulated swarms with a super-seed or a plain seed. A counter
//! is the clock, and there is no socket.
//!
//! A round is a second. In each the seed sends as many pieces as its line takes, in turn to the leechers that
//! request one. Every leecher that uploads sends one piece to another leecher that lacks it. A leecher can
//! request from the seed only the pieces that the seed told it about.

#![cfg(test)]

use std::time::{Duration, Instant};

use femtotorrent::chance;
use femtotorrent::piece::{Bitfield, Geometry, PeerKey, PieceIndex};
use femtotorrent::strategy::{Leecher, PeerPieces, SuperSeeding};

const SECOND: Duration = Duration::from_secs(1);

struct Member {
    has: PeerPieces,
    /// The seed's pieces that it knows about.
    told: Bitfield,
    uploads: bool,
    /// Other leechers can connect to it.
    reachable: bool,
    /// The second in which it had everything.
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
    super_seed: Option<SuperSeeding>,
    /// Pieces that the seed sends in a round.
    line: usize,
    /// Pieces that the seed has sent.
    sent: u32,
    start: Instant,
    second: u32,
    /// The leecher that the seed looks at first.
    turn: usize,
    random: fastrand::Rng,
}

impl Swarm {
    fn new(pieces: u32, members: usize, line: usize, super_seeds: bool, seed: u64) -> Swarm {
        let geometry = Geometry::new(u64::from(pieces), 1).unwrap();
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut swarm = Swarm {
            geometry,
            members: Vec::new(),
            super_seed: super_seeds.then(|| SuperSeeding::new(geometry, random.fork(), start)),
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
        let told = if self.super_seed.is_some() { Bitfield::none(count) } else { Bitfield::all(count) };
        let (has, now) = (PeerPieces::Some(pieces), self.now());
        let key = PeerKey(self.members.len() as u32);
        let first = self.super_seed.as_mut().and_then(|seed| seed.joined(key, &has, now));
        self.members.push(Member { has, told, uploads: true, reachable: true, finished: None });
        first.into_iter().for_each(|piece| self.tell(key, piece));
    }

    fn tell(&mut self, key: PeerKey, piece: PieceIndex) {
        let member = &mut self.members[key.0 as usize];
        assert!(member.lacks(piece), "no leecher is told about a piece that it has");
        assert!(member.told.insert(piece), "no leecher is told twice");
    }

    /// One round.
    fn round(&mut self) {
        self.second += 1;
        let members = self.members.len();
        // From the seed, in turn.
        for _ in 0..self.line {
            let requested = (0..members).map(|at| (at + self.turn) % members).find_map(|number| {
                let member = &self.members[number];
                let wanted: Vec<PieceIndex> =
                    self.geometry.pieces().filter(|p| member.told.has(*p) && member.lacks(*p)).collect();
                Some((number, self.rarest(&wanted)?))
            });
            let Some((number, piece)) = requested else { break };
            self.turn = number + 1;
            self.sent += 1;
            self.receive(number, piece);
        }
        // From one leecher to another.
        let mut senders: Vec<usize> = (0..members).collect();
        chance::shuffle(&mut senders, &mut self.random);
        for from in senders {
            let to = chance::below(members, &mut self.random);
            if !self.members[from].uploads || !self.members[from].reachable {
                continue;
            }
            for to in (0..members).map(|at| (at + to) % members) {
                let (sender, receiver) = (&self.members[from], &self.members[to]);
                let wanted: Vec<PieceIndex> =
                    self.geometry.pieces().filter(|p| sender.has.has(*p) && receiver.lacks(*p)).collect();
                if let Some(piece) = self.rarest(&wanted).filter(|_| from != to && receiver.reachable) {
                    self.receive(to, piece);
                    break;
                }
            }
        }
        let now = self.now();
        if let Some(mut seed) = self.super_seed.take() {
            let offers = seed.tick(&|key| self.leecher(key), now);
            self.super_seed = Some(seed);
            offers.into_iter().for_each(|(key, piece)| self.tell(key, piece));
        }
    }

    /// The piece that a leecher requests of these: the rarest, or one of several that are equally rare, at
    /// random.
    fn rarest(&self, wanted: &[PieceIndex]) -> Option<PieceIndex> {
        let first = self.second as usize * 31;
        let copies = |piece: PieceIndex| self.members.iter().filter(|member| !member.lacks(piece)).count();
        (0..wanted.len()).map(|at| wanted[(at + first) % wanted.len()]).min_by_key(|piece| copies(*piece))
    }

    fn leecher(&self, key: PeerKey) -> Option<Leecher<'_>> {
        self.members.get(key.0 as usize).map(|member| Leecher { has: &member.has, unchoked: true })
    }

    fn receive(&mut self, number: usize, piece: PieceIndex) {
        let PeerPieces::Some(pieces) = &mut self.members[number].has else { panic!("it has everything") };
        assert!(pieces.insert(piece));
        if pieces.is_full() {
            self.members[number].finished = Some(self.second);
        }
        let now = self.now();
        if let Some(mut seed) = self.super_seed.take() {
            let offers = seed.has(PeerKey(number as u32), piece, &|key| self.leecher(key), now);
            self.super_seed = Some(seed);
            offers.into_iter().for_each(|(key, piece)| self.tell(key, piece));
        }
    }

    /// Runs until all leechers have everything. The time that it took, in seconds.
    fn finish(&mut self) -> u32 {
        while self.members.iter().any(|member| member.finished.is_none()) {
            assert!(self.second < 20_000, "a leecher stalls");
            self.round();
        }
        self.second
    }

    fn copies_sent(&self) -> f64 {
        f64::from(self.sent) / f64::from(self.geometry.piece_count())
    }
}

#[test]
fn a_super_seed_sends_little_more_than_one_copy_where_a_plain_seed_sends_two() {
    for seed in 0..3 {
        // A line that is as fast as a leecher's, and one three times as fast.
        for (line, at_least) in [(1, 1.0), (3, 2.0)] {
            let mut plain = Swarm::new(200, 10, line, false, seed);
            let mut super_seeded = Swarm::new(200, 10, line, true, seed);
            let (plain_time, super_time) = (plain.finish(), super_seeded.finish());
            assert!(super_seeded.copies_sent() <= 1.1, "{}", super_seeded.copies_sent());
            assert!(
                plain.copies_sent() >= super_seeded.copies_sent().max(at_least),
                "{}",
                plain.copies_sent()
            );
            assert!(super_time <= plain_time * 5 / 4, "{super_time} s, and {plain_time} s with a plain seed");
        }
    }
}

#[test]
fn a_lone_leecher_is_served_as_fast_as_the_line_allows() {
    let mut swarm = Swarm::new(300, 1, 1, true, 1);
    assert_eq!(swarm.finish(), 300);
    assert_eq!(swarm.sent, 300);
}

#[test]
fn a_leecher_that_never_uploads_costs_little_and_gets_everything() {
    for seed in 0..3 {
        let mut swarm = Swarm::new(200, 10, 2, true, seed);
        swarm.members[3].uploads = false;
        swarm.finish();
        assert!(swarm.copies_sent() <= 1.1, "{}", swarm.copies_sent());
    }
}

#[test]
fn leechers_that_cannot_reach_each_other_wait_for_a_few_minutes_only() {
    let mut swarm = Swarm::new(300, 3, 3, true, 1);
    swarm.members.iter_mut().for_each(|member| member.reachable = false);
    let seconds = swarm.finish();
    assert!(seconds <= 300 + 200, "{seconds}");
}

#[test]
fn a_leecher_that_joins_a_swarm_of_seeds_that_do_not_upload_is_served() {
    let mut swarm = Swarm::new(300, 0, 3, true, 1);
    let mut nearly = Bitfield::all(300);
    nearly.remove(swarm.geometry.piece(7).unwrap());
    for _ in 0..3 {
        swarm.join(nearly.clone());
    }
    swarm.finish();
    swarm.members.iter_mut().for_each(|member| member.uploads = false);
    swarm.join(Bitfield::none(300));
    let seconds = swarm.finish();
    assert!(seconds <= 300 + 200, "{seconds}");
}
