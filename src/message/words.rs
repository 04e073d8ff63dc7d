//! The reasons of this folder as words for programs. They stay what they are, while the sentences for people may
//! change. `docs/events.schema.json` lists them.

use super::{HangUp, PeerError, Stall};

impl Stall {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Stall::NoPeers(_) => "no-peers",
            Stall::Unreachable(..) | Stall::OfNoUse(..) => "unreachable",
            Stall::Proxy(_) => "proxy",
            Stall::NothingSaid(_) => "nothing-said",
            Stall::NoMetadata(_) => "no-metadata",
            Stall::NobodyHas(_) => "nobody-has",
            Stall::AllChoke => "all-choke",
            Stall::Silent => "silent",
            Stall::SlowDisk => "slow-disk",
            Stall::SlowReader => "slow-reader",
            Stall::NoMemory => "no-memory",
            Stall::AndWebSeeds(peers, _) => peers.word(),
        }
    }
}

impl PeerError {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            PeerError::Connect(_) => "unreachable",
            PeerError::Proxy(_) => "proxy",
            PeerError::Handshake(_) | PeerError::Encryption(_) => "bad-handshake",
            PeerError::OtherTorrent => "other-torrent",
            PeerError::Ourselves => "ourselves",
            PeerError::TimedOut(_) => "timed-out",
            PeerError::Frame(_) | PeerError::Violation(_) => "broke-the-rules",
            PeerError::Lost(_) => "lost",
            PeerError::Closed => "closed",
            PeerError::HungUp(why) => hung_up(*why),
            PeerError::NoThread(_) => "no-thread",
            PeerError::Panicked => "defect",
            PeerError::WebSeed(_) => "web-seed",
        }
    }
}

fn hung_up(why: HangUp) -> &'static str {
    match why {
        HangUp::Released | HangUp::WorkerEnded | HangUp::WriterEnded | HangUp::RunEnded => "run-ended",
        HangUp::DoesNotRead | HangUp::ConnectionLost | HangUp::InterfaceGone => "lost",
        HangUp::Unreadable | HangUp::CannotSend => "cannot-send",
        HangUp::WrongData | HangUp::NearLiars => "wrong-data",
        HangUp::Snubbed | HangUp::Stalled | HangUp::NoSignOfLife => "silent",
        HangUp::Idle | HangUp::Unproven | HangUp::LowerPriority => "made-room",
        HangUp::NotAccepting | HangUp::TooManyHandshakes | HangUp::NoRoomForWords => "no-room",
        HangUp::RejectsAll | HangUp::ChokeFlood | HangUp::BitfieldFlood => "broke-the-rules",
        HangUp::Duplicate => "duplicate",
        HangUp::BothSeeds => "both-seeds",
        HangUp::NoExtensions | HangUp::NoMetadata | HangUp::RejectsMetadata => "no-metadata",
        HangUp::HandedOver => "handed-over",
    }
}
