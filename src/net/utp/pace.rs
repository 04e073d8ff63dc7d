//! How many requests for connections are looked at, of one network and of all. Pure.
//!
//! A request costs its sender one packet with any source, and us an answer, which takes ten times as long as to read
//! it. What is over the pace is dropped unread; who is really there asks again a second later. Networks are told apart
//! by a number that is drawn from a secret, so a flood takes the pace of its own network and of few others, and its sender
//! cannot choose of which. Neither memory nor time grows with it.
//!
//! This host itself may do as it likes, as it may run many peers.

use crate::address;
use crate::strategy::TokenBucket;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

/// Requests of one network in a second, and at once.
const OF_ONE: u32 = 50;
const OF_ONE_AT_ONCE: u32 = 200;
/// The same of all networks together. More than come to the busiest seed.
const OF_ALL: u32 = 500;
const OF_ALL_AT_ONCE: u32 = 1000;
/// Networks that are told apart.
const NETWORKS: usize = 256;

/// What may still be asked.
#[derive(Debug)]
pub(super) struct Pace {
    of_one: [TokenBucket; NETWORKS],
    of_all: TokenBucket,
    secret: RandomState,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace {
            of_one: [TokenBucket::with_burst(OF_ONE, OF_ONE_AT_ONCE, now); NETWORKS],
            of_all: TokenBucket::with_burst(OF_ALL, OF_ALL_AT_ONCE, now),
            secret: RandomState::new(),
        }
    }

    /// Somebody asks for a connection. Whether it is looked at.
    pub(super) fn may_ask(&mut self, from: IpAddr, now: Instant) -> bool {
        let from = from.to_canonical();
        if from.is_loopback() {
            return true;
        }
        let number = self.secret.hash_one(address::network(from)) % NETWORKS as u64;
        let of_one = usize::try_from(number).ok().and_then(|number| self.of_one.get_mut(number));
        of_one.is_some_and(|pace| pace.take(now)) && self.of_all.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_network_that_asks_too_often_is_not_heard_and_others_are() {
        let now = Instant::now() + Duration::from_secs(100_000);
        let mut pace = Pace::new(now);
        let mut asks = |ip: [u8; 4], now| (0..10_000).filter(|_| pace.may_ask(ip.into(), now)).count();
        assert_eq!(asks([192, 0, 2, 1], now), OF_ONE_AT_ONCE as usize);
        assert_eq!(asks([127, 0, 0, 1], now), 10_000);
        assert_eq!(asks([192, 0, 2, 1], now + Duration::from_secs(1)), OF_ONE as usize);
        // One of so many has the same number, at most a few.
        let others = (1..200).filter(|host| asks([203, 0, 113, *host], now + Duration::from_secs(1)) > 0);
        assert!(others.count() >= 4);
    }

    #[test]
    fn from_however_many_networks_they_come_all_together_have_a_pace() {
        let now = Instant::now() + Duration::from_secs(100_000);
        let mut pace = Pace::new(now);
        let mut asks = |now| {
            let from = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
            (0..100_000).filter(|number| pace.may_ask(from(*number), now)).count()
        };
        assert_eq!(asks(now), OF_ALL_AT_ONCE as usize);
        assert_eq!(asks(now + Duration::from_secs(1)), OF_ALL as usize);
    }
}
