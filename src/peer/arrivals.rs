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
/// For how many connections one counts that led nowhere. Of several at once no more than one is owed for.
const IN_VAIN: u32 = 8;
/// For each so many pieces that such a one told us of it counts as one more: each takes some steps, and a bitfield says
/// the same with few.
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
const SLOW_ONES_AT_ONCE: u32 = 20;
const SLOW_ONES_A_SECOND: u32 = 5;
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

    /// A connection from here, which was counted when it came, has ended and was of no use to either side. It has told
    /// us of so many pieces, one by one.
    pub fn came_in_vain(&mut self, from: IpAddr, told: u32, now: Instant) {
        if is_local(from) {
            return;
        }
        let pace = &mut self.visitor(network(from), now).pace;
        pace.charge_up_to(IN_VAIN - 1, IN_VAIN - 1, now);
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
mod tests;
