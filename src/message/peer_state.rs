//! How one peer stands: a row of the table that the coordinator gives to whoever asks for it.

use super::{Lull, PeerKey};
use crate::strategy::{Security, Source};
use std::time::Duration;

/// One peer, or one web seed, at one moment.
#[derive(Clone, Debug, Default)]
pub struct PeerState {
    /// Its address, or the host of a web seed. Fit to print.
    pub name: String,
    /// The name that its program gives itself, else what its peer ID begins with. Fit to print, and cut.
    pub client: String,
    /// How it was found. `None` for a web seed, and for an address that is no longer known.
    pub source: Option<Source>,
    /// What of the connection is encrypted.
    pub encryption: Security,
    /// The pieces that it has.
    pub pieces: u32,
    /// The pieces of the torrent.
    pub of: u32,
    /// Payload bytes a second that it sends.
    pub down_rate: f64,
    /// Payload bytes a second that it is sent.
    pub up_rate: f64,
    /// The four flags of the connection.
    pub flags: PeerFlags,
    /// Requests on their way to it.
    pub in_flight: usize,
    /// How many may be on their way.
    pub depth: u32,
    /// How many times in a row it owed us blocks and was silent.
    pub snubs: u32,
    /// What carries it.
    pub transport: Transport,
    /// Why nothing goes, each way.
    pub why: PeerReasons,
    /// What has passed on the connection so far.
    pub record: PeerRecord,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP, as with most peers.
    #[default]
    Tcp,
    /// uTP.
    Utp,
    /// HTTP or HTTPS, as with a web seed.
    Http,
}

/// Why nothing goes, each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerReasons {
    /// Why it sends us nothing, or is asked for nothing. `None` if blocks come.
    pub down: Option<Lull>,
    /// Why we answer its requests, or do not. `None` for a web seed.
    pub up: Option<&'static str>,
}

/// What has passed on a connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerRecord {
    /// What tells it from every other connection of the torrent, for as long as the run lasts.
    pub key: PeerKey,
    /// How long it has been connected.
    pub age: Duration,
    /// Payload bytes that it has sent, those of no use included.
    pub received: u64,
    /// Those of them that were of no use: they came twice, or too late.
    pub wasted: u64,
    /// Payload bytes that it was sent.
    pub sent: u64,
}

/// The flags of a connection (BEP 3).
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerFlags {
    /// We want something that it has.
    pub am_interested: bool,
    /// We answer none of its requests.
    pub am_choking: bool,
    /// It wants something that we have.
    pub peer_interested: bool,
    /// It answers none of our requests.
    pub peer_choking: bool,
}
