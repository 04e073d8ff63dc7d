//! The end game, and wherever else nothing is left to ask for: a peer that could send more helps those that take
//! longest.
//!
//! Near the end every missing block was asked for, and the download takes as long as the slowest peer. It is the same
//! in the middle of a download when memory is short: all blocks of the open pieces were asked for, and no other piece
//! opens, or only a part of one. So a peer that could take more requests is asked for blocks that others owe us, if it
//! will send them clearly sooner: from the far end of what the slowest peer owes, then of the next. The slow peer stays
//! asked. Whichever sends a block first wins, and the other hears `cancel`.
//!
//! If all peers share one thin line they are slow together, and asking twice makes the line carry twice. So what
//! comes in time beside all that is on its way is left alone (`swarm/download/pace.rs`), and only few blocks are asked
//! for twice at a time: as many as come in a moment. From fast peers these are enough to make up for slow ones.
//!
//! What a web seed was asked for over HTTP comes in any case: it hears no `cancel`. So as long as pieces wait for memory,
//! a server that keeps its pace is left to send what it owes. What a peer sent of that meanwhile would come twice, and
//! the server would have sent nothing else in that time. At the end it is left to it by peers that are slower than it.

use super::pace::{RUN_IN_PACE, RUN_NEVER_LATE};
use crate::message::{Lease, PeerKey};
use crate::piece::{BLOCK_LENGTH, Block};
use crate::swarm::Coordinator;
use std::time::Instant;

/// A helper is asked for a block if it needs no more than this part of the time that the other peer needs.
const SOONER: f64 = 0.7;
/// As many blocks are asked for twice at a time as come in this part of a second. On one line for all, what is asked
/// for twice comes twice, since it is in a socket before `cancel` comes: with a quarter of a second, 10 Mbit/s for
/// forty peers took a tenth longer. It need not be much, as each block that comes makes room for another one.
const MOMENT: f64 = 0.06;
/// Blocks that may be asked for twice, however slow all peers are.
const MIN_TWICE: usize = 2;
/// Seconds for a block of a peer that has sent none yet. Before that time it is not slow.
const UNKNOWN_BLOCK_TIME: f64 = 1.0;

/// A peer that others might help.
struct Holder {
    key: PeerKey,
    /// Seconds from block to block.
    block_time: f64,
    /// Seconds until it has sent all that it owes us.
    time_left: f64,
    /// What comes in so many seconds is not late.
    never_late: f64,
    is_silent: bool,
}

impl Coordinator<'_> {
    /// Leases blocks that other peers owe us to a peer for which there is nothing else. It owes us as many as `owed`
    /// itself and may be asked for `most` more.
    pub(in crate::swarm) fn take_over(
        &mut self,
        key: PeerKey,
        owed: u32,
        most: u32,
        now: Instant,
    ) -> Vec<Lease> {
        let Some(helper) = self.roster.get(key).filter(|peer| !peer.download.overtaken) else {
            return Vec::new();
        };
        let Some(allowed) = helper.may_be_asked() else { return Vec::new() };
        let (within, only_silent) = self.may_help_with(key, now);
        let block_time = helper.download.pipeline.block_time().unwrap_or(UNKNOWN_BLOCK_TIME);
        // What the helper alone has sent, the line can carry.
        let line = self.blocks_per_second().max(helper.download.pipeline.rate() / f64::from(BLOCK_LENGTH));
        let never_late = if helper.is_web_seed() { RUN_NEVER_LATE } else { 0.0 };
        let late = self.late_after(line).max(never_late);
        let twice = MIN_TWICE.max((line * MOMENT) as usize);
        let (mut leases, mut overtaken) = (Vec::new(), Vec::new());
        // Mostly there is none, and this is asked often.
        let first = f64::from(owed + 1) * block_time;
        let holders = self.holders((key, block_time), late.max(first / SOONER), now);
        let silent: Vec<PeerKey> =
            holders.iter().filter(|holder| holder.is_silent).map(|holder| holder.key).collect();
        for holder in holders.into_iter().filter(|holder| holder.is_silent || !only_silent) {
            let before = leases.len();
            let pays = |place: usize, taken: usize| {
                let theirs = place as f64 * holder.block_time;
                let ours = (owed as usize + before + taken) as f64 * block_time;
                before + taken <= most as usize
                    && theirs > late.max(holder.never_late)
                    && ours < theirs * SOONER
            };
            // A block that two peers owe us is left to them, unless both are silent: then the helper takes the place of
            // this one. If the other was just asked, its block is on the way, and a third one would be too much.
            let spare = twice.saturating_sub(self.requests.count_twice());
            let (taken, displaced) =
                self.requests.take_over(key, holder.key, (&allowed, &within), &silent, spare, pays);
            leases.extend(taken);
            overtaken.push((holder.key, displaced));
        }
        overtaken.into_iter().for_each(|(other, displaced)| self.overtake(other, displaced));
        leases
    }

    /// The peers that need longer than this many seconds to send what they owe us, without the helper. The one that
    /// takes longest comes first.
    fn holders(&self, (helper, helpers_time): (PeerKey, f64), longer_than: f64, now: Instant) -> Vec<Holder> {
        let patience = self.patience();
        // Of a stream the first piece is always urgent. Elsewhere a peer that is slower than a server wins little time
        // with what it sends of its answer, and all of that comes twice.
        let (is_end, is_stream) = (self.pieces.rarity().is_empty(), self.pieces.is_stream());
        let is_urgent = |block_time: f64| is_stream || (is_end && helpers_time <= block_time);
        let run_never_late = |block_time| if is_urgent(block_time) { RUN_NEVER_LATE } else { RUN_IN_PACE };
        let others = self.roster.all().map(|(key, peer)| (key, peer, self.requests.count(key)));
        let mut holders: Vec<Holder> = others
            .filter(|(key, _, owed)| *key != helper && *owed > 0)
            .filter_map(|(key, peer, owed)| {
                let silence = now.saturating_duration_since(peer.download.last_block);
                let unknown = Some(silence.as_secs_f64()).filter(|seconds| *seconds > UNKNOWN_BLOCK_TIME);
                let block_time = peer.download.pipeline.block_time().or(unknown)?;
                let time_left = owed as f64 * block_time;
                let is_silent = silence > patience;
                let is_served = peer.is_web_seed() && !is_silent;
                let never_late = if is_served { run_never_late(block_time) } else { 0.0 };
                (time_left > longer_than.max(never_late)).then_some(Holder {
                    key,
                    block_time,
                    time_left,
                    never_late,
                    is_silent,
                })
            })
            .collect();
        holders
            .sort_unstable_by(|one, two| two.time_left.total_cmp(&one.time_left).then(one.key.cmp(&two.key)));
        holders
    }

    /// Another peer was asked for these blocks in place of this one, which was silent.
    fn overtake(&mut self, silent: PeerKey, blocks: Vec<Block>) {
        if let Some(peer) = self.roster.get_mut(silent).filter(|_| !blocks.is_empty()) {
            peer.download.overtaken = true;
            peer.cancel(blocks, "it was silent, so another peer is asked");
        }
    }
}
