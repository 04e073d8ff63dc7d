//! Lines of which parts have a look, and the bytes that show them.
//!
//! A look never says anything that the words do not say: where there are no colours, and for who cannot tell them apart,
//! nothing is lost.

use super::super::super::columns::{cut, width};
use crate::text::printable;

/// How a part of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As other text.
    Plain,
    /// Bold: a heading.
    Strong,
    /// Dark on light: what the next key is about.
    Chosen,
    /// It goes well: green.
    Good,
    /// The user should know: yellow.
    Warning,
    /// It goes wrong: red.
    Bad,
}

/// A line of a full screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StyledLine(Vec<(Look, String)>);

impl StyledLine {
    /// A line of one look.
    pub fn of(look: Look, text: impl Into<String>) -> StyledLine {
        StyledLine(vec![(look, text.into())])
    }

    /// The line with this text behind it.
    pub fn with(mut self, look: Look, text: impl Into<String>) -> StyledLine {
        self.0.push((look, text.into()));
        self
    }

    /// Its words.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The bytes that show it in at most so many columns, and whether they fill them all. Neither control characters nor,
    /// where `ascii` is set, any others beyond ASCII are among its words.
    pub fn painted(&self, columns: usize, in_colour: bool, ascii: bool) -> (String, bool) {
        let (mut out, mut left) = (String::new(), columns);
        for (look, text) in &self.0 {
            let text = cut(&printable(text), left);
            left = left.saturating_sub(width(&text));
            let text = if ascii { in_ascii(&text) } else { text };
            match code(*look, in_colour) {
                Some(code) if !text.is_empty() => out.push_str(&format!("\x1b[{code}m{text}\x1b[0m")),
                _ => out.push_str(&text),
            }
        }
        (out, left == 0)
    }
}

/// What selects the look (ECMA-48, SGR). Bold and reversed are no colours.
fn code(look: Look, in_colour: bool) -> Option<&'static str> {
    match (look, in_colour) {
        (Look::Plain, _) | (Look::Good, false) => None,
        (Look::Strong, _) | (Look::Warning | Look::Bad, false) => Some("1"),
        (Look::Chosen, _) => Some("7"),
        (Look::Good, true) => Some("32"),
        (Look::Warning, true) => Some("33"),
        (Look::Bad, true) => Some("31"),
    }
}

/// The text in as many columns, for a terminal that would show something else for what is not ASCII.
fn in_ascii(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '…' => out.push('~'),
            _ if character.is_ascii() => out.push(character),
            _ => out.extend(std::iter::repeat_n('?', width(character.encode_utf8(&mut [0; 4])))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_stranger_controls_the_terminal_or_takes_more_columns() {
        for text in
            ["a\x1b[2Jb", "gpj.\u{202e}exe", "別の世界", "e\u{301}te\u{301}", "\u{9b}2J", "👩\u{200d}🔬x"]
        {
            for columns in 0..12 {
                for ascii in [false, true] {
                    let line = StyledLine::of(Look::Plain, text).with(Look::Plain, text);
                    let (shown, _) = line.painted(columns, true, ascii);
                    assert!(width(&shown) <= columns, "{shown:?} in {columns}");
                    assert!(!shown.contains(['\x1b', '\u{202e}', '\u{9b}']), "{shown:?}");
                    assert!(!ascii || shown.is_ascii(), "{shown:?}");
                }
            }
        }
    }

    #[test]
    fn without_colours_the_words_are_the_same_and_no_colour_is_selected() {
        let looks = [Look::Plain, Look::Strong, Look::Chosen, Look::Good, Look::Warning, Look::Bad];
        let line = looks.into_iter().fold(StyledLine::default(), |line, look| line.with(look, "ab"));
        let words = |shown: String| -> String {
            shown.split("\x1b[").map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect()
        };
        let (colourless, is_full) = line.painted(12, false, false);
        assert!(!colourless.contains("\x1b[3"), "{colourless:?}");
        assert_eq!(words(colourless), words(line.painted(12, true, false).0));
        assert!(is_full && !line.painted(13, true, false).1);
    }
}
