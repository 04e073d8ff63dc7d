//! What a coordinator is told when it begins, and how it can end.

use crate::message::KnownPeers;
use crate::metainfo::InfoHash;
use crate::piece::{Bitfield, Geometry};
use crate::strategy::{Encryption, PieceOrder};
use crate::web_seed::WebSeed;
use crate::wire::PeerId;
use std::time::Duration;

/// The limits that the user set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most peers at once. Attempts to connect are none.
    pub max_peers: usize,
    /// Bytes of pieces that are open or on their way to the disk.
    pub memory: u64,
    /// The longest time without progress, if there is a limit.
    pub timeout: Option<Duration>,
    /// How long there was no progress when this torrent's last turn ended: it had to wait for the next one, and
    /// that does not count.
    pub idle_before: Duration,
}

/// What peers get from us.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadPolicy {
    /// Bytes a second that the uploads of this torrent can count on. With zero no peer gets anything.
    pub limit: Option<u64>,
    /// How long to seed once nothing is wanted any more; `None` ends the run then.
    pub seeding: Option<SeedGoals>,
    /// Peers are told of one piece at a time, so that we upload little more than one copy before the swarm
    /// has a copy of its own (BEP 16).
    pub super_seeding: bool,
}

/// How long to seed: until the first goal is reached, or until the user ends it if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeedGoals {
    /// How many times the payload is to be uploaded in this run.
    pub ratio: Option<f64>,
    /// How long to seed.
    pub time: Option<Duration>,
}

/// The pieces that are to be on the disk in the end.
pub enum WantedPieces {
    /// All of them.
    All,
    /// Only these.
    Only(Bitfield),
    /// Only those that are on the disk already: nothing is downloaded.
    Nothing,
}

/// The state of a torrent when the coordinator begins.
pub struct InitialState {
    /// The pieces that are on disk.
    pub stored: Bitfield,
    /// The pieces that are to be on disk in the end.
    pub wanted: WantedPieces,
    /// In which order they are fetched.
    pub order: PieceOrder,
    /// The peers that are known already.
    pub known_peers: KnownPeers,
    /// The servers of the web that have the files (BEP 19).
    pub web_seeds: Vec<WebSeed>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Every piece is on disk and the writer has finished; a seed has reached its goals, too.
    Done,
    /// The user stopped it.
    Stopped,
    /// Nothing moved for too long.
    TimedOut,
    /// Whoever reads what is written wants no more.
    ReaderGone,
    /// The writer ended before it had everything. Its thread says why.
    WriterFailed,
}

/// What stays the same from the beginning of a run to its end.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How the payload is cut into pieces.
    pub geometry: Geometry,
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our peer ID.
    pub peer_id: PeerId,
    /// The port that peers can connect to.
    pub port: Option<u16>,
    /// Whether we exchange addresses of peers with peers (PEX, BEP 11).
    pub pex: bool,
    /// Whether connections to peers are encrypted.
    pub encryption: Encryption,
    /// Bytes a second that all downloads of the process together may take.
    pub download_limit: Option<u64>,
    /// The limits that the user set.
    pub limits: Limits,
    /// What peers get from us.
    pub uploads: UploadPolicy,
}
