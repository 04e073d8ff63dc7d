//! A screen that is all ours, for as long as it is shown: the terminal's second one, so that what stood on the first comes
//! back. Pure: it makes the bytes, and `cli/terminal.rs` writes each frame at once.
//!
//! Only rows that differ from what is there are written, between two marks that have a terminal which knows them show all
//! of it at once. Nothing is erased that is written again, so that nothing flickers.

/// Shows the second screen, hides the cursor, and has lines that are too long end at the edge.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// The same backwards.
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
const BEGIN_UPDATE: &str = "\x1b[?2026h";
const END_UPDATE: &str = "\x1b[?2026l";
const ERASE_ALL: &str = "\x1b[2J";
const ERASE_TO_EDGE: &str = "\x1b[K";

/// What is on it.
#[derive(Debug, Default)]
pub struct Sheet {
    /// The bytes of each row that is on the screen. `None` while it is not shown.
    rows: Option<Vec<String>>,
    /// Columns and rows when it was drawn.
    size: (usize, usize),
}

impl Sheet {
    pub const fn new() -> Sheet {
        Sheet { rows: None, size: (0, 0) }
    }

    /// Whether it is shown.
    pub fn is_shown(&self) -> bool {
        self.rows.is_some()
    }

    /// The bytes that show these rows, each with whether it fills all columns, on a screen of this size. None if nothing
    /// has changed.
    pub fn draw(&mut self, rows: Vec<(String, bool)>, size: (usize, usize)) -> String {
        let mut out = String::new();
        if self.rows.is_none() {
            out.push_str(ENTER);
        }
        if self.rows.is_none() || self.size != size {
            (self.rows, self.size) = (Some(Vec::new()), size);
            out.push_str(ERASE_ALL);
        }
        let drawn = self.rows.get_or_insert_default();
        drawn.resize(size.1, String::new());
        let rows = rows.into_iter().chain(std::iter::repeat((String::new(), false)));
        for (number, (drawn, (row, is_full))) in drawn.iter_mut().zip(rows).enumerate() {
            if *drawn != row {
                let rest = if is_full { "" } else { ERASE_TO_EDGE };
                out.push_str(&format!("\x1b[{};1H{row}{rest}", number.saturating_add(1)));
                *drawn = row;
            }
        }
        if out.is_empty() { out } else { format!("{BEGIN_UPDATE}{out}{END_UPDATE}") }
    }

    /// The bytes that bring the first screen back.
    pub fn leave(&mut self) -> &'static str {
        if self.rows.take().is_some() { LEAVE } else { "" }
    }

    /// Something else may be on the screen.
    pub fn forget(&mut self) {
        if self.rows.is_some() {
            // No terminal has this size.
            self.size = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(all: &[&str]) -> Vec<(String, bool)> {
        all.iter().map(|row| ((*row).to_owned(), row.len() == 5)).collect()
    }

    #[test]
    fn only_rows_that_differ_are_written_and_none_where_nothing_has_changed() {
        let mut screen = Sheet::new();
        let first = screen.draw(rows(&["one", "two", "three"]), (5, 3));
        assert_eq!(
            first,
            "\x1b[?2026h\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J\x1b[1;1Hone\x1b[K\x1b[2;1Htwo\x1b[K\x1b[3;1Hthree\x1b[?2026l"
        );
        assert_eq!(screen.draw(rows(&["one", "two", "three"]), (5, 3)), "");
        assert_eq!(
            screen.draw(rows(&["one", "2"]), (5, 3)),
            "\x1b[?2026h\x1b[2;1H2\x1b[K\x1b[3;1H\x1b[K\x1b[?2026l"
        );
        assert_eq!(screen.draw(rows(&["one", "2", "", "four"]), (5, 3)), "", "no more rows than there are");
    }

    #[test]
    fn all_is_drawn_anew_after_a_change_of_size_and_after_others_wrote() {
        let mut screen = Sheet::new();
        screen.draw(rows(&["one"]), (5, 3));
        let anew = "\x1b[?2026h\x1b[2J\x1b[1;1Hone\x1b[K\x1b[?2026l";
        assert_eq!(screen.draw(rows(&["one"]), (6, 2)), anew);
        screen.forget();
        assert_eq!(screen.draw(rows(&["one"]), (6, 2)), anew);
    }

    #[test]
    fn it_is_left_once_with_all_that_was_changed_put_back() {
        let mut screen = Sheet::new();
        assert_eq!(screen.leave(), "");
        screen.draw(rows(&["one"]), (5, 3));
        assert!(screen.is_shown());
        let left = screen.leave();
        for mode in ["?1049", "?25", "?7"] {
            assert!(ENTER.contains(mode) && left.contains(mode), "{mode}");
        }
        assert_eq!(screen.leave(), "");
        screen.forget();
        assert!(!screen.is_shown());
    }
}
