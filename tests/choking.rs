//! Swarms in a loop: every member has a choker, a counter is the clock, and there is no socket.
//!
//! Bytes flow like water. In each second every member splits its upload evenly among those whom it has
//! unchoked and who want something of it; nobody's download is limited. Who downloads fetches from each
//! sender one piece at a time, the rarest, and goes on with what another sender left unfinished.

#![cfg(test)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use femtotorrent::strategy::{Choker, Rate, View};

const SECOND: Duration = Duration::from_secs(1);
const PIECES: usize = 500;
const PIECE: u64 = 256 * 1024;
/// Bytes a second of everybody who shares.
const UPLOAD: u64 = 128 * 1024;
/// The seed's. With less than a few times the others' everybody waits for the seed, whoever gives what.
const UPLOAD_OF_THE_SEED: u64 = 4 * UPLOAD;

struct Member {
    shares: bool,
    present: bool,
    /// Bytes of each piece; a full one counts for others.
    progress: Vec<u64>,
    complete: usize,
    finished: Option<u32>,
    choker: Choker<usize>,
    /// In which order it met the others: by this number it knows them.
    names: Vec<usize>,
    /// Which piece comes from whom.
    fetching: HashMap<usize, usize>,
}

impl Member {
    fn has(&self, piece: usize) -> bool {
        self.progress[piece] == PIECE
    }

    fn unchokes(&self, other: usize) -> bool {
        self.choker.is_unchoked(self.names[other])
    }
}

struct Swarm {
    members: Vec<Member>,
    /// `lacks[a][b]`: how many pieces `b` has and `a` has not.
    lacks: Vec<Vec<u32>>,
    copies: Vec<u32>,
    /// `sent[a][b]`: from `a` to `b`.
    sent: Vec<Vec<Rate>>,
    changed: HashMap<(usize, usize), u32>,
    slots: usize,
    /// Who has everything stays and seeds.
    stay: bool,
    start: Instant,
    second: u32,
    random: fastrand::Rng,
}

impl Swarm {
    /// Number 0 is the seed, the last `free_riders` give nothing.
    fn new(members: usize, free_riders: usize, slots: usize, stay: bool, seed: u64) -> Swarm {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut names = || {
            let mut names: Vec<usize> = (0..members).collect();
            random.shuffle(&mut names);
            names
        };
        let member = |number| Member {
            shares: number < members - free_riders,
            present: true,
            progress: vec![if number == 0 { PIECE } else { 0 }; PIECES],
            complete: if number == 0 { PIECES } else { 0 },
            finished: None,
            choker: Choker::new(start),
            names: names(),
            fetching: HashMap::new(),
        };
        let everybody = (0..members).map(member).collect();
        let lacks = |a: usize, b: usize| if a != 0 && b == 0 { PIECES as u32 } else { 0 };
        Swarm {
            members: everybody,
            lacks: (0..members).map(|a| (0..members).map(|b| lacks(a, b)).collect()).collect(),
            copies: vec![1; PIECES],
            sent: (0..members).map(|_| (0..members).map(|_| Rate::new(start)).collect()).collect(),
            changed: HashMap::new(),
            slots,
            stay,
            start,
            second: 0,
            random,
        }
    }

    fn present(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|member| self.members[*member].present).collect()
    }

    /// Lives until everybody has everything.
    fn live(&mut self) {
        while self.members.iter().any(|member| member.complete < PIECES) {
            self.second += 1;
            assert!(self.second < 20_000, "the swarm is stuck");
            self.choke();
            let mut senders = self.present();
            self.random.shuffle(&mut senders);
            senders.into_iter().for_each(|sender| self.send(sender));
            let now = self.now() + SECOND;
            self.sent.iter_mut().flatten().for_each(|rate| rate.tick(now));
        }
    }

    fn now(&self) -> Instant {
        self.start + SECOND * self.second
    }

    fn choke(&mut self) {
        let (now, present) = (self.now(), self.present());
        let choosers: Vec<usize> =
            present.iter().copied().filter(|member| self.members[*member].shares).collect();
        for chooser in choosers {
            let view = |&other: &usize| View {
                key: self.members[chooser].names[other],
                interested: self.lacks[other][chooser] > 0,
                gives: self.sent[other][chooser].per_second(),
                takes: self.sent[chooser][other].per_second(),
                snubs: false,
                since: self.start,
            };
            let views: Vec<_> = present.iter().filter(|member| **member != chooser).map(view).collect();
            let member = &mut self.members[chooser];
            let seeding = member.complete == PIECES;
            for (key, _) in member.choker.decide(&views, seeding, self.slots, now, &mut self.random) {
                if let Some(before) = self.changed.insert((chooser, key), self.second) {
                    assert!(self.second - before >= 10, "{chooser} changes {key} again at {}", self.second);
                }
            }
            let unchoked = views.iter().filter(|view| member.choker.is_unchoked(view.key)).count();
            assert!(unchoked <= 2 * self.slots);
        }
    }

    fn send(&mut self, sender: usize) {
        let wants =
            |to: &usize| *to != sender && self.lacks[*to][sender] > 0 && self.members[sender].unchokes(*to);
        let mut takers: Vec<usize> = self.present().into_iter().filter(wants).collect();
        self.random.shuffle(&mut takers);
        let count = takers.len() as u64;
        let upload = if sender == 0 { UPLOAD_OF_THE_SEED } else { UPLOAD };
        for to in takers {
            let mut left = upload / count;
            while left > 0 {
                let Some(piece) = self.piece(sender, to) else { break };
                let taken = left.min(PIECE - self.members[to].progress[piece]);
                self.members[to].progress[piece] += taken;
                self.sent[sender][to].add(taken);
                left -= taken;
                if self.members[to].has(piece) {
                    self.completed(to, piece);
                }
            }
        }
    }

    /// Which piece goes from one to the other now.
    fn piece(&mut self, from: usize, to: usize) -> Option<usize> {
        let (sender, taker) = (&self.members[from], &self.members[to]);
        let offered = |piece: &usize| sender.has(*piece) && !taker.has(*piece);
        if let Some(piece) = taker.fetching.get(&from).copied().filter(offered) {
            return Some(piece);
        }
        let busy: Vec<usize> = taker
            .fetching
            .iter()
            .filter(|(other, _)| self.members[**other].unchokes(to))
            .map(|(_, piece)| *piece)
            .collect();
        let first = self.random.usize(..PIECES);
        let free = (0..PIECES)
            .map(|piece| (piece + first) % PIECES)
            .filter(|piece| offered(piece) && !busy.contains(piece))
            .min_by_key(|piece| (taker.progress[*piece] == 0, self.copies[*piece]));
        // Where nothing else is left two senders share the rest of a piece.
        let piece = free.or_else(|| (0..PIECES).find(offered))?;
        self.members[to].fetching.insert(from, piece);
        Some(piece)
    }

    fn completed(&mut self, who: usize, piece: usize) {
        self.copies[piece] += 1;
        for other in 0..self.members.len() {
            if self.members[other].has(piece) && other != who {
                self.lacks[who][other] -= 1;
            } else if other != who {
                self.lacks[other][who] += 1;
            }
        }
        let member = &mut self.members[who];
        member.fetching.retain(|_, fetched| *fetched != piece);
        member.complete += 1;
        if member.complete == PIECES {
            member.finished = Some(self.second);
            member.present = self.stay;
        }
    }

    /// When the others had everything: those who share, and the free riders.
    fn finished(&self) -> (Vec<u32>, Vec<u32>) {
        let times = |shares| {
            let those = self.members.iter().skip(1).filter(move |member| member.shares == shares);
            those.filter_map(|member| member.finished).collect()
        };
        (times(true), times(false))
    }
}

#[test]
fn free_riders_finish_last_and_those_who_share_finish_together() {
    for (seed, slots) in (0..5).zip([6, 8, 10, 8, 6]) {
        // Who stays does so that the last are not slower only because the first have left.
        let mut swarm = Swarm::new(20, 4, slots, true, seed);
        swarm.live();
        let (sharing, free_riding) = swarm.finished();
        let (first, last) = (sharing.iter().min().unwrap(), sharing.iter().max().unwrap());
        let case = format!("seed {seed}, {slots} slots: {first} to {last} s, {free_riding:?}");
        assert!(f64::from(*last) <= f64::from(*first) * 1.1, "{case}");
        assert!(free_riding.iter().all(|time| time > last), "{case}");
    }
}

#[test]
fn with_few_slots_and_everybody_leaving_at_once_free_riders_still_finish_last() {
    for seed in 0..2 {
        let mut swarm = Swarm::new(20, 4, 4, false, seed);
        swarm.live();
        let (sharing, free_riding) = swarm.finished();
        let (mean, last) = (sharing.iter().sum::<u32>() / 15, sharing.iter().max().unwrap());
        let case = format!("seed {seed}: {mean} s in the mean, last {last} s, {free_riding:?}");
        assert!(free_riding.iter().all(|time| time > last), "{case}");
        assert!(free_riding.iter().all(|time| *time > mean * 3 / 2), "{case}");
    }
}

/// One chooser and peers whose interest and rates are what a test says.
struct Crowd {
    views: Vec<View<usize>>,
    choker: Choker<usize>,
    random: fastrand::Rng,
    now: Instant,
    /// When each was changed last.
    changed: HashMap<usize, Instant>,
}

impl Crowd {
    fn new(peers: usize, seed: u64) -> Crowd {
        let now = Instant::now();
        let view = |key| View { key, interested: true, gives: 0.0, takes: 0.0, snubs: false, since: now };
        Crowd {
            views: (0..peers).map(view).collect(),
            choker: Choker::new(now),
            random: fastrand::Rng::with_seed(seed),
            now,
            changed: HashMap::new(),
        }
    }

    /// Some time passes. Who is unchoked after it.
    fn live(&mut self, seeding: bool, slots: usize, time: Duration) -> Vec<usize> {
        self.now += time;
        let changes = self.choker.decide(&self.views, seeding, slots, self.now, &mut self.random);
        for (key, unchoked) in &changes {
            assert_eq!(self.choker.is_unchoked(*key), *unchoked);
            if let Some(before) = self.changed.insert(*key, self.now) {
                assert!(self.now - before >= SECOND * 10, "{key} flutters");
            }
        }
        changes.into_iter().filter(|(_, unchoked)| *unchoked).map(|(key, _)| key).collect()
    }

    fn unchoked(&self) -> usize {
        self.views.iter().filter(|view| self.choker.is_unchoked(view.key)).count()
    }
}

#[test]
fn a_seed_gives_everybody_a_turn_within_a_bounded_time() {
    for (peers, slots) in [(5, 4), (20, 4), (50, 4), (50, 10), (200, 16)] {
        let mut crowd = Crowd::new(peers, 1);
        let mut served: HashMap<usize, Instant> = HashMap::new();
        // A quarter of the slots, every ten seconds.
        let bound = SECOND * 10 * (peers / (slots / 4).max(1) + 2) as u32;
        let start = crowd.now;
        while crowd.now < start + bound * 4 {
            crowd.live(true, slots, SECOND / 4);
            for view in &mut crowd.views {
                let unchoked = crowd.choker.is_unchoked(view.key);
                // Some are much faster than others and keep their slots for longer.
                view.takes = if unchoked { [1e6, 1e5, 1e5, 1e4][view.key % 4] } else { 0.0 };
                if unchoked {
                    served.insert(view.key, crowd.now);
                }
                let before = served.get(&view.key).copied().unwrap_or(start);
                assert!(crowd.now - before <= bound, "{} of {peers}, {slots} slots", view.key);
            }
            assert_eq!(crowd.unchoked(), slots);
        }
        assert_eq!(served.len(), peers);
    }
}

#[test]
fn a_newcomer_is_drawn_three_times_as_often() {
    let mut crowd = Crowd::new(20, 1);
    let mut drawn = [0, 0];
    for _ in 0..20_000 {
        // Half of them stay new for ever.
        for view in crowd.views.iter_mut().filter(|view| view.key % 2 == 0) {
            view.since = crowd.now;
        }
        for key in crowd.live(false, 1, SECOND * 10) {
            drawn[key % 2] += 1;
        }
    }
    // In the first minute all are new.
    let [newcomers, others] = drawn;
    assert!(newcomers + others > 5_000, "a turn ends after thirty seconds");
    let ratio = f64::from(newcomers) / f64::from(others);
    assert!((2.6..3.4).contains(&ratio), "{newcomers} to {others}");
}

#[test]
fn whatever_the_peers_do_nobody_flutters_and_never_are_twice_as_many_unchoked_as_there_are_slots() {
    for seed in 0..20 {
        let mut crowd = Crowd::new(30, seed);
        for second in 0..600 {
            for _ in 0..3 {
                let random = &mut crowd.random;
                let view = &mut crowd.views[random.usize(..30)];
                (view.interested, view.snubs) = (random.bool(), random.u8(..5) == 0);
                (view.gives, view.takes) = (random.f64() * 1e6, random.f64() * 1e6);
                if random.u8(..3) == 0 {
                    view.gives = 0.0;
                }
            }
            crowd.live(second > 400, 5, SECOND / 4);
            assert!(crowd.unchoked() <= 10);
        }
    }
}
