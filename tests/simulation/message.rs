//! What simulated hosts say to each other: the peer protocol as values, without its bytes.

use femtotorrent::message::{Greeting, WebSeedFailure};
use femtotorrent::piece::{Bitfield, Block, PieceIndex};
use femtotorrent::wire::extension::ExtensionHandshake;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

/// One message of the peer protocol.
#[derive(Clone, Debug)]
pub enum Message {
    /// The handshake of the side that was connected to. That of the other side came with the connection.
    Handshake(Greeting),
    /// Bitfield, have all or have none.
    Pieces(Arc<Bitfield>),
    /// The extension handshake (BEP 10).
    Extensions(ExtensionHandshake),
    /// The sender answers no more requests.
    Choke,
    /// The sender answers requests.
    Unchoke,
    /// Whether the sender wants something.
    Interested(bool),
    /// The sender has this piece now.
    Have(PieceIndex),
    /// The receiver may ask for this piece while it is choked (BEP 6).
    AllowedFast(PieceIndex),
    /// The sender wants this block.
    Request(Block),
    /// The sender does not want this block any more.
    Cancel(Block),
    /// The sender will not send this block (BEP 6).
    Reject(Block),
    /// A block, and whether its bytes are right: they are only counted.
    Block(Block, bool),
    /// PEX (BEP 11).
    Others(Vec<(SocketAddr, u8)>),
    /// To a web server: a request goes on to the end of these pieces.
    Ahead(Range<u32>),
    /// Of a web server: it is there, and answers requests.
    Ready,
    /// Of a web server: what comes of a request that it does not answer with blocks.
    Failure(WebSeedFailure),
    /// The connection ends here.
    Close,
}

/// What is written at once and read at once.
pub type Segment = Vec<Message>;

impl Message {
    /// A number for the kind of the message, and one for what it is about: what tells two traces apart.
    pub fn digest(&self) -> (u8, u64) {
        let of = |block: &Block| u64::from(block.piece.get()) << 32 | u64::from(block.number);
        match self {
            Message::Handshake(_) => (0, 0),
            Message::Pieces(pieces) => (1, u64::from(pieces.count())),
            Message::Extensions(said) => (2, u64::from(said.upload_only == Some(true))),
            Message::Choke => (3, 0),
            Message::Unchoke => (4, 0),
            Message::Interested(interested) => (5, u64::from(*interested)),
            Message::Have(piece) => (6, u64::from(piece.get())),
            Message::AllowedFast(piece) => (7, u64::from(piece.get())),
            Message::Request(block) => (8, of(block)),
            Message::Cancel(block) => (9, of(block)),
            Message::Reject(block) => (10, of(block)),
            Message::Block(block, right) => (11, of(block) << 1 | u64::from(*right)),
            Message::Others(others) => (12, others.len() as u64),
            Message::Close => (13, 0),
            Message::Ready => (14, 0),
            Message::Failure(_) => (15, 0),
            Message::Ahead(pieces) => (16, u64::from(pieces.start) << 32 | u64::from(pieces.end)),
        }
    }
}
