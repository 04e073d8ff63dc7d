//! What can be wrong with a block that is asked for.
//!
//! Pure.

use super::report::{Fault, MESSAGES};
use crate::piece::{BLOCK_LENGTH, Geometry};
use crate::wire::BlockRequest;

/// A smaller number is more likely meant as it is.
const SMALLEST_SWAPPED: u32 = 1 << 20;

/// What is wrong with these numbers in a torrent that is cut like this.
pub fn fault(request: BlockRequest, geometry: Geometry) -> Option<Fault> {
    let BlockRequest { index, begin, length } = request;
    let count = geometry.piece_count();
    let last = count.saturating_sub(1);
    let Some(piece) = geometry.piece(index) else {
        if is_little_endian(index, count) {
            return Some(little_endian("the piece", index));
        }
        let text =
            format!("it asks for piece {index}. There are {count}, and they are numbered from 0 to {last}.");
        return Some(Fault::new("no such piece", MESSAGES, text));
    };
    let whole = geometry.length(piece);
    if length == 0 || length > BLOCK_LENGTH {
        if is_little_endian(length, BLOCK_LENGTH.saturating_add(1)) {
            return Some(little_endian("the length", length));
        }
        let text = format!(
            "it asks for {length} bytes at once. A block has at most 16 KiB (16384 bytes), and clients hang up on whoever \
             asks for more. A piece is fetched block by block."
        );
        return Some(Fault::new("no block has this length", MESSAGES, text));
    }
    if is_little_endian(begin, whole) {
        return Some(little_endian("begin", begin));
    }
    if (1..whole.div_ceil(BLOCK_LENGTH)).contains(&begin) {
        let text = format!(
            "begin is {begin}. It counts bytes, not blocks: block {begin} of a piece begins at {}.",
            begin.saturating_mul(BLOCK_LENGTH)
        );
        return Some(Fault::new("begin is no offset", MESSAGES, text));
    }
    if begin.checked_add(length).is_none_or(|end| end > whole) {
        let which = if index == last { ", for it is the last one, and shorter" } else { "" };
        let text = format!(
            "it asks for {length} bytes from {begin} on, and piece {index} has {whole} bytes{which}. The last block is what \
             is left."
        );
        return Some(Fault::new("beyond the end of the piece", MESSAGES, text));
    }
    None
}

/// What is wrong with having this piece, of a torrent that has none of this number.
pub fn no_such_piece(index: u32, geometry: Geometry) -> Fault {
    let count = geometry.piece_count();
    if is_little_endian(index, count) {
        return little_endian("the piece", index);
    }
    Fault::new("no such piece", MESSAGES, format!("it has piece {index}, and there are only {count}."))
}

/// Whether a number, which should be below this one, is so from its other end only.
pub fn is_little_endian(number: u32, bound: u32) -> bool {
    number >= bound.max(SMALLEST_SWAPPED) && number.swap_bytes() < bound
}

/// A number that makes sense from its other end only.
pub fn little_endian(what: &str, number: u32) -> Fault {
    let text = format!(
        "{what} is {number}; read from its other end it is {}. All numbers are big-endian, the highest byte first.",
        number.swap_bytes()
    );
    Fault::new("little-endian number", MESSAGES, text)
}
