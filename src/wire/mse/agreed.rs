//! What a key exchange leads to.

use super::Rc4;

/// How the conversation goes on.
pub struct Agreed {
    /// Both directions go through RC4, or neither.
    pub keystreams: Option<Keystreams>,
    /// What has come of the conversation already, decrypted.
    pub early: Vec<u8>,
}

/// The keystreams of both directions, where the conversation begins.
pub struct Keystreams {
    /// Of what the other side sends.
    pub incoming: Rc4,
    /// Of what we send.
    pub outgoing: Rc4,
}
