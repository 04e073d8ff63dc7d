//! Why we ended a connection.
//!
//! The reason is kept with the stream, so that both of its threads can tell why it ended. Its `Display` is
//! the sentence that a person reads.

use std::fmt;

/// Why we ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// The coordinator dropped the worker: the run is over, or it goes on without this peer.
    Released,
    /// The worker's own thread has ended.
    WorkerEnded,
    /// The writer's thread has ended.
    WriterEnded,
    /// The coordinator's thread has ended.
    RunEnded,
    /// The peer does not read what we send.
    DoesNotRead,
    /// We could write no more.
    ConnectionLost,
    /// A block that the peer requested cannot be read from the disk.
    Unreadable,
    /// The peer requests a piece that we cannot send, and does not understand a reject.
    CannotSend,
    /// It sent data that did not have the piece's digest.
    WrongData,
    /// A peer at its address sent wrong data, or several in its network, and it has sent nothing good yet.
    NearLiars,
    /// It was asked several times and sent nothing.
    Snubbed,
    /// It was sending and has stopped, and nobody else sends: a new connection may do better.
    Stalled,
    /// It owed us blocks when the host was suspended or changed its network, and said nothing since.
    NoSignOfLife,
    /// The network interface of the connection is gone.
    InterfaceGone,
    /// It neither downloads nor uploads, and other peers wait for its place.
    Idle,
    /// It has not begun to do anything, and other peers wait for its place.
    Unproven,
    /// It rejects every request.
    RejectsAll,
    /// It chokes and unchokes us again and again, and sends nothing.
    ChokeFlood,
    /// It sends bitfields that say nothing new.
    BitfieldFlood,
    /// It is connected to us twice.
    Duplicate,
    /// Another peer has a higher priority (BEP 40).
    LowerPriority,
    /// It is a seed and so are we.
    BothSeeds,
    /// It does not speak the extension protocol, so it can give no metadata.
    NoExtensions,
    /// It has no metadata.
    NoMetadata,
    /// It rejected our requests for metadata.
    RejectsMetadata,
    /// It says much before the metadata is there, and there is no memory for what only the swarm can understand.
    NoRoomForWords,
    /// Incoming: no more connections are accepted.
    NotAccepting,
    /// Incoming: too many handshakes were unfinished, and this one was the oldest of its network.
    TooManyHandshakes,
    /// The connection was handed to another worker.
    HandedOver,
}

impl fmt::Display for HangUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            HangUp::Released => "no longer needed",
            HangUp::WorkerEnded => "its thread has ended",
            HangUp::WriterEnded => "the writer has ended",
            HangUp::RunEnded => "the download has ended",
            HangUp::DoesNotRead => "it does not read what we send",
            HangUp::ConnectionLost => "the connection was lost",
            HangUp::Unreadable => "cannot read the requested block from disk",
            HangUp::CannotSend => "it requests a piece that we cannot send",
            HangUp::WrongData => "it sent wrong data",
            HangUp::NearLiars => "another peer from its address or network sent wrong data",
            HangUp::Snubbed => "no block in three minutes, despite requests",
            HangUp::Stalled => "the connection has gone silent",
            HangUp::NoSignOfLife => "silent since the host was suspended or changed its network",
            HangUp::InterfaceGone => "its network interface is gone",
            HangUp::Idle => "idle in both directions, and other peers are waiting",
            HangUp::Unproven => "no activity yet, and other peers are waiting",
            HangUp::RejectsAll => "it rejects every request",
            HangUp::ChokeFlood => "it chokes and unchokes without sending anything",
            HangUp::BitfieldFlood => "it keeps sending bitfields",
            HangUp::Duplicate => "already connected",
            HangUp::LowerPriority => "another peer has a higher priority (BEP 40)",
            HangUp::BothSeeds => "both sides are seeds",
            HangUp::NoExtensions => "it has no extension protocol and cannot send metadata",
            HangUp::NoMetadata => "it has no metadata yet",
            HangUp::RejectsMetadata => "it refuses to send metadata",
            HangUp::NoRoomForWords => "many peers say much of their pieces before the metadata is there",
            HangUp::NotAccepting => "no more connections are accepted",
            HangUp::TooManyHandshakes => "too many unfinished handshakes, most of them from its network",
            HangUp::HandedOver => "handed to another thread",
        })
    }
}
