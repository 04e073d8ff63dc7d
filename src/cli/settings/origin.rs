//! Where a setting stands, so that it can be found.

use std::fmt;
use std::sync::Arc;

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this line of the file, from 1 on.
    Line(Arc<str>, usize),
    /// In the variable of this name.
    Variable(String),
}

impl Origin {
    /// The same for a reader who knows which file it is.
    pub fn short(&self) -> String {
        match self {
            Origin::Line(_, line) => format!("line {line}"),
            Origin::Variable(name) => name.clone(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line(file, line) => write!(out, "{file}:{line}"),
            Origin::Variable(name) => out.write_str(name),
        }
    }
}
