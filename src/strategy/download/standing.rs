//! How far a peer is trusted with requests, judged by its chokes. Pure.
//!
//! A choke frees what the peer owes us, and the unchoke behind it makes room for new requests. A peer that
//! chokes and unchokes us for ever, and sends nothing in between, would be asked for the same blocks again
//! and again, and would look new each time. So three things outlast a choke:
//!
//! - *How long it has been silent* while it owed us blocks. Only a block ends a silence, or a choke of ten
//!   seconds: BEP 3 has peers change their choking no more often than that.
//! - *Chokes in vain*: those that freed requests and had no block before them. One may happen to anyone.
//!   After the second the peer is not asked for a second, after each further one for twice as long.
//! - *Chokes in all* without a block. More than anyone has a reason for, and the peer is disconnected.

use crate::strategy::TokenBucket;
use std::time::{Duration, Instant};

/// A choke as long as this is a turn that is over, and the next unchoke a new one (BEP 3, "choking").
const TURN: Duration = Duration::from_secs(10);
/// How long a peer is not asked after its second choke in vain.
const FIRST_REST: Duration = Duration::from_secs(1);
/// A rest is never longer than this.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Chokes without a block that may come at once; one more is forgiven in each [`TURN`].
const MAX_CHOKES: u32 = 100;

/// What the chokes of one peer say.
#[derive(Debug)]
pub struct Standing {
    /// Chokes in vain in a row.
    in_vain: u32,
    choked_at: Option<Instant>,
    /// For how long it had owed us blocks and sent none when it last choked us.
    silence: Duration,
    /// Until then it is not asked.
    rests_until: Option<Instant>,
    chokes: TokenBucket,
}

impl Standing {
    /// Of a peer that has just been connected.
    pub fn new(now: Instant) -> Standing {
        Standing {
            in_vain: 0,
            choked_at: None,
            silence: Duration::ZERO,
            rests_until: None,
            chokes: TokenBucket::every(TURN, MAX_CHOKES, now),
        }
    }

    /// It sent a block that it was asked for.
    pub fn delivered(&mut self) {
        (self.in_vain, self.silence, self.choked_at, self.rests_until) = (0, Duration::ZERO, None, None);
    }

    /// It chokes us. `silence`: for how long it has owed us blocks and sent none; `None` if it owes nothing.
    /// Returns false if it has choked us too often.
    pub fn choked(&mut self, silence: Option<Duration>, now: Instant) -> bool {
        // The first choke after a block is no offence.
        let is_welcome = self.choked_at.is_none() || self.chokes.take(now);
        self.choked_at = Some(now);
        if let Some(silence) = silence {
            self.silence = silence;
            self.in_vain = self.in_vain.saturating_add(1);
            let doublings = self.in_vain.checked_sub(2);
            self.rests_until = doublings.map(|doublings| {
                now + FIRST_REST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_REST)
            });
        }
        is_welcome
    }

    /// It unchokes us. Returns whether that begins a new turn: then its silence is forgotten.
    pub fn unchoked(&mut self, now: Instant) -> bool {
        let is_new = self.choked_at.is_none_or(|at| now.saturating_duration_since(at) >= TURN);
        if is_new {
            (self.in_vain, self.silence, self.rests_until) = (0, Duration::ZERO, None);
        }
        is_new
    }

    /// Its silence was held against it, and begins anew.
    pub fn snubbed(&mut self) {
        self.silence = Duration::ZERO;
    }

    /// Since when it counts as silent, if it owed us nothing and is asked for a block now.
    pub fn silent_since(&self, now: Instant) -> Instant {
        now.checked_sub(self.silence).unwrap_or(now)
    }

    /// Whether it is not asked now, because it has choked us in vain too often.
    pub fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_each_choke_in_vain_a_peer_rests_longer_until_it_sends_a_block() {
        let mut now = Instant::now();
        let mut standing = Standing::new(now);
        for rest in [0, 1, 2, 4, 8, 16, 30, 30] {
            assert!(standing.choked(Some(SECOND), now));
            assert!(!standing.unchoked(now));
            assert_eq!(standing.rests(now), rest > 0, "{rest}");
            assert!(rest == 0 || standing.rests(now + rest * SECOND - SECOND / 1000), "{rest}");
            now += rest * SECOND;
            assert!(!standing.rests(now), "{rest}");
        }
        standing.choked(Some(SECOND), now);
        standing.delivered();
        assert!(!standing.rests(now));
    }

    #[test]
    fn a_silence_outlasts_a_short_choke_and_no_long_one() {
        let now = Instant::now() + 3600 * SECOND;
        let mut standing = Standing::new(now);
        standing.choked(Some(3 * SECOND), now);
        assert!(!standing.unchoked(now + 9 * SECOND));
        assert_eq!(standing.silent_since(now + 9 * SECOND), now + 6 * SECOND);
        standing.choked(Some(4 * SECOND), now + 10 * SECOND);
        assert!(standing.rests(now + 10 * SECOND));
        assert!(standing.unchoked(now + 20 * SECOND), "a new turn");
        assert!(!standing.rests(now + 20 * SECOND));
        assert_eq!(standing.silent_since(now + 20 * SECOND), now + 20 * SECOND);
    }

    #[test]
    fn chokes_without_end_are_a_flood_unless_blocks_come_between_them() {
        let now = Instant::now() + 3600 * SECOND;
        let mut flood = Standing::new(now);
        let borne = (0..1000).take_while(|_| flood.choked(None, now)).count();
        assert_eq!(borne, 1 + MAX_CHOKES as usize);
        let mut busy = Standing::new(now);
        assert!((0..1000).all(|_| {
            busy.delivered();
            busy.choked(Some(Duration::ZERO), now)
        }));
        let mut slow = Standing::new(now);
        assert!((0..1000).all(|turn| slow.choked(None, now + turn * TURN)));
    }
}
