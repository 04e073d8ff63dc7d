//! What is drawn on standard error: lines below all that was printed, or the whole screen. While the whole screen is
//! drawn, what is printed is kept, and stands where it would have stood when the first screen is back. Pure.

use super::super::block::Block;
use super::sheet::Sheet;

/// Bytes of what was printed that are kept. Beyond that the oldest lines are left out.
const MOST_HELD: usize = 64 * 1024;

/// What is drawn.
#[derive(Debug, Default)]
pub struct Surface {
    block: Block,
    full: Sheet,
    /// Whole lines that wait for the first screen.
    held: String,
    /// Lines that had no room.
    lost: usize,
}

impl Surface {
    pub const fn new() -> Surface {
        Surface { block: Block::new(), full: Sheet::new(), held: String::new(), lost: 0 }
    }

    /// The bytes that draw these lines below all that was printed.
    pub fn draw(&mut self, lines: Vec<String>, columns: usize) -> String {
        if self.full.is_shown() { String::new() } else { self.block.draw(lines, columns) }
    }

    /// The bytes that take the lines away.
    pub fn clear(&mut self, columns: usize) -> String {
        if self.full.is_shown() { String::new() } else { self.block.clear(columns) }
    }

    /// The bytes that print whole lines.
    pub fn print(&mut self, text: &str, columns: usize) -> String {
        if !self.full.is_shown() {
            return self.block.print(text, columns);
        }
        self.held.push_str(text);
        while self.held.len() > MOST_HELD {
            let end = self.held.find('\n').map_or(self.held.len(), |end| end + 1);
            self.held.drain(..end);
            self.lost = self.lost.saturating_add(1);
        }
        String::new()
    }

    /// The bytes that draw the whole screen.
    pub fn draw_all(&mut self, rows: Vec<(String, bool)>, size: (usize, usize)) -> String {
        let mut out = if self.full.is_shown() { String::new() } else { self.block.clear(size.0) };
        out.push_str(&self.full.draw(rows, size));
        out
    }

    /// The bytes that bring the first screen back, with what was printed meanwhile.
    pub fn leave(&mut self, columns: usize) -> String {
        let mut out = self.full.leave().to_owned();
        if self.lost > 0 {
            out.push_str(&format!("({} earlier lines are left out)\n", std::mem::take(&mut self.lost)));
        }
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            out.push_str(&self.block.print(&held, columns));
        }
        out
    }

    /// What is on the screen is no longer ours to change.
    pub fn forget(&mut self) {
        self.block.forget();
        self.full.forget();
    }

    /// Whether the whole screen is drawn.
    pub fn is_full(&self) -> bool {
        self.full.is_shown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_while_the_screen_is_full_stands_there_afterwards() {
        let mut surface = Surface::new();
        surface.draw(vec!["bar".to_owned()], 20);
        let entered = surface.draw_all(vec![("row".to_owned(), false)], (20, 5));
        assert!(entered.find("\x1b[J") < entered.find("\x1b[?1049h"), "first the bar goes: {entered:?}");
        assert_eq!(surface.print("news\n", 20) + &surface.draw(vec!["bar".to_owned()], 20), "");
        let left = surface.leave(20);
        assert!(left.ends_with("\x1b[?1049lnews\n"), "{left:?}");
        assert_eq!(surface.leave(20), "");
        assert_eq!(surface.draw(vec!["bar".to_owned()], 20), "\x1b[2Kbar\n");
    }

    #[test]
    fn what_is_kept_has_a_bound_and_the_last_lines_are_there() {
        let mut surface = Surface::new();
        surface.draw_all(Vec::new(), (20, 5));
        (0..5_000).for_each(|number| _ = surface.print(&format!("this is line number {number}\n"), 20));
        surface.print(&format!("{}\n", "x".repeat(MOST_HELD)), 20);
        surface.print("the end\n", 20);
        assert!(surface.held.len() <= MOST_HELD);
        let left = surface.leave(20);
        assert!(
            left.contains("(5001 earlier lines are left out)\n") && left.ends_with("the end\n"),
            "{left:?}"
        );
    }
}
