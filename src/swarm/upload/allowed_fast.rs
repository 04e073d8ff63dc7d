//! A few pieces for whoever comes: the allowed-fast set (BEP 6).

use crate::message::{Order, PeerKey};
use crate::strategy::{self, PeerPieces};
use crate::swarm::Coordinator;
use std::net::IpAddr;

/// How many pieces a peer may ask for while we choke it (BEP 6 has no number; its example has seven).
const MAX_PIECES: usize = 10;
/// Bytes of all these pieces together at most, but for the first: it is a gift to whoever comes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

impl Coordinator<'_> {
    /// Tells a peer that has next to nothing which pieces it may have unconditionally, so that it soon
    /// has something to trade (BEP 6, "allowed fast").
    pub(in crate::swarm) fn allow_fast(&mut self, key: PeerKey) {
        let Some(peer) = self.roster.get(key) else { return };
        let (IpAddr::V4(ip), true) = (peer.address.ip(), peer.greeting.is_some_and(|it| it.fast)) else {
            return;
        };
        let has_little = matches!(&peer.has, PeerPieces::Some(pieces) if pieces.count() < MAX_PIECES as u32);
        if !has_little || self.giving.limit == Some(0) || self.super_seed.is_some() {
            return;
        }
        let affordable = MAX_BYTES / u64::from(self.geometry.piece_length());
        let count = usize::try_from(affordable).unwrap_or(MAX_PIECES).clamp(1, MAX_PIECES);
        let numbers =
            strategy::allowed_fast(ip, self.shared.metainfo.info_hash, self.geometry.piece_count(), count);
        let offers = |piece: &_| self.pieces.stored().has(*piece);
        let pieces: Vec<_> =
            numbers.into_iter().filter_map(|number| self.geometry.piece(number)).filter(offers).collect();
        if !pieces.is_empty() {
            peer.order(Order::AllowFast(pieces));
        }
    }
}
