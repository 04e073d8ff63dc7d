//! What the messages of the peer protocol are called: as their specifications have it. Pure.

use crate::net::tap::Direction;
use crate::wire::Message;
use crate::wire::extension::{self, ExtensionHandshake};

/// The name of a message that is no extension's.
pub(in crate::cli) fn message(message: &Message<'_>) -> &'static str {
    match message {
        Message::KeepAlive => "keep-alive",
        Message::Choke => "choke",
        Message::Unchoke => "unchoke",
        Message::Interested => "interested",
        Message::NotInterested => "not interested",
        Message::Have(_) => "have",
        Message::Bitfield(_) => "bitfield",
        Message::Request(_) => "request",
        Message::Piece { .. } => "piece",
        Message::Cancel(_) => "cancel",
        Message::Port(_) => "port",
        Message::Suggest(_) => "suggest",
        Message::HaveAll => "have all",
        Message::HaveNone => "have none",
        Message::Reject(_) => "reject",
        Message::AllowedFast(_) => "allowed fast",
        Message::Extended(..) => "extended",
        Message::HashRequest(_) => "hash request",
        Message::Hashes(..) => "hashes",
        Message::HashReject(_) => "hash reject",
        Message::Unknown(_) => "unknown",
    }
}

/// The name of an extension's message with this number (BEP 10). It is the one that its receiver chose, which the peer has
/// said in its handshake.
pub(in crate::cli) fn extended(id: u8, direction: Direction, theirs: &ExtensionHandshake) -> &'static str {
    let (metadata, pex, dont_have) = match direction {
        Direction::In => {
            (Some(extension::UT_METADATA), Some(extension::UT_PEX), Some(extension::LT_DONTHAVE))
        }
        Direction::Out => (theirs.metadata, theirs.pex, theirs.dont_have),
    };
    match Some(id) {
        Some(extension::HANDSHAKE) => "extensions",
        id if id == metadata => "ut_metadata",
        id if id == pex => "ut_pex",
        id if id == dont_have => "lt_donthave",
        _ => "extended",
    }
}
