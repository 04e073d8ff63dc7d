//! The peers of a torrent: connecting to them, letting them in, parting from them, and telling them of
//! each other.

mod connecting;
mod disconnect;
mod incoming;
mod pex;
mod roster;

pub(super) use roster::{Peer, Restriction, Roster};
