//! The keys, and what the letters on the pages mean.

use super::super::body::Body;
use crate::cli::columns::{width, wrapped};
use crate::cli::terminal::full::{Look, StyledLine};

/// What a key does, or a heading where there is none.
const LINES: [(&str, &str); 33] = [
    ("", "Keys"),
    ("q, w", "back to the bar; the download goes on"),
    ("Ctrl-C", "ends the download; the same command goes on"),
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

/// Columns of the keys, and with fewer columns in all than this the text stands below them.
const KEYS: (usize, usize) = (14, 60);

/// The page, for so many columns: nothing of it is cut.
pub fn body(columns: usize) -> Body<'static> {
    let mut lines = Vec::new();
    for (key, text) in LINES {
        let look = if key.is_empty() { Look::Strong } else { Look::Plain };
        let (mut head, margin) = match (key, columns < KEYS.1) {
            ("", _) => (String::new(), 0),
            (_, false) => (format!(" {key:<12} "), KEYS.0),
            (_, true) => (format!(" {key}: "), 3),
        };
        for part in hanging(text, width(&head), margin, columns) {
            lines.push(StyledLine::of(look, head + &part));
            head = " ".repeat(margin);
        }
    }
    let (head, note, count) = (Vec::new(), String::new(), lines.len());
    let line = move |number: usize| lines.get(number).cloned().unwrap_or_default();
    Body { head, count, line: Box::new(line), cursor: None, note, empty: "" }
}

/// The text in lines, of which the first has so many columns less than all, and the others the margin's.
fn hanging(text: &str, first: usize, margin: usize, columns: usize) -> Vec<String> {
    let filler = "x".repeat(first.saturating_sub(margin));
    let whole = if filler.is_empty() { text.to_owned() } else { format!("{filler}{text}") };
    let mut lines = wrapped(&whole, "", columns.saturating_sub(margin).max(1));
    if let Some(line) = lines.first_mut() {
        line.drain(..filler.len().min(line.len()));
    }
    lines
}
