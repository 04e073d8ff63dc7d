//! The peer protocol: bytes to values and back (BEP 3, BEP 6, BEP 10).
//!
//! Pure: nothing here reads a socket. A connection opens with one [`Handshake`] each way; after it
//! both sides send *frames*, a four-byte length and that many bytes, the first of which is the id of the
//! [`Message`]. What a peer sends is checked here for its form, and for its meaning (does this piece
//! exist? did we ask for this block?) by the code that receives the value.

pub mod extension;
mod handshake;
mod message;
pub mod metadata;
pub mod pex;

pub use handshake::{HANDSHAKE_LENGTH, Handshake, HandshakeError, PeerId};
pub use message::{BlockRequest, Frame, FrameError, FrameLimits, Message};
