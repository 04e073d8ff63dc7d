//! How many requests a candidate takes, where it has shown that by hanging up.
//!
//! Some peers end a connection on which more is asked for than their queue has room for, and say nothing of it. To such
//! a peer each connection would be like the one before, and nothing would ever come. So a peer that ends one on which it
//! owes more blocks than it has sent is asked for half as many on the next.

use super::Candidates;
use crate::address::canonical;
use std::net::SocketAddr;

impl Candidates {
    /// The peer at this address hung up when it owed so many blocks, and had sent fewer.
    pub fn overwhelmed(&mut self, address: SocketAddr, owed: u32) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            candidate.takes_at_most = Some(owed / 2);
        }
    }

    /// How many requests the peer at this address is sent at a time, if that is known.
    pub fn takes_at_most(&self, address: SocketAddr) -> Option<u32> {
        self.known.get(&canonical(address))?.takes_at_most
    }
}
