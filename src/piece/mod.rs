//! Pieces and blocks: how the payload is cut, and how a piece is put together from its blocks.
//!
//! [`Geometry`] cuts, and is the gate for every number from outside: what has passed it is a [`PieceIndex`] or a
//! [`Block`]. An [`Assembly`] is a piece while its blocks come, and [`Suspects`] is what is left of one that was wrong. A
//! [`Bitfield`] says which pieces somebody has. The digest of a piece is a SHA-1, or in version 2 a node of a tree
//! ([`merkle`]).
//!
//! Pure: no socket, no file, no channel. The coordinator, the workers and the storage all use the units that
//! are defined here.

mod assembly;
mod bitfield;
mod block_length;
mod buffers;
mod digest;
mod geometry;
mod layer;
pub mod merkle;
mod peer_key;
mod suspects;

pub use assembly::{Assembly, Put};
pub use bitfield::{Bitfield, mask};
pub use block_length::BLOCK_LENGTH;
pub use buffers::BufferPool;
pub use digest::{Hashing, PieceDigest, PieceHash};
pub use geometry::{Block, Geometry, PieceIndex, Span};
pub use layer::{MAX_RANGE, NodeRange, PieceLayer};
pub use peer_key::PeerKey;
pub use suspects::Suspects;
