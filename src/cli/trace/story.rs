//! A line of a trace as `demo --trace` prints it: short, and with the names of those that speak.

use super::line::Line;
use crate::net::tap::Direction;
use crate::text::fixed;
use std::fmt::Write as _;
use std::time::Duration;

/// What an address is called.
pub type Names = Vec<(String, &'static str)>;

/// Bytes that are shown: the length and the id of a message, or the beginning of a handshake.
const SHOWN: usize = 5;

impl Line {
    /// Adds it. A reason is told where it is not that of the line before, which is `last`.
    pub(super) fn write_story(&self, time: Duration, names: &Names, last: &mut String, out: &mut String) {
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
        let meaning = crate::text::excerpt(&self.meaning, 200);
        let _ = write!(out, "{seconds} {who:<13} {:<14} {digits:<13} {meaning}", self.message);
        if !why.is_empty() && why != last.as_str() {
            let _ = write!(out, "; {why}");
        }
        out.push('\n');
        last.clear();
        last.push_str(why);
    }
}
