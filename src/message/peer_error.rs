//! Why a connection to a peer ended. A peer's failure is never the session's: nothing converts this
//! into an error of the run.
//!
//! Each reason is a value, so that code and tests compare reasons and not sentences. The sentence that a
//! person reads stands in one place, the `Display` of the reason.

use super::{MessageKind, WebSeedFailure};
use crate::net::proxy::ProxyError;
use crate::net::tap::StreamEnd;
use crate::net::{HangUp, PeerStream, too_many_files};
use crate::strategy::{AttemptFailure, Rebuff};
use crate::text::reason;
use crate::wire::mse::MseFault;
use crate::wire::{FrameError, HandshakeError};
use std::fmt;
use std::io::{self, ErrorKind};

/// Why a connection is over.
#[derive(Debug)]
pub enum PeerError {
    /// No connection came about.
    Connect(io::Error),
    /// No connection came about through the proxy.
    Proxy(ProxyError),
    /// The other side does not open with the protocol's name.
    Handshake(HandshakeError),
    /// The key exchange that we began came to nothing. A peer that knows no key exchange most often closes the
    /// connection or resets it instead ([`PeerError::is_by_the_peer`]), or waits for more
    /// ([`Wait::Handshake`]); the same peer may answer in the open.
    Encryption(MseFault),
    /// It answered for another torrent.
    OtherTorrent,
    /// It is this very program.
    Ourselves,
    /// A wait reached its deadline.
    TimedOut(Wait),
    /// A frame that no message has.
    Frame(FrameError),
    /// A well-formed message that breaks the rules.
    Violation(Violation),
    /// The connection broke.
    Lost(io::Error),
    /// The peer closed the connection.
    Closed,
    /// We hung up.
    HungUp(HangUp),
    /// The system has no thread for it. It is not to blame.
    NoThread(io::Error),
    /// The thread that it had panicked.
    Panicked,
    /// It is no peer but a web seed, and it gives no more.
    WebSeed(WebSeedFailure),
}

/// What a wait that reached its deadline was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The connection itself.
    Connection,
    /// The peer's handshake.
    Handshake,
    /// Any message at all.
    Message,
    /// A piece of the metadata (BEP 9).
    Metadata,
}

/// Which rule a peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A bitfield, `have all` or `have none` after the first.
    SecondBitfield,
    /// A bitfield of another length than the torrent's.
    BitfieldLength,
    /// A message of BEP 6 from a peer whose handshake does not offer it.
    FastWithoutHandshake,
    /// A `have` of a piece that the torrent does not have.
    HaveOutOfRange,
    /// A `request` beyond the torrent's end, or of nothing.
    RequestOutOfRange,
    /// A `request` longer than BEP 3 allows.
    LongRequest,
    /// A `piece` that is no block of the torrent.
    BlockOutOfRange,
    /// More blocks that we did not ask for than ones that we did.
    UnaskedBlocks,
    /// A `reject` of what is no block of the torrent.
    RejectOutOfRange,
    /// Requests that go on although the peer reads no answer to them.
    UnreadAnswers,
    /// Requests beyond the length of our request queue, many times.
    RequestFlood,
    /// Requests while we choke the peer, many times.
    RequestsWhileChoked,
    /// Requests for metadata beyond what anyone needs.
    MetadataRequestFlood,
    /// Cancels of requests that were never made.
    VainCancels,
    /// More messages of one kind than a correct client sends.
    Flood(MessageKind),
    /// An extension handshake that cannot be read, where its content is what we came for.
    ExtensionHandshake,
    /// A great deal of other talk where only metadata was asked for.
    TalkWithoutMetadata,
    /// Metadata that does not have the info-hash.
    WrongMetadata,
    /// A piece of the metadata that was not asked for.
    UnaskedMetadata,
    /// Metadata of another size than the peer announced.
    MetadataSize,
    /// A piece of the metadata that is too long or too short.
    MetadataPieceLength,
    /// A claim that the metadata is empty.
    EmptyMetadata,
    /// A claim of more metadata than we would hold.
    LongMetadata,
}

impl PeerError {
    /// Whether this host has no way to the address, so that not even an attempt left it: one without IPv6
    /// has none to any IPv6 address, and one without the interface that everything is to leave by none at all.
    pub fn is_no_route(&self) -> bool {
        matches!(self, PeerError::Connect(error)
            if matches!(error.kind(),
                ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown | ErrorKind::AddrNotAvailable))
    }

    /// Whether this host lost its way to the peer, which says nothing about the peer.
    pub fn is_interface_gone(&self) -> bool {
        matches!(self, PeerError::HungUp(HangUp::InterfaceGone))
    }

    /// Whether this host had no room for the connection: no thread, or too many open files. That says nothing
    /// about the peer.
    pub fn is_no_room(&self) -> bool {
        match self {
            PeerError::NoThread(_) => true,
            PeerError::Connect(error) => too_many_files(error),
            _ => false,
        }
    }

    /// The fault of the proxy, if it is to blame: that says nothing about the peer.
    pub fn of_the_proxy(&self) -> Option<&ProxyError> {
        if let PeerError::Proxy(error) = self {
            Some(error).filter(|error| error.is_of_the_proxy())
        } else {
            None
        }
    }

    /// Whether its words name the proxy.
    pub fn is_told_of_the_proxy(&self) -> bool {
        matches!(self, PeerError::Proxy(_) | PeerError::WebSeed(WebSeedFailure::Proxy(_)))
    }

    /// Whether the peer ended the connection.
    pub fn is_by_the_peer(&self) -> bool {
        match self {
            PeerError::Closed => true,
            PeerError::Lost(error) => is_reset(error),
            _ => false,
        }
    }

    /// Whether the connection had come about, and nothing more came over it.
    pub fn is_silence(&self) -> bool {
        match self {
            PeerError::TimedOut(wait) => *wait != Wait::Connection,
            PeerError::HungUp(why) => matches!(why, HangUp::Snubbed | HangUp::Stalled),
            // The other side answers nothing any more, as the system says, or uTP.
            PeerError::Lost(error) => !is_reset(error),
            _ => false,
        }
    }

    /// Whether the peer may have wanted the connection to begin the other way, plain or encrypted: it ended before
    /// its handshake had come.
    pub fn rebuff(&self) -> Option<Rebuff> {
        match self {
            PeerError::TimedOut(Wait::Handshake) => Some(Rebuff::Silent),
            PeerError::Encryption(_) => Some(Rebuff::Closed),
            _ => self.is_by_the_peer().then_some(Rebuff::Closed),
        }
    }

    /// Whether the peer sent so much that it cost us more than a connection. Then no connection from its network is
    /// accepted for some time: it would do the same again. Many peers may share one address, so they do not suffer
    /// for one of them that only has a defect: a message that is wrong ends its connection, and that is all.
    pub fn is_an_attack(&self) -> bool {
        match self {
            PeerError::Violation(violation) => matches!(
                violation,
                Violation::Flood(_)
                    | Violation::UnaskedBlocks
                    | Violation::UnreadAnswers
                    | Violation::RequestFlood
                    | Violation::RequestsWhileChoked
                    | Violation::MetadataRequestFlood
                    | Violation::VainCancels
                    | Violation::TalkWithoutMetadata
                    | Violation::WrongMetadata
            ),
            PeerError::HungUp(why) => matches!(why, HangUp::BitfieldFlood | HangUp::ChokeFlood),
            _ => false,
        }
    }

    /// Ends the connection for this, if it has not ended for another reason.
    pub fn end(&self, stream: &PeerStream) {
        let why = if let PeerError::HungUp(why) = self { *why } else { HangUp::WorkerEnded };
        stream.end_by(why, || self.told());
    }

    /// The same for whoever watches the connection.
    pub fn told(&self) -> StreamEnd {
        match self {
            PeerError::Closed => StreamEnd::Closed,
            PeerError::HungUp(why) => StreamEnd::HungUp(*why),
            PeerError::Lost(_) => StreamEnd::Broken(self.to_string()),
            PeerError::Frame(_) | PeerError::Violation(_) | PeerError::OtherTorrent => {
                StreamEnd::Fault(format!("it {self}"))
            }
            _ => StreamEnd::Fault(self.to_string()),
        }
    }

    /// What the end of a connection that we made says about its address. `greeted`: the handshakes had
    /// been exchanged. `useful`: the peer had sent a block.
    pub fn failure(&self, greeted: bool, useful: bool) -> AttemptFailure {
        match self {
            PeerError::OtherTorrent
            | PeerError::Ourselves
            | PeerError::Handshake(_)
            | PeerError::Frame(_)
            | PeerError::Violation(_)
            // What it sent may bring the next thread down as well.
            | PeerError::Panicked => AttemptFailure::Banned,
            _ if useful => AttemptFailure::Ended,
            // Also before the peer sent anything: where both sides connect at once, some clients close both
            // connections, and a client that is just starting resets what comes too early.
            _ if self.is_by_the_peer() => AttemptFailure::ClosedEarly,
            _ if greeted => AttemptFailure::ClosedEarly,
            _ => AttemptFailure::Unreachable,
        }
    }
}

/// How a run goes on that has so many peers, where this host has no room for another connection.
pub fn going_on_with(peers: usize) -> String {
    match peers {
        0 => "trying again soon".to_owned(),
        1 => "continuing with the one peer already connected".to_owned(),
        _ => format!("continuing with the {peers} peers already connected"),
    }
}

/// Whether the other side reset the connection. A write may hear of that as a broken pipe.
fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
}

impl fmt::Display for PeerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Connect(error) => write!(out, "cannot connect: {}", reason(error)),
            PeerError::Proxy(error) => write!(out, "{error}"),
            PeerError::Handshake(error) => write!(out, "{error}"),
            PeerError::Encryption(fault) => write!(out, "bad key exchange: {fault}"),
            PeerError::OtherTorrent => write!(out, "answered for another torrent"),
            PeerError::Ourselves => write!(out, "that is our own address"),
            PeerError::TimedOut(wait) => write!(out, "{wait}"),
            PeerError::Frame(error) => write!(out, "sent {error}"),
            PeerError::Violation(violation) => write!(out, "sent {violation}"),
            PeerError::Lost(error) => write!(out, "connection lost: {}", reason(error)),
            PeerError::Closed => write!(out, "closed the connection"),
            PeerError::HungUp(why) => write!(out, "disconnected: {why}"),
            PeerError::NoThread(error) => write!(out, "cannot start a thread: {}", reason(error)),
            PeerError::Panicked => write!(out, "its thread failed because of a bug in this program"),
            PeerError::WebSeed(why) => write!(out, "{why}"),
        }
    }
}

impl std::error::Error for PeerError {}

impl fmt::Display for Wait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Wait::Connection => "no connection in time (firewall?)",
            Wait::Handshake => "no answer to the handshake in time",
            Wait::Message => "silent for 150 s",
            Wait::Metadata => "no metadata in 20 s",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Violation::Flood(kind) => return write!(out, "a flood of messages: {kind}"),
            Violation::SecondBitfield => "a second bitfield",
            Violation::BitfieldLength => "a bitfield of the wrong length",
            Violation::FastWithoutHandshake => "a message of the Fast extension, which it did not announce",
            Violation::HaveOutOfRange => "a piece number out of range",
            Violation::RequestOutOfRange => "a request beyond the end of the torrent",
            Violation::LongRequest => "a request for more than 128 KiB",
            Violation::BlockOutOfRange => "a block beyond the end of the torrent",
            Violation::UnaskedBlocks => "many blocks that were not requested",
            Violation::RejectOutOfRange => "a rejection of a block beyond the end of the torrent",
            Violation::UnreadAnswers => "requests without reading the answers",
            Violation::RequestFlood => "more requests than fit our queue, repeatedly",
            Violation::RequestsWhileChoked => "too many requests while choked",
            Violation::MetadataRequestFlood => "too many requests for metadata",
            Violation::VainCancels => "cancels of blocks it never requested",
            Violation::ExtensionHandshake => "a broken extension handshake",
            Violation::TalkWithoutMetadata => "many messages, none of them metadata",
            Violation::WrongMetadata => "metadata that does not match the info-hash",
            Violation::UnaskedMetadata => "a piece of the metadata that was not requested",
            Violation::MetadataSize => "metadata of another size than announced",
            Violation::MetadataPieceLength => "a piece of the metadata of a wrong length",
            Violation::EmptyMetadata => "a claim that the metadata is empty",
            Violation::LongMetadata => "a claim that the metadata has more than 64 MiB",
        })
    }
}
