//! Whether connections to peers are encrypted (message stream encryption, MSE).
//!
//! It hides from a provider what the connection is, and some clients speak to nobody else. It proves nothing
//! about who the peer is: whoever knows the info-hash can take part.

use crate::wire::mse::{Method, Methods};
use std::fmt;
use std::time::Duration;

/// What the user wants (`--encryption`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Never: what begins with a key exchange is turned away.
    Off,
    /// Where the peer insists on it. Where it leaves the choice to us, only the beginning is hidden: then what we send
    /// still goes straight from the page cache.
    #[default]
    Allow,
    /// RC4 where the peer can. One that cannot, or that begins in the open, is welcome too.
    Prefer,
    /// RC4 always, in both directions: nobody on the way sees the protocol in what is sent, not even behind a hidden
    /// beginning. Other peers are turned away.
    Require,
}

/// How a connection to a peer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The way.
    pub approach: Approach,
    /// How long its handshake is waited for.
    pub patience: Duration,
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
            Encryption::Off => Some("it may require encryption: try --encryption allow"),
            Encryption::Require => Some("it may not support encryption: try --encryption allow"),
            Encryption::Allow | Encryption::Prefer => None,
        }
    }

    /// The ways to go on that we offer where we begin with a key exchange.
    pub fn offers(self) -> Methods {
        match self {
            Encryption::Off => Methods::NONE,
            Encryption::Allow => Methods::BOTH,
            // Most that are offered both choose plain text.
            Encryption::Prefer | Encryption::Require => Methods::RC4,
        }
    }

    /// The way that we choose of those that a peer offers.
    pub fn choose(self, offered: Methods) -> Option<Method> {
        let ours: &[Method] = match self {
            Encryption::Off => &[],
            Encryption::Allow => &[Method::Plaintext, Method::Rc4],
            Encryption::Prefer => &[Method::Rc4, Method::Plaintext],
            Encryption::Require => &[Method::Rc4],
        };
        ours.iter().copied().find(|method| offered.contain(*method))
    }

    /// Whether a peer may connect to us that begins like this.
    pub fn admits(self, approach: Approach) -> bool {
        match approach {
            Approach::Plain => self != Encryption::Require,
            Approach::Encrypted => self != Encryption::Off,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use Encryption::{Allow, Off, Prefer, Require};

    #[test]
    fn plain_text_is_chosen_where_the_user_does_not_mind_and_never_where_rc4_is_required() {
        let (plain, rc4) = (Methods::from(Method::Plaintext), Methods::RC4);
        let choices = |wanted: Encryption| [plain, rc4, Methods::BOTH].map(|offered| wanted.choose(offered));
        assert_eq!(choices(Off), [None; 3]);
        let both_ways = [Some(Method::Plaintext), Some(Method::Rc4)];
        assert_eq!(choices(Allow), [both_ways[0], both_ways[1], Some(Method::Plaintext)]);
        assert_eq!(choices(Prefer), [both_ways[0], both_ways[1], Some(Method::Rc4)]);
        assert_eq!(choices(Require), [None, Some(Method::Rc4), Some(Method::Rc4)]);
        assert_eq!(
            [Off, Allow, Prefer, Require].map(Encryption::offers),
            [Methods::NONE, Methods::BOTH, rc4, rc4]
        );
    }

    #[test]
    fn only_who_insists_turns_an_approach_away() {
        for approach in [Approach::Plain, Approach::Encrypted] {
            assert!(Allow.admits(approach) && Prefer.admits(approach));
        }
        assert!(Off.admits(Approach::Plain) && !Off.admits(Approach::Encrypted));
        assert!(Require.admits(Approach::Encrypted) && !Require.admits(Approach::Plain));
    }
}
