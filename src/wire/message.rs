//! The frames after the handshake: each has a four-byte length, a one-byte message id and a payload.
//!
//! Pure. All numbers are big-endian. The length counts the id and the payload. A frame of length zero is a
//! keep-alive, which a client sends so that a quiet connection is not taken for a dead one. The length is
//! checked against what the id allows before anything is read or allocated for the payload, so a peer cannot
//! make us wait for four gigabytes.

use super::HashRequest;
use crate::piece::BLOCK_LENGTH;
use std::fmt;

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
/// BEP 5: the port of the sender's DHT node.
const PORT: u8 = 9;
/// BEP 6, as are the next four.
const SUGGEST: u8 = 13;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
const REJECT: u8 = 16;
const ALLOWED_FAST: u8 = 17;
/// The id of all messages of BEP 10.
pub const EXTENDED: u8 = 20;
/// BEP 52, as are the next two.
const HASH_REQUEST: u8 = 21;
/// The id of the answer to a request for hashes.
pub const HASHES: u8 = 22;
const HASH_REJECT: u8 = 23;

/// The longest frame of a message whose id does not limit its length. The extension messages in use
/// (metadata, peer exchange) have about 17 KiB at most.
const MAX_OTHER_LENGTH: u32 = 64 * 1024;
/// The longest frame of an id that we do not know, which is read only to be skipped, and of hashes, which have some
/// 17 KiB: each peer may have us keep one.
const MAX_UNKNOWN_LENGTH: u32 = 32 * 1024;

/// The block of a request, a cancel or a reject, as it came over the wire: not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// Index of the piece.
    pub index: u32,
    /// Offset in the piece, in bytes.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// One message. Its bytes are borrowed from the buffer that it was read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// "I am still here."
    KeepAlive,
    /// "I answer no more requests."
    Choke,
    /// "I answer your requests."
    Unchoke,
    /// "You have pieces that I want."
    Interested,
    /// "You have no piece that I want."
    NotInterested,
    /// "I have this piece now."
    Have(u32),
    /// "These are the pieces that I have": one bit for each piece. BEP 3 allows it as the first message only,
    /// but not every client keeps to that (`peer/inbound.rs`).
    Bitfield(&'a [u8]),
    /// "Send me this block."
    Request(BlockRequest),
    /// The bytes of a block.
    Piece {
        /// Index of the piece.
        index: u32,
        /// Offset in the piece, in bytes.
        begin: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// "I do not need this block any more."
    Cancel(BlockRequest),
    /// The UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// "This piece is cheap for me to send" (BEP 6).
    Suggest(u32),
    /// "I have all pieces": in place of a bitfield (BEP 6).
    HaveAll,
    /// "I have no piece": in place of a bitfield (BEP 6).
    HaveNone,
    /// "I will not send you this block" (BEP 6).
    Reject(BlockRequest),
    /// "You may request this piece even while I choke you" (BEP 6).
    AllowedFast(u32),
    /// A message of the extension protocol (BEP 10): its extended message id and its payload.
    Extended(u8, &'a [u8]),
    /// "Send me these hashes" (BEP 52).
    HashRequest(HashRequest),
    /// The hashes that were asked for (BEP 52), 32 bytes each.
    Hashes(HashRequest, &'a [u8]),
    /// "I will not send you these hashes" (BEP 52).
    HashReject(HashRequest),
    /// A message with an id that we do not know. BEP 3 says nothing about these; clients ignore them.
    Unknown(u8),
}

/// The limits that a torrent puts on frames.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Bytes in a bitfield.
    pub bitfield: u32,
    /// A bitfield may have fewer bytes, because we do not know yet how many pieces there are.
    pub or_fewer: bool,
}

/// What is at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole frame, and how many bytes it takes.
    Whole(Message<'a>, usize),
    /// The beginning of a frame that takes this many bytes in all, as far as is known yet.
    Partial(usize),
}

/// The frame breaks the protocol. The connection is of no use after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    id: u8,
    length: u32,
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a message of type {} with the impossible length {}", self.id, self.length)
    }
}

impl std::error::Error for FrameError {}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `buffer`.
    ///
    /// # Errors
    ///
    /// [`FrameError`] as soon as the length and the id have come and do not fit each other.
    pub fn parse(buffer: &'a [u8], limits: &FrameLimits) -> Result<Frame<'a>, FrameError> {
        let Some((prefix, rest)) = buffer.split_first_chunk::<4>() else {
            return Ok(Frame::Partial(4));
        };
        let length = u32::from_be_bytes(*prefix);
        if length == 0 {
            return Ok(Frame::Whole(Message::KeepAlive, 4));
        }
        let Some(&id) = rest.first() else {
            return Ok(Frame::Partial(5));
        };
        if !limits.allow(id, length) {
            return Err(FrameError { id, length });
        }
        let end = length as usize;
        match rest.get(1..end) {
            None => Ok(Frame::Partial(end + 4)),
            Some(payload) => {
                let message = Message::from_payload(id, payload).ok_or(FrameError { id, length })?;
                Ok(Frame::Whole(message, end + 4))
            }
        }
    }
}

impl FrameLimits {
    /// The limits for a torrent of this many pieces.
    pub fn for_pieces(count: u32) -> FrameLimits {
        FrameLimits { bitfield: count.div_ceil(8), or_fewer: false }
    }

    fn allow(&self, id: u8, length: u32) -> bool {
        match id {
            CHOKE | UNCHOKE | INTERESTED | NOT_INTERESTED | HAVE_ALL | HAVE_NONE => length == 1,
            HAVE | SUGGEST | ALLOWED_FAST => length == 5,
            BITFIELD if self.or_fewer => (2..=self.bitfield.saturating_add(1)).contains(&length),
            BITFIELD => length == self.bitfield.saturating_add(1),
            REQUEST | CANCEL | REJECT => length == 13,
            PIECE => (10..=9 + BLOCK_LENGTH).contains(&length),
            PORT => length == 3,
            EXTENDED => (2..=MAX_OTHER_LENGTH).contains(&length),
            HASH_REQUEST | HASH_REJECT => length == 1 + HashRequest::LENGTH,
            HASHES => (1 + HashRequest::LENGTH..=MAX_UNKNOWN_LENGTH).contains(&length),
            _ => length <= MAX_UNKNOWN_LENGTH,
        }
    }
}

impl<'a> Message<'a> {
    /// Reads what is there of a frame whose end may be missing, whatever its length. `None` if it has not even the
    /// numbers that its id wants.
    pub fn of_start(frame: &'a [u8]) -> Option<Message<'a>> {
        match frame.get(4..)?.split_first() {
            None => Some(Message::KeepAlive),
            Some((id, payload)) => Message::from_payload(*id, payload),
        }
    }

    fn from_payload(id: u8, payload: &'a [u8]) -> Option<Message<'a>> {
        Some(match id {
            CHOKE => Message::Choke,
            UNCHOKE => Message::Unchoke,
            INTERESTED => Message::Interested,
            NOT_INTERESTED => Message::NotInterested,
            HAVE => Message::Have(number(payload)?.0),
            BITFIELD => Message::Bitfield(payload),
            REQUEST => Message::Request(block_request(payload)?),
            PIECE => {
                let (index, rest) = number(payload)?;
                let (begin, data) = number(rest)?;
                Message::Piece { index, begin, data }
            }
            CANCEL => Message::Cancel(block_request(payload)?),
            PORT => Message::Port(u16::from_be_bytes(*payload.first_chunk()?)),
            SUGGEST => Message::Suggest(number(payload)?.0),
            HAVE_ALL => Message::HaveAll,
            HAVE_NONE => Message::HaveNone,
            REJECT => Message::Reject(block_request(payload)?),
            ALLOWED_FAST => Message::AllowedFast(number(payload)?.0),
            EXTENDED => {
                let (extended_id, payload) = payload.split_first()?;
                Message::Extended(*extended_id, payload)
            }
            HASH_REQUEST => Message::HashRequest(HashRequest::from_wire(payload)?.0),
            HASHES => {
                let (request, hashes) = HashRequest::from_wire(payload)?;
                Message::Hashes(request, hashes)
            }
            HASH_REJECT => Message::HashReject(HashRequest::from_wire(payload)?.0),
            other => Message::Unknown(other),
        })
    }

    /// Appends the message, as it goes over the wire, to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match *self {
            Message::KeepAlive => out.extend([0; 4]),
            Message::Choke => frame(out, CHOKE, &[]),
            Message::Unchoke => frame(out, UNCHOKE, &[]),
            Message::Interested => frame(out, INTERESTED, &[]),
            Message::NotInterested => frame(out, NOT_INTERESTED, &[]),
            Message::Have(index) => frame(out, HAVE, &[&index.to_be_bytes()]),
            Message::Bitfield(bits) => frame(out, BITFIELD, &[bits]),
            Message::Request(block) => {
                frame(out, REQUEST, &block.fields().each_ref().map(|field| &field[..]))
            }
            Message::Piece { index, begin, data } => {
                frame(out, PIECE, &[&index.to_be_bytes(), &begin.to_be_bytes(), data]);
            }
            Message::Cancel(block) => frame(out, CANCEL, &block.fields().each_ref().map(|field| &field[..])),
            Message::Port(port) => frame(out, PORT, &[&port.to_be_bytes()]),
            Message::Suggest(index) => frame(out, SUGGEST, &[&index.to_be_bytes()]),
            Message::HaveAll => frame(out, HAVE_ALL, &[]),
            Message::HaveNone => frame(out, HAVE_NONE, &[]),
            Message::Reject(block) => frame(out, REJECT, &block.fields().each_ref().map(|field| &field[..])),
            Message::AllowedFast(index) => frame(out, ALLOWED_FAST, &[&index.to_be_bytes()]),
            Message::Extended(id, payload) => frame(out, EXTENDED, &[&[id], payload]),
            Message::HashRequest(request) => frame(out, HASH_REQUEST, &[&request.to_wire()]),
            Message::Hashes(request, hashes) => frame(out, HASHES, &[&request.to_wire(), hashes]),
            Message::HashReject(request) => frame(out, HASH_REJECT, &[&request.to_wire()]),
            Message::Unknown(id) => frame(out, id, &[]),
        }
    }
}

impl Message<'_> {
    /// Writes a [`Message::Piece`] without its data, of which `length` bytes have to follow.
    pub fn piece_head(index: u32, begin: u32, length: u32, out: &mut Vec<u8>) {
        out.extend(length.saturating_add(9).to_be_bytes());
        out.push(PIECE);
        out.extend(index.to_be_bytes());
        out.extend(begin.to_be_bytes());
    }
}

impl BlockRequest {
    fn fields(&self) -> [[u8; 4]; 3] {
        [self.index, self.begin, self.length].map(u32::to_be_bytes)
    }
}

fn frame(out: &mut Vec<u8>, id: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // The length of what we send fits: the longest is a bitfield, with one bit for each of at most 2^32
    // pieces.
    out.extend((length as u32).saturating_add(1).to_be_bytes());
    out.push(id);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (field, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*field), rest))
}

fn block_request(bytes: &[u8]) -> Option<BlockRequest> {
    let (index, rest) = number(bytes)?;
    let (begin, rest) = number(rest)?;
    let (length, _) = number(rest)?;
    Some(BlockRequest { index, begin, length })
}

#[cfg(test)]
mod tests;
