//! What came of a scene.

use std::fmt;
use std::time::Duration;

/// What a scene measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How long each leecher took, from the moment at which it joined.
    pub times: Vec<Option<Duration>>,
    /// Every leecher has everything.
    pub ended: bool,
    /// How long the slowest one would have to take.
    pub ideal: Duration,
    /// Bytes of the payload, once for each leecher.
    pub payload: u64,
    /// Bytes of blocks that hosts have sent, and that came.
    pub sent: u64,
    pub received: u64,
    /// Bytes of blocks that web servers have sent.
    pub sent_by_servers: u64,
    /// How many of their answers were cut off, since others had sent what was in them.
    pub cuts: u32,
    /// The most times that one block came to one host.
    pub most_copies: u32,
    /// Pieces that were stored, and how many of them were stored a second time.
    pub stored: u32,
    pub stored_again: u32,
    /// Pieces that the leechers have to store.
    pub expected_pieces: u32,
    /// Pieces that were wrong.
    pub failures: u32,
    /// The most pieces of a stream that one host had in memory at once.
    pub most_held: usize,
    /// The peers that were banned for wrong data.
    pub liars_banned: usize,
    pub honest_banned: usize,
    /// Blocks that leechers have asked for and have neither got nor taken back.
    pub owed: usize,
    /// Connections on which requests still wait to be served.
    pub waiting: usize,
    /// A digest of everything that was said, and when.
    pub trace: u64,
}

impl Report {
    /// How long the slowest leecher took.
    pub fn slowest(&self) -> Option<Duration> {
        self.times.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// How many times the ideal that is.
    pub fn ratio(&self) -> f64 {
        self.slowest().map_or(f64::INFINITY, |time| time.as_secs_f64() / self.ideal.as_secs_f64())
    }

    /// How many times the payload was sent.
    pub fn sent_ratio(&self) -> f64 {
        self.sent as f64 / self.payload as f64
    }

    /// What holds for every swarm that has ended, however long it took.
    pub fn assert_sound(&self, name: &str) {
        assert!(self.ended, "{name}: not every leecher has everything: {self}");
        assert_eq!(self.stored, self.expected_pieces, "{name}: each leecher stores each piece");
        assert_eq!(self.stored_again, 0, "{name}: and stores it once");
        assert_eq!(self.honest_banned, 0, "{name}: an honest peer was banned");
        assert_eq!(self.owed, 0, "{name}: a leecher that has everything is still owed something");
        assert_eq!(self.waiting, 0, "{name}: requests wait that no leecher has a use for");
    }

    /// What holds for a swarm in which nothing goes wrong.
    pub fn assert_good(&self, name: &str) {
        self.assert_sound(name);
        assert!(self.ratio() <= 1.3, "{name}: {self}");
        assert!(self.most_copies <= 2, "{name}: a block came {} times", self.most_copies);
        assert!(self.sent_ratio() <= 1.1, "{name}: {self}");
    }

    /// What holds for one leecher among seeders, whatever their rates.
    pub fn assert_near_ideal(&self, name: &str) {
        self.assert_sound(name);
        assert!(self.ratio() <= 1.15, "{name}: {self}");
        assert!(self.most_copies <= 3, "{name}: a block came {} times", self.most_copies);
        assert!(self.sent_ratio() <= 1.15, "{name}: {self}");
    }
}

/// The columns of the table: seconds, ideal, ratio, how many times the payload was sent.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ideal, sent) = (self.ideal.as_secs_f64(), self.sent_ratio());
        match self.slowest() {
            Some(time) => {
                write!(out, "| {:.1} | {ideal:.1} | {:.2} | {sent:.2} |", time.as_secs_f64(), self.ratio())
            }
            None => write!(out, "| never | {ideal:.1} | | {sent:.2} |"),
        }
    }
}
