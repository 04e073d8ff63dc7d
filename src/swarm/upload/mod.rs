//! Uploading: which peers are unchoked, what a new peer may ask for at once, what a super-seed shows, and
//! when a seed has given enough.

mod accounting;
mod allowed_fast;
mod choking;
mod seeding;
mod slots;
mod super_seeding;

pub(super) use slots::UploadSlots;
