//! The streams that a worker speaks over.

mod line;

pub use line::Line;
