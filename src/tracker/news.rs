//! What an announce has brought.

use super::answer::Answer;
use super::error::TrackerError;
use std::time::Instant;

/// The outcome of one announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerNews {
    /// Scheme, host and port of the tracker, fit to print.
    pub tracker: String,
    /// What the tracker answered, or why it did not.
    pub outcome: Result<Answer, TrackerError>,
    /// When its tier is announced to next, if it ever is.
    pub next: Option<Instant>,
}
