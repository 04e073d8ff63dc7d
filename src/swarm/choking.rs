//! Whom we upload to: what the choker (`strategy/choker.rs`) is told, and what it decides.

use super::{Coordinator, Counters, Phase};
use crate::message::{Order, PeerKey};
use crate::strategy::{self, Has, View};
use log::debug;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a peer may take to read one block.
const DEAF: Duration = Duration::from_secs(60);
/// How many pieces a peer may ask for while we choke it (BEP 6 has no number; its example has seven).
const ALLOWED_FAST: usize = 10;
/// Bytes of all these pieces together at most, but for the first: it is a gift to whoever comes.
const MOST_ALLOWED_FAST: u64 = 4 * 1024 * 1024;

impl Coordinator<'_> {
    /// Has the choker look at the peers.
    pub(super) fn rechoke(&mut self, now: Instant) {
        let views: Vec<View<PeerKey>> = self
            .roster
            .greeted()
            .map(|(key, peer)| View {
                key,
                interested: peer.wants_ours && !peer.is_seed(),
                gives: peer.gives.per_second(),
                takes: peer.takes.per_second(),
                snubs: peer.snubs > 0,
                since: peer.since,
            })
            .collect();
        let seeding = self.phase == Phase::Seeding;
        let slots = self.slots();
        for (key, unchoke) in self.choker.decide(&views, seeding, slots, now, &mut self.random) {
            if let Some(peer) = self.roster.get_mut(key) {
                debug!("{}: {}", peer.address, if unchoke { "we unchoke it" } else { "we choke it" });
                peer.served = unchoke;
                peer.order(if unchoke { Order::Unchoke } else { Order::Choke });
            }
        }
    }

    /// How many peers we upload to at once.
    fn slots(&self) -> usize {
        match self.giving.limit {
            Some(0) => 0,
            Some(limit) => strategy::slots(limit as f64),
            None => strategy::slots(self.counters.upload_rate.per_second()),
        }
    }

    /// Counts what was sent since the last tick, and lets those go that do not take it. The system has no
    /// deadline for a block as a whole.
    pub(super) fn count_uploads(&mut self, now: Instant) {
        for (_, peer) in self.roster.all_mut() {
            let account = peer.worker.account();
            self.counters.sent(account.sent);
            peer.takes.add(account.sent);
            if account.sending_since.is_some_and(|since| now.saturating_duration_since(since) > DEAF) {
                peer.worker.hang_up("it does not read what we send");
            }
            peer.takes.tick(now);
            peer.gives.tick(now);
        }
        self.counters.upload_rate.tick(now);
        self.counters.up.tick(self.counters.uploaded, now);
    }

    /// Tells a peer that has next to nothing which pieces it may have unconditionally, so that it soon
    /// has something to trade (BEP 6, "allowed fast").
    pub(super) fn allow_fast(&mut self, key: PeerKey) {
        let Some(peer) = self.roster.get(key) else { return };
        let (IpAddr::V4(ip), true) = (peer.address.ip(), peer.greeting.is_some_and(|it| it.fast)) else {
            return;
        };
        let has_little = matches!(&peer.has, Has::Some(pieces) if pieces.count() < ALLOWED_FAST as u32);
        if !has_little || self.giving.limit == Some(0) || self.super_seed.is_some() {
            return;
        }
        let affordable = MOST_ALLOWED_FAST / u64::from(self.geometry.piece_length());
        let count = usize::try_from(affordable).unwrap_or(ALLOWED_FAST).clamp(1, ALLOWED_FAST);
        let numbers = strategy::allowed_fast(ip, &self.shared.info_hash, self.geometry.piece_count(), count);
        let offers = |piece: &_| self.pieces.stored().has(*piece);
        let pieces: Vec<_> =
            numbers.into_iter().filter_map(|number| self.geometry.piece(number)).filter(offers).collect();
        if !pieces.is_empty() {
            peer.order(Order::AllowFast(pieces));
        }
    }
}

impl Counters {
    /// So many bytes of blocks were sent.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.uploaded = self.uploaded.saturating_add(bytes);
        self.upload_rate.add(bytes);
    }
}
