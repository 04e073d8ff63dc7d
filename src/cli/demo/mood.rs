//! How a seeder of the demo behaves: well, or so that there is something to learn from it.
//!
//! Pure.

use std::time::Duration;

/// The time between two blocks of an ordinary seeder, so that one can watch.
const INTERVAL: Duration = Duration::from_millis(250);
/// The same of one beside a slow one.
const FAST_INTERVAL: Duration = Duration::from_millis(60);
/// The same of a slow one.
const SLOW_INTERVAL: Duration = Duration::from_millis(1500);
/// How many times as long that is where it is watched.
const WATCHED: u32 = 5;
/// How many blocks one that chokes sends before it does.
const CHOKES_AFTER: usize = 2;
/// How long one that hesitates takes to unchoke.
const HESITATION: Duration = Duration::from_millis(800);
/// For how long it chokes.
pub const CHOKE_TIME: Duration = Duration::from_secs(2);

/// What is odd about a seeder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mood {
    /// A byte of the first block that it sends is wrong.
    pub lies: bool,
    /// It sends slowly.
    pub is_slow: bool,
    /// It sends fast.
    pub is_fast: bool,
    /// It chokes the other side once, for a while.
    pub chokes: bool,
    /// It unchokes late, so that another one is asked first.
    pub hesitates: bool,
    /// Somebody watches it on a full screen, and would like to see more than the end.
    pub is_watched: bool,
}

impl Mood {
    /// The time between two blocks.
    pub fn interval(self) -> Duration {
        let interval = match (self.is_slow, self.is_fast) {
            (true, _) => SLOW_INTERVAL,
            (false, true) => FAST_INTERVAL,
            (false, false) => INTERVAL,
        };
        if self.is_watched { interval * WATCHED } else { interval }
    }

    /// How long it waits before it unchokes who is interested.
    pub fn hesitation(self) -> Duration {
        if self.hesitates { HESITATION } else { Duration::ZERO }
    }

    /// The bytes of a block as they are sent, where so many were sent before it.
    pub fn block(self, sent: usize, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.lies
            && sent == 0
            && let Some(byte) = bytes.first_mut()
        {
            *byte = !*byte;
        }
        bytes
    }

    /// Whether it is time to choke, where so many blocks were sent.
    pub fn chokes_after(self, sent: usize) -> bool {
        self.chokes && sent == CHOKES_AFTER
    }
}
