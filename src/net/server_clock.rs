//! What time it is, as web servers say with each answer (`Date`, RFC 9110, section 6.6.1): beside it a wrong clock of this
//! host is seen.
//!
//! Of several servers the one that is nearest to our clock counts, so that one that is wrong itself, or lies, makes no right
//! clock wrong. Nothing is decided by it: it explains why a certificate is not valid.

use crate::text::grouped;
use crate::thread::lock;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that is off by more than this makes certificates invalid, or will.
pub const FAR_OFF: u64 = 24 * 60 * 60;

/// How a certificate is doubted that is too old or too young, where no server has said what time it is.
pub const DOUBT: &str = "or the clock of this host is wrong";

/// What was heard. Its clones share it.
#[derive(Clone, Debug, Default)]
pub struct ServerClock(Arc<Mutex<Option<(i64, String)>>>);

impl ServerClock {
    /// This server has this time, in seconds since 1970.
    pub fn heard(&self, server: &str, time: u64) {
        self.heard_ahead(server, signed(time).saturating_sub(signed(now())));
    }

    fn heard_ahead(&self, server: &str, ahead: i64) {
        let mut nearest = lock(&self.0);
        if nearest.as_ref().is_none_or(|(known, _)| ahead.unsigned_abs() < known.unsigned_abs()) {
            *nearest = Some((ahead, server.to_owned()));
        }
    }

    /// By how many seconds the nearest server is ahead of this host, or behind it if that is negative, and its name.
    pub fn nearest(&self) -> Option<(i64, String)> {
        lock(&self.0).clone()
    }

    /// These words about a certificate, with what is known in place of the doubt.
    pub fn explained(&self, words: String) -> String {
        let Some((ahead, server)) = self.nearest() else { return words };
        let known = match (ahead.unsigned_abs(), ahead > 0) {
            (0..=FAR_OFF, _) => format!("and the clock of this host agrees with that of {server}"),
            (off, true) => format!("but the clock of this host is {} behind that of {server}", days(off)),
            (off, false) => format!("but the clock of this host is {} ahead of that of {server}", days(off)),
        };
        words.replace(DOUBT, &known)
    }
}

/// These seconds in days, if they are more than one.
pub fn days(seconds: u64) -> String {
    match seconds / FAR_OFF {
        0 | 1 => format!("{} s", grouped(seconds)),
        days => format!("{} days", grouped(days)),
    }
}

/// Seconds since 1970, as this host has them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRED: &str = "its certificate has expired (or the clock of this host is wrong)";

    #[test]
    fn a_server_with_a_wrong_clock_does_not_outvote_another() {
        let clock = ServerClock::default();
        for (server, ahead) in [("a", 40_000_000), ("b", -2), ("c", -9_000_000)] {
            clock.heard_ahead(server, ahead);
        }
        assert_eq!(clock.nearest(), Some((-2, "b".to_owned())));
        clock.heard("d", u64::MAX);
        assert_eq!(clock.nearest(), Some((-2, "b".to_owned())));
    }

    #[test]
    fn a_certificate_is_explained_by_the_clock_where_one_is_known() {
        for (ahead, expected) in [
            (None, EXPIRED),
            (Some(-5), "its certificate has expired (and the clock of this host agrees with that of s)"),
            (
                Some(-31_536_000),
                "its certificate has expired (but the clock of this host is 365 days ahead of that of s)",
            ),
            (
                Some(172_800),
                "its certificate has expired (but the clock of this host is 2 days behind that of s)",
            ),
        ] {
            let clock = ServerClock::default();
            ahead.into_iter().for_each(|ahead| clock.heard_ahead("s", ahead));
            assert_eq!(clock.explained(EXPIRED.to_owned()), expected);
        }
        let clock = ServerClock::default();
        clock.heard_ahead("s", 172_800);
        assert_eq!(clock.explained("does not speak TLS".to_owned()), "does not speak TLS");
    }
}
