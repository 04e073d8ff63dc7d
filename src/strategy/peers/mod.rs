//! Which addresses to believe, which to connect to, and which peers to tell of.

mod address_policy;
mod candidates;
mod external_address;
mod peer_priority;
mod pex;

pub use address_policy::may_name;
pub use candidates::{Candidates, Failure, Source};
pub use external_address::ExternalAddress;
pub use peer_priority::rank;
pub use pex::PexHistory;
