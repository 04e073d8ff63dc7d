//! Whether web seeds rest because peers alone give all that the user's download limit lets in.
//!
//! A web seed costs somebody money, and peers give for nothing. Without a limit both together are faster than peers
//! alone. With one, peers may be enough. That cannot be seen while both send, since they share the limit: so now and
//! then the web seeds rest for a short trial, and if the peers fill the limit in that time, they rest for as long as
//! that lasts.
//!
//! Other torrents of the process share the limit too. Where they take a part of it, the peers of this torrent never
//! seem to fill it, and its web seeds are asked.
//!
//! Pure: rates and the time come as arguments.

use std::time::{Duration, Instant};

/// The limit is full from this part of it on...
const FULL: f64 = 0.9;
/// ...and not any more below this, for so long.
const NOT_FULL: f64 = 0.75;
const NOT_FULL_FOR: Duration = Duration::from_secs(3);
/// A trial is worth it if peers give this part of the limit.
const PROMISING: f64 = 0.2;
/// How long a trial takes at most. If peers do not fill the limit alone, so much time is lost.
const TRIAL: Duration = Duration::from_secs(5);
/// The pause before the first trial, and after it. It doubles with each further one in vain.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(960);

/// Whether the web seeds of one torrent rest.
#[derive(Debug)]
pub struct ServerRest {
    phase: RestPhase,
    pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum RestPhase {
    /// They are asked, and no trial is made before this time. It is not known before the limit is full.
    Asked(Option<Instant>),
    /// They rest, to see what peers do alone.
    Trial(Instant),
    /// They rest. Since this time the peers do not fill the limit.
    Resting(Option<Instant>),
}

impl Default for ServerRest {
    fn default() -> ServerRest {
        ServerRest { phase: RestPhase::Asked(None), pause: FIRST_PAUSE }
    }
}

impl ServerRest {
    /// Whether they rest from now on, where so many bytes a second may come, and so many come from peers and from
    /// all together. To be called several times a second.
    pub fn tick(&mut self, limit: Option<u64>, from_peers: f64, from_all: f64, now: Instant) -> bool {
        let Some(limit) = limit.map(|limit| limit as f64) else { return false };
        let full = limit * FULL;
        let passed = |since| now.saturating_duration_since(since);
        self.phase = match self.phase {
            RestPhase::Asked(_) | RestPhase::Trial(_) if from_peers >= full => {
                self.pause = FIRST_PAUSE;
                RestPhase::Resting(None)
            }
            RestPhase::Asked(None) if from_all >= full => RestPhase::Asked(Some(now + self.pause)),
            RestPhase::Asked(Some(after))
                if now >= after && from_all >= full && from_peers >= limit * PROMISING =>
            {
                RestPhase::Trial(now)
            }
            RestPhase::Trial(since) if passed(since) >= TRIAL => {
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
                RestPhase::Asked(Some(now + self.pause))
            }
            RestPhase::Resting(_) if from_peers >= limit * NOT_FULL => RestPhase::Resting(None),
            RestPhase::Resting(None) => RestPhase::Resting(Some(now)),
            RestPhase::Resting(Some(since)) if passed(since) >= NOT_FULL_FOR => {
                RestPhase::Asked(Some(now + self.pause))
            }
            phase => phase,
        };
        self.is_on()
    }

    /// Whether they rest, as of the last tick.
    pub fn is_on(&self) -> bool {
        !matches!(self.phase, RestPhase::Asked(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<u64> = Some(1000);

    #[test]
    fn without_a_limit_or_below_it_nobody_rests() {
        let (mut rest, now) = (ServerRest::default(), Instant::now());
        for seconds in 0..300 {
            let now = now + Duration::from_secs(seconds);
            assert!(!rest.tick(None, 1e9, 2e9, now));
            assert!(!rest.tick(LIMIT, 500.0, 800.0, now), "both together do not fill it");
            assert!(!rest.tick(LIMIT, 100.0, 1000.0, now), "peers give too little for a trial");
        }
    }

    #[test]
    fn peers_that_fill_the_limit_in_a_trial_leave_the_servers_in_peace() {
        let (mut rest, start) = (ServerRest::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!rest.tick(LIMIT, 400.0, 1000.0, at(0)) && !rest.tick(LIMIT, 400.0, 1000.0, at(59)));
        assert!(rest.tick(LIMIT, 400.0, 1000.0, at(60)), "a trial");
        assert!(rest.tick(LIMIT, 950.0, 950.0, at(62)) && rest.tick(LIMIT, 800.0, 800.0, at(500)));
        assert!(rest.tick(LIMIT, 700.0, 700.0, at(501)) && rest.tick(LIMIT, 800.0, 800.0, at(502)));
        assert!(rest.tick(LIMIT, 700.0, 700.0, at(503)) && !rest.tick(LIMIT, 700.0, 700.0, at(506)));
        assert!(!rest.tick(LIMIT, 400.0, 1000.0, at(507)), "the next trial is later");
        assert!(rest.tick(LIMIT, 950.0, 960.0, at(508)), "but whoever fills it needs no trial");
    }

    #[test]
    fn trials_in_vain_become_rare() {
        let (mut rest, start) = (ServerRest::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let resting = (0..3600).filter(|second| rest.tick(LIMIT, 400.0, 1000.0, at(*second))).count();
        assert!((3 * 5..7 * 5).contains(&resting), "{resting} s of an hour");
    }
}
