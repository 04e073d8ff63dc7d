//! Who has asked for a connection and not yet shown that it is where its packets say.
//!
//! Anyone can send a packet with any source. So one that asks for a connection gets a short answer and the least memory,
//! and only who has seen that answer, and acknowledges it, gets a connection. Until then it is a stranger. There are
//! [`MOST`] of them, of one network [`MOST_OF_ONE`]; where there are more, the oldest is forgotten: whoever is really
//! there answers within a round trip.

use super::link::Key;
use crate::address;
use std::collections::VecDeque;

/// Strangers in all.
pub(super) const MOST: usize = 512;
/// Those of one IPv4 address, or of one network of IPv6, which a household has to itself.
pub(super) const MOST_OF_ONE: usize = 16;

/// The strangers of a port, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Strangers(VecDeque<Key>);

impl Strangers {
    /// Adds one. Returns the one that is to be forgotten for it.
    pub(super) fn add(&mut self, key: Key) -> Option<Key> {
        let network = address::network(key.0.ip());
        let is_near = |other: &Key| address::network(other.0.ip()) == network;
        let crowded = self.0.iter().filter(|other| is_near(other)).count() >= MOST_OF_ONE;
        let goes = match crowded {
            true => self.0.iter().position(is_near),
            false => (self.0.len() >= MOST).then_some(0),
        };
        let goes = goes.and_then(|at| self.0.remove(at));
        self.0.push_back(key);
        goes
    }

    /// This one is no stranger any more. Whether it was one.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        let at = self.0.iter().position(|other| *other == key);
        at.and_then(|at| self.0.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, id: u16) -> Key {
        (text.parse().unwrap(), id)
    }

    #[test]
    fn the_oldest_of_a_network_goes_first_and_then_the_oldest_of_all() {
        let mut strangers = Strangers::default();
        let other = key("192.0.2.7:1", 1);
        assert_eq!(strangers.add(other), None);
        let numbers: Vec<u16> = (0..MOST_OF_ONE as u16).collect();
        for id in &numbers {
            assert_eq!(strangers.add(key("192.0.2.1:1", *id)), None);
        }
        assert_eq!(strangers.add(key("192.0.2.1:2", 99)), Some(key("192.0.2.1:1", 0)));
        assert!(strangers.remove(key("192.0.2.1:1", 1)) && !strangers.remove(key("192.0.2.1:1", 1)));
        assert_eq!(strangers.add(key("192.0.2.1:2", 100)), None);

        for id in 0..(MOST - MOST_OF_ONE - 1) as u16 {
            let network = format!("[2001:db8:{id:x}::1]:1");
            assert_eq!(strangers.add(key(&network, id)), None);
        }
        assert_eq!(strangers.add(key("[2001:db8:ffff::1]:1", 1)), Some(other));
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_count_as_one() {
        let mut strangers = Strangers::default();
        let ones =
            (0..100).filter(|host| strangers.add(key(&format!("[2001:db8::{host:x}:1]:1"), 1)).is_some());
        assert_eq!(ones.count(), 100 - MOST_OF_ONE);
    }
}
