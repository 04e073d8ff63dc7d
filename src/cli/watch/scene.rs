//! All that the live view shows, at one moment, in values: whoever fills it knows nothing of terminals, and whoever draws
//! it knows nothing of threads.
//!
//! The coordinator gives a part of it, several times a second and only while somebody looks; the rest is collected from
//! the notices, the trace and the log. Text of strangers in it is fit to print already.

pub use super::files::Files;

use crate::message::{MetadataState, PeerState, PieceSight, Snapshot, SourceSight};

/// One torrent, and what is around it.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The torrent's name.
    pub name: String,
    /// What it is about.
    pub stage: Stage,
    /// How it stands.
    pub snapshot: Snapshot,
    /// The connected peers and the web seeds, in the order in which they came.
    pub peers: Vec<PeerSight>,
    /// Its pieces.
    pub pieces: PieceSight,
    /// Where peers and payload come from.
    pub sources: Vec<SourceSight>,
    /// Its files, in the order of the torrent. Each is worked out when it is taken.
    pub files: Files,
    /// The last messages, decoded, a line each, the oldest first.
    pub wire: Vec<String>,
    /// The last lines of the log, the oldest first.
    pub log: Vec<String>,
}

/// What a torrent is about.
#[derive(Clone, Debug, Default)]
pub enum Stage {
    /// It waits for its turn, or has just begun.
    #[default]
    Waits,
    /// Peers are asked for its metadata. Neither its pieces nor its files are known.
    Metadata(MetadataState),
    /// What is on the disk is to be checked when other torrents have been.
    WaitsForCheck,
    /// So many bytes of what is on the disk were checked, of so many.
    Checking(u64, u64),
    /// It downloads or seeds: see the snapshot.
    Runs,
    /// It is over.
    Ended,
}

/// A peer, or a web seed.
#[derive(Clone, Debug)]
pub struct PeerSight {
    /// How it stands.
    pub state: PeerState,
    /// What it and we did lately, a line each, the oldest first. A line begins with its time.
    pub history: Vec<String>,
}
