//! What peers tell each other of other peers (BEP 11), and which peer goes when there are too many (BEP 40).

use crate::message::{HangUp, Order, PeerKey};
use crate::strategy::{Source, may_share};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use crate::wire::pex::{PREFERS_ENCRYPTION, REACHABLE, SPEAKS_UTP, UPLOAD_ONLY};
use log::debug;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A peer without a transfer for this long may lose its place to one of a higher priority.
const PROBATION: Duration = Duration::from_secs(60);

impl Coordinator<'_> {
    /// Tells each peer which peers came and went since its last PEX message, if its next one is due.
    pub(in crate::swarm) fn send_pex(&mut self, now: Instant) {
        let is_due =
            |(_, peer): (_, &Peer)| peer.messages.pex_id.is_some() && peer.messages.pex_history.is_due(now);
        if !self.settings.pex || !self.roster.greeted().any(is_due) {
            return;
        }
        let connected: Vec<(SocketAddr, u8)> = self
            .roster
            .greeted()
            .filter_map(|(_, peer)| {
                let reachable = if peer.is_incoming() { 0 } else { REACHABLE };
                let upload_only = if peer.wants_nothing() { UPLOAD_ONLY } else { 0 };
                let encryption = if peer.prefers_encryption() { PREFERS_ENCRYPTION } else { 0 };
                let utp = if peer.is_utp() { SPEAKS_UTP } else { 0 };
                Some((peer.dial?, reachable | upload_only | encryption | utp))
            })
            .collect();
        for (_, peer) in self.roster.greeted_mut() {
            let address = peer.best_address();
            if let Some(id) = peer.messages.pex_id
                && let Some(news) = peer.messages.pex_history.next_message(address, &connected, now)
            {
                peer.order(Order::Pex(id, news));
            }
        }
    }

    /// A peer says that it is connected to these peers. We keep the addresses that it can know and that may
    /// be of use. They are tried after those of better sources.
    pub(in crate::swarm) fn heard_pex(&mut self, key: PeerKey, others: &[(SocketAddr, u8)], now: Instant) {
        let Some(teller) = self.roster.get(key).map(|peer| peer.address) else { return };
        let seeding = self.is_seeding();
        let is_of_use = |flags: u8| !seeding || flags & UPLOAD_ONLY == 0;
        let believed = others
            .iter()
            .filter(|(address, flags)| may_share(teller.ip(), *address) && is_of_use(*flags))
            .map(|(address, _)| *address);
        let believed: Vec<SocketAddr> = believed.collect();
        let speaks_utp = |address: &SocketAddr| {
            others.iter().any(|(other, flags)| other == address && flags & SPEAKS_UTP != 0)
        };
        let new = self.dialer.found(Source::Pex(teller.ip()), &believed, now);
        // The flags came from the same stranger, and are believed as much: they decide only how to begin.
        for (address, _) in others.iter().filter(|(_, flags)| flags & PREFERS_ENCRYPTION != 0) {
            self.dialer.candidates_mut().prefers_encryption(*address);
        }
        for address in believed.into_iter().filter(speaks_utp) {
            self.environment.speaks_utp(address);
        }
        debug!("{teller}: PEX: {} peers, {new} new", others.len());
        if new > 0 {
            self.timers.dial = Some(now);
        }
    }

    /// Disconnects the peer of the lowest priority among those that are of no use now, if the peer at
    /// `address` has a higher one. So a swarm of full clients still accepts some newcomers (BEP 40).
    pub(in crate::swarm) fn disconnect_lower(
        &mut self,
        address: SocketAddr,
        may_go: fn(&Peer) -> bool,
        now: Instant,
    ) -> bool {
        let priority = |at: SocketAddr| self.dialer.candidates().priority(at);
        let idle = self.roster.greeted().filter(|(key, peer)| {
            let busy = self.slots.is_unchoked(*key) || self.requests.count(*key) > 0;
            may_go(peer) && !busy && now.saturating_duration_since(peer.last_transfer()) >= PROBATION
        });
        let lowest = idle.map(|(key, peer)| (priority(peer.best_address()), key)).min();
        let lowest = lowest.filter(|(lowest, _)| *lowest < priority(address));
        if let Some((_, key)) = lowest {
            self.disconnect(key, HangUp::LowerPriority);
        }
        lowest.is_some()
    }
}
