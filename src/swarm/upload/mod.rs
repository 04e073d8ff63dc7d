//! Uploading: which peers are unchoked, which pieces a new peer may request at once, which piece a super-seed
//! tells each peer of, and when a seed has uploaded enough.
//!
//! This runs on the coordinator's thread. Requests do not come here: the workers answer them
//! (`peer/requests/mod.rs`), since there may be thousands a second.

mod accounting;
mod allowed_fast;
mod choking;
mod seeding;
mod slots;
mod super_seeding;

pub(super) use slots::UploadSlots;
