//! What a peer is told of the others: whom we are connected to, and whom not any more (BEP 11).
//!
//! Each peer is told what is new for it since it was told last, so that this file is a memory of what that
//! was. Nothing here knows a connection: the coordinator says who is there and sends what comes out.

use super::address_policy::may_name;
use crate::wire::pex::PeerExchange;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// After the greeting, so that the first message has more than the first connections of a start; and again
/// after this where there was nothing to say.
const FIRST: Duration = Duration::from_secs(2);
/// The time between two messages to one peer (BEP 11).
const INTERVAL: Duration = Duration::from_secs(60);
/// How many of either kind a message has at most (BEP 11).
const MOST: usize = 50;

/// What one peer was told.
#[derive(Debug)]
pub struct PexHistory {
    told: HashSet<SocketAddr>,
    due: Instant,
}

impl PexHistory {
    /// Nothing yet, to a peer that was greeted now.
    pub fn new(now: Instant) -> PexHistory {
        PexHistory { told: HashSet::new(), due: now + FIRST }
    }

    /// Whether it is time for a message.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// What is new, of all those that we are connected to, with their flags: what the peer at `to` is told,
    /// or `None` where that is nothing or it is not time. What is too much for one message comes with the
    /// next.
    pub fn news(
        &mut self,
        to: SocketAddr,
        connected: &[(SocketAddr, u8)],
        now: Instant,
    ) -> Option<PeerExchange> {
        if !self.is_due(now) {
            return None;
        }
        let here: HashSet<SocketAddr> = connected.iter().map(|(address, _)| *address).collect();
        let dropped: Vec<_> = self.told.difference(&here).copied().take(MOST).collect();
        for address in &dropped {
            self.told.remove(address);
        }
        // Of whom the peer could reach and would believe it: nobody is told who else is in our house.
        let may_hear = |address: SocketAddr| address != to && may_name(to.ip(), address);
        let added = connected.iter().filter(|(address, _)| may_hear(*address));
        let told = &mut self.told;
        let added: Vec<_> = added.filter(|(address, _)| told.insert(*address)).copied().take(MOST).collect();
        if added.is_empty() && dropped.is_empty() {
            self.due = now + FIRST;
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
    fn a_peer_is_told_once_of_whom_we_meet_and_once_of_whom_we_lose() {
        let start = Instant::now();
        let mut gossip = PexHistory::new(start);
        let connected = all(0..3);
        assert_eq!(gossip.news(at(900), &connected, start), None);
        let first = gossip.news(at(900), &connected, start + FIRST).unwrap();
        assert_eq!(first, PeerExchange { added: connected.clone(), dropped: Vec::new() });
        let now = start + FIRST + INTERVAL;
        assert_eq!(gossip.news(at(900), &connected, now), None, "nothing is new");
        let now = now + FIRST;
        let second = gossip.news(at(900), &all(1..5), now).unwrap();
        assert_eq!(second, PeerExchange { added: all(3..5), dropped: vec![at(0)] });
        assert_eq!(gossip.news(at(900), &connected, now + INTERVAL / 2), None);
        // One that came and one that went and came again meanwhile are not worth a word.
        let third = gossip.news(at(900), &connected, now + INTERVAL).unwrap();
        assert_eq!((third.added, sorted(third.dropped)), (all(0..1), vec![at(3), at(4)]));
    }

    #[test]
    fn a_message_has_fifty_of_each_and_the_rest_comes_later() {
        let start = Instant::now();
        let mut gossip = PexHistory::new(start);
        let mut now = start + FIRST;
        let mut added = Vec::new();
        for expected in [50, 50, 20] {
            let news = gossip.news(at(900), &all(0..120), now).unwrap();
            assert_eq!((news.added.len(), news.dropped.len()), (expected, 0));
            added.extend(news.added.into_iter().map(|(address, _)| address));
            now += INTERVAL;
        }
        assert_eq!(sorted(added), sorted(all(0..120).into_iter().map(|(address, _)| address)));
        for expected in [50, 50, 20] {
            assert_eq!(gossip.news(at(900), &[], now).unwrap().dropped.len(), expected);
            now += INTERVAL;
        }
        assert_eq!(gossip.news(at(900), &[], now), None);
    }

    #[test]
    fn nobody_is_told_of_itself_or_of_an_address_that_it_should_not_believe() {
        let start = Instant::now();
        let near: SocketAddr = "192.168.1.2:1".parse().unwrap();
        let connected = [(at(1), 0), (near, 0)];
        let mut to_far = PexHistory::new(start);
        assert_eq!(to_far.news(at(1), &connected, start + FIRST), None);
        let mut to_near = PexHistory::new(start);
        assert_eq!(
            to_near.news("192.168.1.3:1".parse().unwrap(), &connected, start + FIRST).unwrap().added.len(),
            2
        );
    }
}
