//! Which networks may connect to us now. Pure.
//!
//! A connection costs us a thread and its handshake, and a peer that was disconnected for a flood costs as much
//! again when it comes back. So a network that connects again and again has a pace, and one from which a flood
//! came has to stay away for some time: its connections are closed as they are accepted. This host itself may
//! do as it likes, as it may run many peers, until a flood comes from it.
//!
//! An address of our own network may stand for everybody: a router, a container's bridge or a tunnel puts its own
//! in the place of the one that a connection comes from, and a tunnel that ends on this host that of this host. So such
//! a one has a faster pace and is never told to stay away, or one peer could keep out all others. After a flood it has a
//! slow one for as long as others have to stay away, and all that have flooded have one together.
//!
//! Two hosts that share a hundred torrents connect a hundred times at once, and each connection leads somewhere.
//! Those of a flood do not: one that ends without a handshake for a torrent of ours, or without a block either
//! way, counts as several.

use crate::address::{is_local, network};
use crate::strategy::TokenBucket;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How many connections may come from a network at once.
const AT_ONCE: u32 = 240;
/// For how many connections one counts that led nowhere.
const IN_VAIN: u32 = 8;
/// For each so many pieces that such a one told us of it counts as one more: each takes some steps, and a bitfield says the
/// same with few.
const TOLD_IN_VAIN: u32 = 500;
/// How long it takes until one more may come.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same two for an address of our own network, and for all IPv6 networks that one owner may have.
const MANY_AT_ONCE: u32 = 500;
const MANY_INTERVAL: Duration = Duration::from_millis(50);
/// The same for an address of this host or of our own network after a flood.
const SLOW_AT_ONCE: u32 = 20;
const SLOW_INTERVAL: Duration = Duration::from_millis(200);
/// The same for all such addresses together, at once and in a second. A flood takes up to 15 ms before it is one.
const SLOW_ONES_AT_ONCE: u32 = 40;
const SLOW_ONES_A_SECOND: u32 = 10;
/// How many connections may come at once, and in a second, from all networks together: more than come to the
/// busiest seed. Each takes a tenth of a millisecond.
const ALL_AT_ONCE: u32 = 750;
const ALL_A_SECOND: u32 = 200;
/// How many key exchanges may begin at once, and in a second, from all networks together. Each takes a fifth of a
/// millisecond, and several times that on a small processor.
const EXCHANGES_AT_ONCE: u32 = 120;
const EXCHANGES_A_SECOND: u32 = 40;
/// So many connections in a row are turned away because of the pace of all. Then the system keeps the next ones for so
/// long, and what finds no place there costs us nothing. One that is honest has the same chance of a place either way.
const CROWD: u32 = 32;
const CROWD_WAITS: Duration = Duration::from_millis(25);
/// How long a network stays away from which a flood came.
const REFUSED: Duration = Duration::from_secs(10 * 60);
/// Networks that are remembered.
const MAX_NETWORKS: usize = 4096;

/// The networks that came lately.
#[derive(Debug)]
pub struct Arrivals {
    networks: HashMap<IpAddr, Visitor>,
    /// For all of them together.
    pace: TokenBucket,
    /// For those that have flooded and are not refused.
    slow_ones: TokenBucket,
    /// For the key exchanges of all of them.
    exchanges: TokenBucket,
    /// How many in a row were turned away because all together came too fast.
    turned_away: u32,
}

#[derive(Debug)]
struct Visitor {
    pace: TokenBucket,
    refused_until: Option<Instant>,
    /// After a flood, where nobody is refused.
    slow_pace: TokenBucket,
    slow_until: Option<Instant>,
}

impl Visitor {
    fn new(network: IpAddr, now: Instant) -> Visitor {
        let stands_for_many = is_local(network) || owned_range(network) == Some(network);
        let (interval, at_once) =
            if stands_for_many { (MANY_INTERVAL, MANY_AT_ONCE) } else { (INTERVAL, AT_ONCE) };
        Visitor {
            pace: TokenBucket::every(interval, at_once, now),
            refused_until: None,
            slow_pace: TokenBucket::every(SLOW_INTERVAL, SLOW_AT_ONCE, now),
            slow_until: None,
        }
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.slow_until.is_some_and(|until| now < until)
    }

    fn is_refused(&self, now: Instant) -> bool {
        self.refused_until.is_some_and(|until| now < until)
    }
}

impl Arrivals {
    /// Nobody has come yet.
    pub fn new(now: Instant) -> Arrivals {
        let pace = TokenBucket::with_burst(ALL_A_SECOND, ALL_AT_ONCE, now);
        let exchanges = TokenBucket::with_burst(EXCHANGES_A_SECOND, EXCHANGES_AT_ONCE, now);
        let slow_ones = TokenBucket::with_burst(SLOW_ONES_A_SECOND, SLOW_ONES_AT_ONCE, now);
        Arrivals { networks: HashMap::new(), pace, slow_ones, exchanges, turned_away: 0 }
    }

    /// A connection has come from here. Whether it may stay.
    pub fn may_enter(&mut self, from: IpAddr, now: Instant) -> bool {
        let from = from.to_canonical();
        if from.is_loopback() {
            return self.takes_slowly(from, now);
        }
        let range = owned_range(from);
        // Asked first, so that an owner of many networks fills no room with them.
        if range.is_some_and(|range| !self.visitor(range, now).pace.has(1, now)) {
            return false;
        }
        let visitor = self.visitor(network(from), now);
        let has_pace = !visitor.is_refused(now) && visitor.pace.take(now);
        let may_come = has_pace
            && self.takes_slowly(from, now)
            && range.is_none_or(|range| self.visitor(range, now).pace.take(now));
        let enters = may_come && self.pace.take(now);
        self.turned_away = if may_come && !enters { self.turned_away.saturating_add(1) } else { 0 };
        enters
    }

    /// Whether one more may come from here after a flood, if there was one.
    fn takes_slowly(&mut self, from: IpAddr, now: Instant) -> bool {
        let slow = self.networks.get_mut(&network(from)).filter(|visitor| visitor.is_slow(now));
        slow.is_none_or(|visitor| visitor.slow_pace.take(now) && self.slow_ones.take(now))
    }

    /// How long no connection is taken from the system: too many came, from too many networks to tell them apart.
    pub fn crowd_waits(&mut self) -> Option<Duration> {
        let waits = self.is_crowded();
        if waits {
            self.turned_away = 0;
        }
        waits.then_some(CROWD_WAITS)
    }

    /// Whether too many came just now.
    pub(super) fn is_crowded(&self) -> bool {
        self.turned_away >= CROWD
    }

    /// A connection from here begins with a key exchange, which costs more than all else. Whether we answer it.
    pub fn may_exchange_keys(&mut self, from: IpAddr, now: Instant) -> bool {
        from.to_canonical().is_loopback() || self.exchanges.take(now)
    }

    /// A connection from here, which was counted when it came, has ended and was of no use to either side. It has told us of
    /// so many pieces, one by one.
    pub fn came_in_vain(&mut self, from: IpAddr, told: u32, now: Instant) {
        if is_local(from) {
            return;
        }
        let pace = &mut self.visitor(network(from), now).pace;
        // It may have fewer left than that. Then it has none.
        let _ = (1..IN_VAIN).all(|_| pace.take(now));
        if told >= TOLD_IN_VAIN {
            pace.charge(told / TOLD_IN_VAIN, now);
        }
    }

    /// A peer from here has flooded us: no connection from its network may stay for now, or few of our own network.
    pub fn refuse(&mut self, from: IpAddr, now: Instant) {
        let (from, until) = (from.to_canonical(), Some(now + REFUSED));
        let visitor = self.visitor(network(from), now);
        if is_local(from) {
            visitor.slow_until = until;
        } else {
            visitor.refused_until = until;
        }
    }

    fn visitor(&mut self, network: IpAddr, now: Instant) -> &mut Visitor {
        if self.networks.len() >= MAX_NETWORKS && !self.networks.contains_key(&network) {
            // Whoever has more networks than this can come as often as he likes in any case. To look through
            // them for each connection would be his next attack, so after this half of the room is free.
            self.networks.retain(|_, visitor| visitor.is_refused(now) || visitor.is_slow(now));
            if self.networks.len() >= MAX_NETWORKS / 2 {
                self.networks.clear();
            }
        }
        self.networks.entry(network).or_insert_with(|| Visitor::new(network, now))
    }
}

/// The range of 48 bits that an IPv6 address is in, which one owner often has as a whole: 65,536 networks, with which
/// he could take the pace of all others. It is written so that it is no network itself.
fn owned_range(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V6(ip) => Some(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80 | 1))),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn start() -> Instant {
        Instant::now() + Duration::from_secs(100_000)
    }

    #[test]
    fn a_network_that_comes_too_often_waits_and_no_other_does() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let enter = |arrivals: &mut Arrivals, from: &str, now| {
            (0..10_000).filter(|_| arrivals.may_enter(ip(from), now)).count()
        };
        assert_eq!(enter(&mut arrivals, "192.0.2.1", now), AT_ONCE as usize);
        assert_eq!(enter(&mut arrivals, "::ffff:192.0.2.1", now), 0);
        assert_eq!(enter(&mut arrivals, "192.0.2.2", now), AT_ONCE as usize);
        assert_eq!(enter(&mut arrivals, "2001:db8::1", now), AT_ONCE as usize);
        assert_eq!(enter(&mut arrivals, "2001:db8::2", now), 0);
        for us in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(enter(&mut arrivals, us, now), 10_000);
        }
        assert_eq!(enter(&mut arrivals, "192.0.2.1", now + 10 * INTERVAL), 10);
    }

    #[test]
    fn from_however_many_networks_they_come_all_together_have_a_pace() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let from = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
        let entered = (0..10_000).filter(|number| arrivals.may_enter(from(*number), now)).count();
        assert_eq!(entered, ALL_AT_ONCE as usize);
        let later = now + Duration::from_secs(1);
        let entered = (0..10_000).filter(|number| arrivals.may_enter(from(*number), later)).count();
        assert_eq!(entered, ALL_A_SECOND as usize);
    }

    #[test]
    fn a_crowd_of_many_networks_waits_now_and_then_and_one_network_keeps_nobody_waiting() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let mut come = |number: u32| {
            arrivals.may_enter(IpAddr::from((0x3200_0000 + number).to_be_bytes()), now);
            arrivals.crowd_waits().is_some()
        };
        assert!(!(0..10_000).any(|_| come(1)), "one network has its own pace");
        let waited: Vec<u32> = (1000..3000).filter(|number| come(*number)).collect();
        let first = 1000 + ALL_AT_ONCE - AT_ONCE + CROWD - 1;
        assert_eq!(waited.first(), Some(&first));
        assert!(waited.windows(2).all(|two| two[1] - two[0] == CROWD));
        assert!(!(0..1000).any(|_| come(1)), "others that are turned away are no crowd");
    }

    #[test]
    fn from_however_many_networks_key_exchanges_come_they_have_a_pace() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let from = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
        let mut begun =
            |now| (0..10_000).filter(|number| arrivals.may_exchange_keys(from(*number), now)).count();
        assert_eq!(begun(now), EXCHANGES_AT_ONCE as usize);
        assert_eq!(begun(now + Duration::from_secs(1)), EXCHANGES_A_SECOND as usize);
        assert!((0..1_000).all(|_| arrivals.may_exchange_keys(ip("127.0.0.1"), now)));
    }

    #[test]
    fn connections_that_lead_nowhere_count_as_several() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let enter = |arrivals: &mut Arrivals, now| {
            let entered = arrivals.may_enter(ip("192.0.2.1"), now);
            arrivals.came_in_vain(ip("192.0.2.1"), 499, now);
            entered
        };
        let entered = (0..10_000).filter(|_| enter(&mut arrivals, now)).count();
        assert_eq!(entered, (AT_ONCE / IN_VAIN) as usize);
        assert!(!arrivals.may_enter(ip("192.0.2.1"), now));
        assert!(arrivals.may_enter(ip("192.0.2.1"), now + INTERVAL));
    }

    #[test]
    fn who_tells_of_thousands_of_pieces_in_vain_cannot_do_so_again_and_again() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let mut come = |now| {
            let enters = arrivals.may_enter(ip("192.0.2.1"), now);
            if enters {
                arrivals.came_in_vain(ip("192.0.2.1"), 65_536, now);
            }
            enters
        };
        assert_eq!((0..100).filter(|_| come(now)).count(), 2);
        let hour = (0..3600).filter(|second| come(now + *second * INTERVAL)).count();
        assert!((20..=30).contains(&hour), "{hour}");
    }

    #[test]
    fn a_network_from_which_a_flood_came_stays_away_for_ten_minutes() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        for from in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
            arrivals.refuse(ip(from), now);
        }
        let networks = [
            ("192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::9", false),
            ("2001:db8:0:1::1", true),
            ("127.0.0.1", true),
        ];
        for (from, may_enter) in networks {
            assert_eq!(arrivals.may_enter(ip(from), now + REFUSED / 2), may_enter, "{from}");
        }
        assert!(networks.iter().all(|(from, _)| arrivals.may_enter(ip(from), now + REFUSED)));
    }

    #[test]
    fn who_has_many_ipv6_networks_leaves_room_for_others() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        let from = |number: u32| ip(&format!("2001:db8:0:{:x}::1", number % 60_000));
        let entered = (0..10_000).filter(|number| arrivals.may_enter(from(*number), now)).count();
        assert_eq!(entered, MANY_AT_ONCE as usize);
        assert!(arrivals.may_enter(ip("2001:db8:1::1"), now) && arrivals.may_enter(ip("192.0.2.1"), now));
        assert_eq!(arrivals.networks.len(), MANY_AT_ONCE as usize + 4);
    }

    #[test]
    fn an_address_of_our_own_network_may_stand_for_many_peers() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        for router in ["192.168.1.1", "172.17.0.1", "::ffff:10.0.2.100", "fe80::1"] {
            let entered = (0..100).filter(|_| {
                arrivals.came_in_vain(ip(router), 1_000_000, now);
                arrivals.may_enter(ip(router), now)
            });
            assert_eq!(entered.count(), 100, "{router}");
        }
        let now = now + Duration::from_secs(100);
        let mut all = (0..10_000).filter(|_| arrivals.may_enter(ip("172.17.0.1"), now));
        assert_eq!(all.by_ref().count(), MANY_AT_ONCE as usize);
        assert!(arrivals.may_enter(ip("192.0.2.1"), now), "it leaves room for others");
    }

    #[test]
    fn after_a_flood_an_address_that_may_stand_for_many_is_slow_and_is_not_kept_out() {
        let mut now = start();
        let mut arrivals = Arrivals::new(now);
        let enter = |arrivals: &mut Arrivals, from: &str, now| {
            (0..400).filter(|_| arrivals.may_enter(ip(from), now)).count()
        };
        for from in ["127.0.0.1", "192.168.1.1", "::ffff:10.0.2.100", "::1", "fe80::1"] {
            arrivals.refuse(ip(from), now);
            assert_eq!(enter(&mut arrivals, from, now), SLOW_AT_ONCE as usize, "{from}");
            // Another flood brings no new ones.
            arrivals.refuse(ip(from), now);
            assert_eq!(enter(&mut arrivals, from, now + SLOW_INTERVAL), 1, "{from}");
            now += 2 * REFUSED;
            assert_eq!(enter(&mut arrivals, from, now), 400, "{from}");
            now += REFUSED;
        }
        assert_eq!(enter(&mut arrivals, "192.168.1.2", now), 400, "another one is as it was");
        let many: Vec<String> = (0..50).map(|host| format!("10.0.0.{host}")).collect();
        many.iter().for_each(|from| arrivals.refuse(ip(from), now));
        let mut all = |now| many.iter().map(|from| enter(&mut arrivals, from, now)).sum::<usize>();
        assert_eq!(all(now), SLOW_ONES_AT_ONCE as usize, "all that have flooded have a pace together");
        assert_eq!(all(now + Duration::from_secs(1)), SLOW_ONES_A_SECOND as usize);
    }

    #[test]
    fn however_many_networks_come_the_memory_has_a_bound() {
        let now = start();
        let mut arrivals = Arrivals::new(now);
        for number in 0..10 * MAX_NETWORKS as u32 {
            let from = IpAddr::from((0x3200_0000 + number).to_be_bytes());
            arrivals.may_enter(from, now);
            assert!(arrivals.networks.len() <= MAX_NETWORKS);
        }
        let mut arrivals = Arrivals::new(now);
        arrivals.refuse(ip("192.0.2.1"), now);
        for number in 0..MAX_NETWORKS as u32 {
            arrivals.may_enter(IpAddr::from((0x3200_0000 + number).to_be_bytes()), now);
        }
        assert!(!arrivals.may_enter(ip("192.0.2.1"), now), "others who come do not make us forget it");
    }
}
