//! uTP: a connection over UDP that gives way to other traffic (BEP 29, RFC 6817).

mod conversation;

pub use conversation::{Conversation, EndReason, State};
