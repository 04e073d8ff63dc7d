//! Does choking reward the peers that upload? Simulated swarms in which every member has a `Choker`. A
//! counter is the clock, and there is no socket.
//!
//! In each second every member splits its upload evenly among the peers that it has unchoked and that want
//! something from it. No download is limited. A member fetches one piece at a time from each sender, the
//! rarest one, and goes on with what another sender left unfinished.

#![cfg(test)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use femtotorrent::chance;
use femtotorrent::piece::PeerKey;
use femtotorrent::strategy::{Choker, ChokerPeer, Rate};

const SECOND: Duration = Duration::from_secs(1);
const PIECES: usize = 500;
const PIECE_LENGTH: u64 = 256 * 1024;
/// Bytes a second that each member uploads, if it uploads at all.
const UPLOAD: u64 = 128 * 1024;
/// Bytes a second that the seed uploads. If it were not a few times as much as the others upload, all of them
/// would wait for the seed, and it would not matter what they give.
const SEED_UPLOAD: u64 = 4 * UPLOAD;

struct Member {
    uploads: bool,
    present: bool,
    /// Bytes of each piece that it has. It can upload the complete ones.
    progress: Vec<u64>,
    /// How many pieces are complete.
    complete: usize,
    /// The second in which it had everything.
    finished: Option<u32>,
    choker: Choker,
    /// The key by which it knows each other member: the order in which it met them.
    keys: Vec<PeerKey>,
    /// The piece that it fetches from each sender.
    fetching: HashMap<usize, usize>,
}

impl Member {
    fn has(&self, piece: usize) -> bool {
        self.progress[piece] == PIECE_LENGTH
    }

    fn unchokes(&self, other: usize) -> bool {
        self.choker.is_unchoked(self.keys[other])
    }
}

struct Swarm {
    members: Vec<Member>,
    /// `lacks[a][b]`: how many pieces `b` has and `a` lacks.
    lacks: Vec<Vec<u32>>,
    /// How many members have each piece.
    copies: Vec<u32>,
    /// `sent[a][b]`: the rate from `a` to `b`.
    sent: Vec<Vec<Rate>>,
    /// When a member last choked or unchoked another one.
    changed: HashMap<(usize, PeerKey), u32>,
    slots: usize,
    /// A member that has everything stays and seeds.
    stay: bool,
    start: Instant,
    second: u32,
    random: fastrand::Rng,
}

impl Swarm {
    /// Member 0 is the seed. The last `free_riders` members upload nothing.
    fn new(members: usize, free_riders: usize, slots: usize, stay: bool, seed: u64) -> Swarm {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut keys = || {
            let mut keys: Vec<PeerKey> = (0..members).map(|number| PeerKey(number as u32)).collect();
            chance::shuffle(&mut keys, &mut random);
            keys
        };
        let member = |number| Member {
            uploads: number < members - free_riders,
            present: true,
            progress: vec![if number == 0 { PIECE_LENGTH } else { 0 }; PIECES],
            complete: if number == 0 { PIECES } else { 0 },
            finished: None,
            choker: Choker::new(start),
            keys: keys(),
            fetching: HashMap::new(),
        };
        let all = (0..members).map(member).collect();
        let lacks = |a: usize, b: usize| if a != 0 && b == 0 { PIECES as u32 } else { 0 };
        Swarm {
            members: all,
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

    /// Runs until every member has everything.
    fn run(&mut self) {
        while self.members.iter().any(|member| member.complete < PIECES) {
            self.second += 1;
            assert!(self.second < 20_000, "the swarm is stuck");
            self.choke();
            let mut senders = self.present();
            chance::shuffle(&mut senders, &mut self.random);
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
            present.iter().copied().filter(|member| self.members[*member].uploads).collect();
        for chooser in choosers {
            let peer = |&other: &usize| ChokerPeer {
                key: self.members[chooser].keys[other],
                peer_interested: self.lacks[other][chooser] > 0,
                download_rate: self.sent[other][chooser].per_second(),
                upload_rate: self.sent[chooser][other].per_second(),
                snubbing: false,
                connected_at: self.start,
                interested_after: None,
                asked_at: Some(now),
                counted_at: now,
            };
            let peers: Vec<_> = present.iter().filter(|member| **member != chooser).map(peer).collect();
            let member = &mut self.members[chooser];
            let seeding = member.complete == PIECES;
            for (key, _) in member.choker.decide(&peers, seeding, self.slots, now, &mut self.random) {
                if let Some(before) = self.changed.insert((chooser, key), self.second) {
                    assert!(self.second - before >= 10, "{chooser} changes {key:?} again at {}", self.second);
                }
            }
            let unchoked = peers.iter().filter(|peer| member.choker.is_unchoked(peer.key)).count();
            assert!(unchoked <= 2 * self.slots);
        }
    }

    fn send(&mut self, sender: usize) {
        let wants =
            |to: &usize| *to != sender && self.lacks[*to][sender] > 0 && self.members[sender].unchokes(*to);
        let mut receivers: Vec<usize> = self.present().into_iter().filter(wants).collect();
        chance::shuffle(&mut receivers, &mut self.random);
        let count = receivers.len() as u64;
        let upload = if sender == 0 { SEED_UPLOAD } else { UPLOAD };
        for to in receivers {
            let mut left = upload / count;
            while left > 0 {
                let Some(piece) = self.piece(sender, to) else { break };
                let taken = left.min(PIECE_LENGTH - self.members[to].progress[piece]);
                self.members[to].progress[piece] += taken;
                self.sent[sender][to].add(taken);
                left -= taken;
                if self.members[to].has(piece) {
                    self.completed(to, piece);
                }
            }
        }
    }

    /// The piece that one member sends to the other now.
    fn piece(&mut self, from: usize, to: usize) -> Option<usize> {
        let (sender, receiver) = (&self.members[from], &self.members[to]);
        let offered = |piece: &usize| sender.has(*piece) && !receiver.has(*piece);
        if let Some(piece) = receiver.fetching.get(&from).copied().filter(offered) {
            return Some(piece);
        }
        let busy: Vec<usize> = receiver
            .fetching
            .iter()
            .filter(|(other, _)| self.members[**other].unchokes(to))
            .map(|(_, piece)| *piece)
            .collect();
        let first = chance::below(PIECES, &mut self.random);
        let free = (0..PIECES)
            .map(|piece| (piece + first) % PIECES)
            .filter(|piece| offered(piece) && !busy.contains(piece))
            .min_by_key(|piece| (receiver.progress[*piece] == 0, self.copies[*piece]));
        // If nothing else is left, two senders share the rest of a piece.
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

    /// When the members but the seed had everything: those that upload, and the free riders.
    fn finished(&self) -> (Vec<u32>, Vec<u32>) {
        let times = |uploads| {
            let such = self.members.iter().skip(1).filter(move |member| member.uploads == uploads);
            such.filter_map(|member| member.finished).collect()
        };
        (times(true), times(false))
    }
}

#[test]
fn free_riders_finish_last_and_members_that_upload_finish_together() {
    for (seed, slots) in (0..5).zip([6, 8, 10, 8, 6]) {
        // Members that are complete stay, so that the last are not slower only because the first have left.
        let mut swarm = Swarm::new(20, 4, slots, true, seed);
        swarm.run();
        let (uploading, free_riding) = swarm.finished();
        let (first, last) = (uploading.iter().min().unwrap(), uploading.iter().max().unwrap());
        let case = format!("seed {seed}, {slots} slots: {first} to {last} s, {free_riding:?}");
        assert!(f64::from(*last) <= f64::from(*first) * 1.1, "{case}");
        assert!(free_riding.iter().all(|time| time > last), "{case}");
    }
}

#[test]
fn with_few_slots_and_members_that_leave_when_complete_free_riders_still_finish_last() {
    for seed in 0..2 {
        let mut swarm = Swarm::new(20, 4, 4, false, seed);
        swarm.run();
        let (uploading, free_riding) = swarm.finished();
        let (mean, last) = (uploading.iter().sum::<u32>() / 15, uploading.iter().max().unwrap());
        let case = format!("seed {seed}: {mean} s in the mean, last {last} s, {free_riding:?}");
        assert!(free_riding.iter().all(|time| time > last), "{case}");
        assert!(free_riding.iter().all(|time| *time > mean * 3 / 2), "{case}");
    }
}

/// One choker and peers whose interest and rates are what a test says. Their keys are their places.
struct Crowd {
    peers: Vec<ChokerPeer>,
    choker: Choker,
    random: fastrand::Rng,
    now: Instant,
    /// When each was last choked or unchoked.
    changed: HashMap<PeerKey, Instant>,
}

impl Crowd {
    fn new(count: u32, seed: u64) -> Crowd {
        let now = Instant::now();
        let peer = |key| ChokerPeer {
            key: PeerKey(key),
            peer_interested: true,
            download_rate: 0.0,
            upload_rate: 0.0,
            snubbing: false,
            connected_at: now,
            interested_after: None,
            asked_at: None,
            counted_at: now,
        };
        Crowd {
            peers: (0..count).map(peer).collect(),
            choker: Choker::new(now),
            random: fastrand::Rng::with_seed(seed),
            now,
            changed: HashMap::new(),
        }
    }

    /// Some time passes. Returns the peers that are unchoked at its end and were not before.
    fn live(&mut self, seeding: bool, slots: usize, time: Duration) -> Vec<PeerKey> {
        self.now += time;
        self.peers.iter_mut().for_each(|peer| (peer.asked_at, peer.counted_at) = (Some(self.now), self.now));
        let changes = self.choker.decide(&self.peers, seeding, slots, self.now, &mut self.random);
        for (key, unchoked) in &changes {
            assert_eq!(self.choker.is_unchoked(*key), *unchoked);
            if let Some(before) = self.changed.insert(*key, self.now) {
                assert!(self.now - before >= SECOND * 10, "{key:?} changes twice within ten seconds");
            }
        }
        changes.into_iter().filter(|(_, unchoked)| *unchoked).map(|(key, _)| key).collect()
    }

    fn unchoked(&self) -> usize {
        self.peers.iter().filter(|peer| self.choker.is_unchoked(peer.key)).count()
    }
}

#[test]
fn a_seed_gives_every_peer_a_turn_within_a_bounded_time() {
    for (count, slots) in [(5, 4), (20, 4), (50, 4), (50, 10), (200, 16)] {
        let mut crowd = Crowd::new(count, 1);
        let mut unchoked_at: HashMap<PeerKey, Instant> = HashMap::new();
        // A quarter of the slots passes on every ten seconds.
        let bound = SECOND * 10 * (count / (slots as u32 / 4).max(1) + 2);
        let start = crowd.now;
        while crowd.now < start + bound * 4 {
            crowd.live(true, slots, SECOND / 4);
            for peer in &mut crowd.peers {
                let unchoked = crowd.choker.is_unchoked(peer.key);
                // Some are much faster than others and keep their slots longer.
                peer.upload_rate = if unchoked { [1e6, 1e5, 1e5, 1e4][peer.key.0 as usize % 4] } else { 0.0 };
                if unchoked {
                    unchoked_at.insert(peer.key, crowd.now);
                }
                let before = unchoked_at.get(&peer.key).copied().unwrap_or(start);
                assert!(crowd.now - before <= bound, "{:?} of {count}, {slots} slots", peer.key);
            }
            assert_eq!(crowd.unchoked(), slots);
        }
        assert_eq!(unchoked_at.len(), count as usize);
    }
}

#[test]
fn a_newcomer_is_drawn_three_times_as_often() {
    let mut crowd = Crowd::new(20, 1);
    let mut drawn = [0, 0];
    for _ in 0..20_000 {
        // Half of them stay newcomers for ever.
        for peer in crowd.peers.iter_mut().filter(|peer| peer.key.0 % 2 == 0) {
            peer.connected_at = crowd.now;
        }
        for key in crowd.live(false, 1, SECOND * 10) {
            drawn[key.0 as usize % 2] += 1;
        }
    }
    // In the first minute all are newcomers.
    let [newcomers, others] = drawn;
    assert!(newcomers + others > 5_000, "a turn ends after thirty seconds");
    let ratio = f64::from(newcomers) / f64::from(others);
    assert!((2.6..3.4).contains(&ratio), "{newcomers} to {others}");
}

#[test]
fn whatever_peers_do_none_changes_twice_in_ten_seconds_and_at_most_twice_the_slots_are_unchoked() {
    for seed in 0..20 {
        let mut crowd = Crowd::new(30, seed);
        for second in 0..600 {
            for _ in 0..3 {
                let random = &mut crowd.random;
                let peer = &mut crowd.peers[chance::below(30, random)];
                (peer.peer_interested, peer.snubbing) = (random.bool(), random.u8(..5) == 0);
                (peer.download_rate, peer.upload_rate) = (random.f64() * 1e6, random.f64() * 1e6);
                if random.u8(..3) == 0 {
                    peer.download_rate = 0.0;
                }
            }
            crowd.live(second > 400, 5, SECOND / 4);
            assert!(crowd.unchoked() <= 10);
        }
    }
}
