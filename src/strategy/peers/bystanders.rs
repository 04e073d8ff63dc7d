//! Remembers from which networks peers came in that did nothing: they neither gave us anything nor asked for
//! anything.
//!
//! Such a peer does no harm while there is room. But five hundred of them that come again and again would
//! keep everyone else out of a full swarm, unless a stranger that was never seen before goes before those who
//! have shown what they come for. A network is forgotten after some time, since addresses change hands.

use crate::address::network;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Networks that are remembered.
const MAX_NETWORKS: usize = 1024;
/// For how long.
const MEMORY: Duration = Duration::from_secs(10 * 60);

/// The networks, the one that was seen longest ago in front.
#[derive(Debug, Default)]
pub struct Bystanders {
    seen: VecDeque<(IpAddr, Instant)>,
}

impl Bystanders {
    /// A peer from there has left and had done nothing. This host itself is never remembered: it may run many
    /// peers, and they have one address.
    pub fn note(&mut self, from: IpAddr, now: Instant) {
        if from.is_loopback() {
            return;
        }
        let network = network(from);
        self.seen.retain(|(other, _)| *other != network);
        if self.seen.len() >= MAX_NETWORKS {
            self.seen.pop_front();
        }
        self.seen.push_back((network, now));
    }

    /// Whether a peer from there has lately done nothing.
    pub fn has(&self, from: IpAddr, now: Instant) -> bool {
        let network = network(from);
        let is_recent = |since| now.saturating_duration_since(since) < MEMORY;
        self.seen.iter().any(|(other, since)| *other == network && is_recent(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(ip: &str) -> IpAddr {
        ip.parse().unwrap()
    }

    #[test]
    fn a_network_is_remembered_for_ten_minutes_and_this_host_never() {
        let now = Instant::now();
        let mut bystanders = Bystanders::default();
        for from in ["192.0.2.1", "2001:db8:1:2::3", "127.0.0.1"] {
            bystanders.note(ip(from), now);
        }
        for (from, known) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:3::3", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(bystanders.has(ip(from), now + MEMORY / 2), known, "{from}");
            assert!(!bystanders.has(ip(from), now + MEMORY), "{from}");
        }
    }

    #[test]
    fn however_many_come_the_memory_has_a_bound_and_the_oldest_goes_first() {
        let now = Instant::now();
        let mut bystanders = Bystanders::default();
        let at = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
        (0..=MAX_NETWORKS as u32).for_each(|number| bystanders.note(at(number), now));
        assert_eq!(bystanders.seen.len(), MAX_NETWORKS);
        assert!(!bystanders.has(at(0), now) && bystanders.has(at(1), now));
    }
}
