//! Decisions: which piece next, how many requests at once, whom to connect to, whom to upload to.
//!
//! Pure. A strategy sees numbers and the time, which it gets as an argument, and says what it would
//! do; the coordinator does it. So each is tested as a plain function, with a clock that is a number.

mod crc32c;
mod download;
mod peers;
mod token_bucket;
mod upload;

pub use crc32c::crc32c;
pub use download::{Budget, PeerPieces, Pipeline, Rarity};
pub use peers::{
    Candidates, Dialer, ExternalAddress, Failure, PexHistory, Source, could_be_a_peer, is_local, may_name,
    rank,
};
pub use token_bucket::TokenBucket;
pub use upload::{Choker, Leecher, Leechers, Rate, SuperSeeding, View, allowed_fast, slots};
