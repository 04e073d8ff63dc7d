//! Why a peer sends us nothing, or is asked for nothing, at this moment.

use std::fmt;
use std::time::Duration;

/// The reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lull {
    /// We want nothing any more.
    NothingWanted,
    /// It has not said which pieces it has.
    NothingSaid,
    /// It has no piece that we want and lack.
    HasNothing,
    /// It chokes us, for so long.
    Chokes(Duration),
    /// It has choked us again and again while it owed us blocks, and is not asked for a while.
    ChokesInVain,
    /// A piece that it sent a part of was wrong, and is fetched from others first.
    Suspect,
    /// The peers alone use the whole download limit, so this web seed rests.
    Rests,
    /// It owes us blocks, and has sent none for so long. How many times in a row it was given up for that.
    Silent(Duration, u32),
    /// It was silent, and what it owed was asked of others. It has sent nothing since.
    Overtaken,
    /// The disk is slower than the peers, or whoever reads the stream.
    SlowDisk,
    /// There is no memory for a further piece.
    NoMemory,
    /// Much faster peers send the rest sooner.
    LeftToFaster,
    /// All that it has and we lack is on its way from others, or it is new and has to prove itself first.
    NothingFree,
}

impl fmt::Display for Lull {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lull::NothingWanted => write!(out, "we want nothing any more"),
            Lull::NothingSaid => write!(out, "it has not said what it has"),
            Lull::HasNothing => write!(out, "it has nothing that we lack"),
            Lull::Chokes(time) => write!(out, "it chokes us, for {} s", time.as_secs()),
            Lull::ChokesInVain => write!(out, "it chokes us again and again, and is not asked for a while"),
            Lull::Suspect => write!(out, "a piece that it sent a part of was wrong: others send it first"),
            Lull::Rests => write!(out, "it rests, as the peers use the whole download limit"),
            Lull::Silent(time, 0) => write!(out, "silent for {} s", time.as_secs()),
            Lull::Silent(time, snubs) => {
                write!(out, "silent for {} s, after {snubs} min in which it sent nothing", time.as_secs())
            }
            Lull::Overtaken => write!(out, "it was silent, and others were asked instead"),
            Lull::SlowDisk => write!(out, "we are slow: the disk, or whoever reads"),
            Lull::NoMemory => write!(out, "no memory for a further piece"),
            Lull::LeftToFaster => write!(out, "faster peers send the rest sooner"),
            Lull::NothingFree => write!(out, "what it has is on its way from others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_a_short_line() {
        let time = Duration::from_secs(100_000);
        for lull in [
            Lull::NothingWanted,
            Lull::NothingSaid,
            Lull::HasNothing,
            Lull::Chokes(time),
            Lull::ChokesInVain,
            Lull::Suspect,
            Lull::Rests,
            Lull::Silent(time, 0),
            Lull::Silent(time, 3),
            Lull::Overtaken,
            Lull::SlowDisk,
            Lull::NoMemory,
            Lull::LeftToFaster,
            Lull::NothingFree,
        ] {
            let line = lull.to_string();
            assert!(!line.is_empty() && line.chars().count() <= 70, "{line}");
        }
    }
}
