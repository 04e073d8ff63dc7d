//! What the messages of the peer protocol mean, in words. Pure.
//!
//! What strangers say is told here as it came, within limits; the line that it stands in makes it fit to print.

use super::names;
use crate::bencode::Value;
use crate::net::tap::Direction;
use crate::piece::{BLOCK_LENGTH, Geometry, NodeRange};
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::MetadataMessage;
use crate::wire::pex::PeerExchange;
use crate::wire::{BlockRequest, Handshake, HashRequest, Message};
use std::fmt::Write as _;

/// The most extensions and addresses that are named.
const MOST_NAMED: usize = 8;
/// Bytes of a piece's message besides those of the block: length, id, index, offset.
const PIECE_HEAD: u64 = 13;

/// A handshake.
pub fn handshake(handshake: Handshake) -> String {
    let spoken = [
        (handshake.speaks_fast(), "Fast (BEP 6)"),
        (handshake.speaks_extensions(), "extensions (BEP 10)"),
        (handshake.speaks_dht(), "DHT (BEP 5)"),
    ];
    let spoken: Vec<&str> = spoken.into_iter().filter(|(it, _)| *it).map(|(_, name)| name).collect();
    let spoken = if spoken.is_empty() { "nothing beyond BEP 3".to_owned() } else { spoken.join(", ") };
    format!("torrent {}; peer ID {}; speaks {spoken}", handshake.info_hash, handshake.peer_id.client())
}

/// The name and the meaning of a message of this length that is no extension's.
pub fn message(message: &Message<'_>, length: u64, geometry: Option<&Geometry>) -> (&'static str, String) {
    let plain = |text: &str| text.to_owned();
    let meaning = match *message {
        Message::KeepAlive => plain("still here"),
        Message::Choke => plain("no more requests are answered"),
        Message::Unchoke => plain("requests are answered from now on"),
        Message::Interested => plain("you have what I lack"),
        Message::NotInterested => plain("you have nothing that I lack"),
        Message::Have(piece) => format!("has piece {piece} now"),
        Message::Bitfield(bits) => {
            let count: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
            let of = geometry.map_or_else(String::new, |geometry| format!(" of {}", geometry.piece_count()));
            format!("has {count}{of} pieces")
        }
        Message::Piece { index, begin, .. } => {
            let length = u32::try_from(length.saturating_sub(PIECE_HEAD)).unwrap_or(u32::MAX);
            block(BlockRequest { index, begin, length }, geometry)
        }
        Message::Request(wanted) | Message::Cancel(wanted) | Message::Reject(wanted) => {
            block(wanted, geometry)
        }
        Message::Port(port) => format!("its DHT node is at UDP port {port}"),
        Message::Suggest(piece) => format!("piece {piece} is cheap to send"),
        Message::HaveAll => plain("has every piece"),
        Message::HaveNone => plain("has no piece"),
        Message::AllowedFast(piece) => format!("piece {piece} may be requested while choked"),
        Message::Extended(..) => String::new(),
        Message::HashRequest(asked) => hashes(asked, ""),
        Message::Hashes(sent, _) => hashes(sent, ""),
        Message::HashReject(asked) => hashes(asked, "will not send "),
        Message::Unknown(id) => format!("a message of type {id}, which no BEP that we know has"),
    };
    (names::message(message), meaning)
}

/// Which hashes of which file's tree (BEP 52).
fn hashes(request: HashRequest, before: &str) -> String {
    let root: String = request.pieces_root.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let NodeRange { base_layer, index, length, .. } = request.range;
    format!("{before}{length} hashes from {index} on of layer {base_layer} of the file with the root {root}…")
}

/// Which block, of how many.
fn block(block: BlockRequest, geometry: Option<&Geometry>) -> String {
    let BlockRequest { index, begin, length } = block;
    let number = begin / BLOCK_LENGTH;
    let known = geometry.and_then(|geometry| Some(geometry.block_count(geometry.piece(index)?)));
    let of = known.map_or_else(String::new, |count| format!(" of {count}"));
    if begin.is_multiple_of(BLOCK_LENGTH) {
        format!("piece {index}, block {number}{of}, {length} bytes")
    } else {
        format!("piece {index}, {length} bytes from {begin} on")
    }
}

/// The name and the meaning of a message of an extension (BEP 10), of a peer that can do so much.
pub(super) fn extended(
    theirs: &mut ExtensionHandshake,
    direction: Direction,
    id: u8,
    payload: &[u8],
) -> (String, String) {
    if id == extension::HANDSHAKE {
        let Some(said) = ExtensionHandshake::from_wire(payload) else {
            return ("extended".to_owned(), "a handshake that is no dictionary".to_owned());
        };
        let meaning = extensions(&said, payload);
        if direction == Direction::In {
            *theirs = said.after(theirs);
        }
        return ("extensions".to_owned(), meaning);
    }
    let name = names::extended(id, direction, theirs);
    let meaning = match name {
        "ut_metadata" => MetadataMessage::from_wire(payload).map(about_metadata),
        "ut_pex" => PeerExchange::from_wire(payload).map(|peers| exchanged(&peers)),
        "lt_donthave" => extension::read_dont_have(payload).map(|piece| format!("has piece {piece} no more")),
        _ => Some(format!("of an extension by the number {id}")),
    };
    (name.to_owned(), meaning.unwrap_or_else(|| "it cannot be read".to_owned()))
}

/// What a side says of itself.
fn extensions(said: &ExtensionHandshake, payload: &[u8]) -> String {
    let mut text = said.client.clone().unwrap_or_else(|| "no name".to_owned());
    let fields = Value::parse_prefix(payload).ok().and_then(|(value, _)| value.dictionary());
    let known = fields.and_then(|fields| fields.get("m")).and_then(Value::dictionary);
    let names = known.into_iter().flat_map(|known| known.iter());
    let names =
        names.take(MOST_NAMED).map(|(name, _)| String::from_utf8_lossy(name.get(..24).unwrap_or(name)));
    text.push_str("; speaks ");
    text.push_str(&names.collect::<Vec<_>>().join(", "));
    let numbers = [
        ("takes so many requests: ", said.request_queue.map(u64::from)),
        ("listens at port ", said.port.map(u64::from)),
        ("bytes of metadata: ", said.metadata_size),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            // Writing to a String does not fail.
            let _ = write!(text, "; {name}{number}");
        }
    }
    if let Some(address) = said.your_address {
        let _ = write!(text, "; sees the other side at {address}");
    }
    if said.upload_only == Some(true) {
        text.push_str("; downloads nothing");
    }
    text
}

fn about_metadata(message: MetadataMessage<'_>) -> String {
    match message {
        MetadataMessage::Request(piece) => format!("send me piece {piece} of the metadata"),
        MetadataMessage::Data { piece, bytes, .. } => {
            format!("piece {piece} of the metadata, {} bytes", bytes.len())
        }
        MetadataMessage::Reject(piece) => format!("piece {piece} of the metadata will not come"),
    }
}

fn exchanged(peers: &PeerExchange) -> String {
    let (added, dropped) = (peers.added.len(), peers.dropped.len());
    let mut text = format!("{added} peers have come and {dropped} have gone");
    for (number, (address, _)) in peers.added.iter().take(MOST_NAMED).enumerate() {
        let _ = write!(text, "{} {address}", if number == 0 { ":" } else { "," });
    }
    if added > MOST_NAMED {
        text.push_str(", ...");
    }
    text
}
