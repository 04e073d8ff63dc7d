//! What a user types and sees.

pub mod show;
pub mod source;
