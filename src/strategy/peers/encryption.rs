//! Whether connections to peers are encrypted (message stream encryption, MSE).
//!
//! It hides from a provider what the connection is, and some clients speak to nobody else. It proves nothing
//! about who the peer is: whoever knows the info-hash can take part.

use std::fmt;

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

impl Encryption {
    /// How a connection to a peer begins of which nothing is known.
    pub fn first(self) -> Approach {
        match self {
            Encryption::Off | Encryption::Allow => Approach::Plain,
            Encryption::Prefer | Encryption::Require => Approach::Encrypted,
        }
    }

    /// Whether connections may begin either way.
    pub fn has_choice(self) -> bool {
        matches!(self, Encryption::Allow | Encryption::Prefer)
    }

    /// Whether others are to know that we would rather be connected to encrypted.
    pub fn is_preferred(self) -> bool {
        matches!(self, Encryption::Prefer | Encryption::Require)
    }

    /// What may be behind it where a peer ends the connection before a word, and the way out: it wants what the
    /// user does not.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Encryption::Off => Some("perhaps it takes only encrypted connections: --encryption allow"),
            Encryption::Require => Some("perhaps it takes no encrypted connections: --encryption allow"),
            Encryption::Allow | Encryption::Prefer => None,
        }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Security::Plain => "not encrypted",
            Security::Handshake => "encrypted handshake",
            Security::Rc4 => "encrypted",
        })
    }
}

impl Approach {
    /// The other one.
    pub fn other(self) -> Approach {
        match self {
            Approach::Plain => Approach::Encrypted,
            Approach::Encrypted => Approach::Plain,
        }
    }
}
