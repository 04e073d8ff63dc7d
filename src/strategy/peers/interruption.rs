//! What breaks into a run from outside: the host was suspended or the process stopped, it is in another network now,
//! or the network interface that everything leaves by was removed and made again.
//!
//! No one tells us of either. The clock that a program waits by stands still while the host is suspended, so
//! that after a night's sleep the next announce would still be half an hour away, and every connection would
//! look as if its peer had been silent for a second. And the connections of an address that the host no longer
//! has do not break: they only say nothing any more. So once in a while we compare a clock that does not stand
//! still with the one that does, and look which addresses we would leave by.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A shorter suspension of the host, or of the process by a signal, changes nothing: peers and trackers are more
/// patient than that.
const SHORTEST_SLEEP: Duration = Duration::from_secs(30);
/// The time between two looks at our own addresses.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The time between two looks at the interface that everything leaves by. No connection outlives its interface, so
/// that whoever has chosen one waits for the next look.
const LOOK_AT_INTERFACE: Duration = Duration::from_secs(2);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The host was suspended for this long: the clock that we wait by stood still.
    Slept(Duration),
    /// The process was stopped for this long, while that clock went on.
    Stopped(Duration),
    /// We leave by an address that we did not have before.
    NewNetwork,
    /// The interface that everything leaves by was made again. All connections are dead.
    NewInterface,
}

impl fmt::Display for Interruption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interruption::Slept(time) => write!(out, "the host was suspended for {} s", time.as_secs()),
            Interruption::Stopped(time) => write!(out, "the process was stopped for {} s", time.as_secs()),
            Interruption::NewNetwork => write!(out, "the host has a new address"),
            Interruption::NewInterface => write!(out, "the network interface was recreated"),
        }
    }
}

/// What the host says about itself.
pub trait Surroundings {
    /// The time that has passed since some moment, with the time for which the host was suspended.
    fn real_time(&self) -> Duration;

    /// The addresses that we would leave by, of IPv4 and of IPv6.
    fn local_addresses(&self) -> [Option<IpAddr>; 2];

    /// The number of the interface that everything is to leave by. `None` while it is gone, or any will do.
    fn interface(&self) -> Option<u32>;
}

/// Notices interruptions.
#[derive(Debug, Default)]
pub struct HostWatch {
    /// Both clocks at the last look.
    clocks: Option<(Instant, Duration)>,
    addresses: [Option<IpAddr>; 2],
    /// When our addresses were looked at last.
    looked: Option<Instant>,
    /// The last interface that everything left by.
    interface: Option<u32>,
    /// When it is looked at again.
    look_at_interface: Option<Instant>,
    /// Who looks had something else to do since the last look.
    was_busy: bool,
}

impl HostWatch {
    /// Who looks had something else to do until now: the time since the last look is no sign of a process that was
    /// stopped.
    pub fn was_busy(&mut self) {
        self.was_busy = true;
    }

    /// What happened since the last look. The first look notices nothing.
    pub fn look(&mut self, surroundings: &impl Surroundings, now: Instant) -> Option<Interruption> {
        let real = surroundings.real_time();
        let was_busy = std::mem::take(&mut self.was_busy);
        let (then, real_then) = self.clocks.replace((now, real)).unwrap_or((now, real));
        let passed = now.saturating_duration_since(then);
        let slept = real.saturating_sub(real_then).saturating_sub(passed);
        if slept >= SHORTEST_SLEEP {
            // A new address is noticed with the next look.
            return Some(Interruption::Slept(slept));
        }
        // Who looks does so many times in a second, if nothing keeps it.
        if passed >= SHORTEST_SLEEP && !was_busy {
            return Some(Interruption::Stopped(passed));
        }
        if self.look_at_interface.is_none_or(|at| at <= now) {
            self.look_at_interface = Some(now + LOOK_AT_INTERFACE);
            let found = surroundings.interface();
            let before = found.and_then(|found| self.interface.replace(found));
            if before.is_some() && before != found {
                // The addresses are new with it. That is the same news.
                (self.addresses, self.looked) = (surroundings.local_addresses(), Some(now));
                return Some(Interruption::NewInterface);
            }
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
        interface: Option<u32>,
        now: Instant,
        watch: HostWatch,
    }

    impl Surroundings for Host {
        fn real_time(&self) -> Duration {
            self.real
        }

        fn local_addresses(&self) -> [Option<IpAddr>; 2] {
            self.addresses
        }

        fn interface(&self) -> Option<u32> {
            self.interface
        }
    }

    impl Host {
        fn start() -> Host {
            let (real, addresses) = (77 * SECOND, [Some([192, 168, 1, 7].into()), None]);
            Host { real, addresses, interface: None, now: Instant::now(), watch: HostWatch::default() }
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
    fn a_process_that_was_stopped_is_as_one_whose_host_was_suspended() {
        let mut host = Host::start();
        assert_eq!(host.run(60), []);
        for (stopped, noticed) in [(20, vec![]), (60, vec![Interruption::Stopped(60 * SECOND + SECOND / 4)])]
        {
            host.now += SECOND * stopped;
            host.real += SECOND * stopped;
            assert_eq!(host.run(60), noticed);
        }
    }

    #[test]
    fn who_was_busy_takes_no_long_time_for_a_process_that_was_stopped() {
        let mut host = Host::start();
        assert_eq!(host.run(60), []);
        host.now += SECOND * 60;
        host.real += SECOND * 60;
        host.watch.was_busy();
        assert_eq!(host.run(60), []);
        host.sleep(60 * SECOND);
        host.watch.was_busy();
        assert_eq!(host.run(60), [Interruption::Slept(60 * SECOND)]);
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

    #[test]
    fn an_interface_that_was_made_again_is_noticed_within_two_seconds_and_once() {
        let mut host = Host::start();
        host.interface = Some(7);
        assert_eq!(host.run(60), []);
        // Gone, with its address, and back as it was: only the number tells.
        let addresses = std::mem::take(&mut host.addresses);
        host.interface = None;
        assert_eq!(host.run(60), []);
        (host.interface, host.addresses) = (Some(8), addresses);
        assert_eq!(host.run(3), [Interruption::NewInterface]);
        assert_eq!(host.run(60), []);
        // It was only down: connections go on.
        host.interface = None;
        assert_eq!(host.run(5), []);
        host.interface = Some(8);
        assert_eq!(host.run(60), []);
    }
}
