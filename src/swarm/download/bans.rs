//! Which peers sent wrong data: the suspects of pieces that failed, and the addresses that are banned.
//!
//! A piece that one peer sent alone convicts that peer. A piece that several sent is fetched again, from one
//! peer alone. When it verifies, the blocks that differ between the two attempts convict their senders. A
//! sender may have left by then, so its address is remembered and that address is banned.

use crate::message::PeerKey;
use crate::piece::{PieceIndex, Suspects};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// The most failed attempts at one piece that are remembered. Each convicts the senders of its wrong blocks
/// when the piece verifies.
const MAX_ATTEMPTS: usize = 4;
/// The most addresses that are banned.
const MAX_BANNED: usize = 1000;

/// The suspects and the banned.
#[derive(Debug, Default)]
pub struct Bans {
    /// The failed attempts at pieces: which peer sent which block, with what digest.
    suspects: Vec<(PieceIndex, Suspects)>,
    /// The addresses of their senders, which may have left.
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

    /// The failed attempts at a piece.
    pub fn suspects_of(&self, piece: PieceIndex) -> Vec<Suspects> {
        let of_it = self.suspects.iter().filter(|(other, _)| *other == piece);
        of_it.map(|(_, attempt)| attempt.clone()).collect()
    }

    /// An attempt at a piece failed. Several peers had sent its blocks, from these addresses.
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

    /// The piece verified: its failed attempts are of no use any more.
    pub fn verified(&mut self, piece: PieceIndex) {
        self.suspects.retain(|(other, _)| *other != piece);
    }

    /// The convicted senders of a verified piece are banned. Forgets the addresses if no suspect is left.
    pub fn convicted(&mut self) {
        if self.suspects.is_empty() {
            self.addresses.clear();
        }
    }
}
