//! Whether web seeds rest because peers alone give all that the user's download limit lets in.
//!
//! A web seed costs somebody money, and peers give for nothing. Without a limit both together are faster than peers
//! alone. With one, peers may be enough. That cannot be seen while both send, since they share the limit: so now and
//! then the web seeds rest for a trial, and if the peers fill the limit in that time, they rest for as long as that
//! lasts.
//!
//! Other torrents of the process share the limit too. Where they take a part of it, the peers of this torrent never
//! seem to fill it, and its web seeds are asked.
//!
//! Pure: rates and the time come as arguments.

use std::time::{Duration, Instant};

/// The limit is full from this part of it on...
const FULL: f64 = 0.9;
/// ...and not any more below this.
const NOT_FULL: f64 = 0.75;
/// A trial is worth it if peers give this part of the limit.
const PROMISING: f64 = 0.2;
/// How long a trial takes: rates are those of the last twenty seconds.
const TRIAL: Duration = Duration::from_secs(25);
/// The pause after the first trial in vain. It doubles with each further one.
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
    /// They are asked, and no trial is made before this time.
    Asked(Option<Instant>),
    /// They rest, to see what peers do alone.
    Trial(Instant),
    /// They rest.
    Resting,
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
        match self.phase {
            RestPhase::Asked(_) if from_peers >= full => self.phase = RestPhase::Resting,
            RestPhase::Asked(after) if after.is_none_or(|after| now >= after) => {
                if from_all >= full && from_peers >= limit * PROMISING {
                    self.phase = RestPhase::Trial(now);
                }
            }
            RestPhase::Trial(_) if from_peers >= full => {
                self.phase = RestPhase::Resting;
                self.pause = FIRST_PAUSE;
            }
            RestPhase::Trial(since) if now.saturating_duration_since(since) >= TRIAL => {
                self.phase = RestPhase::Asked(Some(now + self.pause));
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            RestPhase::Resting if from_peers < limit * NOT_FULL => {
                self.phase = RestPhase::Asked(Some(now + self.pause));
            }
            RestPhase::Asked(_) | RestPhase::Trial(_) | RestPhase::Resting => {}
        }
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
        assert!(!rest.tick(None, 1e9, 2e9, now));
        assert!(!rest.tick(LIMIT, 500.0, 800.0, now), "both together do not fill it");
        assert!(!rest.tick(LIMIT, 100.0, 1000.0, now), "peers give too little for a trial");
    }

    #[test]
    fn peers_that_fill_the_limit_in_a_trial_leave_the_servers_in_peace() {
        let (mut rest, start) = (ServerRest::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(rest.tick(LIMIT, 400.0, 1000.0, at(0)), "a trial");
        assert!(rest.tick(LIMIT, 950.0, 950.0, at(5)) && rest.tick(LIMIT, 800.0, 800.0, at(500)));
        assert!(!rest.tick(LIMIT, 700.0, 700.0, at(501)), "they do not fill it any more");
        assert!(!rest.tick(LIMIT, 400.0, 1000.0, at(502)), "and the next trial is later");
        assert!(rest.tick(LIMIT, 950.0, 960.0, at(503)), "but whoever fills it needs no trial");
    }

    #[test]
    fn trials_in_vain_become_rare() {
        let (mut rest, start) = (ServerRest::default(), Instant::now());
        let trials = (0..3600).filter(|second| rest.tick(LIMIT, 400.0, 1000.0, start + Duration::from_secs(*second)));
        let resting = trials.count();
        assert!((25 * 3..25 * 9).contains(&resting), "{resting} s of an hour");
    }
}
