//! A line of a trace as `demo --trace` prints it: short, and with the names of those that speak.

use super::line::Line;
use crate::net::tap::Direction;
use crate::text::{excerpt, fixed};
use std::fmt::Write as _;
use std::time::Duration;

/// What an address is called.
pub type Names = Vec<(String, &'static str)>;

/// Bytes that are shown: the length and the id of a message, or the beginning of a handshake.
const SHOWN: usize = 5;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Its reason.
    reason: String,
    /// The requests of one piece that stand in one line.
    requests: Option<Requests>,
}

/// Requests of blocks of one piece, told in one line.
#[derive(Debug)]
struct Requests {
    peer: String,
    /// What the first one means, up to its block.
    piece: String,
    /// Where the end of the line begins.
    end: usize,
    /// How many stand there, besides the first.
    more: usize,
}

impl Line {
    /// Adds it. A reason is told where it is not that of the line before, and further requests of one piece in the line
    /// of the first, if that is not written yet.
    pub(super) fn write_story(&self, time: Duration, names: &Names, told: &mut Told, out: &mut String) {
        // The handshake comes next, and tells it.
        if self.message == "connected" || told.goes_on(self, out) {
            return;
        }
        told.requests = None;
        let seconds = fixed(time.as_secs_f64(), 3);
        let name = names.iter().find(|(address, _)| *address == self.peer).map_or("", |(_, name)| name);
        let who = match self.direction {
            Some(Direction::In) => format!("{name} -> us"),
            Some(Direction::Out) => format!("us -> {name}"),
            None if self.peer.is_empty() => {
                // Writing to a String does not fail.
                let _ = writeln!(out, "{seconds}     * {}", self.meaning);
                return;
            }
            None => format!("with {name}"),
        };
        let mut digits = String::new();
        for (at, byte) in self.bytes.iter().enumerate().take(SHOWN) {
            let is_apart = at == if self.is_handshake { 1 } else { 4 };
            let _ = write!(digits, "{}{byte:02x}", if is_apart { " " } else { "" });
        }
        if self.length > SHOWN as u64 {
            digits.push_str("..");
        }
        let why = self.why.as_deref().unwrap_or_default();
        let meaning = excerpt(&self.meaning, 200);
        let _ = write!(out, "{seconds} {who:<13} {:<14} {digits:<13} {meaning}", self.message);
        if !why.is_empty() && why != told.reason {
            let _ = write!(out, "; {why}");
        }
        told.requests = self.piece().map(|piece| Requests {
            peer: self.peer.clone(),
            piece: piece.to_owned(),
            end: out.len(),
            more: 0,
        });
        out.push('\n');
        why.clone_into(&mut told.reason);
    }

    /// Of a request of ours, the words that name the piece.
    fn piece(&self) -> Option<&str> {
        let is_request = self.message == "request" && self.direction == Some(Direction::Out);
        self.meaning.split_once(',').map(|(piece, _)| piece).filter(|_| is_request)
    }
}

impl Told {
    /// Whether this is one more request of those that were told last, which is added to their line then.
    fn goes_on(&mut self, line: &Line, out: &mut String) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        let is_written = out.get(requests.end..).is_none_or(str::is_empty);
        let is_same = line.piece() == Some(&requests.piece) && line.peer == requests.peer;
        if is_written || !is_same || line.why.as_deref().unwrap_or_default() != self.reason {
            return false;
        }
        requests.more += 1;
        out.truncate(requests.end);
        let blocks = if requests.more == 1 { "block" } else { "blocks" };
        let _ = writeln!(out, "; and {} more {blocks} of it", requests.more);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(peer: &str, message: &str, meaning: &str, why: &str) -> Line {
        let (peer, message, meaning) = (peer.to_owned(), message.into(), meaning.to_owned());
        Line {
            peer,
            message,
            meaning,
            why: Some(why.to_owned()),
            direction: Some(Direction::Out),
            ..Line::default()
        }
    }

    #[test]
    fn requests_of_one_piece_stand_in_one_line_until_it_is_written() {
        let (mut told, mut out) = (Told::default(), String::new());
        let mut tell =
            |line: Line, out: &mut String| line.write_story(Duration::ZERO, &Vec::new(), &mut told, out);
        for block in 0..4 {
            tell(line("A", "request", &format!("piece 2, block {block} of 4"), "rarest"), &mut out);
        }
        tell(line("A", "request", "piece 3, block 0 of 4", "rarest"), &mut out);
        tell(line("B", "request", "piece 3, block 1 of 4", "rarest"), &mut out);
        tell(line("B", "request", "piece 3, block 2 of 4", "another peer owes it"), &mut out);
        tell(line("B", "connected", "", ""), &mut out);
        let ends: Vec<&str> = out.lines().map(|line| &line[line.find("piece").unwrap()..]).collect();
        assert_eq!(
            ends,
            [
                "piece 2, block 0 of 4; rarest; and 3 more blocks of it",
                "piece 3, block 0 of 4",
                "piece 3, block 1 of 4",
                "piece 3, block 2 of 4; another peer owes it",
            ]
        );
        out.clear();
        tell(line("B", "request", "piece 3, block 3 of 4", "another peer owes it"), &mut out);
        assert_eq!(out.lines().count(), 1, "{out}");
    }
}
