//! Message stream encryption (MSE, also called PE): how two peers hide that they speak BitTorrent.
//!
//! It is described in no BEP but on a wiki page of Vuze, and all large clients speak it. Two peers agree on a secret
//! that nobody who listens can know, each proves that it knows the info-hash, and they choose how to go on: through
//! RC4, or in plain text behind a beginning that was hidden.
//!
//! ```text
//! initiator                                        responder
//! │ ── 2^x, pad ──────────────────────────────────▶ │  x is 160 bits of chance; a pad has 0 to 512 bytes
//! │ ◀────────────────────────────────── 2^y, pad ── │  now both know the secret S = 2^(xy)
//! │ ── H(req1, S) ────────────────────────────────▶ │  by which the responder finds the end of the pad
//! │ ── H(req2, info-hash) ^ H(req3, S) ───────────▶ │  which of its torrents this is for
//! │ ── RC4A(zeros, methods, pad, first bytes) ────▶ │  the first bytes are the handshake of BEP 3
//! │ ◀────────────────── RC4B(zeros, method, pad) ── │  the encrypted zeros are the end of the other pad
//! │ ◀────────── the conversation, by that method ─▶ │
//! ```
//!
//! `H` is SHA-1. RC4A has the key H(keyA, S, info-hash) and RC4B keyB in its place; of each keystream the first 1,024
//! bytes are left out.
//!
//! [`initiate`] and [`respond`] are written as they go, line by line, over anything that can be read and written.
//! They hold little: a pad, and no more than [`MAX_FIRST_BYTES`] that a peer sends at once. They prove nothing about
//! who the other side is, as whoever knows the info-hash can take part.

mod agreed;
mod fault;
mod group;
mod initiator;
mod keys;
mod line;
mod methods;
mod rc4;
mod responder;

pub use agreed::{Agreed, Keystreams};
pub use fault::{MseError, MseFault};
pub use group::{EXPONENT_LENGTH, KEY_LENGTH};
pub use initiator::initiate;
pub use keys::{TorrentMark, torrent_mark};
pub use methods::{Method, Methods};
pub use rc4::Rc4;
pub use responder::{MAX_FIRST_BYTES, respond};

/// The longest pad.
pub const MAX_PAD: usize = 512;
/// In the place of a checksum: whoever decrypts these zeros has the right keys.
const VERIFICATION: [u8; 8] = [0; 8];

/// What one side leaves to chance.
#[derive(Clone)]
pub struct Chance {
    /// Its private number.
    pub exponent: [u8; EXPONENT_LENGTH],
    /// What follows its public key, at most [`MAX_PAD`] bytes that look like any others.
    pub pad: Vec<u8>,
    /// How long the pad is that nobody sees, at most [`MAX_PAD`].
    pub hidden_pad: u16,
}

#[cfg(test)]
mod tests;
