//! Which addresses to believe, which to connect to, and which peers to tell of.

mod address_policy;
mod candidates;
mod dialer;
mod external_address;
mod peer_priority;
mod pex;

pub use address_policy::{could_be_a_peer, is_local, may_name};
pub use candidates::{Candidates, Failure, Source};
pub use dialer::Dialer;
pub use external_address::ExternalAddress;
pub use peer_priority::rank;
pub use pex::PexHistory;
