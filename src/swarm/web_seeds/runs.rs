//! Which blocks a web seed is asked for next: runs of pieces, one behind the other.
//!
//! `strategy/download/gaps.rs` says which run and why. A web seed goes on from piece to piece until the next one is not
//! missing, and takes whole pieces if they are not large, so that no other source has a part of them and
//! requests do not end within a piece. If no piece can be opened it helps with those that peers have begun.
//!
//! The orders follow what has come, some seconds ahead, and would make a request over HTTP each. So its worker is told
//! how far the run goes, asks for all of it at once, and takes the orders as the answer flows; an answer that is of no
//! more use is cut off. A server that is 100 ms away on a line of 400 Mbit/s filled 43 % of it without that.

use crate::message::{Order, PeerKey};
use crate::piece::{BLOCK_LENGTH, PieceIndex};
use crate::swarm::Coordinator;
use crate::swarm::download::{Leased, PieceSource, Within};
use crate::swarm::peers::{Peer, Restriction};
use std::time::Instant;

/// Blocks of a piece that is asked for as a whole.
const WHOLE: u32 = 64;
/// A web seed that has proved nothing yet is asked for so many blocks. If they are wrong, no more are lost.
const FIRST_RUN: u32 = 64;
/// Near the end, a web seed may still be asked for so many blocks at once.
const LAST_RUN: u32 = 16;

impl Coordinator<'_> {
    /// The next blocks to request of a web seed. `most` may be exceeded for the sake of a whole piece.
    pub(in crate::swarm) fn next_of_run(&mut self, key: PeerKey, most: u32, now: Instant) -> Option<Leased> {
        let most = most.max(WHOLE);
        let position = self.roster.web_seeds().of(key)?.position;
        // Of a piece that it alone is to send, or that did not fit into the last request.
        let own = Within::These(position.into_iter().collect());
        if let Some(leased) = self.lease(key, &own, most) {
            return Some(leased);
        }
        let opened = self.open_next_of_run(key, now).or_else(|| {
            self.begin_run(key)?;
            self.open_next_of_run(key, now)
        });
        if let Some(piece) = opened {
            return self.lease(key, &Within::These(vec![piece]), most);
        }
        // There is no piece to open, or no memory for it. A server that has enough to do waits for the memory.
        if self.requests.count(key) >= WHOLE as usize && !self.pieces.rarity().is_empty() {
            return None;
        }
        self.lease(key, &Within::Shared, most).or_else(|| self.lease(key, &Within::All, most))
    }

    /// How many blocks may be on their way from a web seed. Before it has proved itself these are few. Near the end
    /// they are as many as it sends while all others send the rest: then nobody has to take anything over from it.
    pub(in crate::swarm) fn longest_run(&self, key: PeerKey) -> u32 {
        if !self.is_proved(key) {
            return FIRST_RUN;
        }
        let asked = self.roster.senders().filter(|(_, peer)| peer.may_be_asked().is_some());
        let rates = asked.map(|(_, peer)| peer.download.pipeline.rate());
        let all: f64 = rates.sum();
        let ours = self.roster.get(key).map_or(0.0, |peer| peer.download.pipeline.rate());
        if ours <= 0.0 || ours >= all {
            return u32::MAX;
        }
        let missing = self.requests.missing() as u64 + self.pieces.missing_bytes() / u64::from(BLOCK_LENGTH);
        ((missing as f64 * ours / all) as u32).max(LAST_RUN)
    }

    /// Opens the next piece of its run. `None` at the end of the run, at a piece that is not missing, and where there
    /// is no memory for it.
    fn open_next_of_run(&mut self, key: PeerKey, now: Instant) -> Option<PieceIndex> {
        let mut run = self.roster.web_seeds().of(key)?.run.clone();
        run.end = run.end.min(run.start.saturating_add(self.most_of_run(key)));
        let piece = self.geometry.piece(run.start).filter(|_| !run.is_empty())?;
        let allowed = self.roster.get(key)?.may_be_asked()?;
        let piece = Some(piece).filter(|piece| allowed.allows(*piece))?;
        // A piece that is asked for as a whole has one sender anyway, and is nothing that newcomers have to wait for.
        let has_one_sender = self.is_proved(key) || self.geometry.block_count(piece) <= WHOLE;
        let source = if has_one_sender { PieceSource::Anyone } else { PieceSource::Newcomer(key) };
        self.pieces.open_one_of([piece])?;
        self.begin(piece, key, source, now);
        if let Some(server) = self.roster.web_seeds_mut().of_mut(key) {
            server.position = Some(piece);
            server.run = run.start + 1..run.end;
        }
        Some(piece)
    }

    /// Chooses its next run.
    fn begin_run(&mut self, key: PeerKey) -> Option<()> {
        if !self.pieces.has_room() {
            return None;
        }
        let (most, is_alone) = (self.most_of_run(key), self.is_alone(key));
        let servers = self.roster.web_seeds();
        let others: Vec<u32> = servers.next_of_others(key).collect();
        let server = servers.of(key)?;
        let (next, ahead, sends_whole_files) =
            (server.run.start, server.ahead.clone(), server.sends_whole_files);
        let Restriction::Has(pieces) = self.roster.get(key)?.may_be_asked()? else { return None };
        let gaps = self.pieces.gaps();
        let goes_on = Some(gaps.from(next, pieces)).filter(|run| ahead.contains(&next) && !run.is_empty());
        let in_order = self.pieces.first_run_in_order(pieces, most.max(gaps.enough), &mut self.random);
        let (run, is_elsewhere) = match in_order {
            Some(run) => (gaps.beginning(run.clone(), pieces), !ahead.contains(&run.start)),
            None => match goes_on {
                Some(run) => (run, false),
                None if sends_whole_files => (gaps.first(pieces)?, true),
                None => (gaps.choose(pieces, &others, most, &mut self.random)?, true),
            },
        };
        // Where the user wants an order, a run may be a single piece. The next one is the one behind it, unless others
        // take turns with it: then what they send would come twice.
        let is_single = run.len() == 1;
        if is_elsewhere || (is_single && !is_alone && ahead.end > run.end) {
            let ahead = if is_single && is_alone { gaps.from(run.start, pieces) } else { run.clone() };
            self.roster.web_seeds_mut().of_mut(key)?.ahead = ahead.clone();
            self.roster.get(key)?.order(Order::Ahead(ahead));
        }
        self.roster.web_seeds_mut().of_mut(key)?.run = run;
        Some(())
    }

    /// How long a run may be. That of the only source goes to the end of its gap, as nobody takes a piece out of its
    /// midst.
    fn most_of_run(&self, key: PeerKey) -> u32 {
        if self.is_alone(key) { u32::MAX } else { self.pieces.gaps().enough }
    }

    /// Whether nobody else may be asked.
    fn is_alone(&self, key: PeerKey) -> bool {
        let is_asked = |peer: &Peer| !peer.is_web_seed() && peer.may_be_asked().is_some();
        let has_peers = self.roster.senders().any(|(_, peer)| is_asked(peer));
        !has_peers && !self.roster.web_seeds().has_others(key)
    }
}
