//! How well a torrent is supplied with peers: what decides how soon its sources are asked for more.
//!
//! Trackers and nodes of the DHT serve many, so they are asked again when there is a need and not whenever
//! there is room. Ten seeds that send are enough, even if we might connect to a hundred peers; so is a single one
//! if it is all that a small swarm has. A hundred addresses at which no one answers are nothing.

use std::time::{Duration, Instant};

/// With fewer peers than this sending, more would help.
const HANDFUL: usize = 5;

/// After this time what was reported is reported again, in case a receiver had no room for it.
const REPORT_AGAIN: Duration = Duration::from_secs(30);

/// How well a torrent is supplied with peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Supply {
    /// Nobody sends us anything, and nobody is left to try.
    #[default]
    Nobody,
    /// A few send, nobody is left to try, and many addresses were dead: other addresses may be better.
    Thin,
    /// Enough send, or there are addresses to try, or we know the whole of a small swarm. A seed wants no
    /// more.
    Good,
}

/// The peers and the addresses of a torrent.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerCounts {
    /// Peers that send what we ask for.
    pub serving: usize,
    /// Addresses that were not tried yet or are tried for the first time, and peers that are so new that they
    /// may yet send something.
    pub promising: usize,
    /// Addresses at which the last attempt failed.
    pub dead: usize,
}

impl Supply {
    /// How well a torrent with these peers is supplied.
    pub fn of(counts: PeerCounts) -> Supply {
        let PeerCounts { serving, promising, dead } = counts;
        match serving {
            _ if promising > 0 => Supply::Good,
            0 => Supply::Nobody,
            // In a small swarm we know everyone, and would be told the same again.
            1..HANDFUL if dead >= serving => Supply::Thin,
            _ => Supply::Good,
        }
    }
}

/// Decides when the sources of peers are told how well we are supplied: whenever that changes, and every half
/// minute.
#[derive(Debug, Default)]
pub struct SupplyReports {
    last: Option<(Supply, Instant)>,
}

impl SupplyReports {
    /// What to tell now, if anything.
    pub fn next(&mut self, supply: Supply, now: Instant) -> Option<Supply> {
        let is_known = |&(told, at): &(Supply, Instant)| {
            told == supply && now.saturating_duration_since(at) < REPORT_AGAIN
        };
        if self.last.as_ref().is_some_and(is_known) {
            return None;
        }
        self.last = Some((supply, now));
        Some(supply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(serving: usize, promising: usize, dead: usize) -> Supply {
        Supply::of(PeerCounts { serving, promising, dead })
    }

    #[test]
    fn one_peer_that_sends_is_enough_if_it_is_all_that_there_is() {
        assert_eq!([supply(1, 0, 0), supply(4, 0, 3), supply(5, 0, 99)], [Supply::Good; 3]);
        assert_eq!([supply(1, 0, 1), supply(4, 0, 50)], [Supply::Thin; 2]);
    }

    #[test]
    fn dead_addresses_are_no_supply_and_untried_ones_are() {
        assert_eq!([supply(0, 0, 0), supply(0, 0, 30)], [Supply::Nobody; 2]);
        assert_eq!([supply(0, 1, 30), supply(1, 1, 30)], [Supply::Good; 2]);
    }

    #[test]
    fn what_has_not_changed_is_told_again_after_half_a_minute() {
        let (now, mut reports) = (Instant::now(), SupplyReports::default());
        let mut told = Vec::new();
        for tick in 0..250 {
            let supply = if tick == 20 { Supply::Good } else { Supply::Nobody };
            told.extend(reports.next(supply, now + tick * Duration::from_millis(250)).map(|_| tick));
        }
        assert_eq!(told, [0, 20, 21, 141]);
    }
}
