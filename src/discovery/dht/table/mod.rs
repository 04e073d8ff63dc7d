//! The routing table: the nodes that we know, many near our own ID and few far from it.
//!
//! Pure. A *bucket* has room for eight nodes whose IDs have the same number of leading bits in common with
//! ours. Only the last bucket, in whose range our own ID is, is split when it is full (BEP 5, "routing
//! table"). A node is in the table because it answered us. Each address and each neighbourhood of addresses
//! has one node at most, so that no attacker fills the table with one machine. Nodes whose ID is valid for
//! their address (BEP 42) take the place of others.
//!
//! An idle node asks each node of its table once in 13 minutes, and searches a bucket that has room once in
//! 15. For 30 nodes that is about 20 bytes a second, both ways.

mod bucket;

use super::addresses::{Contact, neighbourhood};
use super::id::{BITS, Distance, NodeId};
use bucket::{Bucket, SILENCE, TableEntry};
use std::net::SocketAddr;
use std::time::Instant;

/// Nodes in a bucket, and in an answer ("K").
pub const BUCKET_SIZE: usize = 8;

/// The most buckets. All the nodes in the world fill about twenty.
const MAX_BUCKETS: usize = 64;

/// What became of a node that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It is in the table, new.
    Inserted,
    /// It is in the table, as before.
    Known,
    /// There is no room, or another node has its place.
    Rejected,
    /// There is no room, unless this node has gone. Nothing was heard from it for long, so ask it.
    FullUnlessGone(SocketAddr),
}

/// The table.
#[derive(Debug)]
pub struct Table {
    own: NodeId,
    /// Nodes in bucket n have n leading bits in common with our ID; nodes in the last bucket have n or more.
    buckets: Vec<Bucket>,
}

impl Table {
    /// An empty one around this ID.
    pub fn new(own: NodeId, now: Instant) -> Table {
        Table { own, buckets: vec![Bucket::new(now)] }
    }

    /// The same nodes around another ID.
    pub fn rebuild(&mut self, own: NodeId, now: Instant) {
        let before = std::mem::replace(self, Table::new(own, now));
        for entry in before.buckets.iter().flat_map(|bucket| bucket.nodes.iter().chain(&bucket.replacements))
        {
            self.insert(*entry, now);
        }
    }

    /// How many nodes it has that are not known to be gone.
    pub fn len(&self) -> usize {
        self.nodes().filter(|entry| !entry.is_bad()).count()
    }

    /// This node answered a query.
    pub fn answered(&mut self, contact: Contact, now: Instant) -> Insertion {
        if contact.id == self.own {
            return Insertion::Rejected;
        }
        self.insert(TableEntry::new(contact, now), now)
    }

    fn insert(&mut self, entry: TableEntry, now: Instant) -> Insertion {
        // At most twice: one node may have the same ID, and another one may be in the same neighbourhood.
        while let Some((bucket, at)) = self.rival_of(&entry) {
            let Some(bucket) = self.buckets.get_mut(bucket) else { return Insertion::Rejected };
            let Some(known) = bucket.nodes.get_mut(at) else { return Insertion::Rejected };
            if known.contact == entry.contact {
                *known = entry;
                bucket.changed = now;
                return Insertion::Known;
            }
            let same_address = known.contact.address == entry.contact.address;
            if !same_address && known.failures == 0 && (known.has_valid_id || !entry.has_valid_id) {
                return Insertion::Rejected;
            }
            bucket.nodes.remove(at);
        }
        loop {
            let has_all_buckets = self.buckets.len() >= MAX_BUCKETS;
            let last = self.buckets.len() - 1;
            let place = self.place(entry.contact.id);
            let Some(bucket) = self.buckets.get_mut(place) else { return Insertion::Rejected };
            if !bucket.is_full() {
                bucket.push(entry, now);
                return Insertion::Inserted;
            }
            if place < last || has_all_buckets {
                return bucket.insert_into_full(entry, now);
            }
            self.split();
        }
    }

    /// A node of the table that has the same ID as this one, or is in its neighbourhood: its bucket, and its
    /// place in it.
    fn rival_of(&self, entry: &TableEntry) -> Option<(usize, usize)> {
        let is_rival = |other: &TableEntry| {
            other.neighbourhood == entry.neighbourhood || other.contact.id == entry.contact.id
        };
        let place = |bucket: &Bucket| bucket.nodes.iter().position(is_rival);
        self.buckets.iter().enumerate().find_map(|(number, bucket)| Some((number, place(bucket)?)))
    }

    /// Splits the last bucket: nodes that have more bits in common with us than the bucket's number go to a
    /// new one.
    fn split(&mut self) {
        let own = self.own;
        let shared = self.buckets.len() as u32 - 1;
        let is_nearer = |entry: &TableEntry| own.distance(entry.contact.id).shared_bits() != shared;
        let Some(bucket) = self.buckets.last_mut() else { return };
        let nearer = bucket.split_off(is_nearer);
        self.buckets.push(nearer);
    }

    /// Whether a node with this ID and address would find room if it answered.
    pub fn has_room_for(&self, contact: Contact, now: Instant) -> bool {
        let near = neighbourhood(contact.address.ip());
        let place = self.place(contact.id);
        let taken = |entry: &TableEntry| entry.neighbourhood == near && entry.failures == 0;
        let room =
            |bucket: &Bucket| !bucket.is_full() || bucket.nodes.iter().any(|entry| !entry.is_good(now));
        contact.id != self.own
            && !self.nodes().any(taken)
            && (place + 1 == self.buckets.len() || self.buckets.get(place).is_some_and(room))
    }

    /// A query came from this node. True if it is in the table; then the query has made it good.
    pub fn queried_us(&mut self, contact: Contact, now: Instant) -> bool {
        let place = self.place(contact.id);
        let known = self.buckets.get_mut(place).and_then(|bucket| {
            bucket.nodes.iter_mut().find(|entry| entry.contact == contact && entry.failures == 0)
        });
        known.map(|entry| entry.heard = now).is_some()
    }

    /// A query to this address was not answered.
    pub fn failed(&mut self, address: SocketAddr) {
        let replacement = self.buckets.iter_mut().find_map(|bucket| bucket.failed(address));
        if let Some(replacement) = replacement {
            // Another node may have come into its neighbourhood meanwhile: then it is not inserted.
            let heard = replacement.heard;
            self.insert(replacement, heard);
        }
    }

    /// The nodes closest to `target`, `most` of them at most. With `only_good`, the good ones. Without (for
    /// our own use), also the questionable ones, and if no such node is left, the bad ones.
    pub fn closest(&self, target: NodeId, most: usize, only_good: bool, now: Instant) -> Vec<Contact> {
        let take = |wanted: &dyn Fn(&TableEntry) -> bool| {
            let mut found: Vec<(Distance, Contact)> = Vec::with_capacity(most + 1);
            for entry in self.nodes().filter(|entry| wanted(entry)) {
                let distance = target.distance(entry.contact.id);
                let at = found.partition_point(|(other, _)| *other <= distance);
                if at < most {
                    found.insert(at, (distance, entry.contact));
                    found.truncate(most);
                }
            }
            found.into_iter().map(|(_, contact)| contact).collect::<Vec<_>>()
        };
        if only_good {
            return take(&|entry| entry.is_good(now));
        }
        let alive = take(&|entry| !entry.is_bad());
        if alive.is_empty() { take(&|_| true) } else { alive }
    }

    /// All good nodes, the most recently heard from first.
    pub fn good(&self, now: Instant) -> Vec<SocketAddr> {
        let mut good: Vec<&TableEntry> = Vec::new();
        for entry in self.nodes().filter(|entry| entry.is_good(now)) {
            good.insert(good.partition_point(|other| other.heard >= entry.heard), entry);
        }
        good.iter().map(|entry| entry.contact.address).collect()
    }

    /// A node that should be asked whether it is still there, and an ID in its bucket's range to ask it
    /// for, so that its answer may fill the bucket.
    pub fn check(&mut self, now: Instant, random: &mut fastrand::Rng) -> Option<(SocketAddr, NodeId)> {
        let own = self.own;
        let due = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.nodes);
        let due = due.filter(|entry| entry.next_check() <= now).min_by_key(|entry| entry.next_check())?;
        (due.checked, due.is_due) = (now, false);
        let shared = own.distance(due.contact.id).shared_bits();
        Some((due.contact.address, own.random_apart(shared, random)))
    }

    /// Nodes that did not answer are due for a check: perhaps it was our network that was gone.
    pub fn check_the_silent(&mut self) {
        let all = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.nodes);
        all.filter(|entry| entry.failures > 0).for_each(|entry| entry.is_due = true);
    }

    /// An ID in the range of a bucket that has room and was never searched, or in which nothing has happened
    /// for long. Counts the bucket as searched.
    pub fn refresh(&mut self, now: Instant, random: &mut fastrand::Rng) -> Option<NodeId> {
        let stale = |bucket: &Bucket| {
            let quiet = now.saturating_duration_since(bucket.changed) >= SILENCE;
            !bucket.is_full() && (bucket.never_searched || quiet)
        };
        let place = self.buckets.iter().position(stale)?;
        let bucket = self.buckets.get_mut(place)?;
        (bucket.changed, bucket.never_searched) = (now, false);
        Some(self.own.random_apart(place as u32, random))
    }

    /// When [`check`](Table::check) next has a node.
    pub fn next_check(&self) -> Option<Instant> {
        self.nodes().map(TableEntry::next_check).min()
    }

    /// When [`refresh`](Table::refresh) next has an ID.
    pub fn next_refresh(&self) -> Option<Instant> {
        let open = self.buckets.iter().filter(|bucket| !bucket.is_full());
        let due =
            |bucket: &Bucket| if bucket.never_searched { bucket.changed } else { bucket.changed + SILENCE };
        open.map(due).min()
    }

    fn place(&self, id: NodeId) -> usize {
        let shared = self.own.distance(id).shared_bits().min(BITS - 1) as usize;
        shared.min(self.buckets.len() - 1)
    }

    fn nodes(&self) -> impl Iterator<Item = &TableEntry> {
        self.buckets.iter().flat_map(|bucket| &bucket.nodes)
    }
}

#[cfg(test)]
mod tests;
