//! Tokens: the proof that a node that announces a peer receives packets at the peer's address.
//!
//! Pure. A token is a hash of the address of the node that asked and a secret, so nothing has to be kept for
//! each token (BEP 5, "overview"). The secret changes every five minutes, and the one before it still counts.
//! Secrets come from the system's random numbers. They do not come from the generator of our transaction IDs,
//! whose output every node that we ask gets to see.

use super::addresses::owner;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a secret is given out.
const ROTATION: Duration = Duration::from_secs(5 * 60);

/// Bytes of a token. Four are enough: an attacker can only guess over the network, a few times a second.
pub const TOKEN_LENGTH: usize = 4;

/// The two secrets that count.
#[derive(Debug)]
pub struct Tokens {
    secret: RandomState,
    previous: RandomState,
    since: Instant,
}

impl Tokens {
    /// With new secrets.
    pub fn new(now: Instant) -> Tokens {
        Tokens { secret: RandomState::new(), previous: RandomState::new(), since: now }
    }

    /// The token for this address, made with the current secret.
    pub fn give(&mut self, ip: IpAddr, now: Instant) -> [u8; TOKEN_LENGTH] {
        self.rotate(now);
        token_for(&self.secret, ip)
    }

    fn rotate(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < ROTATION {
            return;
        }
        self.previous = std::mem::replace(&mut self.secret, RandomState::new());
        // If the host has slept for long, both are too old.
        if age >= 2 * ROTATION {
            self.previous = RandomState::new();
        }
        self.since = now;
    }

    /// Whether the token was given to this address within the last five to ten minutes.
    pub fn accepts(&mut self, token: &[u8], ip: IpAddr, now: Instant) -> bool {
        self.rotate(now);
        [&self.secret, &self.previous].iter().any(|secret| token == token_for(secret, ip))
    }
}

fn token_for(secret: &RandomState, ip: IpAddr) -> [u8; TOKEN_LENGTH] {
    (secret.hash_one(owner(ip)) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_for_its_address_and_at_least_five_minutes() {
        let start = Instant::now();
        let mut tokens = Tokens::new(start);
        let [here, there]: [IpAddr; 2] = [[1, 2, 3, 4].into(), [1, 2, 3, 5].into()];
        let token = tokens.give(here, start);
        let mut accepts = |token: &[u8], ip, minutes: u64| {
            tokens.accepts(token, ip, start + Duration::from_secs(60 * minutes))
        };
        assert!(accepts(&token, here, 0) && !accepts(&token, there, 0));
        assert!(!accepts(b"", here, 0) && !accepts(&token[..3], here, 0));
        assert!(accepts(&token, here, 5) && accepts(&token, here, 9) && !accepts(&token, here, 10));
        let token = tokens.give(here, start + 2 * ROTATION);
        assert!(tokens.accepts(&token, here, start + 2 * ROTATION));
        assert!(!tokens.accepts(&token, here, start + 9 * ROTATION));
    }
}
