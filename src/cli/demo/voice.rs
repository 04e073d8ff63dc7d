//! How the demo speaks: one line for each fact, its subject in front, and sentences that are wrapped.

use super::student::report::Report;
use crate::cli::columns::wrapped;
use crate::cli::terminal;
use std::fmt::Display;
use std::io::Write;

/// Columns of the subject.
const MARGIN: usize = 11;

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Nowhere: the user wants errors only.
    Silent,
    /// To standard output.
    Output,
    /// To standard error, as standard output is for programs.
    Errors,
}

impl Voice {
    /// Says one line: what it is about, and the text.
    pub fn tell(self, what: &str, text: impl Display) {
        let line = format!("{what:<10} {text}");
        match self {
            Voice::Silent => {}
            // This fails if the reader of standard output is gone.
            Voice::Output => _ = writeln!(terminal::output(), "{line}"),
            Voice::Errors => terminal::say(&line),
        }
    }

    /// The same for sentences, which are wrapped.
    pub fn explain(self, what: &str, text: &str) {
        let width = terminal::columns().saturating_sub(MARGIN);
        for (number, line) in wrapped(text, "", width).iter().enumerate() {
            self.tell(if number == 0 { what } else { "" }, line);
        }
    }

    /// Says what a report has.
    pub fn say(self, report: &mut Report) {
        report.take().iter().for_each(|(what, text)| self.explain(what, text));
    }
}
