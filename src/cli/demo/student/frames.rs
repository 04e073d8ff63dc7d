//! What can be wrong with the frame of a message: its length, its id, the order of its bytes.
//!
//! Pure. After such a mistake nobody knows where the next message begins, so the connection ends. The sentence says
//! which of the usual mistakes it looks like.

use super::report::{Fault, MESSAGES};
use crate::piece::BLOCK_LENGTH;
use crate::wire::{Frame, FrameLimits};

/// No message that we take is longer.
const LONGEST: u32 = 64 * 1024;

/// The message at the start of these bytes. `is_first`: the handshake was the last that came before.
pub fn next<'a>(bytes: &'a [u8], limits: &FrameLimits, is_first: bool) -> Result<Frame<'a>, Fault> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<4>() else { return Ok(Frame::Partial(4)) };
    let length = u32::from_be_bytes(*prefix);
    if length > LONGEST {
        return Err(prefix_fault(*prefix, is_first));
    }
    Frame::parse(bytes, limits).map_err(|_| length_fault(length, rest.first().copied(), limits))
}

/// What to say if nothing comes any more after these bytes, which are the beginning of a message. `is_first`: as above.
pub fn stuck(bytes: &[u8], is_first: bool) -> String {
    let Some((prefix, rest)) = bytes.split_first_chunk::<4>() else {
        return format!("{} bytes of a length prefix have come, and it has four.", bytes.len());
    };
    let length = u32::from_be_bytes(*prefix);
    // A handshake that is too short takes its last bytes from the message behind it.
    let before =
        if is_first { " And the handshake before it: has it exactly 68 bytes, its peer ID 20?" } else { "" };
    format!(
        "The length prefix {} announces {length} bytes, and {} have come after it. It counts the id and what follows, not \
         its own four bytes.{before}",
        hex(*prefix),
        rest.len()
    )
}

/// A length that no message can have.
fn prefix_fault(prefix: [u8; 4], is_first: bool) -> Fault {
    let (length, little) = (u32::from_be_bytes(prefix), u32::from_le_bytes(prefix));
    let shown = hex(prefix);
    if (1..=LONGEST).contains(&little) {
        let text = format!(
            "the length prefix {shown} is {length}; read from its other end it is {little}. All numbers are big-endian, the \
             highest byte first: {}.",
            hex(little.to_be_bytes())
        );
        return Fault::new("little-endian length", MESSAGES, text);
    }
    let mut text =
        format!("where the length prefix of a message belongs stands {shown}, which is {length}. ");
    text.push_str(if prefix.iter().all(u8::is_ascii_digit) {
        "These are the digits of a number, and a number is sent as four bytes, the highest first."
    } else if is_first {
        "Look at the handshake before it: it has exactly 68 bytes, and its peer ID exactly 20."
    } else if prefix.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        "These bytes are text, and messages are binary."
    } else {
        "The message before it was longer than its own length prefix said."
    });
    Fault::new("no length prefix", MESSAGES, text)
}

/// A length that this message cannot have.
fn length_fault(length: u32, id: Option<u8>, limits: &FrameLimits) -> Fault {
    let id = id.unwrap_or_default();
    let right = match id {
        0..=3 => 1,
        4 => 5,
        5 => limits.bitfield.saturating_add(1),
        6 | 8 => 13,
        9 => 3,
        7 => {
            let most = BLOCK_LENGTH.saturating_add(9);
            let text = format!(
                "the length prefix of a piece message says {length}. It counts the id (1), the index (4), begin (4) and the \
                 block, {most} at most for a block of 16 KiB."
            );
            return Fault::new("wrong length", MESSAGES, text);
        }
        _ => {
            let text =
                format!("the length prefix says {length}, which a message with the id {id} cannot have.");
            return Fault::new("wrong length", MESSAGES, text);
        }
    };
    let name = name(id);
    if id == 5 {
        let text = format!(
            "{} bytes of bits were announced. There is one bit for each piece, rounded up to whole bytes: {} here.",
            length.saturating_sub(1),
            limits.bitfield
        );
        return Fault::new("bitfield of wrong length", MESSAGES, text);
    }
    let why = if length == right.saturating_add(4) {
        " The length prefix does not count its own four bytes."
    } else if length.saturating_add(1) == right {
        " The length counts the id as well."
    } else {
        ""
    };
    let text =
        format!("the length prefix of '{name}' (id {id}) says {length}, and it is always {right}.{why}");
    Fault::new("wrong length", MESSAGES, text)
}

fn name(id: u8) -> &'static str {
    match id {
        0 => "choke",
        1 => "unchoke",
        2 => "interested",
        3 => "not interested",
        4 => "have",
        6 => "request",
        8 => "cancel",
        _ => "port",
    }
}

fn hex(bytes: [u8; 4]) -> String {
    let [a, b, c, d] = bytes;
    format!("{a:02x} {b:02x} {c:02x} {d:02x}")
}
