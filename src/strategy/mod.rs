//! Decisions: which piece next, how many requests at once, whom to connect to, whom to upload to.
//!
//! Pure. A strategy sees numbers and the time, which it gets as an argument, and says what it would
//! do; the coordinator does it. So each is tested as a plain function, with a clock that is a number.

mod allowed_fast;
mod budget;
mod candidates;
mod choker;
mod pace;
mod pipeline;
mod rarity;
mod rate;
mod super_seeding;

pub use allowed_fast::allowed_fast;
pub use budget::Budget;
pub use candidates::{Candidates, Failure};
pub use choker::{Choker, View, slots};
pub use pace::Pace;
pub use pipeline::Pipeline;
pub use rarity::{Has, Rarity};
pub use rate::Rate;
pub use super_seeding::{Leecher, Leechers, SuperSeeding};
