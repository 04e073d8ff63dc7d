//! What is in a marker: its text, to values and back. Pure, but for the reading.
//!
//! Anyone may have written the text. It is believed only if it is complete and names the whole info-hash.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;

use crate::storage::guards::Guards;
use crate::text::is_hidden;

const FIRST_LINE: &str = "An unfinished download: run the same femtotorrent command again to resume it.";
const HASH: &str = "info-hash ";
const NAME: &str = "name ";
const PARTS: &str = "parts";
const GUARD: &str = "keep ";
const LAST_LINE: &str = "end";
/// Bytes in all lines but those about files, at most.
const HEAD_BYTES: usize = 512;
/// Bytes in the name of a file or folder, at most.
const MAX_NAME_BYTES: usize = 255;
/// Bytes in a line about one file: two numbers of 20 digits, the word and the spaces.
const GUARD_BYTES: usize = 48;

/// What the files of a payload are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The name that the payload has in place of the torrent's.
    pub output_name: Option<String>,
    /// Files that are not whole yet may have another ending (`partial_names`).
    pub has_parts: bool,
}

/// What a marker says.
#[derive(Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the files are called.
    pub naming: Naming,
    /// What belongs to the user.
    pub guards: Guards,
}

/// The text of a marker.
pub fn text(info_hash: &str, naming: &Naming, guards: &Guards) -> String {
    let mut text = format!("{FIRST_LINE}\n{HASH}{info_hash}\n");
    if let Some(name) = &naming.output_name {
        let _ = writeln!(text, "{NAME}{name}");
    }
    if naming.has_parts {
        let _ = writeln!(text, "{PARTS}");
    }
    for (number, length) in guards {
        let _ = writeln!(text, "{GUARD}{number} {length}");
    }
    let _ = writeln!(text, "{LAST_LINE}");
    text
}

impl Memory {
    /// Reads the marker of a torrent of so many files. `None` if it cannot be believed.
    pub fn read(file: &File, info_hash: &str, files: usize) -> Option<Memory> {
        let bound = files.saturating_mul(GUARD_BYTES).saturating_add(HEAD_BYTES);
        let mut text = String::new();
        file.take(bound as u64).read_to_string(&mut text).ok()?;
        Memory::parse(&text, info_hash, files)
    }

    fn parse(text: &str, info_hash: &str, files: usize) -> Option<Memory> {
        let mut lines = text.lines().peekable();
        lines.next()?;
        if lines.next()?.strip_prefix(HASH)? != info_hash {
            return None;
        }
        let output_name = lines.next_if(|line| line.starts_with(NAME));
        let output_name = output_name.and_then(|line| line.strip_prefix(NAME)).map(str::to_owned);
        if output_name.as_deref().is_some_and(|name| output_name_fault(name).is_some()) {
            return None;
        }
        let has_parts = lines.next_if(|line| *line == PARTS).is_some();
        let naming = Naming { output_name, has_parts };
        let mut guards = Guards::new();
        for line in lines {
            if line == LAST_LINE {
                return Some(Memory { naming, guards });
            }
            let (number, length) = line.strip_prefix(GUARD)?.split_once(' ')?;
            let number = number.parse().ok().filter(|number| *number < files)?;
            guards.insert(number, length.parse().ok()?);
        }
        // Without its last line, the marker was never written in full, and no payload was written after it.
        None
    }
}

/// What is wrong with a name for the payload, if anything.
pub fn output_name_fault(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("a name is expected"),
        "." | ".." => Some("this names a folder that is there already"),
        _ if name.contains('/') => Some("a name is expected and not a path: -o takes the folder"),
        _ if name.len() > MAX_NAME_BYTES => Some("a name may have 255 bytes"),
        _ if name.chars().any(is_hidden) => {
            Some("a name with characters that control a terminal is not taken")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_marker_of_the_same_torrent_is_believed() {
        let hash = "ab".repeat(20);
        let guards = Guards::from([(0, 1), (3, 17)]);
        for output_name in [None, Some("Das  Foto.jpg".to_owned())] {
            for has_parts in [false, true] {
                let naming = Naming { output_name: output_name.clone(), has_parts };
                let text = text(&hash, &naming, &guards);
                let memory = Memory { naming, guards: guards.clone() };
                assert_eq!(Memory::parse(&text, &hash, 4), Some(memory));
                assert_eq!(Memory::parse(&text, &hash, 3), None);
                for length in 0..text.len() - 1 {
                    assert_eq!(Memory::parse(&text[..length], &hash, 4), None, "{length}");
                }
                for (from, to) in [
                    ("ab", "ac"),
                    ("17", "-17"),
                    ("17", "99999999999999999999999"),
                    ("keep 3", "name x\nkeep 3"),
                    ("keep 3", "parts\nkeep 3"),
                ] {
                    assert_eq!(Memory::parse(&text.replacen(from, to, 3), &hash, 4), None, "{from} {to}");
                }
            }
        }
    }

    #[test]
    fn a_name_is_one_that_a_file_can_have_and_a_terminal_can_show() {
        for bad in ["", ".", "..", "a/b", "/", "a\nb", "\u{1b}[2J", "\u{202e}gpj", &"x".repeat(256)] {
            assert!(output_name_fault(bad).is_some(), "{bad}");
            let text =
                text("ab", &Naming { output_name: Some(bad.to_owned()), has_parts: false }, &Guards::new());
            assert_eq!(Memory::parse(&text, "ab", 4), None, "{bad}");
        }
        for good in ["x", ".hidden", "...", "a b", "Größe", &"x".repeat(255)] {
            assert_eq!(output_name_fault(good), None, "{good}");
        }
    }
}
