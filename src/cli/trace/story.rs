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
    /// The message that all peers get, where it was told of the first one.
    news: Option<News>,
}

/// A *have*, told in one line for all peers that get it.
#[derive(Debug)]
struct News {
    meaning: String,
    /// Where the line begins whom it is for, and where it ends.
    at: (usize, usize),
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
        let name = names.iter().find(|(address, _)| *address == self.peer).map_or("", |(_, name)| name);
        if self.message == "connected" || told.goes_on(self, out) || told.goes_to(self, name, out) {
            return;
        }
        (told.requests, told.news) = (None, None);
        let seconds = fixed(time.as_secs_f64(), 3);
        let begin = out.len() + seconds.len() + 1;
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
        let is_news = self.message == "have" && self.direction == Some(Direction::Out);
        told.news = is_news.then(|| News { meaning: self.meaning.clone(), at: (begin, out.len()) });
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
    /// Whether this is the *have* that was told last, to one peer more, whose name is added to its line then.
    fn goes_to(&self, line: &Line, name: &str, out: &mut String) -> bool {
        let Some(News { meaning, at: (begin, end) }) = &self.news else { return false };
        let is_same =
            line.message == "have" && line.direction == Some(Direction::Out) && line.meaning == *meaning;
        // Blanks behind the first name make room.
        let place = out.get(*begin..*end).and_then(|told| told.split_once("   ")).filter(|_| is_same);
        let Some((whom, _)) = place.filter(|(whom, _)| out.ends_with('\n') && whom.starts_with("us -> "))
        else {
            return false;
        };
        let (at, more) = (begin + whom.len(), format!(", {name}"));
        out.replace_range(at..at + more.len(), &more);
        true
    }

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
    fn what_all_peers_are_told_stands_in_one_line_until_it_is_written() {
        let (mut told, mut out) = (Told::default(), String::new());
        let names = vec![("1".to_owned(), "A"), ("2".to_owned(), "B"), ("3".to_owned(), "C")];
        let mut tell =
            |line: Line, out: &mut String| line.write_story(Duration::ZERO, &names, &mut told, out);
        for (peer, piece) in [("1", 3), ("2", 3), ("1", 4), ("2", 4)] {
            tell(line(peer, "have", &format!("has piece {piece} now"), "it verifies"), &mut out);
        }
        let lines: Vec<&str> = out.lines().map(|line| line.trim_end()).collect();
        assert_eq!(lines.len(), 2, "{out}");
        assert!(
            lines[0].starts_with("0.000 us -> A, B    have ")
                && lines[0].ends_with("has piece 3 now; it verifies")
        );
        assert!(lines[1].starts_with("0.000 us -> A, B    have "), "{out}");
        out.clear();
        tell(line("3", "have", "has piece 4 now", "it verifies"), &mut out);
        assert!(out.starts_with("0.000 us -> C "), "{out}");
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
