use super::bucket::{CHECK_AFTER, SECOND_CHECK};
use super::*;
use std::net::IpAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A node on the loopback network, where every ID is valid.
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
        assert!(bucket.nodes.len() <= BUCKET_SIZE && bucket.replacements.len() <= BUCKET_SIZE);
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
    assert_eq!(table.answered(near, start), Insertion::Inserted);
    for node in &nodes[..8] {
        assert_eq!(table.answered(*node, start), Insertion::Inserted);
    }
    assert_eq!(table.answered(nodes[8], start), Insertion::Rejected);
    assert!(!table.has_room_for(nodes[9], start) && table.has_room_for(nodes[9], start + SILENCE));
    table.failed(nodes[3].address);
    assert_eq!(table.answered(nodes[3], start), Insertion::Known);
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
        assert!(table.queried_us(*node, later));
    }
    assert_eq!(table.answered(nodes[8], later), Insertion::FullUnlessGone(nodes[0].address));
    assert_eq!(table.answered(nodes[9], later), Insertion::Rejected);
    table.failed(nodes[0].address);
    assert_eq!(table.check(later + SECOND_CHECK, &mut fastrand::Rng::new()).unwrap().0, nodes[0].address);
    table.failed(nodes[0].address);
    assert!(table.good(later).contains(&nodes[9].address));
    assert!(!table.queried_us(nodes[0], later) && !table.queried_us(nodes[8], later));
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
        assert_eq!(table.answered(node(first), start), Insertion::Inserted, "{first}");
        let second = node(second);
        assert_eq!(table.has_room_for(second, start), both, "{second:?}");
        assert_eq!(table.answered(second, start) == Insertion::Inserted, both, "{second:?}");
    }
    // A node that takes another ID is still the same node, and one that has gone makes room.
    let before = table.len();
    assert_eq!(table.answered(node("2.2.3.4:5"), start), Insertion::Inserted);
    table.failed("2.2.3.4:5".parse().unwrap());
    assert_eq!(table.answered(node("2.2.3.5:5"), start), Insertion::Inserted);
    assert_eq!(table.len(), before);
    assert_eq!(table.answered(Contact { id: own(), ..node("9.9.9.9:9") }, start), Insertion::Rejected);
}

#[test]
fn a_node_with_a_valid_id_takes_the_place_of_one_without() {
    let start = Instant::now();
    let mut random = fastrand::Rng::with_seed(5);
    let own = NodeId([0; 20]);
    let mut table = Table::new(own, start);
    let address = |number: u32| SocketAddr::new(IpAddr::V4((number << 8 | 0x0900_0001).into()), 1);
    for number in 1..=8 {
        let id = own.random_apart(0, &mut random);
        assert!(!id.is_valid_for(address(number).ip()));
        table.answered(Contact { id, address: address(number) }, start);
    }
    table.split();
    let mut valid = (9..)
        .map(|number| {
            let address = address(number);
            Contact { id: NodeId::for_address(address.ip(), &mut random), address }
        })
        .filter(|node| own.distance(node.id).shared_bits() == 0);
    for _ in 0..8 {
        assert_eq!(table.answered(valid.next().unwrap(), start), Insertion::Inserted);
    }
    assert_eq!(table.answered(valid.next().unwrap(), start), Insertion::Rejected);
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
fn another_id_keeps_the_nodes() {
    let start = Instant::now();
    let mut table = Table::new(own(), start);
    for node in far(8) {
        table.answered(node, start);
    }
    table.rebuild(NodeId([0xff; 20]), start);
    assert_eq!(table.len(), 8);
}
