//! Which blocks a web seed is asked for next: runs of pieces, one behind the other.
//!
//! `strategy/download/gaps.rs` says which run and why. A web seed goes on from piece to piece until the next one is not
//! missing, and takes whole pieces if they are not large, so that no other source has a part of them and
//! requests do not end within a piece. If no piece can be opened it helps with those that peers have begun.
//!
//! The orders follow what has come, some seconds ahead, and would make a request over HTTP each. So its worker is told
//! how far to go on, asks for all of that at once, and takes the orders as the answer flows. A server that is 100 ms
//! away on a line of 400 Mbit/s filled 43 % of it without that.
//!
//! But what is asked for over HTTP comes, also where others have sent it meanwhile: an answer that is of no more use can
//! only be cut off, and what is in the sockets by then came for nothing. So a run is the server's own. Peers begin no
//! piece of it while there is another one, and after that only where the server will be late. Where all that is missing
//! is soon there, a run is as long as it takes the others to send the rest, and is asked for by halves: then all end
//! together, and what is wrong about a rate is put right by the next half.

use crate::message::{Lease, Order, PeerKey};
use crate::piece::{BLOCK_LENGTH, PieceIndex};
use crate::strategy::PeerPieces;
use crate::swarm::Coordinator;
use crate::swarm::download::{PieceSource, RUN_IN_PACE, RUN_NEVER_LATE, Within};
use crate::swarm::peers::{Peer, Restriction};
use std::ops::Range;
use std::time::Instant;

/// Blocks of a piece that is asked for as a whole; more where it sends more in [`WHOLE_SECONDS`].
const WHOLE: u32 = 64;
const WHOLE_SECONDS: f64 = 1.0;
/// A web seed that has proved nothing yet is asked for so many blocks. If they are wrong, no more are lost.
const FIRST_RUN: u32 = 64;
/// Near the end, a web seed may still be asked for so many blocks at once.
const LAST_RUN: u32 = 16;
/// A server that is the only source is asked for so many times as much as it has sent: a peer that comes then finds
/// something to do.
const GROWTH: u64 = 4;
/// A peer begins a piece of a server's run if it needs no more than this part of the time that the server needs.
const SOONER: f64 = 0.7;

/// A run that others should not wait for.
struct LateRun {
    server: PeerKey,
    /// How long the server needs for it.
    seconds: f64,
    /// The part of it that the server will send.
    run: Range<u32>,
}

impl Coordinator<'_> {
    /// The next blocks to request of a web seed. `most` may be exceeded for the sake of a whole piece.
    pub(in crate::swarm) fn next_of_run(&mut self, key: PeerKey, most: u32, now: Instant) -> Option<Lease> {
        let most = most.max(self.whole(key));
        let position = self.roster.web_seeds().of(key)?.position;
        // Of a piece that it alone is to send, or that did not fit into the last request.
        let own = Within::These(position.into_iter().collect());
        if let Some(lease) = self.lease(key, &own, most) {
            return Some(lease);
        }
        let opened = self.open_next_of_run(key, now).or_else(|| {
            self.begin_run(key, now)?;
            self.open_next_of_run(key, now)
        });
        if let Some(piece) = opened {
            return self.lease(key, &Within::These(vec![piece]), most);
        }
        // There is no piece to open, or no memory for it. A server that has enough to do waits for the memory.
        if self.requests.count(key) >= WHOLE as usize && !self.pieces.rarity().is_empty() {
            return None;
        }
        let lease = self.lease(key, &Within::Shared, most).or_else(|| self.lease(key, &Within::All, most))?;
        self.forget_ahead(key);
        Some(lease)
    }

    /// It is asked for blocks of pieces that others send, too: what follows them is not its own.
    pub(in crate::swarm) fn forget_ahead(&mut self, key: PeerKey) {
        let Some(server) = self.roster.web_seeds_mut().of_mut(key) else { return };
        if !std::mem::replace(&mut server.ahead, 0..0).is_empty() {
            self.roster.get(key).inspect(|peer| peer.order(Order::Ahead(0..0)));
        }
    }

    /// How many blocks may be on their way from a web seed. Before it has proved itself these are few. Near the end
    /// they are half of its part of what is missing: then nobody has to take anything over from it.
    pub(in crate::swarm) fn longest_run(&self, key: PeerKey) -> u32 {
        if !self.is_proved(key) {
            return FIRST_RUN;
        }
        self.part(key).map_or(u32::MAX, |part| (part / 2).max(LAST_RUN))
    }

    /// How many blocks a web seed sends while all others send the rest of what is missing. `None` where it sends all,
    /// or nothing is known of it.
    fn part(&self, key: PeerKey) -> Option<u32> {
        let asked = self.roster.senders().filter(|(_, peer)| peer.may_be_asked().is_some());
        let rates = asked.map(|(_, peer)| peer.download.pipeline.rate());
        let all: f64 = rates.sum();
        let ours = self.roster.get(key).map_or(0.0, |peer| peer.download.pipeline.rate());
        if ours <= 0.0 || ours >= all {
            return None;
        }
        let missing = self.requests.missing() as u64 + self.pieces.missing_bytes() / u64::from(BLOCK_LENGTH);
        Some((missing as f64 * ours / all) as u32)
    }

    /// So many blocks at least are asked for in a row of a piece that it begins.
    fn whole(&self, key: PeerKey) -> u32 {
        let rate = self.roster.get(key).map_or(0.0, |peer| peer.download.pipeline.rate());
        let soon = (rate * WHOLE_SECONDS / f64::from(BLOCK_LENGTH)) as u32;
        WHOLE.max(soon.min(self.part(key).unwrap_or(0)))
    }

    /// So many pieces have these blocks together; one at least.
    fn pieces_of(&self, blocks: u32) -> u32 {
        (blocks / self.blocks_of_piece()).max(1)
    }

    /// Opens the next piece of its run. `None` at the end of the run, at a piece that is not missing, and where there
    /// is no memory for it.
    fn open_next_of_run(&mut self, key: PeerKey, now: Instant) -> Option<PieceIndex> {
        let server = self.roster.web_seeds().of(key)?;
        let (mut run, mut ahead) = (server.run.clone(), server.ahead.clone());
        // What was asked for over HTTP stays its own.
        run.end = run.end.min(run.start.saturating_add(self.most_of_run(key)).max(ahead.end));
        let piece = self.geometry.piece(run.start).filter(|_| !run.is_empty())?;
        let allowed = self.roster.get(key)?.may_be_asked()?;
        let piece = Some(piece).filter(|piece| allowed.allows(*piece))?;
        // A piece that is asked for as a whole has one sender anyway, and is nothing that newcomers have to wait for.
        let has_one_sender = self.is_proved(key) || self.geometry.block_count(piece) <= WHOLE;
        let source = if has_one_sender { PieceSource::Anyone } else { PieceSource::Newcomer(key) };
        self.pieces.open_one_of([piece])?;
        self.begin(piece, key, source, now);
        if !ahead.contains(&run.start) && run.len() > 1 {
            ahead = run.start..run.end.min(run.start.saturating_add(self.most_of_request(key)));
            self.roster.get(key)?.order(Order::Ahead(ahead.clone()));
        }
        if let Some(server) = self.roster.web_seeds_mut().of_mut(key) {
            (server.position, server.ahead) = (Some(piece), ahead);
            server.run = run.start + 1..run.end;
        }
        Some(piece)
    }

    /// Chooses its next run.
    fn begin_run(&mut self, key: PeerKey, now: Instant) -> Option<()> {
        if !self.pieces.has_room() {
            return None;
        }
        let (most, is_alone) = (self.most_of_run(key), self.is_alone(key));
        let others: Vec<Range<u32>> = self.runs_but(key).map(|(_, run)| run).collect();
        let server = self.roster.web_seeds().of(key)?;
        let (next, ahead, sends_whole_files) =
            (server.run.start, server.ahead.clone(), server.sends_whole_files);
        let Restriction::Has(pieces) = self.roster.get(key)?.may_be_asked()? else { return None };
        let gaps = self.pieces.gaps().without(&others);
        let goes_on = Some(gaps.beginning(next..next.saturating_add(most), pieces))
            .filter(|run| ahead.contains(&next) && !run.is_empty());
        let in_order = self.pieces.first_run_in_order(pieces, most.max(gaps.enough), &mut self.random);
        let (run, is_elsewhere) = match in_order {
            Some(run) => (gaps.beginning(run.clone(), pieces), !ahead.contains(&run.start)),
            None => match goes_on {
                Some(run) => (run, false),
                None if sends_whole_files => (gaps.first(pieces)?, true),
                None => {
                    let chosen = gaps.choose(pieces, most, &mut self.random);
                    (chosen.or_else(|| self.half_of_late_run(key, pieces, now))?, true)
                }
            },
        };
        // Where the user wants an order, a run may be a single piece. The next one is the one behind it, unless others
        // take turns with it: then what they send would come twice.
        let is_single = run.len() == 1;
        if is_elsewhere || (is_single && !is_alone && ahead.end > run.end) {
            let mut ahead = if is_single && is_alone { gaps.from(run.start, pieces) } else { run.clone() };
            ahead.end = ahead.end.min(run.start.saturating_add(self.most_of_request(key)));
            self.roster.web_seeds_mut().of_mut(key)?.ahead = ahead.clone();
            self.roster.get(key)?.order(Order::Ahead(ahead));
        }
        self.roster.web_seeds_mut().of_mut(key)?.run = run;
        Some(())
    }

    /// How many pieces a run may have. That of one that sends files only whole goes to the end of its gap.
    fn most_of_run(&self, key: PeerKey) -> u32 {
        let enough = self.pieces.gaps().enough;
        if self.roster.web_seeds().of(key).is_some_and(|server| server.sends_whole_files) {
            return u32::MAX;
        }
        if self.is_alone(key) {
            let sent = self.roster.get(key).map_or(0, |peer| peer.download.total.bytes);
            let pieces = sent.saturating_mul(GROWTH) / u64::from(self.geometry.piece_length().max(1));
            return u32::try_from(pieces).unwrap_or(u32::MAX).max(enough);
        }
        self.part(key).map_or(enough, |part| self.pieces_of(part).min(enough))
    }

    /// How many pieces a request over HTTP may be for.
    fn most_of_request(&self, key: PeerKey) -> u32 {
        let most = self.most_of_run(key);
        match self.part(key) {
            Some(part) if !self.is_alone(key) => most.min(self.pieces_of((part / 2).max(LAST_RUN))),
            _ => most,
        }
    }

    /// The piece that a peer begins while web seeds are asked: none that one of them is to send, as long as there is
    /// another one or that server will send it in time.
    pub(in crate::swarm) fn next_beside_web_seeds(
        &mut self,
        key: PeerKey,
        now: Instant,
    ) -> Option<PieceIndex> {
        let Restriction::Has(pieces) = self.roster.get(key)?.may_be_asked()? else { return None };
        if let Some(first) = self.pieces.first_in_order(pieces, &mut self.random) {
            return Some(first);
        }
        let rarest = self.pieces.rarest(pieces, &mut self.random)?;
        let runs: Vec<Range<u32>> = self.runs_but(key).map(|(_, run)| run).collect();
        let gaps = self.pieces.gaps().without(&runs);
        if let Some(piece) = gaps.free(rarest, pieces) {
            return Some(gaps.leave_whole(piece, pieces));
        }
        let LateRun { server, seconds, run } = self.late_run(key, now)?;
        let has = |piece: &PieceIndex| {
            pieces.has(*piece)
                && self.pieces.rarity().has(*piece)
                && !self.is_on_its_way(server, piece.get(), key, now)
        };
        let last = run.rev().filter_map(|number| self.geometry.piece(number)).find(has)?;
        (self.time_for(key, self.blocks_of_piece(), now) < seconds * SOONER).then_some(last)
    }

    /// The runs of all other servers. One that rests or was silent has to leave its own to others.
    fn runs_but(&self, key: PeerKey) -> impl Iterator<Item = (PeerKey, Range<u32>)> {
        let is_asked = |peer: &Peer| peer.may_be_asked().is_some() && !peer.download.overtaken;
        let runs = self.roster.web_seeds().runs();
        runs.filter(move |(server, run)| {
            *server != key && !run.is_empty() && self.roster.get(*server).is_some_and(is_asked)
        })
    }

    /// The second half of the run of a server that is late: where nothing else is left, two share it.
    fn half_of_late_run(&self, key: PeerKey, pieces: &PeerPieces, now: Instant) -> Option<Range<u32>> {
        let run = self.late_run(key, now)?.run;
        let middle = run.start.saturating_add((run.len() / 2) as u32);
        let half = self.pieces.gaps().beginning(middle..run.end, pieces);
        (run.len() > 1 && !half.is_empty()).then_some(half)
    }

    /// The run of another server that takes longest, if that is too long.
    fn late_run(&self, key: PeerKey, now: Instant) -> Option<LateRun> {
        let late = self.late_after(self.blocks_per_second()).max(RUN_NEVER_LATE);
        let runs: Vec<(PeerKey, Range<u32>)> = self.runs_but(key).collect();
        let times = runs.iter().map(|(server, run)| {
            let (server, run) = (*server, self.own_part(run, &runs));
            let blocks = (run.len() as u32).saturating_mul(self.blocks_of_piece());
            LateRun { server, seconds: self.time_for(server, blocks, now), run }
        });
        times.max_by(|one, two| one.seconds.total_cmp(&two.seconds)).filter(|run| run.seconds > late)
    }

    /// What of a run its server will send: it ends where another one has begun behind it, or anybody has begun a piece.
    fn own_part(&self, run: &Range<u32>, runs: &[(PeerKey, Range<u32>)]) -> Range<u32> {
        let begun_behind = runs.iter().map(|(_, other)| other.start).filter(|start| *start > run.start);
        let end = begun_behind.fold(run.end, u32::min);
        let is_missing =
            |number: &u32| self.geometry.piece(*number).is_some_and(|piece| self.pieces.rarity().has(piece));
        let missing = (run.start..end).take_while(is_missing).count() as u32;
        run.start..run.start.saturating_add(missing)
    }

    /// Whether a server was asked for this piece over HTTP and keeps its pace, so that a peer that is slower than it would
    /// send what comes in any case.
    fn is_on_its_way(&self, server: PeerKey, piece: u32, slower: PeerKey, now: Instant) -> bool {
        let Some(it) = self.roster.web_seeds().of(server).filter(|it| it.ahead.contains(&piece)) else {
            return false;
        };
        let left = it.ahead.end.saturating_sub(it.run.start).saturating_mul(self.blocks_of_piece());
        let rate = |key| self.roster.get(key).map_or(0.0, |peer| peer.download.pipeline.rate());
        self.time_for(server, left, now) <= RUN_IN_PACE && rate(slower) < rate(server)
    }

    /// How many seconds a source needs for what it owes and so many blocks more. A server that has sent nothing yet is
    /// not late before it is silent.
    fn time_for(&self, key: PeerKey, more: u32, now: Instant) -> f64 {
        let blocks = self.requests.count(key) as f64 + f64::from(more);
        let Some(peer) = self.roster.get(key) else { return f64::INFINITY };
        let is_silent = now.saturating_duration_since(peer.download.last_block) > self.patience();
        match peer.download.pipeline.block_time() {
            _ if is_silent && self.requests.count(key) > 0 => f64::INFINITY,
            Some(time) => blocks * time,
            None if peer.is_web_seed() => 0.0,
            None => blocks,
        }
    }

    fn blocks_of_piece(&self) -> u32 {
        self.geometry.piece_length().div_ceil(BLOCK_LENGTH).max(1)
    }

    /// Whether nobody else may be asked.
    fn is_alone(&self, key: PeerKey) -> bool {
        let is_asked = |peer: &Peer| !peer.is_web_seed() && peer.may_be_asked().is_some();
        let has_peers = self.roster.senders().any(|(_, peer)| is_asked(peer));
        !has_peers && !self.roster.web_seeds().has_others(key)
    }
}
