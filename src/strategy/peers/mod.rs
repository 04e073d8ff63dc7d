//! Which addresses to believe, which to connect to, and which peers to tell other peers about.
//!
//! A client needs addresses before it can do anything, and every source of them may lie. In the order in
//! which an address passes through these files:
//!
//! 1. `address_policy`: who may tell us which address. A stranger cannot send us into our own network.
//! 2. `candidates`: the book of the addresses that we may connect to, with bounds, waits and bans.
//! 3. `peer_priority`: which of two connections is worth more, if there are too few for all (BEP 40).
//! 4. `dialer`: which of the candidates to connect to next, and when.
//! 5. `attempt_queue`: how many attempts of all torrents are open at once, and for how long.
//!    `utp_answers`: which of them are tried over uTP too, and when.
//! 6. `pex`: which of our peers we tell another peer about (peer exchange, BEP 11).
//! 7. `supply`: whether the peers that this leads to are enough, or more have to be asked for.
//!
//! `bystanders` remembers who came in and did nothing, for when there are too few places.
//!
//! `external_address` finds out what our own address is, which peer priority needs. It lets others vote on it
//! (`address_votes`). `interruption` notices that the host was suspended or is in another network, after which
//! little of all this is true any more.

mod address_policy;
mod address_votes;
mod attempt_queue;
mod bystanders;
mod candidates;
mod dialer;
mod encryption;
mod external_address;
mod interruption;
mod liars;
mod peer_priority;
mod pex;
mod supply;
mod utp_answers;

pub use address_policy::may_share;
pub use address_votes::AddressVotes;
pub use attempt_queue::AttemptQueue;
pub use bystanders::Bystanders;
pub use candidates::{AttemptFailure, Candidates, Rebuff, Source};
pub use dialer::{Dialer, Places};
pub use encryption::{Approach, Encryption, Opening, Security};
pub use external_address::ExternalAddress;
pub use interruption::{HostWatch, Interruption, Surroundings};
pub use pex::PexHistory;
pub use supply::{PeerCounts, Supply, SupplyReports};
pub use utp_answers::UtpAnswers;
