//! Whom to connect to: the addresses that we heard of and what became of each.
//!
//! An address is hearsay: anyone can put any address into a tracker. So there is a bound on how many
//! are kept, each is tried at a growing distance in time after it failed, and one that proved to be
//! harmful or useless is never tried again. No host is tried at more than a few ports, so that nobody can
//! turn us on a victim, and what other peers say never has more than its share of the places.

use super::peer_priority::rank;
use crate::address::{canonical, could_be_a_peer};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many addresses are kept.
const MOST: usize = 1000;
/// How many of them are known from other peers alone and did not prove to be any good.
const MAX_EXCHANGED: usize = MOST / 4;
/// The same of the DHT, where anyone can put in what he likes, and of the local network, where anyone can
/// speak for any address.
const MAX_OF_A_CROWD: usize = MOST / 2;
/// How many of those from peers are from one address.
const MAX_FROM_ONE: usize = 100;
/// How many ports of one host are kept. Several clients behind one router are no rarity.
const MAX_PORTS: usize = 4;
/// After the first connection that was closed at once.
const SECOND_TRY: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_secs(15);
const LAST_RETRY: Duration = Duration::from_secs(15 * 60);
/// Failures in a row after which an address that nobody names again is forgotten first.
const HOPELESS: u32 = 5;

/// Why a peer is no longer connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not answer: it may be better later.
    Unreachable,
    /// It answered and broke off before it sent anything: the first time it may have been an accident.
    Parted,
    /// It worked, and then it ended: it may well work again soon.
    Ended,
    /// It did harm, is ourselves, or is of no use: never again.
    Never,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user.
    Named,
    /// A tracker.
    Tracker,
    /// The magnet link (`x.pe`, BEP 9).
    Magnet,
    /// The DHT.
    Dht,
    /// A neighbour who calls out in the local network (BEP 14).
    Lan,
    /// It has connected to us.
    Incoming,
    /// A peer, which is at this address (BEP 11).
    Pex(IpAddr),
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Connected,
    Banned,
}

#[derive(Debug)]
struct Candidate {
    source: Source,
    /// It sent what we asked for, once.
    useful: bool,
    failures: u32,
    /// Which of several that are equal otherwise comes first: the highest (BEP 40).
    rank: u32,
    state: State,
}

/// The addresses of one torrent.
#[derive(Debug, Default)]
pub struct Candidates {
    known: HashMap<SocketAddr, Candidate>,
    /// Where others see us, in either family.
    external: [Option<SocketAddr>; 2],
}

impl Candidates {
    /// Adds an address that we heard of. False where it is known, cannot be a peer, or there is no room.
    pub fn add(&mut self, address: SocketAddr, source: Source, now: Instant) -> bool {
        let address = canonical(address);
        if let Some(candidate) = self.known.get_mut(&address) {
            candidate.is_also_from(source);
            return false;
        }
        let us = self.external.contains(&Some(address));
        if us || !could_be_a_peer(address) || self.is_crowded(address.ip()) || !self.has_room(source) {
            return false;
        }
        self.insert(address, source, State::Waiting { until: now });
        true
    }

    /// Adds an address that the user named. It comes before all others and is never forgotten.
    pub fn add_named(&mut self, address: SocketAddr, now: Instant) {
        let address = canonical(address);
        match self.known.get_mut(&address) {
            Some(candidate) => candidate.is_also_from(Source::Named),
            None => self.insert(address, Source::Named, State::Waiting { until: now }),
        }
    }

    /// Somebody who has connected to us says that it listens there. True where the address counts as
    /// connected from now on, and false where it did already or is not to be connected to.
    pub fn met(&mut self, address: SocketAddr) -> bool {
        let address = canonical(address);
        if let Some(candidate) = self.known.get_mut(&address) {
            // Where both sides begin at once both connections can be lost at once, which is one accident.
            candidate.failures -= u32::from(candidate.failures == 1);
            return self.taken(address);
        }
        if !could_be_a_peer(address) || self.is_crowded(address.ip()) || !self.has_room(Source::Incoming) {
            return false;
        }
        self.insert(address, Source::Incoming, State::Connected);
        true
    }

    /// There is a connection to this address that was begun before. True where the address counts as connected
    /// from now on, and false where it did already, is not to be connected to or is not known.
    pub fn taken(&mut self, address: SocketAddr) -> bool {
        match self.known.get_mut(&canonical(address)) {
            Some(candidate) if matches!(candidate.state, State::Waiting { .. }) => {
                candidate.state = State::Connected;
                true
            }
            _ => false,
        }
    }

    /// We are there, as others see it. From now on who ranks higher comes first (BEP 40).
    pub fn set_external(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.external.contains(&Some(address)) {
            return;
        }
        let [four, six] = &mut self.external;
        *(if address.is_ipv4() { four } else { six }) = Some(address);
        let same_family = self.known.iter_mut().filter(|(other, _)| other.is_ipv4() == address.is_ipv4());
        for (other, candidate) in same_family {
            candidate.rank = rank(address, *other);
        }
    }

    /// The rank of a connection to this address: 0 while we do not know where we are.
    pub fn rank(&self, address: SocketAddr) -> u32 {
        let address = canonical(address);
        let ours = self.external.iter().flatten().find(|ours| ours.is_ipv4() == address.is_ipv4());
        ours.map_or(0, |ours| rank(*ours, address))
    }

    /// The next address to connect to, which counts as connected from now on. Those that failed least
    /// come first, and of these the ones that rank highest.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let (address, candidate) =
            self.known.iter_mut().filter(|(_, candidate)| candidate.is_due(now)).min_by_key(
                |(_, candidate)| (!candidate.is_named(), candidate.failures, Reverse(candidate.rank)),
            )?;
        candidate.state = State::Connected;
        Some(*address)
    }

    /// When an address is due that is not due yet.
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.known.values().filter_map(|candidate| match candidate.state {
            State::Waiting { until } => Some(until),
            _ => None,
        });
        waiting.min()
    }

    /// The peer at this address sent what we asked for: what failed before counts no more.
    pub fn proved(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            candidate.failures = 0;
            candidate.useful = true;
        }
    }

    /// The connection to this address is over.
    pub fn failed(&mut self, address: SocketAddr, why: Failure, now: Instant, random: &mut fastrand::Rng) {
        let Some(candidate) = self.known.get_mut(&canonical(address)) else { return };
        if matches!(candidate.state, State::Banned) {
            // The farewell of the connection that earned the ban says nothing new.
            return;
        }
        candidate.failures = candidate.failures.saturating_add(1);
        candidate.state = match why {
            Failure::Never => State::Banned,
            Failure::Parted if candidate.failures == 1 => State::Waiting { until: now + SECOND_TRY },
            Failure::Unreachable | Failure::Parted | Failure::Ended => {
                let doublings = candidate.failures.saturating_sub(1).min(10);
                let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
                let wait = if why == Failure::Ended { wait / 5 } else { wait };
                // Peers that were lost together are not all tried again together.
                State::Waiting { until: now + wait.mul_f64(0.75 + random.f64() * 0.5) }
            }
        };
    }

    /// The connection to this address is over, and nothing is wrong with it.
    pub fn released(&mut self, address: SocketAddr, now: Instant) {
        if let Some(candidate) = self.known.get_mut(&canonical(address))
            && matches!(candidate.state, State::Connected)
        {
            candidate.state = State::Waiting { until: now };
        }
    }

    /// Forgets the addresses from other sources. Those that the user named stay.
    pub fn keep(&mut self, of: impl Fn(Source) -> bool) {
        self.known.retain(|_, candidate| candidate.is_named() || of(candidate.source));
    }

    /// How many addresses wait for a connection, now or later.
    pub fn waiting(&self) -> usize {
        self.known.values().filter(|candidate| matches!(candidate.state, State::Waiting { .. })).count()
    }

    /// How many addresses are known.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    fn insert(&mut self, address: SocketAddr, source: Source, state: State) {
        let rank = self.rank(address);
        self.known.insert(address, Candidate { source, useful: false, failures: 0, rank, state });
    }

    /// Whether enough ports of this host are known. One of our own may be many, and each can be trusted as
    /// much as we.
    fn is_crowded(&self, ip: IpAddr) -> bool {
        let known = self.known.keys().filter(|address| address.ip() == ip);
        !ip.is_loopback() && known.count() >= MAX_PORTS
    }

    /// Whether there is a place, which may be one that another has had.
    fn has_room(&mut self, source: Source) -> bool {
        let is_from_a_peer = |other: Source| matches!(other, Source::Pex(_));
        let is_same = |other: Source| other == source;
        let shares: &[(usize, &dyn Fn(Source) -> bool)] = match source {
            Source::Pex(_) => &[(MAX_FROM_ONE, &is_same), (MAX_EXCHANGED, &is_from_a_peer)],
            Source::Dht | Source::Lan => &[(MAX_OF_A_CROWD, &is_same)],
            _ => &[],
        };
        for &(most, of) in shares {
            let known = self.known.values().filter(|candidate| !candidate.useful && of(candidate.source));
            if known.count() >= most {
                return self.forget_one(of);
            }
        }
        self.known.len() < MOST || self.forget_one(&|_| true)
    }

    /// Forgets the worst of those that come from such a source and failed.
    fn forget_one(&mut self, of: &dyn Fn(Source) -> bool) -> bool {
        // Bans are forgotten last, but they must not fill the room of all others.
        let worth = |candidate: &Candidate| match candidate.state {
            State::Waiting { .. } if candidate.failures > 0 => Some(candidate.failures.min(HOPELESS)),
            State::Banned => Some(0),
            _ => None,
        };
        let worst = self
            .known
            .iter()
            .filter(|(_, candidate)| !candidate.is_named() && of(candidate.source))
            .filter_map(|(address, candidate)| Some((address, worth(candidate)?)))
            .max_by_key(|(_, worth)| *worth)
            .map(|(address, _)| *address);
        worst.is_some_and(|address| self.known.remove(&address).is_some())
    }
}

impl Candidate {
    fn is_named(&self) -> bool {
        self.source == Source::Named
    }

    /// Another source has it too: the one counts that is to be believed more.
    fn is_also_from(&mut self, source: Source) {
        let better =
            matches!(self.source, Source::Pex(_)) || matches!(source, Source::Named | Source::Tracker);
        if better && !self.is_named() {
            self.source = source;
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting { until } if until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u16) -> SocketAddr {
        format!("127.0.{}.{}:6881", last / 250, last % 250 + 1).parse().unwrap()
    }

    #[test]
    fn an_address_is_tried_once_and_again_after_a_growing_wait() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let start = Instant::now();
        assert!(candidates.add(address(1), Source::Tracker, start));
        assert!(!candidates.add(address(1), Source::Tracker, start));
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(candidates.next(now), Some(address(1)));
            assert_eq!(candidates.next(now), None);
            candidates.failed(address(1), Failure::Unreachable, now, &mut random);
            assert_eq!(candidates.next(now), None);
            let due = candidates.next_due().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert!(waits[0] >= FIRST_RETRY.mul_f64(0.75) && waits[1] > waits[0]);
        assert!(waits.iter().all(|wait| *wait <= LAST_RETRY.mul_f64(1.25)));
        candidates.failed(address(1), Failure::Never, now, &mut random);
        candidates.failed(address(1), Failure::Ended, now, &mut random);
        assert_eq!(candidates.next(now + LAST_RETRY * 10), None);
        assert!(!candidates.add(address(1), Source::Tracker, now));
    }

    #[test]
    fn after_two_connections_that_were_lost_at_once_the_second_try_is_soon_and_the_third_is_not() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let now = Instant::now();
        candidates.add(address(1), Source::Dht, now);
        assert_eq!(candidates.next(now), Some(address(1)));
        candidates.failed(address(1), Failure::Parted, now, &mut random);
        assert!(candidates.met(address(1)));
        candidates.failed(address(1), Failure::Parted, now, &mut random);
        let now = now + SECOND_TRY;
        assert_eq!(candidates.next(now), Some(address(1)));
        candidates.failed(address(1), Failure::Unreachable, now, &mut random);
        assert!(candidates.met(address(1)));
        candidates.failed(address(1), Failure::Parted, now, &mut random);
        assert_eq!(candidates.next(now + FIRST_RETRY), None);
    }

    #[test]
    fn who_came_by_itself_is_not_connected_to_until_it_is_gone() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let now = Instant::now();
        candidates.add(address(1), Source::Tracker, now);
        for known in [1, 2] {
            assert!(candidates.met(address(known)) && !candidates.met(address(known)));
        }
        assert_eq!(candidates.next(now), None);
        candidates.failed(address(2), Failure::Ended, now, &mut random);
        assert_eq!(candidates.next(now + LAST_RETRY), Some(address(2)));
    }

    #[test]
    fn a_connection_that_was_begun_before_takes_its_address_once_and_only_where_that_waits() {
        let mut candidates = Candidates::default();
        let now = Instant::now();
        candidates.add(address(1), Source::Tracker, now);
        assert!(candidates.taken(address(1)) && !candidates.taken(address(1)));
        assert_eq!(candidates.next(now), None, "nobody connects to it again");
        candidates.released(address(1), now);
        assert_eq!(candidates.next(now), Some(address(1)));
        assert!(!candidates.taken(address(1)), "there is a newer connection");
        assert!(!candidates.taken(address(2)) && candidates.known() == 1);
    }

    #[test]
    fn at_most_a_thousand_are_kept_and_failures_make_room() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let now = Instant::now();
        for last in 0..5000 {
            candidates.add(address(last), Source::Tracker, now);
        }
        assert_eq!(candidates.known(), MOST);
        let tried = candidates.next(now).unwrap();
        candidates.failed(tried, Failure::Unreachable, now, &mut random);
        assert!(candidates.add(address(6000), Source::Tracker, now));
        assert!(!candidates.add(address(6001), Source::Tracker, now));
        assert_eq!(candidates.known(), MOST);
    }

    #[test]
    fn what_cannot_be_a_peer_is_not_kept() {
        let mut candidates = Candidates::default();
        for address in ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:0", "[::]:1", "[ff02::1]:1"]
        {
            assert!(!candidates.add(address.parse().unwrap(), Source::Tracker, Instant::now()), "{address}");
        }
        assert!(candidates.add("[::ffff:1.2.3.4]:5".parse().unwrap(), Source::Tracker, Instant::now()));
        assert!(!candidates.add("1.2.3.4:5".parse().unwrap(), Source::Tracker, Instant::now()));
    }

    fn far(number: u16, port: u16) -> SocketAddr {
        format!("5.6.{}.{}:{port}", number / 250, number % 250 + 1).parse().unwrap()
    }

    fn teller(last: u8) -> Source {
        Source::Pex(IpAddr::from([1, 2, 3, last]))
    }

    #[test]
    fn one_host_is_kept_at_a_few_ports_only() {
        let mut candidates = Candidates::default();
        let now = Instant::now();
        let sources = [Source::Tracker, teller(0)];
        for port in 1..=1000 {
            candidates.add(far(1, port), sources[usize::from(port % 2)], now);
        }
        assert_eq!(candidates.known(), MAX_PORTS);
        // Nor does one that comes to us under many ports have us connect to them later.
        let met = (1..=1000).filter(|port| candidates.met(far(2, *port)));
        assert_eq!(met.count(), MAX_PORTS);
        for port in 1..=10 {
            assert!(candidates.add(SocketAddr::from(([127, 0, 0, 1], port)), Source::Tracker, now));
        }
    }

    #[test]
    fn what_peers_say_has_its_share_and_each_peer_a_part_of_it() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let now = Instant::now();
        let tell = |candidates: &mut Candidates, from: u8, numbers: std::ops::Range<u16>| {
            let source = teller(from);
            numbers.filter(|number| candidates.add(far(*number, 1), source, now)).count()
        };
        assert_eq!(tell(&mut candidates, 0, 0..10_000), MAX_FROM_ONE);
        assert_eq!(tell(&mut candidates, 1, 100..200), MAX_FROM_ONE);
        assert_eq!(tell(&mut candidates, 2, 200..300), MAX_EXCHANGED - 2 * MAX_FROM_ONE);
        assert_eq!(tell(&mut candidates, 3, 300..400), 0);
        // The others have their places all the same, and one that a tracker knows too is one of them.
        assert!(!candidates.add(far(0, 1), Source::Tracker, now));
        assert_eq!(tell(&mut candidates, 3, 300..400), 1);
        candidates.proved(far(1, 1));
        assert_eq!(tell(&mut candidates, 3, 301..400), 1);
        let found = (1_000..3_000).filter(|number| candidates.add(far(*number, 1), Source::Tracker, now));
        assert_eq!(found.count(), MOST - MAX_EXCHANGED - 2);
        // Of what was of no use the teller's own makes room.
        candidates.failed(far(150, 1), Failure::Unreachable, now, &mut random);
        assert_eq!(tell(&mut candidates, 1, 400..500), 1);
        assert_eq!(candidates.known(), MOST);
    }

    #[test]
    fn among_equals_the_highest_rank_comes_first_and_we_never_come() {
        let mut candidates = Candidates::default();
        let now = Instant::now();
        let us: SocketAddr = "9.8.7.6:5".parse().unwrap();
        candidates.add(far(999, 1), Source::Tracker, now);
        candidates.set_external(us);
        assert!(!candidates.add(us, Source::Tracker, now));
        for number in 0..20 {
            candidates.add(far(number * 250, 1), Source::Tracker, now);
        }
        let order: Vec<u32> = std::iter::from_fn(|| candidates.next(now)).map(|at| rank(us, at)).collect();
        assert_eq!(order.len(), 21);
        assert!(order.is_sorted_by(|earlier, later| earlier >= later), "{order:?}");
    }

    #[test]
    fn half_of_the_places_are_for_others_than_the_dht_or_the_local_network() {
        for source in [Source::Dht, Source::Lan] {
            let mut candidates = Candidates::default();
            let now = Instant::now();
            let kept = (0..2_000).filter(|number| candidates.add(far(*number, 1), source, now));
            assert_eq!(kept.count(), MAX_OF_A_CROWD);
            let kept = (2_000..4_000).filter(|number| candidates.add(far(*number, 1), Source::Tracker, now));
            assert_eq!(kept.count(), MOST - MAX_OF_A_CROWD);
        }
    }

    #[test]
    fn what_is_not_from_a_tracker_or_the_user_can_be_forgotten() {
        let mut candidates = Candidates::default();
        let now = Instant::now();
        candidates.add_named(far(0, 1), now);
        for (number, source) in
            [(0, Source::Dht), (1, Source::Dht), (2, Source::Dht), (3, teller(1)), (4, Source::Lan)]
        {
            candidates.add(far(number, 1), source, now);
        }
        candidates.add(far(2, 1), Source::Tracker, now);
        candidates.add(far(2, 1), teller(1), now);
        candidates.met(far(5, 1));
        candidates.keep(|source| source == Source::Tracker);
        let mut left: Vec<_> = std::iter::from_fn(|| candidates.next(now)).collect();
        left.sort();
        assert_eq!(left, [far(0, 1), far(2, 1)]);
        candidates.released(far(2, 1), now);
        assert_eq!((candidates.next(now), candidates.next(now)), (Some(far(2, 1)), None));
    }

    #[test]
    fn a_link_local_address_keeps_its_interface() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        let there: SocketAddr = "[fe80::7%2]:80".parse().unwrap();
        assert!(candidates.add(there, Source::Lan, now));
        assert_eq!(candidates.next(now), Some(there));
        assert!(candidates.add("[::ffff:192.0.2.1]:80".parse().unwrap(), Source::Dht, now));
        assert_eq!(candidates.next(now), Some("192.0.2.1:80".parse().unwrap()));
    }
}
