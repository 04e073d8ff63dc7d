//! What breaks into a run from outside: the host was suspended, or it is in another network now.
//!
//! No one tells us of either. The clock that a program waits by stands still while the host is suspended, so
//! that after a night's sleep the next announce would still be half an hour away, and every connection would
//! look as if its peer had been silent for a second. And the connections of an address that the host no longer
//! has do not break: they only say nothing any more. So once in a while we compare a clock that does not stand
//! still with the one that does, and look which addresses we would leave by.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A shorter suspension changes nothing: peers and trackers are more patient than that.
const SHORTEST_SLEEP: Duration = Duration::from_secs(30);
/// The time between two looks at our own addresses.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The host was suspended for this long.
    Slept(Duration),
    /// We leave by an address that we did not have before.
    NewNetwork,
}

impl fmt::Display for Interruption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interruption::Slept(time) => write!(out, "the host was suspended for {} s", time.as_secs()),
            Interruption::NewNetwork => write!(out, "the host has a new address"),
        }
    }
}

/// What the host says about itself.
pub trait Surroundings {
    /// The time that has passed since some moment, with the time for which the host was suspended.
    fn real_time(&self) -> Duration;

    /// The addresses that we would leave by, of IPv4 and of IPv6.
    fn local_addresses(&self) -> [Option<IpAddr>; 2];
}

/// Notices interruptions.
#[derive(Debug, Default)]
pub struct Watch {
    /// Both clocks at the last look.
    clocks: Option<(Instant, Duration)>,
    addresses: [Option<IpAddr>; 2],
    /// When our addresses were looked at last.
    looked: Option<Instant>,
}

impl Watch {
    /// What happened since the last look. The first look notices nothing.
    pub fn look(&mut self, surroundings: &impl Surroundings, now: Instant) -> Option<Interruption> {
        let real = surroundings.real_time();
        let slept = self.clocks.replace((now, real)).map_or(Duration::ZERO, |(then, real_then)| {
            real.saturating_sub(real_then).saturating_sub(now.saturating_duration_since(then))
        });
        if slept >= SHORTEST_SLEEP {
            // A new address is noticed with the next look.
            return Some(Interruption::Slept(slept));
        }
        if self.looked.is_some_and(|at| now.saturating_duration_since(at) < LOOK_AGAIN) {
            return None;
        }
        let is_first = self.looked.replace(now).is_none();
        let before = std::mem::replace(&mut self.addresses, surroundings.local_addresses());
        // An address that is gone is no place to go on from. That we have it again is news.
        let is_new = self.addresses.iter().zip(before).any(|(now, before)| now.is_some() && *now != before);
        (is_new && !is_first).then_some(Interruption::NewNetwork)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A host whose clocks and addresses the test makes.
    struct Host {
        real: Duration,
        addresses: [Option<IpAddr>; 2],
        now: Instant,
        watch: Watch,
    }

    impl Surroundings for Host {
        fn real_time(&self) -> Duration {
            self.real
        }

        fn local_addresses(&self) -> [Option<IpAddr>; 2] {
            self.addresses
        }
    }

    impl Host {
        fn start() -> Host {
            let (real, addresses) = (77 * SECOND, [Some([192, 168, 1, 7].into()), None]);
            Host { real, addresses, now: Instant::now(), watch: Watch::default() }
        }

        fn sleep(&mut self, time: Duration) {
            self.real += time;
        }

        /// Looks four times a second for so long.
        fn run(&mut self, seconds: u32) -> Vec<Interruption> {
            let mut noticed = Vec::new();
            for _ in 0..seconds * 4 {
                self.now += SECOND / 4;
                self.real += SECOND / 4;
                let mut watch = std::mem::take(&mut self.watch);
                noticed.extend(watch.look(self, self.now));
                self.watch = watch;
            }
            noticed
        }
    }

    #[test]
    fn a_suspension_is_noticed_once_and_a_short_one_not_at_all() {
        let mut host = Host::start();
        assert_eq!(host.run(3600), []);
        host.sleep(8 * 3600 * SECOND);
        assert_eq!(host.run(60), [Interruption::Slept(8 * 3600 * SECOND)]);
        host.sleep(20 * SECOND);
        assert_eq!(host.run(60), []);
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_suspension() {
        let mut host = Host::start();
        host.run(60);
        host.real = Duration::ZERO;
        assert_eq!(host.run(60), []);
    }

    #[test]
    fn another_address_is_noticed_and_the_loss_of_one_is_not_until_there_is_one_again() {
        let mut host = Host::start();
        host.run(60);
        host.addresses[0] = Some([10, 0, 0, 9].into());
        assert_eq!(host.run(11), [Interruption::NewNetwork]);
        host.addresses[0] = None;
        assert_eq!(host.run(60), []);
        host.addresses[0] = Some([10, 0, 0, 9].into());
        assert_eq!(host.run(11), [Interruption::NewNetwork]);
        host.addresses[1] = Some("2001:db8::1".parse().unwrap());
        assert_eq!(host.run(11), [Interruption::NewNetwork]);
        assert_eq!(host.run(600), []);
    }
}
