//! The pace of a peer beside that of all others. What is slow, and how much is worth asking for, cannot be seen from
//! one peer alone:
//!
//! - If all peers share one thin line, each of them is slow and each is silent for long. More requests, or the same
//!   ones to another peer, make it no faster.
//! - If some peers are fast, what a slow one is asked for near the end comes last. Then it is better left to them.

use crate::message::PeerKey;
use crate::piece::BLOCK_LENGTH;
use crate::swarm::Coordinator;
use std::time::{Duration, Instant};

/// A peer that owes blocks and sent none for this long is silent, however fast the others are.
const SILENT: Duration = Duration::from_secs(2);
/// What comes in so many seconds is never late, however fast all others are: to ask for it twice gains nothing.
const NEVER_LATE: f64 = 0.1;
/// Between web seeds and others, what comes in so many seconds is not late either: what a server was asked for over HTTP
/// cannot be taken back, and comes in any case; and what it could send for a peer near the end, the peer may send before
/// `cancel` comes.
pub(in crate::swarm) const RUN_NEVER_LATE: f64 = 0.5;
/// A server is asked for what it sends in three seconds. One that has more left has fallen behind.
pub(in crate::swarm) const RUN_IN_PACE: f64 = 4.0;
/// If the blocks that are on their way take so many times as long as all of them should, a peer is to blame.
const TOO_LATE: f64 = 1.5;
/// A peer with so many times the rate of another is much faster.
const MUCH_FASTER: f64 = 4.0;
/// Blocks that may be on their way from peers of which nothing is known.
const UNPROVEN_BLOCKS: f64 = 64.0;
/// More than what comes in this many seconds need not be on its way.
const ENOUGH_SECONDS: f64 = 2.0;

/// Which of the peers that are much faster are expected to send what is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FasterPeers {
    All,
    /// Not those that could take more requests and get none: what is left, they cannot be asked for.
    Busy,
}

impl Coordinator<'_> {
    /// Seconds after which a block is late: it takes clearly longer than all blocks that are on their way should take
    /// together, at this many blocks a second. If one line is the limit for all, none comes later. Nothing is late
    /// before the first block came.
    pub(in crate::swarm) fn late_after(&self, blocks_per_second: f64) -> f64 {
        if blocks_per_second > 0.0 {
            NEVER_LATE.max(TOO_LATE * self.requests.count_all() as f64 / blocks_per_second)
        } else {
            0.0
        }
    }

    /// How long a peer that owes blocks may send nothing until it counts as silent.
    pub(in crate::swarm) fn patience(&self) -> Duration {
        let late = self.late_after(self.blocks_per_second());
        let late = Duration::try_from_secs_f64(late).unwrap_or(Duration::MAX);
        SILENT.max(late).saturating_add(self.limited_wait())
    }

    /// How many blocks come in a second from all peers together, while they come.
    pub(in crate::swarm) fn blocks_per_second(&self) -> f64 {
        self.statistics.pace() / f64::from(BLOCK_LENGTH)
    }

    /// Whether as much is on its way as comes in the next seconds, so that a peer of which nothing is known should be
    /// asked for little.
    pub(in crate::swarm) fn is_enough_on_its_way(&self) -> bool {
        let soon = self.blocks_per_second() * ENOUGH_SECONDS;
        self.requests.count_all() as f64 >= soon.max(UNPROVEN_BLOCKS)
    }

    /// How many blocks a peer of which nothing is known may be asked for at first: its part of what may be on its way
    /// from all such peers, those included that we are connecting to for the first time. They may share one thin line,
    /// and who has begun with more than the others is the last to be done.
    pub(in crate::swarm) fn first_requests(&self) -> u32 {
        if self.is_enough_on_its_way() {
            return 0;
        }
        let peers = self.roster.senders().count() + self.dialer.first_attempts();
        (UNPROVEN_BLOCKS / peers.max(1) as f64) as u32
    }

    /// How many blocks this peer sends until much faster ones have sent all others for which there is memory. It is
    /// not asked for more than that, so that they never wait for it.
    pub(super) fn left_by_faster_peers(&self, key: PeerKey, expected: FasterPeers, now: Instant) -> u32 {
        let Some(rate) = self.roster.get(key).map(|peer| peer.download.pipeline.rate()) else { return 0 };
        if rate == 0.0 || rate * MUCH_FASTER > self.roster.fastest_rate() {
            return u32::MAX;
        }
        let is_silent = |last_block| now.saturating_duration_since(last_block) >= SILENT;
        let rates = self.roster.senders().filter_map(|(other, peer)| {
            let (download, rate_of_other) = (&peer.download, peer.download.pipeline.rate());
            let is_idle = self.requests.count(other) == 0;
            let counts = rate_of_other >= rate * MUCH_FASTER
                && !((expected == FasterPeers::Busy && download.starving)
                    || download.overtaken
                    || download.rests(now))
                && (is_idle || !is_silent(download.last_block))
                && peer.may_be_asked().is_some();
            counts.then_some(rate_of_other)
        });
        let faster: f64 = rates.sum();
        if faster == 0.0 {
            return u32::MAX;
        }
        let missing = self.requests.missing() as u64 + self.pieces.room() / u64::from(BLOCK_LENGTH);
        (missing as f64 * rate / faster) as u32
    }
}
