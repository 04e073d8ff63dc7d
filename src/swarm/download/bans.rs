//! Which peers sent wrong data: the suspects of pieces that failed, and the addresses that are banned.
//!
//! A piece that one peer sent alone convicts that peer. A piece that several sent is fetched again, from one
//! peer alone. When it verifies, the blocks that differ between the two attempts convict their senders. A
//! sender may have left by then, so its address is remembered and that address is banned.

use crate::message::PeerKey;
use crate::piece::{PieceIndex, Suspects};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// Failed attempts at one piece that are remembered. Each convicts its senders when the piece verifies.
const MAX_ATTEMPTS: usize = 4;
/// Addresses that are remembered as banned.
const MAX_BANNED: usize = 1000;

/// The suspects and the banned.
#[derive(Debug, Default)]
pub struct Bans {
    /// What failed attempts at pieces were made of.
    suspects: Vec<(PieceIndex, Suspects)>,
    /// The addresses of their senders.
    addresses: HashMap<PeerKey, SocketAddr>,
    banned: HashSet<IpAddr>,
}

impl Bans {
    /// Whether connections from here are refused.
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        self.banned.contains(&ip)
    }

    /// Refuses connections from here from now on.
    pub fn ban(&mut self, ip: IpAddr) {
        if self.banned.len() < MAX_BANNED {
            self.banned.insert(ip);
        }
    }

    /// What the failed attempts at a piece were made of.
    pub fn suspects_of(&self, piece: PieceIndex) -> Vec<Suspects> {
        let of_it = self.suspects.iter().filter(|(other, _)| *other == piece);
        of_it.map(|(_, attempt)| attempt.clone()).collect()
    }

    /// An attempt at a piece failed to which several peers had contributed, from these addresses.
    pub fn suspect(
        &mut self,
        piece: PieceIndex,
        attempt: Suspects,
        senders: impl IntoIterator<Item = (PeerKey, SocketAddr)>,
    ) {
        self.addresses.extend(senders);
        if self.suspects.iter().filter(|(other, _)| *other == piece).count() < MAX_ATTEMPTS {
            self.suspects.push((piece, attempt));
        }
    }

    /// Where a suspect was when it sent its blocks.
    pub fn address_of(&self, sender: PeerKey) -> Option<SocketAddr> {
        self.addresses.get(&sender).copied()
    }

    /// The piece verified: its failed attempts have served their purpose.
    pub fn verified(&mut self, piece: PieceIndex) {
        self.suspects.retain(|(other, _)| *other != piece);
    }

    /// All convictions of a verified piece are done: forgets the addresses if no suspect is left.
    pub fn convicted(&mut self) {
        if self.suspects.is_empty() {
            self.addresses.clear();
        }
    }
}
