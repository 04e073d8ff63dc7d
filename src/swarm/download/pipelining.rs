//! Keeps the pipelines full: which blocks a peer is asked for next.

use super::pace::FasterPeers;
use super::requests::{PieceSource, Within};
use crate::message::{Lease, Order, PeerKey};
use crate::piece::{Assembly, BLOCK_LENGTH, PieceIndex, Suspects};
use crate::swarm::Coordinator;
use crate::swarm::peers::{Peer, Restriction};
use std::time::{Duration, Instant};

/// Under a download limit we ask for what the limit lets in within this many seconds.
const LIMITED_SECONDS: u64 = 3;

/// How deep the pipeline of a peer may be.
struct Depth {
    /// The most requests on their way.
    depth: u32,
    /// Fewer than these are not worth an order, as long as others are on their way.
    least_order: u32,
}

impl Coordinator<'_> {
    /// Asks a peer for as many blocks as its pipeline has room for.
    pub(in crate::swarm) fn fill(&mut self, key: PeerKey, now: Instant) {
        let in_flight = self.requests.count(key) as u32;
        let Some(Depth { depth, least_order }) = self.depth(key, now) else { return };
        self.claim_first_piece(now);
        let room = depth.saturating_sub(in_flight);
        if room == 0 || (in_flight > 0 && room < least_order) {
            return;
        }
        let limit = self.left_by_faster_peers(key, FasterPeers::Busy, now);
        let room = room.min(limit.saturating_sub(in_flight));
        let mut leases = self.lease_free(key, room, now);
        let (own, leased) = (leases.len(), leases.iter().map(|lease| lease.span.count).sum::<u32>());
        let left = room.saturating_sub(leased);
        if left > 0 {
            leases.extend(self.help_others(key, in_flight.saturating_add(leased), left, now));
        }
        if let Some(peer) = self.roster.get_mut(key) {
            peer.download.starving = left > 0;
            peer.download.left_out = limit < depth;
        }
        self.explain(key, &leases, own, depth);
        self.ask(key, leases, in_flight == 0, now);
    }

    /// How deep the pipeline of a peer may be now. `None` if it may not be asked for anything.
    fn depth(&mut self, key: PeerKey, now: Instant) -> Option<Depth> {
        let peer = self.roster.get(key)?;
        let share = self.share_of_memory(peer.memory_parts());
        let first = if peer.download.useful { u32::MAX } else { self.first_requests() };
        let peer = self.roster.get_mut(key)?;
        (peer.download.starving, peer.download.left_out) = (false, false);
        if peer.may_be_asked().is_none() || peer.download.rests(now) {
            return None;
        }
        let is_web_seed = peer.is_web_seed();
        let pipeline = &mut peer.download.pipeline;
        pipeline.set_memory_share(share);
        pipeline.begin_with(first);
        let (depth, least_order) = (pipeline.depth(), pipeline.least_order());
        if !is_web_seed {
            return Some(Depth { depth, least_order });
        }
        let depth = depth.min(self.longest_run(key));
        Some(Depth { depth, least_order: least_order.min(depth / 2) })
    }

    /// Leases blocks to a peer that no other peer owes us, up to `room` of them.
    fn lease_free(&mut self, key: PeerKey, mut room: u32, now: Instant) -> Vec<Lease> {
        let is_web_seed = self.roster.get(key).is_some_and(Peer::is_web_seed);
        let mut leases = Vec::new();
        while room > 0 {
            let next =
                if is_web_seed { self.next_of_run(key, room, now) } else { self.next_span(key, room, now) };
            let Some(lease) = next else { break };
            room = room.saturating_sub(lease.span.count);
            leases.push(lease);
        }
        leases
    }

    /// Leases blocks that others owe us to a peer for which there is little else: it owes us `owed` blocks and could
    /// take `room` more.
    fn help_others(&mut self, key: PeerKey, owed: u32, room: u32, now: Instant) -> Vec<Lease> {
        if owed > room / 4 || owed >= self.left_by_faster_peers(key, FasterPeers::All, now) {
            return Vec::new();
        }
        let taken = self.take_over(key, owed, room, now);
        if taken.is_empty() || !self.roster.get(key).is_some_and(Peer::is_web_seed) {
            return taken;
        }
        self.forget_ahead(key);
        in_order(taken)
    }

    /// Fills the pipelines of the peers that could take more requests, all `but` the peer that has just
    /// rejected a block or lost its leases: other peers should be asked for those blocks. The fastest come first:
    /// where little is left they should have it.
    pub(in crate::swarm) fn fill_hungry(&mut self, but: Option<PeerKey>, now: Instant) {
        let mut hungry: Vec<(PeerKey, f64)> = self
            .roster
            .all()
            .filter(|(key, peer)| peer.download.starving || self.requests.count(*key) == 0)
            .filter(|(key, _)| Some(*key) != but)
            .map(|(key, peer)| (key, peer.download.pipeline.rate()))
            .collect();
        hungry.sort_unstable_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
        hungry.into_iter().map(|(key, _)| key).for_each(|key| self.fill(key, now));
    }

    /// Sends the leases, then the requests, so that the lease is there when an answer comes. `owed_nothing`:
    /// the peer's pipeline was empty until now.
    fn ask(&mut self, key: PeerKey, leases: Vec<Lease>, owed_nothing: bool, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if leases.is_empty() {
            return;
        }
        if owed_nothing && !peer.download.overtaken {
            peer.download.last_block = peer.download.standing.silent_since(now);
            peer.download.pipeline.resume(now);
        }
        let spans = leases.iter().map(|lease| lease.span).collect();
        leases.into_iter().for_each(|lease| peer.worker.lease(lease));
        peer.order(Order::Request(spans));
    }

    /// Tells whoever watches why these blocks are requested, of which those from number `own` on are asked of another
    /// peer as well.
    fn explain(&self, key: PeerKey, leases: &[Lease], own: usize, depth: u32) {
        let Some(peer) = self.roster.get(key) else { return };
        let asked: u32 = leases.iter().map(|lease| lease.span.count).sum();
        let mut in_flight = (self.requests.count(key) as u32).saturating_sub(asked);
        for (number, Lease { span, .. }) in leases.iter().enumerate() {
            let later = leases.get(number..own).unwrap_or_default();
            in_flight = in_flight.saturating_add(span.count);
            peer.worker.explain("request", span.count as usize, || {
                let why = match (number < own, span.first) {
                    (false, _) => "another peer owes it and is slower".to_owned(),
                    (true, 0) if peer.flags.peer_choking => {
                        "it allows this piece while it chokes us".to_owned()
                    }
                    (true, 0) => {
                        let opened = later.iter().filter(|lease| lease.span.first == 0).count();
                        self.pieces.why_open(span.piece, opened)
                    }
                    (true, _) => "goes on with an open piece".to_owned(),
                };
                format!("{why}; pipeline {in_flight} of {depth}")
            });
        }
    }

    /// The next blocks to request of a peer: of a piece that no other has, of one that is open, or else of one that opens
    /// now.
    fn next_span(&mut self, key: PeerKey, most: u32, now: Instant) -> Option<Lease> {
        let scope = self.scope(key, now);
        self.next_that_no_other_has(key, &scope, most, now)
            .or_else(|| self.lease(key, &scope.first, most))
            .or_else(|| {
                self.open_for(key, scope.opens?, now)?;
                self.lease(key, &Within::Shared, most)
            })
            .or_else(|| self.lease(key, scope.then.as_ref()?, most))
    }

    /// The next blocks of the open pieces that are `within` these.
    pub(in crate::swarm) fn lease(&mut self, key: PeerKey, within: &Within, most: u32) -> Option<Lease> {
        let allowed = self.roster.get(key)?.may_be_asked()?;
        self.requests.limit(self.part_of_early(key));
        self.requests.next_for(key, &allowed, within, most)
    }

    /// The piece that opened early, if one did, and how many of its blocks may be asked for. A bounded newcomer has to do
    /// with one piece at a time, so it is kept for the one before, which it may have to help with.
    fn part_of_early(&self, key: PeerKey) -> Option<(PieceIndex, u32)> {
        let (piece, most) = self.pieces.early_part()?;
        let is_alone = self.requests.open_pieces().all(|(open, _)| open == piece);
        Some((piece, if is_alone || self.is_unbounded(key) { most } else { 0 }))
    }

    /// Opens a piece that this peer may be asked for.
    fn open_for(&mut self, key: PeerKey, source: PieceSource, now: Instant) -> Option<()> {
        self.pieces.all_asked(self.requests.is_all_asked() && self.is_unbounded(key));
        let piece = match self.roster.get(key)?.may_be_asked()? {
            Restriction::Has(_) if self.roster.web_seeds().running() > 0 => {
                let piece = self.next_beside_web_seeds(key, now)?;
                self.pieces.open_one_of([piece])?
            }
            Restriction::Has(pieces) => self.pieces.open(pieces, &mut self.random)?,
            Restriction::AllowedFast(pieces, fast) => {
                self.pieces.open_one_of(fast.iter().copied().filter(|piece| pieces.has(*piece)))?
            }
        };
        self.begin(piece, key, source, now);
        Some(())
    }

    /// Begins a piece for this peer. If it was wrong before, this peer alone sends it.
    pub(in crate::swarm) fn begin(
        &mut self,
        piece: PieceIndex,
        key: PeerKey,
        source: PieceSource,
        now: Instant,
    ) {
        let was_wrong = !self.suspicions.attempts_at(piece).is_empty();
        self.open(piece, if was_wrong { PieceSource::OnePeer(Some(key)) } else { source }, now);
    }

    /// Begins a piece whose state is open.
    pub(in crate::swarm) fn open(&mut self, piece: PieceIndex, source: PieceSource, now: Instant) {
        let assembly = self.assembly(piece, self.suspicions.attempts_at(piece));
        self.requests.open(assembly, source, now);
    }

    /// An empty assembly of a piece that failed so.
    pub(in crate::swarm) fn assembly(&self, piece: PieceIndex, attempts: Vec<Suspects>) -> Assembly {
        Assembly::new(&self.geometry, piece, self.environment.piece_digest(piece), attempts)
    }

    /// Shares the memory that is allowed now out among the peers, by what they have on their way or soon may.
    pub(in crate::swarm) fn share_out_memory(&mut self, now: Instant) {
        let wants = |peer: &Peer| match peer.may_be_asked() {
            // A pipeline that is tried at a greater depth doubles.
            Some(_) if peer.download.rests(now) => 0,
            Some(_) => peer.download.pipeline.wanted_depth().saturating_mul(2),
            None => 0,
        };
        let wanted = self.roster.senders().flat_map(|(_, peer)| {
            let parts = peer.memory_parts();
            std::iter::repeat_n(wants(peer).div_ceil(parts), parts as usize)
        });
        let wanted = wanted.collect();
        self.budget.share_out(wanted);
    }

    /// How many requests may be on their way to one who counts for so many peers, so that all together take three
    /// quarters of the memory that is allowed now.
    pub(in crate::swarm) fn share_of_memory(&self, parts: u32) -> u32 {
        let share = self.budget.share().saturating_mul(parts);
        let sources = self.roster.sources().max(1) as u64;
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
}

/// The same blocks in the order of the payload, as a server is asked for them with the fewest requests.
fn in_order(mut leases: Vec<Lease>) -> Vec<Lease> {
    leases.sort_unstable_by_key(|lease| (lease.span.piece, lease.span.first));
    let mut joined: Vec<Lease> = Vec::new();
    for Lease { assembly, span } in leases {
        match joined.last_mut() {
            Some(Lease { span: last, .. })
                if last.piece == span.piece && last.first + last.count == span.first =>
            {
                last.count += span.count;
            }
            _ => joined.push(Lease { assembly, span }),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::{Geometry, PieceDigest, Span};
    use std::sync::Arc;

    #[test]
    fn what_a_web_seed_takes_over_becomes_few_spans_in_the_order_of_the_payload() {
        let geometry = Geometry::new(1 << 20, 1 << 17).unwrap();
        let lease = |(piece, first): (u32, u32)| {
            let piece = geometry.piece(piece).unwrap();
            let assembly = Assembly::new(&geometry, piece, PieceDigest::default(), Vec::new());
            Lease { assembly: Arc::new(assembly), span: Span { piece, first, count: 1 } }
        };
        let ordered = in_order([(3, 7), (3, 6), (2, 1), (3, 4), (2, 0)].map(lease).into());
        let spans: Vec<_> =
            ordered.iter().map(|Lease { span, .. }| (span.piece.get(), span.first, span.count)).collect();
        assert_eq!(spans, [(2, 0, 2), (3, 4, 1), (3, 6, 2)]);
    }
}
