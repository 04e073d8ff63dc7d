//! Which peers to upload to, and what a super-seed shows each of them.

mod allowed_fast;
mod choker;
mod rate;
mod super_seeding;

pub use allowed_fast::allowed_fast;
pub use choker::{Choker, View, slots};
pub use rate::Rate;
pub use super_seeding::{Leecher, Leechers, SuperSeeding};
