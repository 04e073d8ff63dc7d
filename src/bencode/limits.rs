//! How much of the notation is read.

/// How deep lists and dictionaries may be nested. A hybrid torrent needs one level for each folder and five
/// more; everything else needs fewer than ten.
pub const MAX_DEPTH: usize = 100;

/// How many tokens are read: brackets, strings and numbers. A torrent has eight to twenty for each file. Nothing is
/// kept for each of them, but time is taken.
pub const MAX_TOKENS: usize = 10_000_000;
