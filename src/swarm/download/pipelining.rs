//! Keeps the pipelines full: which blocks a peer is asked for next.

use super::requests::Leased;
use crate::message::{Lease, Order, PeerKey};
use crate::piece::{Assembly, BLOCK_LENGTH, PieceIndex};
use crate::swarm::Coordinator;
use crate::swarm::peers::Restriction;
use std::time::{Duration, Instant};

/// Requests that each peer may have on their way, however many peers share the memory.
const MIN_REQUESTS: u32 = 4;
/// The fewest requests, in blocks, that are worth an order of their own. Fewer wait until there are this
/// many, or a quarter of the pipeline if that is less.
const LARGE_ORDER: u32 = 48;
/// Under a download limit we ask for what the limit lets in within this many seconds.
const LIMITED_SECONDS: u64 = 3;

impl Coordinator<'_> {
    /// Asks a peer for as many blocks as its pipeline has room for.
    pub(in crate::swarm) fn fill(&mut self, key: PeerKey, now: Instant) {
        let share = self.share_of_memory();
        let in_flight = self.requests.count(key) as u32;
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.download.starving = false;
        if peer.may_be_asked().is_none() || peer.download.standing.rests(now) {
            return;
        }
        peer.download.pipeline.set_memory_share(share);
        let depth = peer.download.pipeline.depth();
        let mut room = depth.saturating_sub(in_flight);
        // We do not send one request at a time: each order costs the outbox a wake-up and a write.
        if room == 0 || (in_flight > 0 && room < (depth / 4).min(LARGE_ORDER)) {
            return;
        }
        let mut leased = Vec::new();
        while room > 0 {
            let Some((span, assembly)) = self.next_span(key, room, now) else { break };
            room -= span.count;
            leased.push((span, assembly));
        }
        let starving = room > 0;
        if leased.is_empty() && in_flight == 0 {
            leased = self.take_over(key, depth, now);
        }
        if let Some(peer) = self.roster.get_mut(key) {
            peer.download.starving = starving;
        }
        self.ask(key, leased, in_flight == 0, now);
    }

    /// Fills the pipelines of the peers that could take more requests, all `but` the peer that has just
    /// rejected a block or lost its leases: other peers should be asked for those blocks.
    pub(in crate::swarm) fn fill_hungry(&mut self, but: Option<PeerKey>, now: Instant) {
        let hungry: Vec<PeerKey> = self
            .roster
            .all()
            .filter(|(key, peer)| peer.download.starving || self.requests.count(*key) == 0)
            .filter(|(key, _)| Some(*key) != but)
            .map(|(key, _)| key)
            .collect();
        hungry.into_iter().for_each(|key| self.fill(key, now));
    }

    /// Sends the leases, then the requests, so that the lease is there when an answer comes. `owed_nothing`:
    /// the peer's pipeline was empty until now.
    fn ask(&mut self, key: PeerKey, leased: Vec<Leased>, owed_nothing: bool, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if leased.is_empty() {
            return;
        }
        if owed_nothing && !peer.download.overtaken {
            peer.download.last_block = peer.download.standing.silent_since(now);
            peer.download.pipeline.resume(now);
        }
        let spans = leased.iter().map(|(span, _)| *span).collect();
        leased.into_iter().for_each(|(span, assembly)| peer.worker.lease(Lease { assembly, span }));
        peer.order(Order::Request(spans));
    }

    /// The next blocks to request of a peer: of a piece that is open, or else of one that opens now.
    fn next_span(&mut self, key: PeerKey, most: u32, now: Instant) -> Option<Leased> {
        let allowed = self.roster.get(key)?.may_be_asked()?;
        if let Some(leased) = self.requests.next_for(key, &allowed, most) {
            return Some(leased);
        }
        let piece = match allowed {
            Restriction::Has(pieces) => self.pieces.open(pieces, &mut self.random)?,
            Restriction::AllowedFast(pieces, fast) => {
                self.pieces.open_one_of(fast.iter().copied().filter(|piece| pieces.has(*piece)))?
            }
        };
        self.open(piece, now);
        self.requests.next_for(key, &self.roster.get(key)?.may_be_asked()?, most)
    }

    fn open(&mut self, piece: PieceIndex, now: Instant) {
        let suspects = self.bans.suspects_of(piece);
        let exclusive = !suspects.is_empty();
        let digest = self.environment.piece_digest(piece);
        self.requests.open(Assembly::new(&self.geometry, piece, digest, suspects), exclusive, now);
    }

    /// How many requests one peer may have on their way so that all together take three quarters of the
    /// memory that is allowed now. With few peers this is more than most pipelines. With many it keeps the
    /// number of open pieces, and with it the memory, from growing with the peers.
    pub(in crate::swarm) fn share_of_memory(&self) -> u32 {
        let blocks = self.budget.allowance() / 4 * 3 / u64::from(BLOCK_LENGTH);
        let sources = self.roster.sources().max(1) as u64;
        let share = u32::try_from(blocks / sources).unwrap_or(u32::MAX).max(MIN_REQUESTS);
        // Blocks that the download limit does not let in soon would wait in sockets. That looks like silence,
        // and other peers would be asked for them again.
        let limited = self.settings.download_limit.map(|limit| limit.saturating_mul(LIMITED_SECONDS));
        let soon = limited.map(|bytes| bytes / u64::from(BLOCK_LENGTH) / sources);
        soon.map_or(share, |soon| share.min(u32::try_from(soon.max(1)).unwrap_or(u32::MAX)))
    }

    /// The least time that all requested blocks take under the download limit. For this long no peer can be
    /// blamed for its silence.
    pub(in crate::swarm) fn limited_wait(&self) -> Duration {
        let Some(limit) = self.settings.download_limit else { return Duration::ZERO };
        let bytes = (self.requests.count_all() as u64).saturating_mul(u64::from(BLOCK_LENGTH));
        Duration::from_secs(bytes / limit.max(1))
    }

    /// Gives up an open piece that no peer may be asked for, if its memory is needed. When no memory is left,
    /// such a piece would keep the connected peers from sending what they have.
    pub(in crate::swarm) fn give_up_orphan(&mut self) {
        if self.pieces.has_room() || !self.roster.all().any(|(_, peer)| peer.download.starving) {
            return;
        }
        let has_source = |piece| {
            let mut peers = self.roster.all();
            peers.any(|(_, peer)| peer.may_be_asked().is_some_and(|allowed| allowed.allows(piece)))
        };
        let orphan = self.requests.idle().find(|(piece, _)| !has_source(*piece));
        if let Some((piece, received)) = orphan {
            log::debug!("piece {} is given up: no peer may be asked for it", piece.get());
            self.statistics.wasted(u64::from(received) * u64::from(BLOCK_LENGTH));
            if let Some(assembly) = self.requests.close(piece) {
                // Workers may hold the assembly for long, so its memory is freed and not only its last
                // reference.
                self.environment.abandon(&assembly);
            }
            self.pieces.discard(piece);
        }
    }
}
