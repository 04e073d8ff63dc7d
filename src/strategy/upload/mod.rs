//! Which peers to upload to, and what we offer each of them.
//!
//! Upload is what a client pays with, and there is never enough for all. So each peer is either *choked*,
//! which means that we do not answer its requests, or *unchoked*. The `choker` decides that for all peers
//! together, from the `rate` at which each uploads to us and downloads from us. Two additions help in cases
//! in which choking alone does not:
//!
//! - `allowed_fast`: a new peer has nothing to trade. It may request a few pieces even while it is choked.
//! - `super_seeding`: the only seed of a new torrent offers each peer a different piece, so that the peers
//!   spread the pieces among themselves.

mod allowed_fast;
mod choker;
mod rate;
mod super_seeding;

pub use allowed_fast::allowed_fast;
pub use choker::{Choker, ChokerPeer, unchoke_slots};
pub use rate::Rate;
pub use super_seeding::{Leecher, Leechers, SuperSeeding};
