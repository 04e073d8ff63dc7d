//! How long packets wait in queues (RFC 6817, section 3.4.2; BEP 29, "congestion control"). Pure.
//!
//! Each packet says when it left, by the clock of its sender, and the receiver tells how much later it came, by its
//! own. The clocks do not agree, so that time means nothing by itself. But the shortest one in the last minutes is that
//! of a packet that met no queue, and what a later one takes longer, it has waited.

use std::time::{Duration, Instant};

/// How many minutes are remembered. A route may change, and clocks drift apart.
const MINUTES: usize = 13;
const MINUTE: Duration = Duration::from_secs(60);
/// The shortest of so many last ones is believed, since a single one may have been held up by anything.
const RECENT: usize = 3;
/// The most microseconds that clocks are believed to drift apart between two packets.
const MAX_DRIFT: u32 = 10_000;

/// One direction.
#[derive(Clone, Copy, Debug)]
struct History {
    /// The shortest of each minute, the current one first; microseconds that wrap. None before the first one.
    minutes: Option<[u32; MINUTES]>,
    /// When the current minute began.
    since: Instant,
}

impl History {
    /// Enters a delay. Returns by how much the shortest one became shorter.
    fn enter(&mut self, delay: u32, now: Instant) -> u32 {
        let Some(minutes) = &mut self.minutes else {
            (self.minutes, self.since) = (Some([delay; MINUTES]), now);
            return 0;
        };
        let before = shortest(minutes);
        let passed = now.saturating_duration_since(self.since).as_secs() / MINUTE.as_secs();
        if passed > 0 {
            let passed = passed.min(MINUTES as u64) as usize;
            minutes.rotate_right(passed % MINUTES);
            minutes.iter_mut().take(passed).for_each(|minute| *minute = delay);
            self.since = now;
        }
        if let Some(current) = minutes.first_mut() {
            *current = shorter(*current, delay);
        }
        // Where old minutes were forgotten it can become longer, too.
        (before.wrapping_sub(shortest(minutes)) as i32).max(0) as u32
    }

    fn shift(&mut self, by: u32) {
        let minutes = self.minutes.iter_mut().flatten();
        minutes.for_each(|minute| *minute = minute.wrapping_add(by));
    }
}

fn shorter(one: u32, other: u32) -> u32 {
    if (one.wrapping_sub(other) as i32) < 0 { one } else { other }
}

fn shortest(delays: &[u32]) -> u32 {
    delays.iter().copied().reduce(shorter).unwrap_or_default()
}

/// Both directions of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// Of the packets that we sent, as the peer says.
    ours: History,
    /// Of those that came.
    theirs: History,
    /// Of our last packets.
    recent: [u32; RECENT],
    /// Of the last packet that came: this goes back to the peer.
    reply: u32,
}

impl Delays {
    /// Nothing is known yet.
    pub fn new(now: Instant) -> Delays {
        let unknown = History { minutes: None, since: now };
        Delays { ours: unknown, theirs: unknown, recent: [0; RECENT], reply: 0 }
    }

    /// A packet has come that left at `timestamp`, by the peer's clock, and came at `clock`, by ours.
    pub fn came(&mut self, timestamp: u32, clock: u32, now: Instant) {
        self.reply = clock.wrapping_sub(timestamp);
        // Lines do not become shorter by little and little: the peer's clock runs faster than ours. So what it measures
        // grows by as much, without any queue.
        let drift = self.theirs.enter(self.reply, now);
        if drift <= MAX_DRIFT {
            self.ours.shift(drift);
        }
    }

    /// What the peer is told.
    pub fn reply(&self) -> u32 {
        self.reply
    }

    /// The peer says that a packet of ours took this long. Returns how long they wait in queues.
    pub fn went(&mut self, delay: u32, now: Instant) -> Duration {
        if self.ours.minutes.is_none() {
            self.recent = [delay; RECENT];
        }
        self.ours.enter(delay, now);
        self.recent.rotate_right(1);
        if let Some(newest) = self.recent.first_mut() {
            *newest = delay;
        }
        let base = self.ours.minutes.as_ref().map_or(delay, |minutes| shortest(minutes));
        let waited = shortest(&self.recent).wrapping_sub(base) as i32;
        Duration::from_micros(waited.max(0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u32 = 1000;

    #[test]
    fn clocks_that_do_not_agree_and_wrap_show_the_queue_alone() {
        for offset in [0, 5, u32::MAX - 20 * MILLISECOND, 1 << 31, u32::MAX / 2] {
            let now = Instant::now();
            let mut delays = Delays::new(now);
            let mut went =
                |delay: u32| delays.went(offset.wrapping_add(delay * MILLISECOND), now).as_millis();
            assert_eq!(went(30), 0);
            // A single one that is late says nothing.
            assert_eq!([went(80), went(90), went(85)], [0, 0, 50]);
            assert_eq!(went(10), 0);
            assert_eq!([went(50), went(51), went(52)], [0, 0, 40]);
        }
    }

    #[test]
    fn a_longer_way_is_the_way_after_some_minutes() {
        let start = Instant::now();
        let mut delays = Delays::new(start);
        delays.went(10 * MILLISECOND, start);
        let mut after = |minute: u32| delays.went(60 * MILLISECOND, start + minute * MINUTE).as_millis();
        assert_eq!(
            (1..=14).map(&mut after).collect::<Vec<_>>()[2..],
            [[50; 10].as_slice(), &[0; 2]].concat()
        );
        // And after a long silence.
        delays.went(10 * MILLISECOND, start + 15 * MINUTE);
        assert_eq!(delays.went(60 * MILLISECOND, start + 100 * MINUTE), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_runs_faster_is_no_queue() {
        let start = Instant::now();
        let mut delays = Delays::new(start);
        let mut waited = Duration::ZERO;
        // The peer's clock gains a millisecond in a second, for ten minutes: 600 ms.
        for second in 0..600 {
            let now = start + Duration::from_secs(second.into());
            let clock = second * 1000 * MILLISECOND;
            delays.came(clock + second * MILLISECOND, clock + 20 * MILLISECOND, now);
            waited = delays.went(20 * MILLISECOND + second * MILLISECOND, now);
        }
        assert!(waited < Duration::from_millis(5), "{waited:?}");
    }
}
