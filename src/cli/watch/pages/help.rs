//! The keys, and what the letters on the pages mean.

use super::super::body::Body;
use crate::cli::terminal::full::{Look, StyledLine};

/// What a key does, or a heading where there is none.
const LINES: [(&str, &str); 33] = [
    ("", "Keys"),
    ("q, w", "back to the bar; the download goes on"),
    ("Ctrl-C", "ends the download; what is there is kept"),
    ("1-6, Tab", "another page"),
    ("[ ]", "another torrent"),
    ("j k, up down", "a line down, up"),
    ("left right", "long lines to the side"),
    ("space b", "a page down, up; d u: half a page"),
    ("g G", "the first line, the last"),
    ("Enter", "one peer in full; Escape goes back"),
    ("s r", "sort the peers by something else; reverse"),
    ("/", "only lines with these words; Escape: all"),
    ("p", "pause messages and log; p or G: go on"),
    ("Ctrl-L", "draw the screen anew"),
    ("? h", "this page"),
    ("", "Flags of a peer"),
    ("I", "we want something that it has"),
    ("C", "it chokes us: it answers no request"),
    ("i", "it wants something that we have"),
    ("c", "we choke it"),
    ("-", "the opposite"),
    ("", "Figures of a peer"),
    ("has", "how much of the torrent it has"),
    ("in/depth", "requests on their way, and how many we aim at"),
    ("wasted", "bytes that it sent and that were of no use"),
    ("< >", "a message that it sends us, that we send it"),
    ("", "Pieces"),
    ("#", "verified, and on the disk"),
    ("o", "being filled"),
    ("0-9 +", "missing; so many peers have it (+: 10 or more)"),
    (".", "not selected"),
    ("# > .", "blocks of a piece: came, asked for, neither"),
    ("", "Of several pieces in one place the rarest missing one is shown."),
];

/// The page.
pub fn body() -> Body<'static> {
    let line = |number: usize| match LINES.get(number) {
        Some(("", heading)) => StyledLine::of(Look::Strong, *heading),
        Some((key, text)) => StyledLine::of(Look::Plain, format!(" {key:<12} {text}")),
        None => StyledLine::default(),
    };
    let (head, note) = (Vec::new(), String::new());
    Body { head, count: LINES.len(), line: Box::new(line), cursor: None, note, empty: "" }
}
