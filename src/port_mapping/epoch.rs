//! Whether a gateway has forgotten what it had promised.
//!
//! Pure. A gateway tells with each word for how many seconds it has known its promises (its *epoch*). After a restart
//! the count begins anew. Its clock need not run as ours does, so both RFCs allow for one that is a little fast or
//! slow, and for packets that wait on their way.

use std::time::Instant;

/// The clocks of both sides at the gateway's last word.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    heard: Instant,
    seconds: u32,
}

impl Epoch {
    /// The gateway said so now.
    pub fn new(seconds: u32, now: Instant) -> Epoch {
        Epoch { heard: now, seconds }
    }

    /// The gateway's next word. Whether it still knows what it knew at the last one, as PCP has it (RFC 6887, section
    /// 8.5).
    pub fn goes_on(&mut self, seconds: u32, now: Instant) -> bool {
        let before = std::mem::replace(self, Epoch::new(seconds, now));
        let (theirs, theirs_before) = (u64::from(seconds), u64::from(before.seconds));
        let our_delta = now.saturating_duration_since(before.heard).as_secs();
        let their_delta = theirs.saturating_sub(theirs_before);
        let is_far_behind = |one: u64, other: u64| one + 2 < other - other / 16;
        let went_back = theirs + 1 < theirs_before;
        !went_back && !is_far_behind(our_delta, their_delta) && !is_far_behind(their_delta, our_delta)
    }

    /// The same, as NAT-PMP has it: a clock that has run too far does no harm (RFC 6886, section 3.6).
    pub fn goes_on_by_nat_pmp(&mut self, seconds: u32, now: Instant) -> bool {
        let before = std::mem::replace(self, Epoch::new(seconds, now));
        let passed = now.saturating_duration_since(before.heard).as_secs();
        let expected = u64::from(before.seconds) + passed * 7 / 8;
        u64::from(seconds) + 2 >= expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Whether the gateway goes on that says `then` and after `passed` seconds `now`, by PCP and by NAT-PMP.
    fn goes_on(then: u32, passed: u64, now: u32) -> [bool; 2] {
        let start = Instant::now();
        let (mut pcp, mut nat_pmp) = (Epoch::new(then, start), Epoch::new(then, start));
        let later = start + Duration::from_secs(passed);
        [pcp.goes_on(now, later), nat_pmp.goes_on_by_nat_pmp(now, later)]
    }

    #[test]
    fn a_count_that_begins_anew_is_a_restart_and_a_clock_that_is_a_little_off_is_none() {
        assert_eq!(goes_on(1000, 2700, 3700), [true; 2]);
        assert_eq!(goes_on(1000, 2700, 3540), [true; 2]);
        assert_eq!(goes_on(1000, 2700, 3860), [true; 2]);
        assert_eq!(goes_on(1000, 2700, 3), [false; 2]);
        assert_eq!(goes_on(1000, 0, 999), [true; 2]);
        // It restarted long ago, and has come to nearly the same count again.
        assert_eq!(goes_on(1000, 2700, 1100), [false; 2]);
        // Its clock was set: PCP takes no chance.
        assert_eq!(goes_on(1000, 60, 90_000), [false, true]);
        assert_eq!(goes_on(u32::MAX, 5, 0), [false; 2]);
    }
}
