//! Requests that a peer has lost: it goes on sending, or has sent until now, and does not send these blocks.
//!
//! A peer may lose a request without a word: its own queue was full, it was choking us for a moment, it has a
//! bug. Such a block must be asked for again, of this peer or of another, or the download never ends. There
//! are two signs, and both go by the pace of the peer itself:
//!
//! - It sends blocks that it was asked for later. Peers may answer in any order, so it may pass a request
//!   over for as many blocks as two full pipelines have.
//! - It was sending and has stopped, for much longer than all that it owes should take.
//!
//! A peer whose queue is shorter than it says, and that drops without a word what it has no room for, loses whole runs
//! of requests. Then its pipeline becomes shorter: by as many as were lost where it goes on sending, else to a quarter.
//!
//! If it does not answer then either, and nobody else sends, the connection may be dead: a host that lost its
//! power or its address closes nothing. Then we connect to it anew.

use crate::message::{HangUp, PeerKey};
use crate::piece::{BLOCK_LENGTH, Block};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use log::debug;
use std::time::{Duration, Instant};

/// The fewest blocks that may pass a request over before the request counts as forgotten.
const MIN_PASSES: u32 = 16;
/// The same for a run of requests that is half of the pipeline or more: they found no room in the peer's queue.
const RUN_PASSES: u32 = 8;
/// The shortest such run.
const SHORTEST_RUN: usize = 2;
/// The shortest silence that is a sign. A connection that loses many packets at once stands still for
/// seconds.
const MIN_SILENCE: Duration = Duration::from_secs(5);
/// How many times as long as it should take the peer to send what it owes.
const PATIENCE: u32 = 4;
/// The shortest silence, of all peers, that makes a connection look dead.
const DEAD: Duration = Duration::from_secs(25);

impl Coordinator<'_> {
    /// A peer has sent a block: takes back what it has passed over too often, and a whole run sooner.
    pub(in crate::swarm) fn take_back_forgotten(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let depth = peer.download.pipeline.depth();
        let forgotten = self.requests.passed_over(key, (depth / 2).max(RUN_PASSES));
        let is_lost_run = is_run(&forgotten, depth) && !peer.is_web_seed();
        let forgotten = if is_lost_run {
            peer.download.pipeline.lost(forgotten.len() as u32, now);
            forgotten
        } else {
            self.requests.passed_over(key, depth.saturating_mul(2).max(MIN_PASSES))
        };
        if forgotten.is_empty() {
            return;
        }
        self.requests.give_back(key, &forgotten);
        debug!("{}: {} requests seem to be lost", peer.name(), forgotten.len());
        // If it has not lost them after all, it should not send them now: others are asked.
        peer.cancel(forgotten, "the request seems to be lost, so others are asked");
        self.fill_hungry(Some(key), now);
    }

    /// Takes back what peers owe that were sending and have stopped. Such a peer may be asked again at once,
    /// and if it was only a request that got lost, it answers. If not, its silence goes on.
    pub(in crate::swarm) fn take_back_overdue(&mut self, now: Instant) {
        if self.is_disk_behind() {
            return;
        }
        let all = self.time_for_all();
        let is_overdue = |(key, peer): &(PeerKey, &Peer)| {
            let silence = now.saturating_duration_since(peer.download.last_block);
            let owes = self.requests.count(*key) > 0;
            owes && !peer.download.overtaken && silence >= self.longest_silence(*key, peer, all)
        };
        let overdue: Vec<PeerKey> = self.roster.all().filter(is_overdue).map(|(key, _)| key).collect();
        for key in overdue {
            if let Some(peer) = self.roster.get_mut(key).filter(|peer| peer.download.useful) {
                peer.download.pipeline.stalled(now);
            }
            self.ask_others(key, now);
        }
    }

    /// Others are asked for what this peer owes, since it is silent.
    pub(in crate::swarm) fn ask_others(&mut self, key: PeerKey, now: Instant) {
        let blocks = self.requests.take_back(key);
        let Some(peer) = self.roster.get_mut(key) else { return };
        debug!("{}: stopped sending; requesting {} blocks from others", peer.name(), blocks.len());
        peer.cancel(blocks, "it has stopped sending, so others are asked");
        peer.download.overtaken = true;
        peer.download.starving = true;
        self.fill_hungry(Some(key), now);
    }

    /// Ends the connections that look dead, to peers that we can connect to anew. Where others send, a silent
    /// peer costs nothing, and may take its time.
    pub(in crate::swarm) fn end_dead_connections(&mut self, now: Instant) {
        if !self.is_downloading() || self.statistics.idle_for(now) < DEAD {
            return;
        }
        let all = self.time_for_all();
        let is_dead = |(key, peer): &(PeerKey, &Peer)| {
            let silence = now.saturating_duration_since(peer.download.last_block);
            // It was asked a second time, and had as long for that as for the first.
            let patience = self.longest_silence(*key, peer, all).saturating_mul(2).max(DEAD);
            let should_send = peer.download.overtaken && peer.may_be_asked().is_some();
            should_send && (peer.dial.is_some() || peer.is_web_seed()) && silence >= patience
        };
        let dead: Vec<PeerKey> = self.roster.senders().filter(is_dead).map(|(key, _)| key).collect();
        dead.into_iter().for_each(|key| self.disconnect(key, HangUp::Stalled));
    }

    /// How long all peers together take for what they owe. They may share one thin line, and then each waits
    /// for the blocks of the others.
    fn time_for_all(&self) -> Duration {
        time_for(self.requests.count_all(), self.statistics.pace())
    }

    /// How long a peer may be silent, given what it owes and its own pace.
    fn longest_silence(&self, key: PeerKey, peer: &Peer, all: Duration) -> Duration {
        let owed = self.requests.count(key);
        let first = Some(peer.download.first_pace).filter(|pace| *pace > 0.0);
        // If it shares the line with nobody, its first blocks say how fast it is.
        let expected = match first.filter(|_| owed == self.requests.count_all()) {
            Some(pace) => time_for(owed, pace),
            None => time_for(owed, peer.download.pace).max(all),
        };
        let at_least = MIN_SILENCE.max(peer.shortest_silence()).saturating_add(self.limited_wait());
        at_least.max(expected.saturating_mul(PATIENCE))
    }
}

/// Whether these are half of a pipeline of this depth, and were requested one after the other, most of them at least.
/// One that gets lost now and then has others around it that came.
fn is_run(blocks: &[Block], depth: u32) -> bool {
    let follows = |(one, next): &(&Block, &Block)| {
        next.number == 0 || (next.piece == one.piece && next.number == one.number.saturating_add(1))
    };
    let following = blocks.iter().zip(blocks.iter().skip(1)).filter(follows).count();
    blocks.len() >= SHORTEST_RUN
        && blocks.len() * 2 >= depth as usize
        && following * 4 >= (blocks.len() - 1) * 3
}

/// How long this many blocks take at a pace in bytes a second: for ever, if the pace is not known.
fn time_for(blocks: usize, pace: f64) -> Duration {
    let seconds = blocks as f64 * f64::from(BLOCK_LENGTH) / pace;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
