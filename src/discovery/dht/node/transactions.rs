//! Queries on their way, and what each is for.
//!
//! Pure. An answer counts if it carries the random transaction ID of a query and comes from the address that
//! this query went to. A query is never repeated: the lookup asks another node instead.

use super::{Node, Output};
use crate::discovery::dht::packet::{Body, Method, Packet, Query, VERSION};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Queries that wait for an answer. Lookups for a few torrents at once have some thirty.
const MAX_WAITING: usize = 256;

/// How long we wait for an answer. After that the query has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A query is late after four times the average round trip, but within these bounds. Its lookup then asks
/// another node in the meantime, so a late node holds up no other.
const MIN_LATE_AFTER: Duration = Duration::from_millis(250);
const MAX_LATE_AFTER: Duration = Duration::from_secs(1);

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryPurpose {
    /// The lookup with this number.
    Lookup(u32),
    /// To find out whether a node is there.
    Ping,
    /// The same, and to be told of nodes for its bucket.
    Check,
    /// To have the node remember us as a peer.
    Announce,
}

/// A query that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentQuery {
    transaction: [u8; 4],
    pub to: SocketAddr,
    pub purpose: QueryPurpose,
    sent: Instant,
    late: bool,
}

/// The queries that wait for their answers.
#[derive(Debug)]
pub(super) struct Transactions {
    waiting: Vec<SentQuery>,
    /// The time that an answer takes, on average. `None` before the first one.
    round_trip: Option<Duration>,
}

impl Transactions {
    /// No queries yet.
    pub fn new() -> Transactions {
        Transactions { waiting: Vec::new(), round_trip: None }
    }

    /// Enters a query under a new transaction ID, and returns the ID. `None` if too many queries wait.
    fn begin(
        &mut self,
        to: SocketAddr,
        purpose: QueryPurpose,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<[u8; 4]> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        let mut transaction = [0; 4];
        random.fill(&mut transaction);
        self.waiting.push(SentQuery { transaction, to, purpose, sent: now, late: false });
        Some(transaction)
    }

    /// Takes out the query that an answer from this address belongs to.
    pub fn end(&mut self, transaction: &[u8], from: SocketAddr, now: Instant) -> Option<SentQuery> {
        let is_answered = |query: &SentQuery| query.transaction == transaction && query.to == from;
        let query = self.waiting.swap_remove(self.waiting.iter().position(is_answered)?);
        let took = now.saturating_duration_since(query.sent);
        self.round_trip = Some(self.round_trip.map_or(took, |before| (before * 7 + took) / 8));
        Some(query)
    }

    /// Whether a query to this address waits.
    pub fn is_waiting_for(&self, address: SocketAddr) -> bool {
        self.waiting.iter().any(|query| query.to == address)
    }

    /// Marks the queries that have become late, and returns them.
    fn mark_late(&mut self, now: Instant) -> Vec<SentQuery> {
        let late_after = self.late_after();
        let is_new = |query: &&mut SentQuery| {
            let waited = now.saturating_duration_since(query.sent);
            !query.late && waited >= late_after && waited < PATIENCE
        };
        let late = self.waiting.iter_mut().filter(is_new);
        late.map(|query| {
            query.late = true;
            *query
        })
        .collect()
    }

    /// Takes out the queries that have failed.
    fn expire(&mut self, now: Instant) -> Vec<SentQuery> {
        let is_over = |query: &mut SentQuery| now.saturating_duration_since(query.sent) >= PATIENCE;
        self.waiting.extract_if(.., is_over).collect()
    }

    /// When the next query becomes late or fails.
    pub fn next_deadline(&self) -> Option<Instant> {
        let late_after = self.late_after();
        let due = |query: &SentQuery| query.sent + if query.late { PATIENCE } else { late_after };
        self.waiting.iter().map(due).min()
    }

    fn late_after(&self) -> Duration {
        let usual = self.round_trip.map_or(MAX_LATE_AFTER, |round_trip| round_trip * 4);
        usual.clamp(MIN_LATE_AFTER, MAX_LATE_AFTER)
    }
}

impl Node {
    /// Sends a query. False if too many wait.
    pub(super) fn ask(&mut self, to: SocketAddr, method: Method<'_>, purpose: QueryPurpose) -> bool {
        let Some(transaction) = self.transactions.begin(to, purpose, self.now, &mut self.random) else {
            return false;
        };
        let packet = Packet {
            transaction: &transaction,
            body: Body::Query(Query { id: self.id, method, want: None }),
            read_only: self.read_only,
            external: None,
            version: VERSION,
        };
        self.outputs.push_back(Output::Send { to, packet: packet.to_wire() });
        true
    }

    /// Fails the queries that have waited too long, and tells lookups which queries are late, so that they
    /// ask other nodes.
    pub(super) fn time_out_queries(&mut self) {
        for query in self.transactions.mark_late(self.now) {
            if let Some(lookup) = self.lookups.of_query(query.purpose) {
                lookup.late(query.to);
            }
        }
        for query in self.transactions.expire(self.now) {
            self.table.failed(query.to);
            self.fail_lookup(&query);
        }
    }

    /// The lookup that sent this query gets no answer.
    pub(super) fn fail_lookup(&mut self, query: &SentQuery) {
        if let Some(lookup) = self.lookups.of_query(query.purpose) {
            lookup.failed(query.to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_query_is_waited_for_is_learnt_from_the_first_answer_on() {
        let mut random = fastrand::Rng::with_seed(1);
        let (start, to) = (Instant::now(), SocketAddr::from(([192, 0, 2, 1], 6881)));
        for (took, wait) in [(1, 250), (100, 400), (900, 1000)] {
            let mut transactions = Transactions::new();
            let mut ask = |transactions: &mut Transactions| {
                transactions.begin(to, QueryPurpose::Ping, start, &mut random).unwrap()
            };
            let first = ask(&mut transactions);
            ask(&mut transactions);
            assert_eq!(transactions.next_deadline(), Some(start + MAX_LATE_AFTER), "nothing is known yet");
            transactions.end(&first, to, start + Duration::from_millis(took)).unwrap();
            assert_eq!(transactions.next_deadline(), Some(start + Duration::from_millis(wait)), "{took}");
        }
    }
}
