//! The headings that options have in `--help` and in the manual page.
//!
//! Each option names one of them (`help_heading`), and a test fails for one that does not.

/// What the demo teaches.
pub const LESSONS: &str = "Lessons";
/// What is downloaded, to where, and when to give up.
pub const DOWNLOAD: &str = "Download";
/// Which files, and what becomes of those that are on the disk.
pub const FILES: &str = "Files";
/// What a new torrent says.
pub const TORRENT: &str = "The torrent";
/// How long and how to seed.
pub const SEEDING: &str = "Seeding";
/// Rates, memory and numbers.
pub const LIMITS: &str = "Limits";
/// Where peers come from.
pub const PEERS: &str = "Finding peers";
/// How connections are made.
pub const NETWORK: &str = "Network";
/// What is printed.
pub const OUTPUT: &str = "Output";

/// What is settled before the command line.
pub const SETTINGS: &str = "Settings";

/// All of them, in the order of the help.
pub const ALL: &[&str] =
    &[LESSONS, DOWNLOAD, FILES, TORRENT, SEEDING, LIMITS, PEERS, NETWORK, OUTPUT, SETTINGS];
