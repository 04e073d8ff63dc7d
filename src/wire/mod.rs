//! The peer protocol: bytes to values and back (BEP 3, BEP 6, BEP 10, BEP 52).
//!
//! This is what two peers send to each other over TCP. A connection opens with one [`Handshake`] each way.
//! After it both sides send *frames*: a four-byte length and that many bytes, of which the first is the id of
//! the [`Message`]. A typical start, where `A` downloads from `B`:
//!
//! ```text
//! A                    B
//! │ ── handshake ────▶ │  the info-hash of the torrent, and which extensions A speaks
//! │ ◀──── handshake ── │  the same from B
//! │ ◀───── bitfield ── │  the pieces that B has
//! │ ── interested ───▶ │  B has pieces that A lacks
//! │ ◀────── unchoke ── │  B answers requests from now on
//! │ ── request ──────▶ │  one block: piece, offset and length; usually many requests at once
//! │ ◀──────── piece ── │  the bytes of that block
//! │ ── have ─────────▶ │  A has verified a whole piece
//! ```
//!
//! Before the handshake there may be a key exchange, which hides all this from who only listens: [`mse`].
//!
//! Pure: nothing here reads a socket, so it runs on the thread of the caller. What a peer sends is checked
//! here for its form. The code that receives the value checks its meaning: does this piece exist, did we
//! request this block?

pub mod extension;
mod handshake;
mod hashes;
mod message;
pub mod metadata;
pub mod mse;
pub mod pex;
pub mod utp;

pub use handshake::{HANDSHAKE_LENGTH, Handshake, HandshakeError, PREFIX, PREFIX_LENGTH, PeerId};
pub use hashes::HashRequest;
pub use message::{BlockRequest, EXTENDED, Frame, FrameError, FrameLimits, HASHES, Message};
