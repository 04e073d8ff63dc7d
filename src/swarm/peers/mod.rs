//! The peers of a torrent: connecting to them, accepting them, disconnecting them, and telling them of each
//! other. All of it runs on the coordinator's thread; the connections themselves belong to the workers.

mod bystanders;
mod connecting;
mod disconnect;
mod incoming;
mod other_addresses;
mod peer;
mod pex;
mod roster;
mod supply;
mod telling;
mod turnover;
mod watching;

pub(super) use peer::{Peer, Restriction};
pub(super) use roster::Roster;
