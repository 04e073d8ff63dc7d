//! How a download stands: what the coordinator tells the screen, several times a second.

use std::fmt;

/// One torrent at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Bytes that are on disk and verified, padding included.
    pub done: u64,
    /// Bytes that are to be on disk in the end: all, or those of the selected files' pieces.
    pub total: u64,
    /// Bytes of the whole torrent that are not on disk, selected or not.
    pub left: u64,
    /// Payload bytes a second, over the last seconds.
    pub rate: f64,
    /// Peers that were greeted.
    pub peers: usize,
    /// Those of them that have everything.
    pub seeds: usize,
    /// Addresses of peers that are known and can be connected to.
    pub known: usize,
    /// Web seeds that are asked.
    pub web_seeds: usize,
    /// Payload bytes that came in this run, including those that we had already.
    pub received: u64,
    /// Payload bytes that came and were of no use.
    pub wasted: u64,
    /// Payload bytes that were sent to peers in this run.
    pub uploaded: u64,
    /// Payload bytes sent a second, over the last seconds.
    pub up_rate: f64,
    /// Peers that want what we have.
    pub interested: usize,
    /// Peers whose requests we answer.
    pub served: usize,
    /// What the run is doing.
    pub phase: RunPhase,
    /// Why nothing moves, when nothing has moved for a while.
    pub stall: Option<Stall>,
    /// The copies of the torrent that the connected peers have together: whole ones, and the part of the pieces of which
    /// there is one more. `None` unless the peers were asked for.
    pub copies: Option<f64>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPhase {
    /// It downloads what is missing.
    #[default]
    Downloading,
    /// Everything is there; the writer brings it to the disk.
    Finishing,
    /// Nothing is wanted any more, and what is there is uploaded to others.
    Seeding,
}

/// How the search for a magnet's metadata stands at one moment.
#[derive(Clone, Debug, Default)]
pub struct MetadataState {
    /// How many pieces of it came, of how many; of none while no peer has said how long it is.
    pub pieces: (u32, u32),
    /// Peers that were greeted.
    pub peers: usize,
    /// Known addresses of peers.
    pub known: usize,
    /// What went wrong last, if something did.
    pub trouble: Option<String>,
}

/// Why nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stall {
    /// No source has named a peer. With what a tracker said last, if one said something.
    NoPeers(Option<String>),
    /// Peers are known, but none can be reached. With their number, and why the last attempt failed.
    Unreachable(usize, Option<String>),
    /// Peers are known, and the last one was reached and is of no use. With their number, and why.
    OfNoUse(usize, String),
    /// The proxy, through which everything goes, does not do what it is there for. With the reason.
    Proxy(String),
    /// So many peers are connected, and none of them has said which pieces it has.
    NothingSaid(usize),
    /// So many peers were asked for a magnet's metadata and have not sent it.
    NoMetadata(usize),
    /// The connected peers have nothing that we are missing. With a piece that none of them has.
    NobodyHas(u32),
    /// The peers that have what we are missing choke us.
    AllChoke,
    /// We sent requests, and nothing comes.
    Silent,
    /// The disk is slower than the peers.
    SlowDisk,
    /// Whoever reads the stream takes nothing.
    SlowReader,
    /// Other torrents have all the memory that is allowed.
    NoMemory,
    /// The peers do not send for this reason, and this is wrong with the web seeds.
    AndWebSeeds(Box<Stall>, WebSeedTrouble),
}

/// What is wrong with the web seeds of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSeedTrouble {
    /// In words that name the server.
    pub said: String,
    /// Whether no web seed is ever asked again.
    pub is_final: bool,
}

impl Stall {
    /// Whether more than the bare fact is known. A source or a peer that has not failed yet gives no reason.
    pub fn has_reason(&self) -> bool {
        !matches!(self, Stall::NoPeers(None) | Stall::Unreachable(_, None))
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stall::NoPeers(None) => write!(out, "no peers found yet"),
            Stall::NoPeers(Some(said)) => write!(out, "no peers: {said}"),
            Stall::Unreachable(1, None) => write!(out, "the only known peer does not answer"),
            Stall::Unreachable(known, None) => write!(out, "none of the {known} known peers answers"),
            Stall::Unreachable(1, Some(why)) => write!(out, "the only known peer cannot be reached: {why}"),
            Stall::Unreachable(known, Some(why)) => {
                write!(out, "none of the {known} known peers can be reached; the last one: {why}")
            }
            Stall::OfNoUse(1, why) => write!(out, "the only known peer is of no use: {why}"),
            Stall::OfNoUse(known, why) => {
                write!(out, "none of the {known} known peers is of use; the last one: {why}")
            }
            Stall::NothingSaid(1) => write!(out, "1 peer, and it has not said what it has"),
            Stall::NothingSaid(peers) => write!(out, "{peers} peers, and none has said what it has"),
            Stall::NoMetadata(1) => write!(out, "1 peer, and it has not sent the metadata"),
            Stall::NoMetadata(peers) => write!(out, "{peers} peers, and none has sent the metadata"),
            Stall::Proxy(why) => write!(out, "{why}"),
            Stall::NobodyHas(piece) => write!(out, "none of the connected peers has piece {piece}"),
            Stall::AllChoke => {
                write!(out, "all peers choke us: they upload to others first (normal in the first minutes)")
            }
            Stall::Silent => write!(out, "the peers do not send what we have requested"),
            Stall::SlowDisk => write!(out, "the disk is slower than the peers"),
            Stall::SlowReader => write!(out, "whoever reads standard output takes nothing"),
            Stall::AndWebSeeds(peers, of_web) => write!(out, "{peers}; {}", of_web.said),
            Stall::NoMemory => {
                write!(out, "waiting for memory, which other torrents are using (raise --memory)")
            }
        }
    }
}
