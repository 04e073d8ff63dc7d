//! What to request from which peer.
//!
//! A torrent is cut into pieces, which are verified as a whole, and these into blocks, which are requested
//! one by one. Five decisions make a download fast:
//!
//! - `rarity`: which piece next? The rarest one.
//! - `order`: and if the user wants some before the others? Those.
//! - `pipeline`: how many requests to keep on their way to a peer? As many as its rate and its round trip
//!   need.
//! - `budget`: how many pieces may be open at once? As many as make the download faster, within the memory
//!   that the user allows.
//! - `gaps`: where to begin with a web seed, which gives long runs of pieces sooner than single ones.
//! - `server_rest`: whether web seeds are left in peace, because peers alone give what the user's limit lets in.
//! - `standing`: whether to ask a peer that chokes and unchokes us without sending anything.

mod budget;
mod gaps;
mod order;
mod pipeline;
mod rarity;
mod server_rest;
mod standing;
mod trust;
mod window;

pub use budget::{Budget, MemoryClaim};
pub use gaps::Gaps;
pub use order::PieceOrder;
pub use pipeline::Pipeline;
pub(super) use rarity::choose_lacked;
pub use rarity::{PeerPieces, Rarity};
pub use server_rest::ServerRest;
pub use standing::Standing;
pub use trust::Trust;
pub use window::{MAX_WINDOW, Window};
