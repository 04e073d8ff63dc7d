//! As much XML as a description of a router needs: which element begins, which ends, and the text in it.
//!
//! Pure, and without memory of its own beyond the depth: it walks once over the text. Attributes, comments and
//! processing instructions are skipped, prefixes of names are cut off. A document type is refused, and with it all
//! entities that a text could define for itself: a few hundred bytes of them can stand for gigabytes.

use std::borrow::Cow;

/// The deepest nesting. Descriptions have eight levels.
const MAX_DEPTH: usize = 32;
/// The longest text of an element that is read. A longer one is cut.
pub const MAX_TEXT: usize = 2048;

/// A step of the walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// An element begins.
    Begin(&'a str),
    /// Text, with its entities replaced.
    Text(Cow<'a, str>),
    /// The element that began last ends.
    End,
}

/// The text is no XML that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The walk.
#[derive(Debug)]
pub struct Xml<'a> {
    rest: &'a str,
    depth: usize,
    /// The element that began last is empty, so its end comes next.
    ends: bool,
}

impl<'a> Xml<'a> {
    /// A walk over this text.
    pub fn new(text: &'a str) -> Xml<'a> {
        Xml { rest: text.trim_start_matches('\u{feff}'), depth: 0, ends: false }
    }

    /// The next step; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Malformed`], after which the walk makes no sense.
    pub fn next_step(&mut self) -> Result<Option<Step<'a>>, Malformed> {
        if std::mem::take(&mut self.ends) {
            return self.end().map(Some);
        }
        loop {
            let Some(tag) = self.rest.strip_prefix('<') else {
                if self.rest.is_empty() {
                    return Ok(None);
                }
                let (text, rest) = self.rest.split_at(self.rest.find('<').unwrap_or(self.rest.len()));
                self.rest = rest;
                return Ok(Some(Step::Text(decoded(cut(text))?)));
            };
            if let Some(comment) = tag.strip_prefix("!--") {
                self.rest = comment.split_once("-->").ok_or(Malformed)?.1;
            } else if let Some(plain) = tag.strip_prefix("![CDATA[") {
                let (text, rest) = plain.split_once("]]>").ok_or(Malformed)?;
                self.rest = rest;
                return Ok(Some(Step::Text(Cow::Borrowed(cut(text)))));
            } else if tag.starts_with('!') {
                return Err(Malformed);
            } else if let Some(instruction) = tag.strip_prefix('?') {
                self.rest = instruction.split_once("?>").ok_or(Malformed)?.1;
            } else if let Some(name) = tag.strip_prefix('/') {
                self.rest = name.split_once('>').ok_or(Malformed)?.1;
                return self.end().map(Some);
            } else {
                return self.begin(tag).map(Some);
            }
        }
    }

    fn begin(&mut self, tag: &'a str) -> Result<Step<'a>, Malformed> {
        let inside = tag.get(..end_of_tag(tag)?).ok_or(Malformed)?;
        self.rest = tag.get(inside.len().saturating_add(1)..).ok_or(Malformed)?;
        self.ends = inside.ends_with('/');
        let name = inside.split(|letter: char| letter.is_ascii_whitespace() || letter == '/').next();
        let name = name.filter(|name| !name.is_empty()).ok_or(Malformed)?;
        self.depth = self.depth.checked_add(1).filter(|depth| *depth <= MAX_DEPTH).ok_or(Malformed)?;
        Ok(Step::Begin(name.rsplit(':').next().unwrap_or(name)))
    }

    fn end(&mut self) -> Result<Step<'a>, Malformed> {
        self.depth = self.depth.checked_sub(1).ok_or(Malformed)?;
        Ok(Step::End)
    }
}

/// Where the tag ends: at a `>` that stands in no quotes.
fn end_of_tag(tag: &str) -> Result<usize, Malformed> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Ok(at),
            (None, b'<') => return Err(Malformed),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    Err(Malformed)
}

fn cut(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let text = text.get(..end).unwrap_or_default();
    // An entity that was cut is none.
    match text.rfind('&') {
        Some(at) if !text.get(at..).is_some_and(|rest| rest.contains(';')) => {
            text.get(..at).unwrap_or_default()
        }
        _ => text,
    }
}

/// The text with the five entities that XML itself has, and with characters that are given as numbers.
fn decoded(text: &str) -> Result<Cow<'_, str>, Malformed> {
    let Some((plain, mut rest)) = text.split_once('&') else { return Ok(Cow::Borrowed(text)) };
    let mut whole = plain.to_owned();
    loop {
        let (name, after) = rest.split_once(';').ok_or(Malformed)?;
        whole.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#').ok_or(Malformed)?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                code.ok().and_then(char::from_u32).ok_or(Malformed)?
            }
        });
        match after.split_once('&') {
            Some((plain, next)) => {
                whole.push_str(plain);
                rest = next;
            }
            None => {
                whole.push_str(after);
                return Ok(Cow::Owned(whole));
            }
        }
    }
}

/// Calls `element` with the names of the elements around it, outermost first, and the text of each element that has
/// one, in the order in which they end.
///
/// # Errors
///
/// [`Malformed`]. What came before was given to `element` already.
pub fn each_text(text: &str, mut element: impl FnMut(&[&str], &str)) -> Result<(), Malformed> {
    let (mut xml, mut names, mut said) = (Xml::new(text), Vec::new(), String::new());
    while let Some(step) = xml.next_step()? {
        match step {
            Step::Begin(name) => {
                names.push(name);
                said.clear();
            }
            Step::Text(text) if said.len() < MAX_TEXT => said.push_str(&text),
            Step::Text(_) => {}
            Step::End => {
                element(&names, said.trim());
                said.clear();
                names.pop();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Result<Vec<String>, Malformed> {
        let mut found = Vec::new();
        each_text(text, |names, text| found.push(format!("{}={text}", names.join("/"))))?;
        Ok(found)
    }

    #[test]
    fn elements_are_read_with_their_text_and_whatever_stands_between_is_skipped() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a > comment -->\n<s:a x='>' y=\"/\">\n \
                    <u:b> one &amp; two&#33;&#x3c; </u:b><c/><d z='1'/><e><![CDATA[<&raw;>]]></e></s:a>";
        let expected = ["a/b=one & two!<", "a/c=", "a/d=", "a/e=<&raw;>", "a="];
        assert_eq!(texts(text).unwrap(), expected);
    }

    #[test]
    fn a_bomb_of_entities_is_refused_at_its_first_byte() {
        let bomb = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert_eq!(texts(bomb), Err(Malformed));
        assert_eq!(texts("<a>&c;</a>"), Err(Malformed));
    }

    #[test]
    fn nesting_and_text_have_a_bound() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(texts(&nested(32)).is_ok());
        assert_eq!(texts(&nested(33)), Err(Malformed));
        let long = texts(&format!("<a>{}&amp;&amp;</a>", "\u{e9}".repeat(5000))).unwrap();
        assert_eq!(long[0].len(), 2 + MAX_TEXT);
        let many = texts(&format!("<a>{}</a>", "<![CDATA[0123456789]]>".repeat(5000))).unwrap();
        assert!(many[0].len() < MAX_TEXT + 20);
    }

    #[test]
    fn what_breaks_off_or_ends_what_has_not_begun_is_malformed() {
        for text in [
            "<a",
            "<a x='>",
            "</a>",
            "<a></a></a>",
            "<>",
            "< a>",
            "<!-- ",
            "<![CDATA[",
            "<?x",
            "<a>&amp",
            "<a>&#x110000;</a>",
            "<a <b>",
        ] {
            assert_eq!(texts(text), Err(Malformed), "{text}");
        }
        assert_eq!(texts(""), Ok(Vec::new()));
    }
}
