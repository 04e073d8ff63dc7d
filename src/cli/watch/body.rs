//! What a page gives to be drawn: lines that stay, and lines of which as many are shown as there is room for.

use crate::cli::columns::filled;
use crate::cli::terminal::full::{Look, StyledLine};

/// A page without the frame around it.
pub struct Body<'a> {
    /// Lines above that stay.
    pub head: Vec<StyledLine>,
    /// How many lines can be scrolled.
    pub count: usize,
    /// Makes one of them. Only those that are seen are made, as a torrent may have half a million files.
    pub line: Box<dyn Fn(usize) -> StyledLine + 'a>,
    /// The line that the keys are about.
    pub cursor: Option<usize>,
    /// More about that line, for the foot of the page.
    pub note: String,
    /// What is said if there are no lines.
    pub empty: &'static str,
}

impl Body<'_> {
    /// The first line that is shown on so many rows, if `top` is to be.
    pub fn top(&self, top: usize, rows: usize) -> usize {
        let last = self.count.saturating_sub(rows);
        let top = top.min(last);
        match self.cursor {
            Some(cursor) => top.min(cursor).max((cursor + 1).saturating_sub(rows)),
            None => top,
        }
    }

    /// The rows below the head.
    pub fn shown(&self, top: usize, columns: usize, rows: usize) -> Vec<StyledLine> {
        if self.count == 0 {
            return vec![StyledLine::of(Look::Plain, format!(" {}", self.empty))];
        }
        let top = self.top(top, rows);
        let numbers = top..self.count.min(top.saturating_add(rows));
        let line = |number| {
            let line = (self.line)(number);
            match self.cursor == Some(number) {
                true => StyledLine::of(Look::Chosen, filled(&line.text().replacen(' ', ">", 1), columns)),
                false => line,
            }
        };
        numbers.map(line).collect()
    }
}
