//! The lines of the settings file.
//!
//! ```text
//! # A comment has a line of its own.
//! down-limit = 2M
//! no-dht
//!
//! [seed]
//! up-limit = 500K
//! ```
//!
//! A name and its value have a sign between them, or blanks, and dashes may stand in front, as on the command line.
//! What stands under a head is for that command alone. A value goes to the end of its line. Blanks around it are no part
//! of it, and neither are quotes around all of it. Pure.

use crate::text::excerpt;

/// The most characters of a line that an error shows.
const MOST_SHOWN: usize = 60;

/// An option of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Which line it is, from 1 on.
    pub number: usize,
    /// The head that it stands under.
    pub head: Option<String>,
    /// The long name of the option, without dashes.
    pub key: String,
    /// Its value. `None` where nothing but the name stands there.
    pub value: Option<String>,
}

/// A line that means nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which line it is, from 1 on.
    pub number: usize,
    /// The reason and the way out.
    pub why: String,
}

/// The options in these bytes, in their order.
///
/// # Errors
///
/// A line is not UTF-8, or neither an option nor a head nor a comment.
pub fn parse(bytes: &[u8]) -> Result<Vec<Line>, BadLine> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (mut head, mut lines) = (None, Vec::new());
    for (number, line) in (1_usize..).zip(bytes.split(|byte| *byte == b'\n')) {
        let bad = |why: String| BadLine { number, why };
        let line = std::str::from_utf8(line)
            .map_err(|_| bad("it is not UTF-8 (save the file as UTF-8)".to_owned()))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.chars().any(|letter| letter.is_control() && letter != '\t') {
            return Err(bad("it has a control character in it (is this a text file?)".to_owned()));
        }
        match line.strip_prefix('[') {
            Some(rest) => {
                let name = rest.strip_suffix(']').map(str::trim).filter(|name| is_name(name));
                let expected = || bad(format!("{} is no head (write it as [get])", shown(line)));
                head = Some(name.ok_or_else(expected)?.to_owned());
            }
            None => {
                let (key, value) = option(line).map_err(bad)?;
                lines.push(Line { number, head: head.clone(), key, value });
            }
        }
    }
    Ok(lines)
}

/// The name and the value in a line.
fn option(line: &str) -> Result<(String, Option<String>), String> {
    let bare = line.strip_prefix("--").unwrap_or(line);
    let end = bare.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(bare.len());
    let (key, rest) = bare.split_at(end);
    if !is_name(key) {
        // What does not begin with a name may be a value, and a secret.
        let what = if line.starts_with('-') {
            "single letters are not taken here"
        } else {
            "it begins with no name"
        };
        return Err(format!("{what} (write options by their long names, as in down-limit = 2M)"));
    }
    let rest = rest.trim_start();
    let value = match rest.strip_prefix('=') {
        Some(value) => Some(value.trim_start()),
        None => Some(rest).filter(|value| !value.is_empty()),
    };
    Ok((key.to_owned(), value.map(|value| unquoted(value).to_owned())))
}

/// What stands between quotes, if they are around all of it.
fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_part)
}

fn shown(line: &str) -> String {
    excerpt(line, MOST_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<(String, Option<String>), String> {
        let mut lines = parse(line.as_bytes()).map_err(|bad| bad.why)?;
        assert_eq!(lines.len(), 1, "{line}");
        let Line { key, value, .. } = lines.remove(0);
        Ok((key, value))
    }

    #[test]
    fn a_name_and_its_value_have_a_sign_or_blanks_between_them() {
        for (line, key, value) in [
            ("down-limit = 2M", "down-limit", Some("2M")),
            ("down-limit=2M", "down-limit", Some("2M")),
            ("--down-limit 2M  ", "down-limit", Some("2M")),
            ("\t--down-limit=2M\r", "down-limit", Some("2M")),
            ("no-dht", "no-dht", None),
            ("no-dht =", "no-dht", Some("")),
            ("user-agent a = b # c", "user-agent", Some("a = b # c")),
            ("user-agent = =", "user-agent", Some("=")),
            ("output-dir = '/srv/my files '", "output-dir", Some("/srv/my files ")),
            ("output-dir = \"x", "output-dir", Some("\"x")),
            ("select = \"", "select", Some("\"")),
            ("select = příliš žluťoučký", "select", Some("příliš žluťoučký")),
        ] {
            assert_eq!(one(line), Ok((key.to_owned(), value.map(str::to_owned))), "{line}");
        }
    }

    #[test]
    fn what_stands_under_a_head_is_for_its_command() {
        let text = b"\xef\xbb\xbf# all\r\na 1\r\n\r\n[get]\r\nb\n  [ seed ]  \n# c\nc=2\n[get]\nd";
        let lines = parse(text).unwrap();
        let found: Vec<_> =
            lines.iter().map(|line| (line.number, line.head.as_deref(), line.key.as_str())).collect();
        assert_eq!(
            found,
            [(2, None, "a"), (5, Some("get"), "b"), (8, Some("seed"), "c"), (10, Some("get"), "d")]
        );
    }

    #[test]
    fn a_line_that_means_nothing_is_named_by_its_number() {
        for (text, number, word) in [
            (&b"a\n\xff\n"[..], 2, "UTF-8"),
            (b"\n\n[get", 3, "head"),
            (b"[]", 1, "head"),
            (b"[get] x", 1, "head"),
            (b"= 7", 1, "name"),
            (b"-q", 1, "letters"),
            (b"---x", 1, "letters"),
            (b"a\0b", 1, "control"),
            (b"a = \x1b[2J", 1, "control"),
            (b"http://me:secret@a/", 1, "name"),
        ] {
            let bad = parse(text).unwrap_err();
            assert_eq!(bad.number, number, "{text:?}");
            assert!(bad.why.contains(word) && !bad.why.contains("secret"), "{}", bad.why);
        }
    }
}
