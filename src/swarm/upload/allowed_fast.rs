//! Our allowed-fast sets: a few pieces that a new peer may ask for even while we choke it (BEP 6).

use crate::message::{Order, PeerKey};
use crate::strategy::{self, PeerPieces};
use crate::swarm::Coordinator;
use std::net::IpAddr;

/// How many pieces a set has. BEP 6 has no number; its example has seven.
const MAX_PIECES: usize = 10;
/// Bytes of all the pieces of a set together at most, but for the first piece: every newcomer gets a set.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

impl Coordinator<'_> {
    /// Tells a peer that has next to nothing which pieces it may have unconditionally, so that it soon
    /// has something to trade (BEP 6, "allowed fast").
    pub(in crate::swarm) fn send_allowed_fast(&mut self, key: PeerKey) {
        let Some(peer) = self.roster.get(key) else { return };
        let (IpAddr::V4(ip), true) = (peer.address.ip(), peer.greeting.is_some_and(|it| it.fast)) else {
            return;
        };
        let has_little =
            matches!(&peer.pieces, PeerPieces::Some(pieces) if pieces.count() < MAX_PIECES as u32);
        if !has_little || self.settings.uploads.limit == Some(0) || self.super_seed.is_some() {
            return;
        }
        let affordable = MAX_BYTES / u64::from(self.geometry.piece_length());
        let size = usize::try_from(affordable).unwrap_or(MAX_PIECES).clamp(1, MAX_PIECES);
        let set = strategy::allowed_fast(ip, self.settings.info_hash, self.geometry.piece_count(), size);
        let pieces = set.into_iter().filter_map(|number| self.geometry.piece(number));
        let stored: Vec<_> = pieces.filter(|piece| self.pieces.stored().has(*piece)).collect();
        if !stored.is_empty() {
            peer.order(Order::AllowFast(stored));
        }
    }
}
