//! Decides which address to connect to next, and when.
//!
//! The swarm and the search for a magnet's metadata share it: both hear of addresses, connect to some of them
//! at a bounded pace, and learn what became of each attempt. A dialer knows no socket: its owner asks for an
//! address, has the connection made and reports how it ended.
//!
//! An attempt is no peer: most addresses never answer. One that is young may well become a peer, so there are
//! no more young attempts than free places. One that is not is probably dead, and keeps nobody from being
//! tried in its stead.

use super::{AttemptFailure, Candidates, Encryption, ExternalAddress, Source};
use crate::address::IpFamily;
use crate::strategy::TokenBucket;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Connection attempts a second.
const ATTEMPTS: u32 = 60;
/// An attempt that is younger than this may well succeed. Few round trips take longer.
const YOUNG: Duration = Duration::from_millis(500);
/// How long nothing is tried after this host had no room for a connection: other connections or programs must
/// give some up first.
const REST: Duration = Duration::from_secs(15);

/// How long nothing is tried after the proxy failed. It may have too many connections just now.
const PROXY_REST: Duration = Duration::from_secs(3);

/// How many peers there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// For any peer.
    pub free: usize,
    /// Beyond those, for peers at addresses of which no failure is known: others would go for them.
    pub for_untried: usize,
}

/// The addresses of one torrent's peers, and the pace at which they are tried.
#[derive(Debug)]
pub struct Dialer {
    candidates: Candidates,
    /// What others say about our own address.
    external: ExternalAddress,
    /// The port that peers can connect to.
    port: u16,
    pace: TokenBucket,
    /// The most attempts that are under way at once. These are some more than can be half-open, so that one of
    /// them always waits for a place, and not many more, so that an address of which we hear now is soon tried.
    most_under_way: usize,
    /// The addresses that we are connecting to, and since when, in that order.
    under_way: Vec<(SocketAddr, Instant)>,
    /// Until when nothing is tried, if this host ever had no room for a connection.
    rest_until: Option<Instant>,
    random: fastrand::Rng,
}

impl Dialer {
    /// A dialer that knows these addresses. `encryption` is what the user wants, `port` is the one at which peers can
    /// connect to us, and `half_open` says how many connections may be begun and not yet made (`peer/connector.rs`).
    pub fn new(
        mut candidates: Candidates,
        encryption: Encryption,
        port: Option<u16>,
        half_open: usize,
        mut random: fastrand::Rng,
        now: Instant,
    ) -> Dialer {
        candidates.draw_lots(random.fork());
        candidates.set_encryption(encryption);
        let (external, pace) = (ExternalAddress::default(), TokenBucket::new(ATTEMPTS, now));
        let (port, under_way, rest_until) = (port.unwrap_or(0), Vec::new(), None);
        let most_under_way = half_open.saturating_add(half_open.div_ceil(4));
        Dialer { candidates, external, port, pace, most_under_way, under_way, rest_until, random }
    }

    /// Adds addresses that a source found. Returns how many of them are new.
    pub fn found(&mut self, source: Source, addresses: &[SocketAddr], now: Instant) -> usize {
        addresses.iter().filter(|address| self.candidates.add(**address, source, now)).count()
    }

    /// Adds addresses that the user gave: they come first and are never forgotten.
    pub fn named(&mut self, addresses: &[SocketAddr], now: Instant) {
        addresses.iter().for_each(|address| self.candidates.add_from_user(*address, now));
    }

    /// How many peers are connected now: see [`Candidates::set_connected`]. To be called before
    /// [`Dialer::next`] and [`Dialer::next_due`] whenever the number may have changed.
    pub fn set_connected(&mut self, connected: usize) {
        self.candidates.set_connected(connected);
    }

    /// The address to connect to now, if there is a place for its peer, one is due and the pace allows it. The
    /// caller reports how the attempt ends: by [`Dialer::connected`] or [`Dialer::failed`].
    pub fn next(&mut self, places: Places, now: Instant) -> Option<SocketAddr> {
        let rests = self.rest_until.is_some_and(|until| now < until);
        let young = self.under_way.iter().rev().take_while(|(_, since)| now < *since + YOUNG).count();
        if rests || self.under_way.len() >= self.most_under_way || young >= places.free + places.for_untried {
            return None;
        }
        let untried_only = young >= places.free;
        let is_due = self.candidates.has_due(untried_only, now);
        let address = (is_due && self.pace.take(now)).then(|| self.candidates.next(now)).flatten()?;
        self.under_way.push((address, now));
        Some(address)
    }

    /// Why [`Dialer::next`] has just given this address, in words.
    pub fn why(&self, address: SocketAddr) -> String {
        let source = self.candidates.source(address).map(|source| source.to_string()).unwrap_or_default();
        let before = match self.candidates.failures(address) {
            0 => "nothing speaks against it".to_owned(),
            failures => format!("failed {failures} times in a row, and nobody better is due"),
        };
        let (under_way, known) = (self.under_way.len(), self.candidates.known());
        format!("{source}; {before}; {under_way} under way, {known} addresses known")
    }

    /// When [`Dialer::next`] will have an address for one of `free` places, if it will.
    pub fn next_due(&self, free: usize) -> Option<Instant> {
        if self.under_way.len() >= self.most_under_way {
            return None;
        }
        // When all of the last `free` attempts but one were begun, there is a place for one more.
        let oldest_young = self.under_way.iter().rev().nth(free.checked_sub(1)?);
        let due = self.candidates.next_due()?;
        let due = oldest_young.map_or(due, |(_, since)| due.max(*since + YOUNG));
        Some(due.max(self.pace.next(due)).max(self.rest_until.unwrap_or(due)))
    }

    /// The attempt at this address has led to a connection. False if we were not connecting to it.
    pub fn connected(&mut self, address: SocketAddr) -> bool {
        let before = self.under_way.len();
        self.under_way.retain(|(other, _)| *other != address);
        self.under_way.len() < before
    }

    /// The connection to this address ended, or never came about.
    pub fn failed(&mut self, address: SocketAddr, failure: AttemptFailure, now: Instant) {
        self.connected(address);
        self.candidates.failed(address, failure, now, &mut self.random);
    }

    /// How many attempts are under way at addresses that have not failed yet.
    pub fn first_attempts(&self) -> usize {
        self.under_way.iter().filter(|(address, _)| !self.candidates.has_failed(*address)).count()
    }

    /// Gives up all attempts. Nothing is known of their addresses that was not known before.
    pub fn release_attempts(&mut self, now: Instant) {
        for (address, _) in std::mem::take(&mut self.under_way) {
            self.candidates.release(address, now);
        }
    }

    /// This host has no route to the address, so the attempt sent nothing. It does not count: on a host
    /// without IPv6, a tracker's IPv6 peers must not delay the attempts at others.
    pub fn had_no_route(&mut self) {
        self.pace.give_back();
    }

    /// This host had no room for a connection: no thread, or too many open files. So nothing is tried for
    /// some time. `address` is not to blame, if we tried one. Returns whether this is the first time.
    pub fn had_no_room(&mut self, address: Option<SocketAddr>, now: Instant) -> bool {
        if let Some(address) = address {
            self.connected(address);
            self.candidates.release(address, now);
        }
        self.rest_until.replace(now + REST).is_none()
    }

    /// The proxy failed, through which everything goes. The address is not to blame, and nothing is tried for a moment.
    pub fn had_no_proxy(&mut self, address: SocketAddr, now: Instant) {
        self.connected(address);
        self.candidates.release(address, now);
        let until = now + PROXY_REST;
        self.rest_until = Some(self.rest_until.map_or(until, |rest| rest.max(until)));
    }

    /// A peer says at which address it sees us.
    pub fn vote(&mut self, voter: IpAddr, ours: IpAddr) {
        self.external.vote(voter, ours);
        self.use_external();
    }

    /// A tracker says at which address it sees us.
    pub fn vote_of_tracker(&mut self, url: &str, ours: IpAddr) {
        self.external.vote_by_name(url, ours);
        self.use_external();
    }

    /// Trackers that do not know us from other peers hand our own address out to us.
    fn use_external(&mut self) {
        for ip in IpFamily::BOTH.into_iter().filter_map(|family| self.external.address(family)) {
            self.candidates.set_external(SocketAddr::new(ip, self.port));
        }
    }

    /// The addresses and what is known about each.
    pub fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// The addresses, to note what became of one, or to take them over.
    pub fn candidates_mut(&mut self) -> &mut Candidates {
        &mut self.candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, host], 6881))
    }

    const HALF_OPEN: usize = 80;
    const ROOM: Places = Places { free: 200, for_untried: 0 };

    fn dialer(now: Instant) -> Dialer {
        Dialer::new(
            Candidates::default(),
            Encryption::default(),
            Some(6881),
            HALF_OPEN,
            fastrand::Rng::with_seed(1),
            now,
        )
    }

    #[test]
    fn addresses_are_tried_at_a_bounded_pace() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        let addresses: Vec<_> = (0..200).map(address).collect();
        assert_eq!(dialer.found(Source::Tracker, &addresses, now), 200);
        let at_once = std::iter::from_fn(|| dialer.next(ROOM, now)).count();
        assert!(at_once <= ATTEMPTS as usize, "{at_once}");
        let due = dialer.next_due(ROOM.free).unwrap();
        assert!(due > now && due <= now + Duration::from_secs(1));
        assert!(dialer.next(ROOM, due).is_some());
    }

    #[test]
    fn peers_that_reset_the_first_connection_are_tried_again_soon_while_few_are_connected() {
        let now = Instant::now();
        for (connected, soon) in [(1, true), (30, false)] {
            let mut dialer = dialer(now);
            dialer.found(Source::Tracker, &[address(1)], now);
            assert_eq!(dialer.next(ROOM, now), Some(address(1)));
            dialer.set_connected(connected);
            for _ in 0..2 {
                dialer.failed(address(1), AttemptFailure::ClosedEarly, now);
                dialer.next(ROOM, now + Duration::from_secs(4));
            }
            dialer.failed(address(1), AttemptFailure::ClosedEarly, now + Duration::from_secs(4));
            let wait = dialer.next_due(ROOM.free).unwrap() - now;
            assert_eq!(wait < Duration::from_secs(14), soon, "{connected} connected: {wait:?}");
        }
    }

    /// What is tried at `now`, one address after the other.
    fn tried(dialer: &mut Dialer, free: usize, for_untried: usize, now: Instant) -> Vec<SocketAddr> {
        std::iter::from_fn(|| dialer.next(Places { free, for_untried }, now)).collect()
    }

    #[test]
    fn there_are_no_more_young_attempts_than_free_places_and_older_ones_stand_in_nobodys_way() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        dialer.found(Source::Tracker, &(0..200).map(address).collect::<Vec<_>>(), now);
        assert_eq!(tried(&mut dialer, 0, 0, now), []);
        assert_eq!(dialer.next_due(0), None);
        assert_eq!(tried(&mut dialer, 5, 0, now).len(), 5);
        assert_eq!(dialer.next_due(5), Some(now + YOUNG));
        assert_eq!(tried(&mut dialer, 5, 0, now + YOUNG).len(), 5);
        let failed = tried(&mut dialer, 6, 0, now + YOUNG)[0];
        dialer.failed(failed, AttemptFailure::Unreachable, now + YOUNG);
        assert_eq!(tried(&mut dialer, 6, 0, now + YOUNG).len(), 1, "an attempt that has ended is none");
        let (mut now, mut last) = (now, usize::MAX);
        while dialer.under_way.len() != last {
            (last, now) = (dialer.under_way.len(), now + YOUNG);
            tried(&mut dialer, 50, 0, now);
        }
        assert_eq!((last, dialer.next_due(50)), (HALF_OPEN + HALF_OPEN / 4, None));
        dialer.release_attempts(now);
        assert!(dialer.next_due(50).is_some());
    }

    #[test]
    fn a_place_that_another_peer_would_have_to_leave_is_for_an_address_that_has_not_failed() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        dialer.found(Source::Tracker, &[address(1), address(2)], now);
        let [first] = tried(&mut dialer, 0, 1, now)[..] else { panic!("one place, one attempt") };
        dialer.failed(first, AttemptFailure::Unreachable, now);
        let later = now + Duration::from_secs(5);
        assert_eq!(tried(&mut dialer, 0, 2, later).len(), 1, "the other one");
        assert_eq!(tried(&mut dialer, 2, 0, later), [first]);
    }

    #[test]
    fn a_host_without_room_rests_and_then_tries_the_same_address() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        dialer.found(Source::Tracker, &[address(1), address(2)], now);
        let tried = dialer.next(ROOM, now);
        assert!(dialer.had_no_room(tried, now));
        assert_eq!((dialer.next(ROOM, now), dialer.candidates().untried_and_dead()), (None, (2, 0)));
        let later = dialer.next_due(ROOM.free).unwrap();
        assert!(later > now + Duration::from_secs(5), "{:?}", later - now);
        assert!(dialer.next(ROOM, later).is_some() && dialer.next(ROOM, later).is_some());
        assert!(!dialer.had_no_room(tried, later), "once is enough to warn");
    }

    #[test]
    fn a_proxy_that_fails_costs_a_moment_and_no_address() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        dialer.found(Source::Tracker, &[address(1), address(2)], now);
        let tried = dialer.next(ROOM, now).unwrap();
        dialer.had_no_proxy(tried, now);
        assert_eq!((dialer.next(ROOM, now), dialer.candidates().untried_and_dead()), (None, (2, 0)));
        assert_eq!(dialer.next_due(ROOM.free), Some(now + PROXY_REST));
        assert!(dialer.next(ROOM, now + PROXY_REST).is_some());
        // A longer rest for another reason stays as long.
        dialer.had_no_room(None, now);
        dialer.had_no_proxy(tried, now);
        assert_eq!(dialer.next(ROOM, now + PROXY_REST), None);
    }

    #[test]
    fn our_own_address_is_no_candidate_once_others_have_told_us() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        for teller in 2..9 {
            dialer.vote(IpAddr::from([192, 0, 2, teller]), address(9).ip());
        }
        dialer.vote_of_tracker("http://tracker.example/announce", address(9).ip());
        assert_eq!(dialer.found(Source::Tracker, &[address(9)], now), 0);
    }
}
