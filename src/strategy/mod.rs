//! Decisions: which piece next, how many requests at once, whom to connect to, whom to upload to.
//!
//! Pure. A strategy sees numbers and the time, which it gets as an argument, and says what it would
//! do; the coordinator does it. So each is tested as a plain function, with a clock that is a number.

mod allowed_fast;
mod believing;
mod budget;
mod candidates;
mod choker;
mod crc32c;
mod external;
mod gathering;
mod gossip;
mod pace;
mod pipeline;
mod ranking;
mod rarity;
mod rate;
mod super_seeding;

pub use allowed_fast::allowed_fast;
pub use believing::{could_be_a_peer, is_local, may_name};
pub use budget::Budget;
pub use candidates::{Candidates, Failure, Source};
pub use choker::{Choker, View, slots};
pub use crc32c::crc32c;
pub use external::External;
pub use gathering::{Gathering, LARGEST, Verdict};
pub use gossip::Gossip;
pub use pace::Pace;
pub use pipeline::Pipeline;
pub use ranking::rank;
pub use rarity::{Has, Rarity};
pub use rate::Rate;
pub use super_seeding::{Leecher, Leechers, SuperSeeding};
