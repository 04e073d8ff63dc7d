//! For how long a gateway keeps a port open for us, and when we ask it to go on.
//!
//! Pure. A gateway can say any number of seconds. Too short a time would have us ask without end, and with too long a
//! one we would not notice that it has forgotten us, so both have a bound.

use std::time::{Duration, Instant};

/// The seconds that we ask for.
pub const WANTED: u32 = 3600;
/// A shorter or a longer time counts as this one.
const SHORTEST: u32 = 60;
const LONGEST: u32 = 24 * 3600;
/// The first and the longest time until a gateway that opened no port is asked again.
const FIRST_RETRY: u32 = 60;
const LONGEST_RETRY: u32 = 30 * 60;

/// The time for which a port is open.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    granted: Instant,
    length: Duration,
}

impl Lease {
    /// It was granted now, for so many seconds; zero is for ever, of which we make sure now and then. `second` is
    /// how long a second takes.
    pub fn new(seconds: u32, second: Duration, now: Instant) -> Lease {
        let seconds = if seconds == 0 { WANTED } else { seconds.clamp(SHORTEST, LONGEST) };
        Lease { granted: now, length: second.saturating_mul(seconds) }
    }

    /// When to ask for the next one, after so many attempts have failed: after three quarters of it, then after half
    /// of what is left (RFC 6887, section 11.2.1). `None` when it is no use to ask again: it ends.
    pub fn renewal(&self, failures: u32) -> Option<Instant> {
        let left = self.length / 4 / 2_u32.checked_pow(failures)?;
        let spared = self.length.checked_sub(left)?;
        (failures < 4).then(|| self.granted + spared)
    }
}

/// How long to wait after so many attempts that opened no port.
pub fn retry(failures: u32, second: Duration) -> Duration {
    let seconds = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_RETRY);
    second.saturating_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When such a lease is renewed, in seconds.
    fn renewals(seconds: u32) -> Vec<u64> {
        let now = Instant::now();
        let lease = Lease::new(seconds, SECOND, now);
        (0..).map_while(|failures| lease.renewal(failures)).map(|at| (at - now).as_secs()).collect()
    }

    #[test]
    fn a_lease_is_renewed_at_three_quarters_and_then_ever_closer_to_its_end() {
        assert_eq!(renewals(3600), [2700, 3150, 3375, 3487]);
        assert_eq!(renewals(0), renewals(3600));
        assert_eq!(renewals(1)[0], 45);
        assert_eq!(renewals(u32::MAX)[0], 64_800);
    }

    #[test]
    fn a_gateway_that_opens_nothing_is_asked_at_growing_distances() {
        let waits: Vec<u64> = (0..7).map(|failures| retry(failures, SECOND).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1800, 1800]);
        assert_eq!(retry(u32::MAX, SECOND).as_secs(), 1800);
    }
}
