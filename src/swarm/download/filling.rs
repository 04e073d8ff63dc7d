//! Keeping the pipelines full: which blocks a peer is asked for next.

use crate::message::{Lease, Order, PeerKey};
use crate::piece::{Assembly, BLOCK_LENGTH, PieceIndex, Span};
use crate::swarm::Coordinator;
use crate::swarm::peers::Restriction;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// However many peers there are, each may be asked for this much.
const MIN_REQUESTS: u32 = 4;
/// Requests that are worth an order of their own, blocks: less than this waits for more, but never for
/// more than a quarter of the pipeline.
const LARGE_ORDER: u32 = 48;
/// Under a download limit, what it lets in within so many seconds is asked for.
const LIMITED_SECONDS: u64 = 3;

impl Coordinator<'_> {
    /// Asks a peer for as many blocks as its pipeline has room for.
    pub(in crate::swarm) fn fill(&mut self, key: PeerKey, now: Instant) {
        let share = self.share_of_memory();
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.starving = false;
        if peer.may_be_asked().is_none() {
            return;
        }
        peer.pipeline.set_memory_share(share);
        let depth = peer.pipeline.depth();
        let in_flight = peer.in_flight.len() as u32;
        let mut room = depth.saturating_sub(in_flight);
        // A few requests at a time: each order costs the outbox a wake-up and a write.
        if room == 0 || (in_flight > 0 && room < (depth / 4).min(LARGE_ORDER)) {
            return;
        }
        let mut spans = Vec::new();
        while room > 0 {
            let Some((span, assembly)) = self.next_span(key, room) else { break };
            room -= span.count;
            spans.push((span, assembly));
        }
        let starving = room > 0;
        if spans.is_empty() && in_flight == 0 {
            spans = self.take_over(key, depth, now);
        }
        if let Some(peer) = self.roster.get_mut(key) {
            peer.starving = starving;
        }
        self.ask(key, spans, now);
    }

    /// Fills the pipelines of those that had nothing to do.
    pub(in crate::swarm) fn fill_starving(&mut self, now: Instant) {
        let starving: Vec<PeerKey> =
            self.roster.all().filter(|(_, peer)| peer.is_hungry()).map(|(key, _)| key).collect();
        for key in starving {
            self.fill(key, now);
        }
    }

    /// The same, but for the one that just gave something back: others should have it.
    pub(in crate::swarm) fn fill_starving_but(&mut self, but: PeerKey, now: Instant) {
        let starving: Vec<PeerKey> = self
            .roster
            .all()
            .filter(|(key, peer)| *key != but && peer.is_hungry())
            .map(|(key, _)| key)
            .collect();
        for key in starving {
            self.fill(key, now);
        }
    }

    fn ask(&mut self, key: PeerKey, spans: Vec<(Span, Arc<Assembly>)>, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if spans.is_empty() {
            return;
        }
        if peer.in_flight.is_empty() {
            peer.last_block = now;
            peer.pipeline.resume(now);
        }
        let mut requests = Vec::with_capacity(spans.len());
        for (span, assembly) in spans {
            peer.in_flight.extend(span.blocks());
            peer.worker.lease(Lease { assembly, span });
            requests.push(span);
        }
        peer.order(Order::Request(requests));
    }

    /// The next blocks for a peer: of a piece that is open, or of one that opens now.
    fn next_span(&mut self, key: PeerKey, most: u32) -> Option<(Span, Arc<Assembly>)> {
        let peer = self.roster.get(key)?;
        let allowed = peer.may_be_asked()?;
        if let Some(found) = self.leases.lease(key, &allowed, most) {
            return Some(found);
        }
        let piece = match allowed {
            Restriction::Has(has) => self.pieces.open(has, &mut self.random)?,
            Restriction::AllowedFast(has, fast) => {
                self.pieces.open_one_of(fast.iter().copied().filter(|piece| has.has(*piece)))?
            }
        };
        self.open(piece);
        let peer = self.roster.get(key)?;
        self.leases.lease(key, &peer.may_be_asked()?, most)
    }

    fn open(&mut self, piece: PieceIndex) {
        let suspects = self.suspects.get(&piece).cloned().unwrap_or_default();
        let alone = !suspects.is_empty();
        let assembly = Assembly::new(&self.geometry, piece, (self.doors.digest)(piece), suspects);
        self.leases.open(assembly, alone, Instant::now());
    }

    /// How many requests one peer may have on their way so that all together take three quarters of the
    /// memory that is allowed now. With few peers this is more than most pipelines; with many it keeps the
    /// number of pieces that are open at once, and with it the memory, from growing with the peers.
    pub(in crate::swarm) fn share_of_memory(&self) -> u32 {
        let blocks = self.budget.allowance() / 4 * 3 / u64::from(BLOCK_LENGTH);
        let asked = self.roster.len().saturating_sub(self.counters.only_takers).max(1) as u64;
        let share = u32::try_from(blocks / asked).unwrap_or(u32::MAX).max(MIN_REQUESTS);
        // What the download limit does not let in soon would wait in sockets, and look like silence.
        let limited = self.shared.down.limit().map(|limit| limit.saturating_mul(LIMITED_SECONDS));
        let soon = limited.map(|bytes| bytes / u64::from(BLOCK_LENGTH) / asked);
        soon.map_or(share, |soon| share.min(u32::try_from(soon.max(1)).unwrap_or(u32::MAX)))
    }

    /// How long what was asked for takes to come under the download limit, at the least: so long nobody
    /// can be blamed for its silence.
    pub(in crate::swarm) fn limited_wait(&self) -> Duration {
        let Some(limit) = self.shared.down.limit() else { return Duration::ZERO };
        let blocks: usize = self.roster.all().map(|(_, peer)| peer.in_flight.len()).sum();
        let bytes = (blocks as u64).saturating_mul(u64::from(BLOCK_LENGTH));
        Duration::from_secs(bytes / limit.max(1))
    }
}
