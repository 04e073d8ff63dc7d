//! What several fuzz targets need: notations that mutate well, a torrent to play with, and what must hold for
//! whatever a parser has accepted.

mod choices;
mod ground;
mod payload;
mod shorthand;

pub use choices::Choices;
pub use ground::{Ground, PIECE_LENGTH, PIECES, scratch, with_payload};
pub use payload::hold_to_its_word;
pub use shorthand::spelled_out;

/// Whether nothing in a text could act on a terminal. Written a second time and from the general
/// category of the characters, so that it does not share a mistake with the program's own list.
pub fn only_shows(text: &str) -> bool {
    text.chars().all(|character| {
        let acts = matches!(
            u32::from(character),
            0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200e..=0x200f | 0x2028..=0x202e | 0x2066..=0x2069
        );
        !acts
    })
}
