//! All that the live view shows, at one moment, in values: whoever fills it knows nothing of terminals, and whoever draws
//! it knows nothing of threads.
//!
//! The coordinator gives a part of it, several times a second and only while somebody looks; the rest is collected from
//! the notices, the trace and the log. Text of strangers in it is fit to print already.

use crate::message::{PeerState, Snapshot};
use std::time::Duration;

/// One torrent, and what is around it.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The torrent's name.
    pub name: String,
    /// How it stands.
    pub snapshot: Snapshot,
    /// The connected peers and the web seeds, in the order in which they came.
    pub peers: Vec<PeerSight>,
    /// Its pieces.
    pub pieces: PieceSight,
    /// Where peers and payload come from.
    pub sources: Vec<SourceSight>,
    /// Its files, in the order of the torrent.
    pub files: Vec<FileSight>,
    /// The last messages, decoded, a line each, the oldest first.
    pub wire: Vec<String>,
    /// The last lines of the log, the oldest first.
    pub log: Vec<String>,
}

/// A peer, or a web seed.
#[derive(Clone, Debug)]
pub struct PeerSight {
    /// How it stands.
    pub state: PeerState,
    /// What it and we did lately, a line each, the oldest first. A line begins with its time.
    pub history: Vec<String>,
}

/// The pieces of a torrent. A torrent of many pieces is told in buckets of neighbours, so that the picture has a bound.
#[derive(Clone, Debug, Default)]
pub struct PieceSight {
    /// How many pieces there are.
    pub count: u32,
    /// The length of all but the last one, in bytes.
    pub length: u32,
    /// Neighbours, in order. Each has the same number of pieces, but for the last one.
    pub buckets: Vec<Bucket>,
    /// The pieces that are being filled, by their numbers.
    pub open: Vec<OpenPiece>,
    /// Whole copies of the torrent among the connected peers, in thousandths: 2,400 for two, and 0.4 of the pieces once
    /// more.
    pub copies: u32,
}

/// So many neighbouring pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How many pieces these are.
    pub pieces: u32,
    /// How many of them are verified and on the disk.
    pub stored: u32,
    /// How many of them are being filled.
    pub open: u32,
    /// How many of them are not selected.
    pub unwanted: u32,
    /// How many connected peers have the rarest of those that are missing. Zero where none is missing.
    pub rarest: u32,
}

/// A piece that is being filled.
#[derive(Clone, Debug)]
pub struct OpenPiece {
    /// Its number.
    pub index: u32,
    /// Its blocks: those that came, those that are on their way, and all.
    pub blocks: (u32, u32, u32),
    /// How many connected peers have it.
    pub availability: u32,
    /// Who is asked for its blocks: the names of peers.
    pub from: Vec<String>,
}

/// A source of peers or payload: a tracker, the DHT, exchange among peers, the local network, a web seed.
#[derive(Clone, Debug)]
pub struct SourceSight {
    /// What it is: `tracker`, `DHT`, `PEX`, `LAN`, `web seed`.
    pub kind: &'static str,
    /// Its name: scheme, host and port of a tracker, how many nodes the DHT has.
    pub name: String,
    /// What came of it last, in words: `12 peers`, or what went wrong.
    pub last: String,
    /// Whether that went wrong.
    pub is_trouble: bool,
    /// In how long it is asked again, if it is.
    pub next: Option<Duration>,
}

/// A file.
#[derive(Clone, Debug)]
pub struct FileSight {
    /// Its path in the torrent.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// How many of its bytes are in verified pieces.
    pub done: u64,
    /// Whether it is downloaded.
    pub selected: bool,
}
