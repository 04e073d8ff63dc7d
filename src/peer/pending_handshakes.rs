//! The connections whose handshake is not complete, and which of them ends when there are too many. Pure.
//!
//! Strangers decide how many come, so one has to go for each one too many: the one that has been pending for
//! longest *among those of the network that has most of them*. So whoever opens connections and says nothing
//! crowds out himself. A peer from elsewhere, whose handshake may take a second on its way, stays. Whoever
//! has one address often has its neighbours, so the range that has most is looked for first (/24 for IPv4,
//! /48 for IPv6), and in it the network (one address, or /64).

use crate::address::network;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The pending connections, the oldest in front.
#[derive(Debug)]
pub struct PendingHandshakes<T> {
    pending: VecDeque<Pending<T>>,
    last_number: u64,
}

#[derive(Debug)]
struct Pending<T> {
    number: u64,
    network: IpAddr,
    connection: T,
}

impl<T> Default for PendingHandshakes<T> {
    fn default() -> PendingHandshakes<T> {
        PendingHandshakes { pending: VecDeque::new(), last_number: 0 }
    }
}

impl<T> PendingHandshakes<T> {
    /// Adds a connection. Returns its number, and the connection that has to end for it, if there are more than
    /// `most`.
    pub fn add(&mut self, from: IpAddr, connection: T, most: usize) -> (u64, Option<T>) {
        self.last_number += 1;
        let number = self.last_number;
        self.pending.push_back(Pending { number, network: network(from), connection });
        let crowded_out = (self.pending.len() > most).then(|| self.take_one()).flatten();
        (number, crowded_out)
    }

    /// Whether the connection of this number was still pending. Now it is not.
    pub fn remove(&mut self, number: u64) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| pending.number != number);
        self.pending.len() < before
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pending.iter().map(|pending| &pending.connection)
    }

    fn take_one(&mut self) -> Option<T> {
        let (mut ranges, mut networks) = (HashMap::<IpAddr, u32>::new(), HashMap::<IpAddr, u32>::new());
        for pending in &self.pending {
            *ranges.entry(range(pending.network)).or_default() += 1;
            *networks.entry(pending.network).or_default() += 1;
        }
        let crowd = |pending: &Pending<T>| {
            (ranges.get(&range(pending.network)).copied(), networks.get(&pending.network).copied())
        };
        let most = self.pending.iter().map(crowd).max()?;
        let at = self.pending.iter().position(|pending| crowd(pending) == most)?;
        self.pending.remove(at).map(|pending| pending.connection)
    }
}

/// What one owner of a network often has as a whole.
fn range(network: IpAddr) -> IpAddr {
    match network {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 128;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_flood_from_one_network_crowds_out_itself_and_nobody_else() {
        for (flood, far) in [("192.0.2.1", "192.0.2.2"), ("2001:db8:0:1::1", "2001:db8:0:2::1")] {
            let mut pending = PendingHandshakes::default();
            let (number, _) = pending.add(ip(far), "far", MOST);
            let gone: Vec<_> = (0..1000).filter_map(|_| pending.add(ip(flood), "flood", MOST).1).collect();
            assert_eq!(gone.len(), 1001 - MOST);
            assert!(gone.iter().all(|gone| *gone == "flood"), "{flood}");
            assert!(pending.remove(number) && !pending.remove(number));
        }
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one() {
        let mut pending = PendingHandshakes::default();
        let (number, _) = pending.add(ip("192.0.2.1"), (), MOST);
        (0..1000).for_each(|host| _ = pending.add(ip(&format!("2001:db8::{host:x}")), (), MOST));
        assert!(pending.remove(number));
    }

    #[test]
    fn a_flood_from_all_addresses_of_a_range_crowds_out_itself() {
        for (flood, far) in [("198.51.100.", "192.0.2.2"), ("2001:db8:1:", "2001:db8:2:1::1")] {
            let mut pending = PendingHandshakes::default();
            let (number, _) = pending.add(ip(far), (), MOST);
            for host in (0..250).cycle().take(1000) {
                let tail = if flood.contains(':') { format!("{host:x}::1") } else { host.to_string() };
                pending.add(ip(&format!("{flood}{tail}")), (), MOST);
            }
            assert!(pending.remove(number), "{flood}");
        }
    }

    #[test]
    fn among_equals_the_oldest_goes() {
        let mut pending = PendingHandshakes::default();
        let at = |host: usize| IpAddr::from((0x3200_0000 + 256 * host as u32).to_be_bytes());
        for host in 0..MOST {
            assert_eq!(pending.add(at(host), host, MOST).1, None);
        }
        assert_eq!(pending.add(at(999), 999, MOST).1, Some(0));
        assert_eq!(pending.iter().count(), MOST);
    }
}
