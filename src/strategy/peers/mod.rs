//! Which addresses to believe, which to connect to, and which peers to tell of.

mod address_policy;
mod address_votes;
mod candidates;
mod external_address;
mod peer_priority;
mod pex;

pub use address_policy::may_name;
pub use address_votes::AddressVotes;
pub use candidates::{Candidates, Failure, Source};
pub use external_address::ExternalAddress;
pub use peer_priority::rank;
pub use pex::PexHistory;
