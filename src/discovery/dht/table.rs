//! The routing table: the nodes that we know, many near our own name and few far from it.
//!
//! Pure. A *bucket* has room for eight nodes that have equally many bits in common with our name; only the
//! last one, in which our own name would be, is split when it is full (BEP 5, "routing table"). A node is
//! here because it answered us, and there is one for each address and each neighbourhood, so that nobody
//! fills the table with one machine. Names that fit their address (BEP 42) take the place of others.
//!
//! An idle node asks each node of its table once in 13 minutes and searches a bucket with room once in
//! 15: some 20 bytes a second for 30 nodes, both ways.

use super::addresses::{Contact, neighbourhood};
use super::id::{BITS, Distance, NodeId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Nodes in a bucket, and in an answer ("K").
pub const BUCKET_SIZE: usize = 8;

/// After this silence a node is questionable, and a bucket without change stale.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Nodes are asked before they become questionable, as only good ones are named to others.
const CHECK_AFTER: Duration = Duration::from_secs(13 * 60);

/// After this a node that did not answer once is asked a second time.
const SECOND_CHECK: Duration = Duration::from_secs(15);

/// How often the same node is offered for a check.
const BETWEEN_CHECKS: Duration = Duration::from_secs(10);

/// Queries in a row without an answer that make a node bad.
const BAD: u8 = 2;

/// Buckets at most. The nodes of all the world fill about twenty.
const MAX_BUCKETS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    contact: Contact,
    neighbourhood: u64,
    /// The name fits the address.
    fits: bool,
    /// When it answered or asked something the last time.
    heard: Instant,
    checked: Instant,
    failures: u8,
}

#[derive(Debug)]
struct Bucket {
    nodes: Vec<Entry>,
    /// Nodes that answered when there was no room, the last one to do so at the end.
    spare: Vec<Entry>,
    changed: Instant,
    /// Its range was never searched.
    fresh: bool,
}

/// What became of a node that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is in the table, new.
    New,
    /// It is in the table, as before.
    Known,
    /// There is no room, or another has its place.
    None,
    /// There is no room, unless this one is gone, of which nothing was heard for long: ask it.
    Behind(SocketAddr),
}

/// The table.
#[derive(Debug)]
pub struct Table {
    own: NodeId,
    /// All in bucket n have n bits in common with our name; those in the last have so many or more.
    buckets: Vec<Bucket>,
}

impl Table {
    /// An empty one around this name.
    pub fn new(own: NodeId, now: Instant) -> Table {
        Table { own, buckets: vec![Bucket::new(now)] }
    }

    /// The same nodes around another name.
    pub fn rebuild(&mut self, own: NodeId, now: Instant) {
        let before = std::mem::replace(self, Table::new(own, now));
        for entry in before.buckets.iter().flat_map(|bucket| bucket.nodes.iter().chain(&bucket.spare)) {
            self.put(*entry, now);
        }
    }

    /// How many nodes it has that are not known to be gone.
    pub fn len(&self) -> usize {
        self.nodes().filter(|entry| entry.failures < BAD).count()
    }

    /// Whether this node answered.
    pub fn answered(&mut self, contact: Contact, now: Instant) -> Place {
        if contact.id == self.own {
            return Place::None;
        }
        let entry = Entry {
            contact,
            neighbourhood: neighbourhood(contact.address.ip()),
            fits: contact.id.fits(contact.address.ip()),
            heard: now,
            checked: now,
            failures: 0,
        };
        self.put(entry, now)
    }

    fn put(&mut self, entry: Entry, now: Instant) -> Place {
        let other = self.buckets.iter().enumerate().find_map(|(bucket, nodes)| {
            let found = nodes.nodes.iter().position(|other| {
                other.neighbourhood == entry.neighbourhood || other.contact.id == entry.contact.id
            });
            found.map(|at| (bucket, at))
        });
        if let Some((bucket, at)) = other {
            let Some(bucket) = self.buckets.get_mut(bucket) else { return Place::None };
            let Some(known) = bucket.nodes.get_mut(at) else { return Place::None };
            if known.contact == entry.contact {
                *known = entry;
                bucket.changed = now;
                return Place::Known;
            }
            let same_place = known.contact.address == entry.contact.address;
            if !same_place && known.failures == 0 && (known.fits || !entry.fits) {
                return Place::None;
            }
            bucket.nodes.remove(at);
            // It may be in the way twice, by its name and by its address.
            return self.put(entry, now);
        }
        loop {
            let last = self.buckets.len() - 1;
            let whole = self.buckets.len() >= MAX_BUCKETS;
            let place = self.place(entry.contact.id);
            let Some(bucket) = self.buckets.get_mut(place) else { return Place::None };
            if bucket.nodes.len() < BUCKET_SIZE {
                bucket.nodes.push(entry);
                bucket.changed = now;
                return Place::New;
            }
            if place < last || whole {
                return bucket.squeeze_in(entry, now);
            }
            self.split();
        }
    }

    fn split(&mut self) {
        let own = self.own;
        let shared = self.buckets.len() as u32 - 1;
        let Some(bucket) = self.buckets.last_mut() else { return };
        let mut inner = Bucket::new(bucket.changed);
        let is_outer = |entry: &Entry| own.distance(entry.contact.id).shared_bits() == shared;
        for (from, to) in [(&mut bucket.nodes, &mut inner.nodes), (&mut bucket.spare, &mut inner.spare)] {
            to.extend(from.iter().filter(|entry| !is_outer(entry)));
            from.retain(is_outer);
        }
        self.buckets.push(inner);
    }

    /// Whether a node with this name and address would find room if it answered.
    pub fn wants(&self, contact: Contact, now: Instant) -> bool {
        let near = neighbourhood(contact.address.ip());
        let place = self.place(contact.id);
        let taken = |entry: &Entry| entry.neighbourhood == near && entry.failures == 0;
        let room = |bucket: &Bucket| {
            let full = bucket.nodes.len() >= BUCKET_SIZE;
            !full || bucket.nodes.iter().any(|entry| !entry.is_good(now))
        };
        contact.id != self.own
            && !self.nodes().any(taken)
            && (place + 1 == self.buckets.len() || self.buckets.get(place).is_some_and(room))
    }

    /// A query came from this node. True where it is in the table, and is good for that.
    pub fn asked(&mut self, contact: Contact, now: Instant) -> bool {
        let place = self.place(contact.id);
        let known = self.buckets.get_mut(place).and_then(|bucket| {
            bucket.nodes.iter_mut().find(|entry| entry.contact == contact && entry.failures == 0)
        });
        known.map(|entry| entry.heard = now).is_some()
    }

    /// A query to this address was not answered.
    pub fn failed(&mut self, address: SocketAddr) {
        for bucket in &mut self.buckets {
            bucket.spare.retain(|entry| entry.contact.address != address);
            let Some(at) = bucket.nodes.iter().position(|entry| entry.contact.address == address) else {
                continue;
            };
            let Some(entry) = bucket.nodes.get_mut(at) else { continue };
            entry.failures = entry.failures.saturating_add(1);
            if entry.failures < BAD {
                continue;
            }
            if let Some(spare) = bucket.spare.pop() {
                bucket.nodes.remove(at);
                // Another may have come into its neighbourhood meanwhile: then it does not come in.
                let heard = spare.heard;
                self.put(spare, heard);
            }
            return;
        }
    }

    /// The nodes closest to `target`, at most so many: the good ones, or also (for our own use) those of
    /// which nothing was heard for long, and where all are gone even those.
    pub fn closest(&self, target: NodeId, most: usize, good: bool, now: Instant) -> Vec<Contact> {
        let take = |wanted: &dyn Fn(&Entry) -> bool| {
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
        if good {
            return take(&|entry| entry.is_good(now));
        }
        let alive = take(&|entry| entry.failures < BAD);
        if alive.is_empty() { take(&|_| true) } else { alive }
    }

    /// All good nodes, those heard of last first.
    pub fn good(&self, now: Instant) -> Vec<SocketAddr> {
        let mut good: Vec<&Entry> = Vec::new();
        for entry in self.nodes().filter(|entry| entry.is_good(now)) {
            good.insert(good.partition_point(|other| other.heard >= entry.heard), entry);
        }
        good.iter().map(|entry| entry.contact.address).collect()
    }

    /// A node that should be asked whether it is still there, and a name in its bucket's range to ask it
    /// for, so that its answer may fill the bucket.
    pub fn check(&mut self, now: Instant, random: &mut fastrand::Rng) -> Option<(SocketAddr, NodeId)> {
        let own = self.own;
        let due = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.nodes);
        let due = due.filter(|entry| entry.next_check() <= now).min_by_key(|entry| entry.next_check())?;
        due.checked = now;
        let shared = own.distance(due.contact.id).shared_bits();
        Some((due.contact.address, own.random_apart(shared, random)))
    }

    /// A name in the range of a bucket that has room and that nothing happened in for long, or that never
    /// was searched. Counts it as searched.
    pub fn refresh(&mut self, now: Instant, random: &mut fastrand::Rng) -> Option<NodeId> {
        let stale = |bucket: &Bucket| {
            let quiet = now.saturating_duration_since(bucket.changed) >= SILENCE;
            bucket.nodes.len() < BUCKET_SIZE && (bucket.fresh || quiet)
        };
        let place = self.buckets.iter().position(stale)?;
        let bucket = self.buckets.get_mut(place)?;
        (bucket.changed, bucket.fresh) = (now, false);
        Some(self.own.random_apart(place as u32, random))
    }

    /// When [`check`](Table::check) has something.
    pub fn next_check(&self) -> Option<Instant> {
        self.nodes().map(Entry::next_check).min()
    }

    /// When [`refresh`](Table::refresh) has something.
    pub fn next_refresh(&self) -> Option<Instant> {
        let open = self.buckets.iter().filter(|bucket| bucket.nodes.len() < BUCKET_SIZE);
        let due = |bucket: &Bucket| if bucket.fresh { bucket.changed } else { bucket.changed + SILENCE };
        open.map(due).min()
    }

    fn place(&self, id: NodeId) -> usize {
        let shared = self.own.distance(id).shared_bits().min(BITS - 1) as usize;
        shared.min(self.buckets.len() - 1)
    }

    fn nodes(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.nodes)
    }
}

impl Bucket {
    fn new(changed: Instant) -> Bucket {
        Bucket { nodes: Vec::new(), spare: Vec::new(), changed, fresh: true }
    }

    /// Puts a node into a full bucket that is not split: in the place of a bad one, or of one whose name
    /// does not fit; else among the spare ones.
    fn squeeze_in(&mut self, entry: Entry, now: Instant) -> Place {
        let worse = |other: &Entry| other.failures >= BAD || (entry.fits && !other.fits);
        if let Some(worse) = self.nodes.iter_mut().find(|other| worse(other)) {
            let before = std::mem::replace(worse, entry);
            self.changed = now;
            if before.failures == 0 {
                self.keep_spare(before);
            }
            return Place::New;
        }
        self.keep_spare(entry);
        let is_due = |other: &&mut Entry| {
            !other.is_good(now) && now.saturating_duration_since(other.checked) >= BETWEEN_CHECKS
        };
        match self.nodes.iter_mut().filter(is_due).min_by_key(|other| other.heard) {
            Some(questionable) => {
                questionable.checked = now;
                Place::Behind(questionable.contact.address)
            }
            None => Place::None,
        }
    }

    /// Those that fit are the last to go, and the first to be used.
    fn keep_spare(&mut self, entry: Entry) {
        self.spare.retain(|other| other.neighbourhood != entry.neighbourhood);
        if self.spare.len() >= BUCKET_SIZE {
            self.spare.remove(0);
        }
        self.spare.insert(self.spare.partition_point(|other| other.fits <= entry.fits), entry);
    }
}

impl Entry {
    fn is_good(&self, now: Instant) -> bool {
        self.failures == 0 && now.saturating_duration_since(self.heard) < SILENCE
    }

    fn next_check(&self) -> Instant {
        match self.failures {
            0 => self.heard.max(self.checked) + CHECK_AFTER,
            1 => self.checked + SECOND_CHECK,
            _ => self.checked + SILENCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const SECOND: Duration = Duration::from_secs(1);

    /// One on the loopback network, where every name fits.
    fn contact(id: NodeId, number: u32) -> Contact {
        let ip = IpAddr::V4((0x7f00_0000 + number).into());
        Contact { id, address: SocketAddr::new(ip, 6881) }
    }

    fn own() -> NodeId {
        NodeId([0; 20])
    }

    /// Nodes of the far half, which do not fit into one bucket.
    fn far(count: u32) -> Vec<Contact> {
        let mut random = fastrand::Rng::with_seed(1);
        (1..=count).map(|number| contact(own().random_apart(0, &mut random), number)).collect()
    }

    #[test]
    fn the_far_half_gets_one_bucket_and_our_own_neighbourhood_is_split() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(2);
        let mut table = Table::new(own(), start);
        for number in 1..=2_000 {
            table.answered(contact(NodeId::random(&mut random), number), start);
        }
        assert!((7..=12).contains(&table.buckets.len()), "{}", table.buckets.len());
        for (shared, bucket) in table.buckets.iter().enumerate() {
            assert!(bucket.nodes.len() <= BUCKET_SIZE && bucket.spare.len() <= BUCKET_SIZE);
            for entry in &bucket.nodes {
                let bits = own().distance(entry.contact.id).shared_bits() as usize;
                assert!(bits == shared || bits > shared && shared + 1 == table.buckets.len());
            }
        }
        let target = NodeId::random(&mut random);
        let closest = table.closest(target, 8, true, start);
        assert_eq!(closest.len(), 8);
        assert!(closest.is_sorted_by_key(|node| target.distance(node.id)));
        assert_eq!(table.len(), table.good(start).len());
    }

    #[test]
    fn a_full_bucket_keeps_its_nodes_until_one_does_not_answer_twice() {
        let start = Instant::now();
        let mut table = Table::new(own(), start);
        let nodes = far(10);
        // The second half of the space, so that the first bucket is no longer our own.
        let near = contact(own().random_apart(5, &mut fastrand::Rng::with_seed(3)), 99);
        assert_eq!(table.answered(near, start), Place::New);
        for node in &nodes[..8] {
            assert_eq!(table.answered(*node, start), Place::New);
        }
        assert_eq!(table.answered(nodes[8], start), Place::None);
        assert!(!table.wants(nodes[9], start) && table.wants(nodes[9], start + SILENCE));
        table.failed(nodes[3].address);
        assert_eq!(table.answered(nodes[3], start), Place::Known);
        table.failed(nodes[3].address);
        table.failed(nodes[3].address);
        let known = table.good(start);
        assert!(known.contains(&nodes[8].address) && !known.contains(&nodes[3].address));
    }

    #[test]
    fn a_questionable_node_is_asked_before_it_is_replaced() {
        let start = Instant::now();
        let mut table = Table::new(own(), start);
        let nodes = far(11);
        for node in &nodes[..8] {
            table.answered(*node, start);
        }
        table.split();
        let later = start + SILENCE;
        for node in &nodes[1..8] {
            assert!(table.asked(*node, later));
        }
        assert_eq!(table.answered(nodes[8], later), Place::Behind(nodes[0].address));
        assert_eq!(table.answered(nodes[9], later), Place::None);
        table.failed(nodes[0].address);
        assert_eq!(table.check(later + SECOND_CHECK, &mut fastrand::Rng::new()).unwrap().0, nodes[0].address);
        table.failed(nodes[0].address);
        assert!(table.good(later).contains(&nodes[9].address));
        assert!(!table.asked(nodes[0], later) && !table.asked(nodes[8], later));
    }

    #[test]
    fn an_address_and_a_neighbourhood_have_one_node_each() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(4);
        let mut table = Table::new(own(), start);
        let mut node =
            |address: &str| Contact { id: NodeId::random(&mut random), address: address.parse().unwrap() };
        for (first, second, both) in [
            ("1.2.3.4:5", "1.2.3.4:6", false),
            ("2.2.3.4:5", "2.2.3.5:5", false),
            ("3.2.3.4:5", "3.2.4.4:5", true),
            ("127.0.0.1:5", "127.0.0.1:6", false),
            ("127.0.1.1:5", "127.0.1.2:5", true),
            ("[2001:db8::1]:1", "[2001:db8::2:1]:1", false),
            ("[2001:db8:1::1]:1", "[2001:db8:1:1::1]:1", true),
        ] {
            assert_eq!(table.answered(node(first), start), Place::New, "{first}");
            let second = node(second);
            assert_eq!(table.wants(second, start), both, "{second:?}");
            assert_eq!(table.answered(second, start) == Place::New, both, "{second:?}");
        }
        // One that takes another name is the same node still, and one that is gone leaves its place.
        let before = table.len();
        assert_eq!(table.answered(node("2.2.3.4:5"), start), Place::New);
        table.failed("2.2.3.4:5".parse().unwrap());
        assert_eq!(table.answered(node("2.2.3.5:5"), start), Place::New);
        assert_eq!(table.len(), before);
        assert_eq!(table.answered(Contact { id: own(), ..node("9.9.9.9:9") }, start), Place::None);
    }

    #[test]
    fn a_name_that_fits_takes_the_place_of_one_that_does_not() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(5);
        let own = NodeId([0; 20]);
        let mut table = Table::new(own, start);
        let address = |number: u32| SocketAddr::new(IpAddr::V4((number << 8 | 0x0900_0001).into()), 1);
        for number in 1..=8 {
            let id = own.random_apart(0, &mut random);
            assert!(!id.fits(address(number).ip()));
            table.answered(Contact { id, address: address(number) }, start);
        }
        table.split();
        let mut fitting = (9..)
            .map(|number| {
                let address = address(number);
                Contact { id: NodeId::for_address(address.ip(), &mut random), address }
            })
            .filter(|node| own.distance(node.id).shared_bits() == 0);
        for _ in 0..8 {
            assert_eq!(table.answered(fitting.next().unwrap(), start), Place::New);
        }
        assert_eq!(table.answered(fitting.next().unwrap(), start), Place::None);
        assert_eq!(table.len(), 8);
    }

    #[test]
    fn nodes_are_checked_before_they_are_questionable_and_buckets_searched_when_they_are_stale() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(6);
        let mut table = Table::new(own(), start);
        for node in far(3) {
            table.answered(node, start);
        }
        assert!(table.refresh(start, &mut random).is_some());
        assert_eq!(table.refresh(start, &mut random), None);
        assert_eq!(table.check(start, &mut random), None);
        let due = table.next_check().unwrap();
        assert_eq!(due, start + CHECK_AFTER);
        for _ in 0..3 {
            let (address, target) = table.check(due, &mut random).unwrap();
            assert!(table.good(due).contains(&address));
            assert_eq!(own().distance(target).shared_bits(), 0);
        }
        assert_eq!(table.check(due + SECOND, &mut random), None);
        assert!(table.refresh(start + SILENCE, &mut random).is_some());
    }

    #[test]
    fn another_name_keeps_the_nodes() {
        let start = Instant::now();
        let mut table = Table::new(own(), start);
        for node in far(8) {
            table.answered(node, start);
        }
        table.rebuild(NodeId([0xff; 20]), start);
        assert_eq!(table.len(), 8);
    }
}
