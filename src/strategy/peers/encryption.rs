//! Whether connections to peers are encrypted (message stream encryption, MSE).
//!
//! It hides from a provider what the connection is, and some clients speak to nobody else. It proves nothing
//! about who the peer is: whoever knows the info-hash can take part.

/// What the user wants (`--encryption`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    Off,
    /// Where the peer wants it.
    #[default]
    Allow,
    /// Where the peer can.
    Prefer,
    /// Always.
    Require,
}

/// What a connection uses of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    #[default]
    Plain,
    /// The key exchange was hidden, what follows is not.
    Handshake,
    /// Everything goes through RC4, both ways.
    Rc4,
}

/// How a connection that we make begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Approach {
    /// With the handshake of BEP 3.
    #[default]
    Plain,
    /// With the key exchange of message stream encryption.
    Encrypted,
}
