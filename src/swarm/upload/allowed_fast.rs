//! Our allowed-fast sets: a few pieces that a new peer may ask for even while we choke it (BEP 6).

use crate::message::{Order, PeerKey};
use crate::strategy::{self, PeerPieces};
use crate::swarm::Coordinator;
use std::net::IpAddr;

/// The most pieces in a set. BEP 6 gives no number; its example has seven.
const MAX_PIECES: usize = 10;
/// The most bytes in all pieces of a set together, unless the first piece alone has more. There is a bound
/// because every newcomer gets a set, and gives nothing for it.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

impl Coordinator<'_> {
    /// Tells a peer that has few pieces which ones it may request even while we choke it, so that it soon has
    /// something to trade (BEP 6, "Allowed Fast").
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
