//! Peer exchange (PEX, BEP 11): which of our peers another peer is told about.
//!
//! Peers that are connected tell each other which other peers they are connected to, and which they lost. So
//! a swarm goes on finding peers without its tracker. A message has only what is new since the last one, so
//! this file remembers what each peer was told: 32 bytes for each address and peer. It knows no connection:
//! the coordinator says which peers are connected, and sends the message that comes out.

use super::address_policy::may_share;
use crate::wire::pex::PeerExchange;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The wait between the handshake and the first message, so that the message has more than the first few
/// connections of a new download. If there was nothing to say, the next look also comes after this time.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The time between two messages to one peer (BEP 11).
const INTERVAL: Duration = Duration::from_secs(60);
/// Added addresses in one message, and dropped ones (BEP 11).
const MAX_ADDRESSES: usize = 50;

/// What we told one peer.
#[derive(Debug)]
pub struct PexHistory {
    told: HashSet<SocketAddr>,
    due: Instant,
}

impl PexHistory {
    /// Nothing told yet, to a peer whose handshake is done now.
    pub fn new(now: Instant) -> PexHistory {
        PexHistory { told: HashSet::new(), due: now + FIRST_WAIT }
    }

    /// Whether it is time for a message.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// The message to the peer at `to`, or `None` if nothing is new or it is too early. `connected` are all
    /// peers that we are connected to, with their flags (BEP 11). What is too much for one message comes with
    /// the next.
    pub fn next_message(
        &mut self,
        to: SocketAddr,
        connected: &[(SocketAddr, u8)],
        now: Instant,
    ) -> Option<PeerExchange> {
        if !self.is_due(now) {
            return None;
        }
        let here: HashSet<SocketAddr> = connected.iter().map(|(address, _)| *address).collect();
        let mut dropped: Vec<_> = self.told.difference(&here).copied().collect();
        // The same events are to lead to the same message, and a hash set has no order.
        dropped.sort_unstable();
        dropped.truncate(MAX_ADDRESSES);
        for address in &dropped {
            self.told.remove(address);
        }
        // Only addresses that the peer can reach and should believe from us: no stranger is told which other
        // hosts are in our local network.
        let may_hear = |address: SocketAddr| address != to && may_share(to.ip(), address);
        let added = connected.iter().filter(|(address, _)| may_hear(*address));
        let told = &mut self.told;
        let added: Vec<_> =
            added.filter(|(address, _)| told.insert(*address)).copied().take(MAX_ADDRESSES).collect();
        if added.is_empty() && dropped.is_empty() {
            self.due = now + FIRST_WAIT;
            return None;
        }
        self.due = now + INTERVAL;
        Some(PeerExchange { added, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: usize) -> SocketAddr {
        format!("5.6.{}.{}:6881", number / 250, number % 250 + 1).parse().unwrap()
    }

    fn all(numbers: impl Iterator<Item = usize>) -> Vec<(SocketAddr, u8)> {
        numbers.map(|number| (at(number), 2)).collect()
    }

    fn sorted(list: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        let mut list: Vec<_> = list.into_iter().collect();
        list.sort();
        list
    }

    #[test]
    fn each_new_peer_and_each_lost_peer_is_told_once() {
        let start = Instant::now();
        let mut history = PexHistory::new(start);
        let connected = all(0..3);
        assert_eq!(history.next_message(at(900), &connected, start), None);
        let first = history.next_message(at(900), &connected, start + FIRST_WAIT).unwrap();
        assert_eq!(first, PeerExchange { added: connected.clone(), dropped: Vec::new() });
        let now = start + FIRST_WAIT + INTERVAL;
        assert_eq!(history.next_message(at(900), &connected, now), None, "nothing is new");
        let now = now + FIRST_WAIT;
        let second = history.next_message(at(900), &all(1..5), now).unwrap();
        assert_eq!(second, PeerExchange { added: all(3..5), dropped: vec![at(0)] });
        assert_eq!(history.next_message(at(900), &connected, now + INTERVAL / 2), None);
        // A peer that came and left between two messages, and one that left and came back, are in neither
        // list.
        let third = history.next_message(at(900), &connected, now + INTERVAL).unwrap();
        assert_eq!((third.added, sorted(third.dropped)), (all(0..1), vec![at(3), at(4)]));
    }

    #[test]
    fn a_message_has_at_most_fifty_of_each_kind_and_the_rest_comes_later() {
        let start = Instant::now();
        let mut history = PexHistory::new(start);
        let mut now = start + FIRST_WAIT;
        let mut added = Vec::new();
        for expected in [50, 50, 20] {
            let message = history.next_message(at(900), &all(0..120), now).unwrap();
            assert_eq!((message.added.len(), message.dropped.len()), (expected, 0));
            added.extend(message.added.into_iter().map(|(address, _)| address));
            now += INTERVAL;
        }
        assert_eq!(sorted(added), sorted(all(0..120).into_iter().map(|(address, _)| address)));
        for expected in [50, 50, 20] {
            assert_eq!(history.next_message(at(900), &[], now).unwrap().dropped.len(), expected);
            now += INTERVAL;
        }
        assert_eq!(history.next_message(at(900), &[], now), None);
    }

    #[test]
    fn no_peer_is_told_its_own_address_or_one_that_it_should_not_believe() {
        let start = Instant::now();
        let near: SocketAddr = "192.168.1.2:1".parse().unwrap();
        let connected = [(at(1), 0), (near, 0)];
        let mut to_far = PexHistory::new(start);
        assert_eq!(to_far.next_message(at(1), &connected, start + FIRST_WAIT), None);
        let mut to_near = PexHistory::new(start);
        assert_eq!(
            to_near
                .next_message("192.168.1.3:1".parse().unwrap(), &connected, start + FIRST_WAIT)
                .unwrap()
                .added
                .len(),
            2
        );
    }
}
