//! A bucket of the routing table, and what the table knows of a node.
//!
//! Pure. A node is *good* while we hear from it, *questionable* after fifteen minutes of silence, and *bad*
//! when it did not answer several queries in a row (BEP 5, "routing table").

use super::{BUCKET_SIZE, Insertion};
use crate::discovery::dht::addresses::{Contact, neighbourhood};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// After this silence a node is questionable, and a bucket without change stale.
pub(super) const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Nodes are asked before they become questionable, because only good ones are named to others.
pub(super) const CHECK_AFTER: Duration = Duration::from_secs(13 * 60);

/// A node that did not answer once is asked a second time after this.
pub(super) const SECOND_CHECK: Duration = Duration::from_secs(15);

/// The shortest time between two checks of the same questionable node when others want its place.
const BETWEEN_CHECKS: Duration = Duration::from_secs(10);

/// Queries in a row without an answer that make a node bad.
const BAD_AFTER: u8 = 2;

/// A node of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableEntry {
    pub contact: Contact,
    pub neighbourhood: u64,
    /// Whether a node at this address may have this ID (BEP 42).
    pub has_valid_id: bool,
    /// When it last answered us or asked us something.
    pub heard: Instant,
    /// When it was last offered for a check.
    pub checked: Instant,
    /// It is to be checked at once, whatever was before.
    pub is_due: bool,
    /// Queries in a row that it did not answer.
    pub failures: u8,
}

/// The nodes whose IDs have the same number of leading bits in common with ours.
#[derive(Debug)]
pub(super) struct Bucket {
    pub nodes: Vec<TableEntry>,
    /// Nodes that answered when there was no room, and replace one of the others when it goes ("replacement
    /// cache"). The last one to answer is at the end.
    pub replacements: Vec<TableEntry>,
    pub changed: Instant,
    /// No lookup has been made for an ID in its range.
    pub never_searched: bool,
}

impl TableEntry {
    /// The entry of a node that has answered.
    pub fn new(contact: Contact, now: Instant) -> TableEntry {
        TableEntry {
            contact,
            neighbourhood: neighbourhood(contact.address.ip()),
            has_valid_id: contact.id.is_valid_for(contact.address.ip()),
            heard: now,
            checked: now,
            is_due: false,
            failures: 0,
        }
    }

    pub fn is_good(&self, now: Instant) -> bool {
        self.failures == 0 && now.saturating_duration_since(self.heard) < SILENCE
    }

    pub fn is_bad(&self) -> bool {
        self.failures >= BAD_AFTER
    }

    pub fn next_check(&self) -> Instant {
        match self.failures {
            _ if self.is_due => self.checked,
            0 => self.heard.max(self.checked) + CHECK_AFTER,
            1 => self.checked + SECOND_CHECK,
            _ => self.checked + SILENCE,
        }
    }
}

impl Bucket {
    pub fn new(changed: Instant) -> Bucket {
        Bucket { nodes: Vec::new(), replacements: Vec::new(), changed, never_searched: true }
    }

    pub fn is_full(&self) -> bool {
        self.nodes.len() >= BUCKET_SIZE
    }

    /// Adds a node to a bucket that has room.
    pub fn push(&mut self, entry: TableEntry, now: Instant) {
        self.nodes.push(entry);
        self.changed = now;
    }

    /// Enters a node into a full bucket that is not split. It replaces a bad node, or one whose ID is invalid
    /// if its own is valid. Otherwise it joins the replacements.
    pub fn insert_into_full(&mut self, entry: TableEntry, now: Instant) -> Insertion {
        let is_worse = |other: &TableEntry| other.is_bad() || (entry.has_valid_id && !other.has_valid_id);
        if let Some(worse) = self.nodes.iter_mut().find(|other| is_worse(other)) {
            let before = std::mem::replace(worse, entry);
            self.changed = now;
            if before.failures == 0 {
                self.keep_replacement(before);
            }
            return Insertion::Inserted;
        }
        self.keep_replacement(entry);
        let is_due = |other: &&mut TableEntry| {
            !other.is_good(now) && now.saturating_duration_since(other.checked) >= BETWEEN_CHECKS
        };
        match self.nodes.iter_mut().filter(is_due).min_by_key(|other| other.heard) {
            Some(questionable) => {
                questionable.checked = now;
                Insertion::FullUnlessGone(questionable.contact.address)
            }
            None => Insertion::Rejected,
        }
    }

    /// Replacements with a valid ID are the last to be dropped, and the first to be used.
    fn keep_replacement(&mut self, entry: TableEntry) {
        self.replacements.retain(|other| other.neighbourhood != entry.neighbourhood);
        if self.replacements.len() >= BUCKET_SIZE {
            self.replacements.remove(0);
        }
        let at = self.replacements.partition_point(|other| other.has_valid_id <= entry.has_valid_id);
        self.replacements.insert(at, entry);
    }

    /// Moves the nodes and replacements for which `leave` is true to a bucket of their own.
    pub fn split_off(&mut self, leave: impl Fn(&TableEntry) -> bool) -> Bucket {
        let mut other = Bucket::new(self.changed);
        for (from, to) in
            [(&mut self.nodes, &mut other.nodes), (&mut self.replacements, &mut other.replacements)]
        {
            to.extend(from.iter().filter(|entry| leave(entry)));
            from.retain(|entry| !leave(entry));
        }
        other
    }

    /// The node at this address did not answer a query. If that makes it bad and there is a replacement,
    /// removes the node and returns the replacement, which the caller enters. Otherwise `None`.
    pub fn failed(&mut self, address: SocketAddr) -> Option<TableEntry> {
        self.replacements.retain(|entry| entry.contact.address != address);
        let at = self.nodes.iter().position(|entry| entry.contact.address == address)?;
        let entry = self.nodes.get_mut(at)?;
        entry.failures = entry.failures.saturating_add(1);
        if !entry.is_bad() {
            return None;
        }
        let replacement = self.replacements.pop()?;
        self.nodes.remove(at);
        Some(replacement)
    }
}
