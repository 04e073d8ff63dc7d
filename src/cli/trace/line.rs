//! One line of a trace: for people, or as JSON.

use crate::cli::json;
use crate::metainfo::InfoHash;
use crate::net::tap::Direction;
use crate::text::{excerpt, fixed};
use std::fmt::Write as _;
use std::time::Duration;

/// Bytes of a message that are shown.
const SHOWN: usize = 20;
/// The most characters of a meaning, which may have words of strangers in it.
const LONGEST: usize = 400;

/// One line.
#[derive(Debug, Default)]
pub struct Line {
    /// Who is at the other end.
    pub peer: String,
    /// The torrent that the connection is about.
    pub torrent: Option<InfoHash>,
    /// Who says it; `None` if nothing is said.
    pub direction: Option<Direction>,
    /// The name of the message, or of what happened.
    pub message: String,
    /// Its first bytes.
    pub(super) bytes: Vec<u8>,
    /// It is a handshake, and no frame.
    pub(super) is_handshake: bool,
    /// It is a packet, whose numbers have four bytes.
    pub(super) is_packet: bool,
    /// How many it has.
    pub(super) length: u64,
    /// What it means.
    pub(super) meaning: String,
    /// Why we sent it.
    pub(super) why: Option<String>,
}

impl Line {
    /// Something that happened with this peer.
    pub fn event(peer: String, message: &str, meaning: String) -> Line {
        Line { peer, message: message.to_owned(), meaning, ..Line::default() }
    }

    /// So much was left out.
    pub(super) fn lost(count: usize) -> Line {
        let meaning = format!("{count} lines are left out here, as they could not be written fast enough");
        Line::event(String::new(), "lost", meaning)
    }

    /// Keeps of the bytes of a message what is shown.
    pub(super) fn keep(&mut self, bytes: &[u8], length: u64) {
        (self.bytes, self.length) = (bytes.iter().take(SHOWN).copied().collect(), length);
    }

    /// Adds it for people.
    pub(super) fn write_text(&self, time: Duration, out: &mut String) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{} {}", fixed(time.as_secs_f64(), 3), self.text());
    }

    /// For people, without the time: who, the message, its first bytes, what it means and why we sent it. Fit to print.
    pub fn text(&self) -> String {
        let who = match self.direction {
            _ if self.peer.is_empty() => String::new(),
            Some(Direction::In) => format!("{} -> us", self.peer),
            Some(Direction::Out) => format!("us -> {}", self.peer),
            None => format!("with {}", self.peer),
        };
        let (message, bytes, meaning) = (&self.message, self.hex(true), self.sentence());
        format!("{who:<27}  {message:<15} {bytes:<28} {meaning}")
    }

    /// For few columns, without the time and the peer: which way (`<` to us, `>` from us), the message, what it means, why
    /// we sent it, and its first bytes. Fit to print.
    #[cfg(feature = "watch")]
    pub fn short(&self) -> String {
        let way = match self.direction {
            Some(Direction::In) => '<',
            Some(Direction::Out) => '>',
            None => ' ',
        };
        let (message, sentence, bytes) = (&self.message, self.sentence(), self.hex(true));
        let line = format!("{way} {message:<14} {sentence}  {bytes}");
        line.trim_end().to_owned()
    }

    /// What it means, and why we sent it. Fit to print.
    pub fn sentence(&self) -> String {
        let mut meaning = excerpt(&self.meaning, LONGEST);
        if let Some(why) = &self.why {
            meaning.push_str("; ");
            meaning.push_str(&excerpt(why, LONGEST));
        }
        meaning
    }

    /// Adds it as an object of JSON.
    pub fn write_json(&self, time: Duration, out: &mut String) {
        let _ = write!(out, "{{\"time\":{}.{:03}", time.as_secs(), time.subsec_millis());
        let direction = self.direction.map(|way| if way == Direction::In { "in" } else { "out" });
        let bytes = self.hex(false);
        let texts = [
            ("peer", Some(self.peer.as_str()).filter(|peer| !peer.is_empty())),
            ("direction", direction),
            ("message", Some(self.message.as_str())),
            ("bytes", Some(bytes.as_str()).filter(|bytes| !bytes.is_empty())),
        ];
        let words = [("meaning", Some(&self.meaning)), ("why", self.why.as_ref())];
        texts.into_iter().for_each(|(name, text)| add(out, name, text));
        if self.length > 0 {
            let _ = write!(out, ",\"length\":{}", self.length);
        }
        words
            .into_iter()
            .for_each(|(name, text)| add(out, name, text.map(|text| excerpt(text, LONGEST)).as_deref()));
        out.push_str("}\n");
    }

    /// The first bytes in hexadecimal digits; for people with spaces behind the length and the id of
    /// a frame, behind the length of the protocol's name in a handshake, and behind each number of a packet.
    fn hex(&self, for_people: bool) -> String {
        let mut digits = String::with_capacity(SHOWN * 2 + 8);
        for (at, byte) in self.bytes.iter().enumerate() {
            let is_behind_field = match (self.is_packet, self.is_handshake) {
                (true, _) => at > 0 && at % 4 == 0,
                (false, true) => at == 1,
                (false, false) => at == 4 || at == 5,
            };
            if for_people && is_behind_field {
                digits.push(' ');
            }
            let _ = write!(digits, "{byte:02x}");
        }
        if for_people && self.length > self.bytes.len() as u64 {
            digits.push_str("..");
        }
        digits
    }
}

fn add(out: &mut String, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        let _ = write!(out, ",\"{name}\":");
        json::push_string(out, text);
    }
}
