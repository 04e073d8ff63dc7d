//! What the live view shows of one torrent, as its coordinator knows it at one moment.
//!
//! It is made only when somebody has asked for it, at a tick of the coordinator, and one at a time. Nothing in it grows
//! with the torrent but one bit for each piece.

use super::{PeerState, Snapshot};
use crate::piece::Bitfield;
use std::time::Duration;

/// All that the coordinator gives for one look.
#[derive(Clone, Debug)]
pub struct Sight {
    /// How the torrent stands.
    pub snapshot: Snapshot,
    /// The connected peers and the web seeds, in the order in which they came.
    pub peers: Vec<PeerState>,
    /// Its pieces.
    pub pieces: PieceSight,
    /// Which of them are on the disk.
    pub stored: Bitfield,
    /// The web seeds, and what other peers have told of peers. The other sources are known to the session.
    pub sources: Vec<SourceSight>,
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
    /// The pieces that are being filled, by their numbers: the first few hundred of them.
    pub open: Vec<OpenPieceSight>,
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
    /// How many of them are being filled, or are on their way to the disk.
    pub open: u32,
    /// How many of them are not selected.
    pub unwanted: u32,
    /// How many connected peers have the rarest of those that are missing. Zero where none is missing.
    pub rarest: u32,
}

/// A piece that is being filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPieceSight {
    /// Its number.
    pub index: u32,
    /// How its blocks stand.
    pub blocks: BlockCounts,
    /// How many connected peers have it.
    pub availability: u32,
    /// Who is asked for its blocks: the names of peers.
    pub from: Vec<String>,
}

/// How the blocks of a piece stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCounts {
    /// How many came.
    pub came: u32,
    /// How many were requested and have not come.
    pub on_their_way: u32,
    /// How many there are.
    pub all: u32,
}

/// A source of peers or payload: a tracker, the DHT, exchange among peers, the local network, a web seed.
#[derive(Clone, Debug, PartialEq, Eq)]
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
