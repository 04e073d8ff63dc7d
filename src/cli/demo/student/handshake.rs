//! What can be wrong with a handshake, and how it should be.
//!
//! Pure. A real client hangs up without a word. Here each byte is looked at as soon as it comes, so that a student
//! learns of a mistake even if the rest of the 68 bytes never does.

use super::report::{Fault, METAINFO, PROTOCOL};
use crate::metainfo::InfoHash;
use crate::wire::{HANDSHAKE_LENGTH, PREFIX, PREFIX_LENGTH};
use std::fmt::Write as _;

/// Where the info-hash begins.
const HASH_AT: usize = PREFIX_LENGTH + 8;

/// The torrent that the other side should ask for, and what some take for its info-hash.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The right one.
    pub info_hash: InfoHash,
    /// The SHA-1 of the whole torrent file.
    pub of_file: [u8; 20],
}

/// What is wrong with a handshake that begins with these bytes: at most 68.
pub fn fault(bytes: &[u8], expected: &Expected) -> Option<Fault> {
    let known = PREFIX.len().min(bytes.len());
    if bytes.get(..known) != PREFIX.get(..known) {
        return Some(prefix_fault(bytes));
    }
    let handshake = bytes.first_chunk::<HANDSHAKE_LENGTH>()?;
    let hash = handshake.get(HASH_AT..HASH_AT + 20)?;
    (hash != expected.info_hash.0).then(|| hash_fault(handshake, hash, expected))
}

/// What to say if nothing comes any more after these bytes, which are fewer than 68.
pub fn stuck(bytes: &[u8], expected: &Expected) -> String {
    let mut text = format!(
        "{} bytes of a handshake have come, and it has 68: 1 (the number 19), 19 (\"BitTorrent protocol\"), 8 (reserved), 20 \
         (info-hash), 20 (peer ID).",
        bytes.len()
    );
    // Writing to a String does not fail.
    let _ = match place_of(bytes, &expected.info_hash) {
        Some(HASH_AT) => write!(
            text,
            " Yours is right up to its peer ID, of which there are {}.",
            bytes.len().saturating_sub(HASH_AT + 20)
        ),
        Some(at) => write!(text, " The info-hash begins at byte {at} of yours, and belongs at byte 28."),
        None => Ok(()),
    };
    text
}

/// The first 20 bytes, as far as they have come, are not those of the protocol.
fn prefix_fault(bytes: &[u8]) -> Fault {
    let text = if bytes.starts_with(&[0, 0]) {
        "it begins with a length prefix. The handshake has none, only the messages after it have: its first byte is 19."
            .to_owned()
    } else if bytes.starts_with(b"19") {
        "it begins with \"19\" as text. One byte is meant, of the value 19 (hexadecimal 13).".to_owned()
    } else if bytes.starts_with(b"Bi") {
        "it begins with the protocol's name. Before that comes one byte with its length, 19.".to_owned()
    } else if bytes.starts_with(b"GE") {
        "it begins like HTTP. This is the port of a peer; the tracker's address is another one.".to_owned()
    } else if let (Some(19), Some(at)) = (bytes.first(), first_difference(bytes)) {
        format!(
            "byte {at} is {}, where {} is expected. The name is \"BitTorrent protocol\", with a capital T in its middle \
             and a small p.",
            shown_byte(bytes.get(at)),
            shown_byte(PREFIX.get(at))
        )
    } else {
        format!(
            "its first byte is {}, where 19 is expected, the length of \"BitTorrent protocol\". (If the client encrypts, \
             switch that off.)",
            shown_byte(bytes.first())
        )
    };
    Fault::new("no handshake", PROTOCOL, text)
}

fn hash_fault(handshake: &[u8], hash: &[u8], expected: &Expected) -> Fault {
    let digits = expected.info_hash.to_string();
    let title = "wrong info-hash";
    if digits.as_bytes().starts_with(hash) {
        let text =
            "it is sent as hexadecimal digits. On the wire it is 20 raw bytes; its 40 digits are for people.";
        return Fault::new(title, PROTOCOL, text);
    }
    if let Some(at) = place_of(handshake, &expected.info_hash) {
        let text = format!(
            "it begins at byte {at}, and belongs at byte 28. Between the protocol's name and it stand exactly eight \
             reserved bytes, all zero if you speak no extension."
        );
        return Fault::new("wrong place of the info-hash", PROTOCOL, text);
    }
    let text = if hash == expected.of_file {
        "you have hashed the whole .torrent file. Only the value of \"info\" is hashed, from its d to its e, as it stands \
         in the file."
            .to_owned()
    } else {
        let mut theirs = String::new();
        hash.iter().for_each(|byte| _ = write!(theirs, "{byte:02x}"));
        format!(
            "it asks for {theirs}, and this torrent is {digits}: the SHA-1 of the value of \"info\", from its d to its e, \
             as it stands in the file and never encoded anew."
        )
    };
    Fault::new(title, METAINFO, text)
}

fn first_difference(bytes: &[u8]) -> Option<usize> {
    bytes.iter().zip(&PREFIX).position(|(one, other)| one != other)
}

fn place_of(bytes: &[u8], info_hash: &InfoHash) -> Option<usize> {
    bytes.windows(20).position(|window| window == info_hash.0)
}

fn shown_byte(byte: Option<&u8>) -> String {
    match byte {
        Some(byte) if byte.is_ascii_graphic() => format!("'{}'", char::from(*byte)),
        Some(byte) => byte.to_string(),
        None => "missing".to_owned(),
    }
}
