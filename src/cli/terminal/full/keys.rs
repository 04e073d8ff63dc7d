//! From the bytes that a terminal sends to keys. Pure.
//!
//! A key with a name sends a sequence that begins with the byte of Escape (ECMA-48; xterm's control sequences). Only time
//! tells such a sequence that is cut from Escape itself: [`KeyReader::pause`]. Sequences that we do not know are left out
//! whole, and one that has no end is given up.

/// A key, or what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Character(char),
    Enter,
    Escape,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl and this small letter.
    Control(char),
}

/// The longest sequence that is read to its end.
const LONGEST: usize = 32;
const ESCAPE: u8 = 0x1b;

/// Bytes that are not yet a key.
#[derive(Debug, Default)]
pub struct KeyReader {
    /// Of one key.
    begun: Vec<u8>,
}

impl KeyReader {
    /// The next byte. Returns the key that it completes.
    pub fn read(&mut self, byte: u8) -> Option<Key> {
        // A new Escape ends whatever was begun.
        if byte == ESCAPE {
            let was_escape = self.begun == [ESCAPE];
            self.begun = vec![ESCAPE];
            return was_escape.then_some(Key::Escape);
        }
        self.begun.push(byte);
        let (is_whole, key) = match self.begun.as_slice() {
            [ESCAPE, b'[' | b'O'] => (false, None),
            [ESCAPE, b'[', inside @ .., last] => {
                ((0x40..=0x7e).contains(last) && *last != b'[', named(inside, *last))
            }
            [ESCAPE, b'O', last] => (true, named(&[], *last)),
            // Alt and a key.
            [ESCAPE, _] => (true, None),
            [ESCAPE, ..] => (true, None),
            bytes => character(bytes),
        };
        if is_whole || self.begun.len() >= LONGEST {
            self.begun.clear();
        }
        key.filter(|_| is_whole)
    }

    /// Nothing has come for a moment: what was begun has no end. Returns Escape if it was that.
    pub fn pause(&mut self) -> Option<Key> {
        let begun = std::mem::take(&mut self.begun);
        (begun == [ESCAPE]).then_some(Key::Escape)
    }

    /// Whether a key has begun.
    pub fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }
}

/// Whether these bytes are all of a key, and which one.
fn character(bytes: &[u8]) -> (bool, Option<Key>) {
    match bytes {
        [b'\r' | b'\n'] => (true, Some(Key::Enter)),
        [b'\t'] => (true, Some(Key::Tab)),
        [8 | 0x7f] => (true, Some(Key::Backspace)),
        [control @ 1..=26] => (true, Some(Key::Control(char::from(b'a' - 1 + control)))),
        [0..=31] => (true, None),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => (true, text.chars().next().map(Key::Character)),
            // The rest of a character is still to come.
            Err(error) => (error.error_len().is_some() || bytes.len() >= 4, None),
        },
    }
}

/// The key of a sequence, by what stands in it and its last byte. Numbers behind a `;` say which keys were held.
fn named(inside: &[u8], last: u8) -> Option<Key> {
    let number = inside.split(|byte| *byte == b';').next().unwrap_or_default();
    match (last, number) {
        (b'A', _) => Some(Key::Up),
        (b'B', _) => Some(Key::Down),
        (b'C', _) => Some(Key::Right),
        (b'D', _) => Some(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Some(Key::Home),
        (b'F', _) | (b'~', b"4" | b"8") => Some(Key::End),
        (b'Z', _) => Some(Key::BackTab),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut reader = KeyReader::default();
        let mut keys: Vec<Key> = bytes.iter().filter_map(|byte| reader.read(*byte)).collect();
        keys.extend(reader.pause());
        keys
    }

    #[test]
    fn each_key_is_known_in_all_its_spellings() {
        for (bytes, key) in [
            (&b"j"[..], Key::Character('j')),
            ("ž".as_bytes(), Key::Character('ž')),
            ("👍".as_bytes(), Key::Character('👍')),
            (b"\r", Key::Enter),
            (b"\n", Key::Enter),
            (b"\t", Key::Tab),
            (b"\x7f", Key::Backspace),
            (b"\x0c", Key::Control('l')),
            (b"\x1b", Key::Escape),
            (b"\x1b[A", Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[C", Key::Right),
            (b"\x1bOD", Key::Left),
            (b"\x1b[1;5A", Key::Up),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6;2~", Key::PageDown),
            (b"\x1b[H", Key::Home),
            (b"\x1b[4~", Key::End),
            (b"\x1b[Z", Key::BackTab),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_whole_and_what_is_cut_hides_nothing_behind_it() {
        let letter = |letter| Key::Character(letter);
        for (bytes, expected) in [
            (&b"\x1b[99;99~j"[..], vec![letter('j')]),
            (b"\x1b[<0;10;20Mj", vec![letter('j')]),
            (b"\x1bxj", vec![letter('j')]),
            (b"\x1b[5\x1b[Aj", vec![Key::Up, letter('j')]),
            (b"\x1b\x1b", vec![Key::Escape, Key::Escape]),
            (b"\x1b[", vec![]),
            (b"\xf0\x9f", vec![]),
            (b"\xffj", vec![letter('j')]),
            (b"\0\x1cj", vec![letter('j')]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_sequence_without_an_end_is_given_up() {
        let mut reader = KeyReader::default();
        reader.read(ESCAPE);
        reader.read(b'[');
        for _ in 0..1000 {
            reader.read(b'1');
            assert!(reader.begun.len() <= LONGEST);
        }
        reader.pause();
        assert_eq!(reader.read(b'j'), Some(Key::Character('j')));
    }

    #[test]
    fn no_bytes_stop_it() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.usize(..12))
                .map(|_| *[random.u8(..), ESCAPE, b'[', b'O', b'1', b'~'].get(random.usize(..6)).unwrap())
                .collect();
            let mut reader = KeyReader::default();
            bytes.iter().for_each(|byte| _ = reader.read(*byte));
            reader.pause();
            assert_eq!(reader.read(b'q'), Some(Key::Character('q')), "{bytes:?}");
        }
    }
}
