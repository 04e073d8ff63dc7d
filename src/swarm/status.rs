//! What the screen shows: the state of the torrent, and why nothing moves.

use super::peers::Peer;
use super::{Coordinator, Phase};
use crate::message::{RunPhase, Snapshot, Stall};
use crate::piece::PieceIndex;
use crate::strategy::PeerPieces;
use std::time::{Duration, Instant};

/// When nothing moved for this long, the user is told why.
const STALLED: Duration = Duration::from_secs(10);

impl Coordinator<'_> {
    /// The state of the torrent.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let greeted = || self.roster.greeted();
        Snapshot {
            done: self.pieces.stored_bytes(),
            total: self.pieces.wanted_bytes(),
            left: self.geometry.total_size().saturating_sub(self.pieces.stored_bytes()),
            rate: self.statistics.download_rate(),
            uploaded: self.statistics.bytes_uploaded(),
            up_rate: self.statistics.shown_upload_rate(),
            peers: greeted().count(),
            known: self.dialer.candidates().known(),
            seeds: greeted().filter(|(_, peer)| peer.is_seed()).count(),
            web_seeds: self.roster.running_web_seeds().count(),
            received: self.statistics.bytes_received(),
            wasted: self.statistics.bytes_wasted(),
            interested: greeted().filter(|(_, peer)| peer.flags.peer_interested).count(),
            served: greeted().filter(|(key, _)| self.slots.is_unchoked(*key)).count(),
            phase: match self.phase {
                Phase::Downloading => RunPhase::Downloading,
                Phase::Finishing => RunPhase::Finishing,
                Phase::Seeding { .. } => RunPhase::Seeding,
            },
            stall: self.stall(now),
            copies: None,
        }
    }

    /// The same, with the copies of the torrent that the peers and web seeds have together.
    pub(super) fn with_copies(&self, snapshot: &Snapshot) -> Snapshot {
        Snapshot { copies: Some(self.copies()), ..snapshot.clone() }
    }

    /// Those copies: whole ones, and the part of the pieces of which there is one more. Those who have every piece do not
    /// count as partial peers.
    pub(super) fn copies(&self) -> f64 {
        let is_whole = |peer: &Peer| matches!(peer.pieces, PeerPieces::All);
        let whole = self.roster.senders().filter(|(_, peer)| is_whole(peer)).count();
        whole as f64 + self.pieces.rarity().copies()
    }

    fn stall(&self, now: Instant) -> Option<Stall> {
        if self.budget.waits_for_memory(now).is_some_and(|since| since >= STALLED) {
            return Some(Stall::NoMemory);
        }
        let is_stalled = self.statistics.idle_for(now) >= STALLED && self.is_downloading();
        is_stalled.then(|| self.why_idle(now))
    }

    /// Why nothing comes, for however short a time.
    pub(super) fn why_idle(&self, now: Instant) -> Stall {
        if self.is_disk_behind() {
            return if self.pieces.is_stream() { Stall::SlowReader } else { Stall::SlowDisk };
        }
        let of_peers = self.stall_of_peers(now);
        match self.web_seed_trouble() {
            Some(trouble) => Stall::AndWebSeeds(Box::new(of_peers), trouble),
            None => of_peers,
        }
    }

    /// Why no peer sends anything.
    fn stall_of_peers(&self, now: Instant) -> Stall {
        let known = self.dialer.candidates().known();
        let greeted = || self.roster.greeted().map(|(_, peer)| peer);
        let has = |piece| self.roster.senders().any(|(_, peer)| peer.pieces.has(piece));
        if known == 0 && greeted().next().is_none() {
            let said = self.statistics.tracker_trouble();
            Stall::NoPeers(said.or_else(|| self.environment.search_trouble(now)))
        } else if let Some(trouble) = self.statistics.proxy_trouble().filter(|_| greeted().next().is_none()) {
            Stall::Proxy(trouble)
        } else if greeted().next().is_none() {
            match self.statistics.last_peer_trouble() {
                Some(why) if self.statistics.is_last_peer_of_no_use() => Stall::OfNoUse(known, why),
                why => Stall::Unreachable(known, why),
            }
        } else if greeted().all(|peer| !peer.has_spoken) {
            Stall::NothingSaid(greeted().count())
        } else if greeted().all(|peer| peer.wanted == 0) {
            Stall::NobodyHas(self.first_missing())
        } else if let Some(piece) = self.next_of_stream().filter(|piece| !has(*piece)) {
            // What comes behind it may be here already, and waits.
            Stall::NobodyHas(piece.get())
        } else if greeted().filter(|peer| peer.wanted > 0).all(|peer| peer.flags.peer_choking) {
            Stall::AllChoke
        } else {
            Stall::Silent
        }
    }

    /// Whether peers have to wait for us because the disk is slow, or whoever reads the stream.
    pub(super) fn is_disk_behind(&self) -> bool {
        if self.pieces.is_stream() {
            return self.pieces.waits_for_reader();
        }
        let no_room = self.statistics.waits_for_disk() && !self.pieces.has_room();
        no_room || self.environment.is_writer_behind()
    }

    /// The piece that a stream goes on with.
    fn next_of_stream(&self) -> Option<PieceIndex> {
        self.geometry.pieces().find(|piece| self.pieces.wants(*piece)).filter(|_| self.pieces.is_stream())
    }

    /// The number of a piece that no partial peer has, or else of the first piece that we lack.
    fn first_missing(&self) -> u32 {
        let missing = || self.geometry.pieces().find(|piece| self.pieces.wants(*piece));
        self.pieces.rarity().without_partial_peer().or_else(missing).map_or(0, |piece| piece.get())
    }
}
