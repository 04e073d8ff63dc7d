//! The node asks: queries on their way, and the lookups that they belong to.
//!
//! Pure. An answer counts where it carries the random transaction id of a query and comes from the address
//! that this query went to. There is no retry: a lookup asks another node instead.

use super::lookup::Lookup;
use super::node::{Node, Output, Purpose};
use super::packet::{Ask, Body, Packet, Query, VERSION};
use crate::metainfo::InfoHash;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Queries that wait for an answer. Lookups for a few torrents at once have some thirty.
const MAX_OUTSTANDING: usize = 256;

/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(3);

/// A lookup asks others in the meantime after four times what answers take, but within these bounds.
const EARLY: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_secs(1);

/// What a query was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The lookup with this number.
    Lookup(u32),
    /// To see whether somebody is there.
    Ping,
    /// The same, and to hear of nodes for its bucket.
    Check,
    /// To be remembered.
    Announce,
}

/// A query that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    transaction: [u8; 4],
    pub(super) to: SocketAddr,
    pub(super) aim: Aim,
    sent: Instant,
    late: bool,
}

/// A lookup that is under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) number: u32,
    pub(super) purpose: Purpose,
    pub(super) lookup: Lookup,
}

impl Node {
    /// Sends a query. False where too many wait.
    pub(super) fn ask(&mut self, to: SocketAddr, ask: Ask<'_>, aim: Aim) -> bool {
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return false;
        }
        let mut transaction = [0; 4];
        self.random.fill(&mut transaction);
        let packet = Packet {
            transaction: &transaction,
            body: Body::Query(Query { id: self.id, ask, want: None }),
            read_only: self.read_only,
            external: None,
            version: VERSION,
        };
        self.outputs.push_back(Output::Send { to, packet: packet.to_wire() });
        self.outstanding.push(Outstanding { transaction, to, aim, sent: self.now, late: false });
        true
    }

    /// The query that an answer from there belongs to. Takes it off the list.
    pub(super) fn answered_one(&mut self, transaction: &[u8], from: SocketAddr) -> Option<Outstanding> {
        let answers = |asked: &Outstanding| asked.transaction == transaction && asked.to == from;
        let asked = self.outstanding.swap_remove(self.outstanding.iter().position(answers)?);
        let took = self.now.saturating_duration_since(asked.sent);
        self.round_trip = (self.round_trip * 7 + took) / 8;
        Some(asked)
    }

    /// The lookup that asked there gets nothing.
    pub(super) fn fail_lookup(&mut self, asked: &Outstanding) {
        let Aim::Lookup(number) = asked.aim else { return };
        if let Some(running) = self.lookups.iter_mut().find(|running| running.number == number) {
            running.lookup.failed(asked.to);
        }
    }

    /// Ends the wait for answers that do not come.
    pub(super) fn give_up_waiting(&mut self) {
        let (now, early) = (self.now, self.early());
        let mut failed = Vec::new();
        for asked in &mut self.outstanding {
            let waited = now.saturating_duration_since(asked.sent);
            if waited >= PATIENCE {
                failed.push(*asked);
            } else if waited >= early && !asked.late {
                asked.late = true;
                if let Aim::Lookup(number) = asked.aim
                    && let Some(running) = self.lookups.iter_mut().find(|running| running.number == number)
                {
                    running.lookup.late(asked.to);
                }
            }
        }
        self.outstanding.retain(|asked| now.saturating_duration_since(asked.sent) < PATIENCE);
        for asked in failed {
            self.table.failed(asked.to);
            self.fail_lookup(&asked);
        }
    }

    /// When the wait for the first answer is over, or long.
    pub(super) fn next_wait(&self) -> Option<Instant> {
        let early = self.early();
        let due = |asked: &Outstanding| asked.sent + if asked.late { PATIENCE } else { early };
        self.outstanding.iter().map(due).min()
    }

    /// When a lookup may ask again for which there was no allowance.
    pub(super) fn next_query(&self) -> Option<Instant> {
        let hungry = self.lookups.iter().any(|running| running.lookup.next().is_some());
        hungry.then(|| self.now + Duration::from_millis(50))
    }

    fn early(&self) -> Duration {
        (self.round_trip * 4).clamp(EARLY, LATE)
    }

    /// Starts a lookup.
    pub(super) fn run(&mut self, purpose: Purpose, lookup: Lookup) {
        self.numbered = self.numbered.wrapping_add(1);
        self.lookups.push(Running { number: self.numbered, purpose, lookup });
    }

    /// Has all lookups ask whom they may, and ends those that are done.
    pub(super) fn step_lookups(&mut self) {
        for at in 0..self.lookups.len() {
            self.step(at);
        }
        while let Some(done) = self.lookups.iter().position(|running| running.lookup.is_done()) {
            let Running { purpose, lookup, .. } = self.lookups.swap_remove(done);
            if purpose == Purpose::Search {
                self.searched(lookup);
            }
        }
    }

    fn step(&mut self, at: usize) {
        while let Some(Running { number, purpose, lookup }) = self.lookups.get(at)
            && let Some(next) = lookup.next()
            && self.queries.take(1.0, self.now)
        {
            let (number, target) = (*number, lookup.target());
            let ask = match purpose {
                Purpose::Search => Ask::GetPeers(InfoHash(target.0)),
                Purpose::Join | Purpose::Refresh => Ask::FindNode(target),
            };
            if !self.ask(next, ask, Aim::Lookup(number)) {
                return;
            }
            if let Some(running) = self.lookups.get_mut(at) {
                running.lookup.asked(next);
            }
        }
    }
}
