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
    /// Incoming: we accept no more connections.
    NotAccepting,
    /// Incoming: too many handshakes were unfinished, and this one was the oldest of its network.
    TooManyHandshakes,
    /// The connection was handed to another worker.
    HandedOver,
}

impl fmt::Display for HangUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            HangUp::Released => "we are done with it",
            HangUp::WorkerEnded => "its worker has ended",
            HangUp::WriterEnded => "the writer has ended",
            HangUp::RunEnded => "the download has ended",
            HangUp::DoesNotRead => "it does not read what we send",
            HangUp::ConnectionLost => "the connection is lost",
            HangUp::Unreadable => "we cannot read what it asked for",
            HangUp::CannotSend => "it asks for a piece that we cannot send",
            HangUp::WrongData => "it sent wrong data",
            HangUp::NearLiars => "a peer at its address sent wrong data, or several of its network",
            HangUp::Snubbed => "it was asked and sent nothing for three minutes",
            HangUp::Stalled => "nothing comes over this connection any more",
            HangUp::NoSignOfLife => "it says nothing since the host was suspended or changed its network",
            HangUp::InterfaceGone => "the network interface of the connection is gone",
            HangUp::Idle => "it neither downloads nor uploads, and others wait",
            HangUp::Unproven => "it does nothing yet, and others wait",
            HangUp::RejectsAll => "it rejects every request",
            HangUp::ChokeFlood => "it chokes us again and again, and sends nothing",
            HangUp::BitfieldFlood => "it sends one bitfield after another",
            HangUp::Duplicate => "we are connected to it already",
            HangUp::LowerPriority => "another peer has a higher priority (BEP 40)",
            HangUp::BothSeeds => "neither of us wants anything",
            HangUp::NoExtensions => "it does not speak the extension protocol, so it gives no metadata",
            HangUp::NoMetadata => "it has no metadata (yet)",
            HangUp::RejectsMetadata => "it gives no metadata",
            HangUp::NotAccepting => "we accept no more connections",
            HangUp::TooManyHandshakes => "too many handshakes are unfinished, most of them from its network",
            HangUp::HandedOver => "it was handed to another worker",
        })
    }
}
