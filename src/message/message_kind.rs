//! The kinds of messages of which a peer can send too many.

use std::fmt;

/// What a peer can say again and again, and needs to say only now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `choke` and `unchoke`.
    Choke,
    /// `interested` and `not interested`.
    Interest,
    /// `have`.
    Have,
    /// `lt_donthave` (BEP 54).
    DontHave,
    /// A bitfield.
    Bitfield,
    /// `cancel`.
    Cancel,
    /// `reject` of what the peer was not asked for (BEP 6).
    VainReject,
    /// A request for a few bytes.
    ShortRequest,
    /// `allowed fast` (BEP 6).
    AllowedFast,
    /// `suggest` (BEP 6).
    Suggest,
    /// `port` (BEP 5).
    Port,
    /// A frame without content.
    KeepAlive,
    /// The extension handshake (BEP 10).
    ExtensionHandshake,
    /// Peer exchange (BEP 11).
    Pex,
    /// Other messages of the extension protocol, metadata among them (BEP 9).
    Extended,
    /// `hash request`, and `hash reject` (BEP 52).
    Hashes,
    /// A message with an id that we do not know.
    Unknown,
}

impl MessageKind {
    /// How many kinds there are.
    pub const COUNT: usize = MessageKind::Unknown as usize + 1;
}

impl fmt::Display for MessageKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            MessageKind::Choke => "choke and unchoke",
            MessageKind::Interest => "interested and not interested",
            MessageKind::Have => "have",
            MessageKind::DontHave => "lt_donthave",
            MessageKind::Bitfield => "bitfield",
            MessageKind::Cancel => "cancel",
            MessageKind::VainReject => "reject, of what it was not asked for",
            MessageKind::ShortRequest => "requests for a few bytes each",
            MessageKind::AllowedFast => "allowed fast",
            MessageKind::Suggest => "suggest",
            MessageKind::Port => "port",
            MessageKind::KeepAlive => "keep-alive",
            MessageKind::ExtensionHandshake => "extension handshake",
            MessageKind::Pex => "peer exchange",
            MessageKind::Extended => "extended",
            MessageKind::Hashes => "hash request and hash reject",
            MessageKind::Unknown => "unknown",
        })
    }
}
