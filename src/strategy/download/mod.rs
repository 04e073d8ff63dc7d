//! What to ask of whom: the rarest piece first, as many requests on their way as the round trip asks for,
//! within a budget of memory.

mod budget;
mod pipeline;
mod rarity;

pub use budget::Budget;
pub use pipeline::Pipeline;
pub(super) use rarity::choose_lacked;
pub use rarity::{PeerPieces, Rarity};
