//! What can go wrong with a tracker, in words that are safe to print.
//!
//! None of these ends a download. A tracker's own words and everything that a library says about
//! them pass [`printable`] first, and no message contains a path or a query: on private trackers
//! these are the user's password.

use std::fmt;

/// Why an announce brought no answer. The message does not name the tracker: whoever prints it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerError {
    /// Its address starts with this scheme, which we do not speak.
    UnsupportedProtocol(String),
    /// Its address names no place to ask it about a torrent without announcing (BEP 48).
    NoScrape,
    /// Its address cannot be one, for this reason.
    BadAddress(&'static str),
    /// Its name has no address, or none of the family that we asked over.
    NoAddress,
    /// No connection, or it broke.
    Unreachable(String),
    /// What we waited for did not come in the time for it.
    TimedOut {
        /// What we waited for.
        awaited: &'static str,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// It answered with this HTTP status and no reason that we could read.
    Status(u16),
    /// Its answer is larger than 1 MiB, after decompression.
    TooLarge,
    /// It refused us, in its own words ("failure reason", BEP 3).
    Refused(String),
    /// Its answer is none: what is wrong with it.
    Nonsense(String),
}

impl fmt::Display for TrackerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrackerError::UnsupportedProtocol(scheme) => {
                write!(f, "{scheme}:// trackers are not supported (only http://, https:// and udp:// are)")
            }
            TrackerError::NoScrape => write!(f, "its address has no /announce to make /scrape of (BEP 48)"),
            TrackerError::BadAddress(reason) => write!(f, "not a tracker's address: {reason}"),
            TrackerError::NoAddress => write!(f, "cannot be reached: its name has no address"),
            TrackerError::Unreachable(reason) => write!(f, "cannot be reached: {reason}"),
            TrackerError::TimedOut { awaited, seconds } => write!(f, "no {awaited} in {seconds} s"),
            TrackerError::Status(code) => write!(f, "answered with HTTP status {code}"),
            TrackerError::TooLarge => write!(f, "its answer is larger than 1 MiB"),
            TrackerError::Refused(reason) => write!(f, "refused: {reason}"),
            TrackerError::Nonsense(reason) => write!(f, "its answer makes no sense: {reason}"),
        }
    }
}

impl std::error::Error for TrackerError {}

/// Characters of a stranger's text that we keep.
const LONGEST_TEXT: usize = 200;

/// A stranger's text made fit for a terminal: no control characters, none that change the direction
/// of writing, and no more than a few lines of it.
pub(super) fn printable(text: &[u8]) -> String {
    let mut bound = text;
    // Four bytes are the longest character, so what is cut off here would not be shown anyway.
    if let Some(start) = text.get(..LONGEST_TEXT * 4) {
        bound = start;
    }
    String::from_utf8_lossy(bound)
        .chars()
        .filter(|character| !character.is_control() && !steers_the_terminal(*character))
        .take(LONGEST_TEXT)
        .collect()
}

/// Marks, embeddings and isolates of bidirectional text (UAX 9), and the two line separators.
fn steers_the_terminal(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_cannot_steer_the_terminal() {
        assert_eq!(printable(b"gone\x1b[2J\r\n away\0"), "gone[2J away");
        assert_eq!(printable("a\u{202e}b\u{2028}c\u{85}d".as_bytes()), "abcd");
        assert_eq!(printable(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_strangers_text_is_cut_to_a_bearable_length() {
        assert_eq!(printable(&vec![b'x'; 1 << 20]).len(), LONGEST_TEXT);
        assert_eq!(printable("ä".repeat(1 << 16).as_bytes()).chars().count(), LONGEST_TEXT);
    }
}
