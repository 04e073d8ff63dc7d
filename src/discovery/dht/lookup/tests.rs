use super::*;

const OWN: NodeId = NodeId([0xff; 20]);
const TARGET: NodeId = NodeId([0; 20]);

/// A node on the loopback network at this distance.
fn node(distance: u8) -> Contact {
    let mut id = TARGET;
    id.0[0] = distance;
    Contact { id, address: SocketAddr::from(([127, 0, 0, distance], 1)) }
}

fn nodes(distances: impl IntoIterator<Item = u8>) -> Vec<Contact> {
    distances.into_iter().map(node).collect()
}

/// Asks all that may be asked at once: their distances.
fn ask(lookup: &mut Lookup) -> Vec<u8> {
    let mut asked = Vec::new();
    while let Some(address) = lookup.next() {
        lookup.sent(address);
        let std::net::IpAddr::V4(ip) = address.ip() else { panic!() };
        asked.push(ip.octets()[3]);
    }
    asked
}

fn ask_addresses(lookup: &mut Lookup) -> Vec<SocketAddr> {
    std::iter::from_fn(|| lookup.next().inspect(|address| lookup.sent(*address))).collect()
}

fn answer(lookup: &mut Lookup, distance: u8, named: &[u8]) -> bool {
    lookup.answered(node(distance), &nodes(named.iter().copied()), Some(&[distance]))
}

fn lookup(known: impl IntoIterator<Item = u8>) -> Lookup {
    Lookup::new(OWN, TARGET, &nodes(known))
}

#[test]
fn the_closest_are_asked_until_eight_have_answered() {
    let mut lookup = lookup(50..62);
    assert_eq!(ask(&mut lookup), [50, 51, 52, 53]);
    answer(&mut lookup, 50, &[10, 11, 12]);
    assert_eq!(ask(&mut lookup), [10]);
    answer(&mut lookup, 51, &[10, 11, 12, 13]);
    answer(&mut lookup, 10, &[]);
    assert_eq!(ask(&mut lookup), [11, 12]);
    for distance in [52, 53, 11, 12] {
        answer(&mut lookup, distance, &[]);
    }
    assert_eq!((ask(&mut lookup), lookup.is_done()), (vec![13], false));
    answer(&mut lookup, 13, &[]);
    assert!(lookup.is_done());
    let closest: Vec<u8> = lookup.closest().iter().map(|(_, token)| token[0]).collect();
    assert_eq!(closest, [10, 11, 12, 13, 50, 51, 52, 53]);
    assert_eq!((lookup.answers(), lookup.queries), (8, 8));
}

#[test]
fn a_late_node_holds_up_no_other_and_is_waited_for_at_the_end() {
    let mut lookup = lookup([1, 2, 3, 4, 5]);
    assert_eq!(ask(&mut lookup), [1, 2, 3, 4]);
    lookup.late(node(1).address);
    assert_eq!(ask(&mut lookup), [5]);
    for distance in 2..=5 {
        answer(&mut lookup, distance, &[]);
    }
    assert!(lookup.is_idle() && !lookup.is_done());
    lookup.failed(node(1).address);
    assert!(lookup.is_done());
    assert!(!answer(&mut lookup, 1, &[]));
}

#[test]
fn where_few_nodes_are_known_a_late_one_is_waited_for_whatever_its_id() {
    // An address of the internet, to which the ID does not belong.
    let far = Contact { address: SocketAddr::from(([8, 8, 8, 8], 1)), ..node(1) };
    let mut lookup = Lookup::new(OWN, TARGET, &[far]);
    assert_eq!(ask_addresses(&mut lookup), [far.address]);
    lookup.late(far.address);
    assert!(lookup.is_idle() && !lookup.is_done());
    assert!(lookup.answered(far, &nodes([3]), Some(b"t")));
    assert_eq!(ask(&mut lookup), [3]);
}

#[test]
fn a_node_with_another_id_than_was_claimed_counts_when_another_node_claims_the_right_one() {
    let mut lookup = lookup([1, 9]);
    ask(&mut lookup);
    let other = Contact { id: node(2).id, ..node(1) };
    assert!(!lookup.answered(other, &nodes([3]), Some(b"t")));
    assert!(lookup.answers() == 0 && lookup.closest().is_empty());
    assert!(lookup.answered(node(9), &[other], None));
    assert_eq!((lookup.answers(), lookup.closest()[0].0), (2, other.address));
    assert!(lookup.is_done(), "what it named is not believed");
    lookup.add_address(node(4).address);
    assert_eq!(ask(&mut lookup), [4]);
    assert!(answer(&mut lookup, 4, &[255]));
    assert!(!lookup.answered(node(9), &[], None));
    lookup.shortlist.add(Some(OWN), node(7).address, OUR_TABLE);
    assert_eq!(lookup.next(), Some(node(255).address));
}

#[test]
fn an_attacker_keeps_no_node_out_by_claiming_wrong_ids_or_naming_its_neighbours() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut valid = |ip: [u8; 4]| Contact {
        id: NodeId::for_address(ip.into(), &mut random),
        address: SocketAddr::from((ip, 1)),
    };
    let [attacker, guide] = [valid([8, 8, 8, 8]), valid([7, 8, 8, 8])];
    let honest: Vec<Contact> = (0..8).map(|number| valid([9, 9, number, 1])).collect();
    let target = honest[0].id;
    for lie in 0..3 {
        let mut lookup = Lookup::new(OWN, target, &[attacker, guide]);
        ask_addresses(&mut lookup);
        let lies = honest.iter().zip(1..).map(|(contact, number)| {
            let mut id = target;
            // Near, so that it is asked at once, or so far that it never is.
            id.0[if lie == 0 { 19 } else { 0 }] ^= number;
            let neighbour = SocketAddr::from(([9, 9, number - 1, 7], 1));
            Contact { id, address: if lie == 2 { neighbour } else { contact.address } }
        });
        assert!(lookup.answered(attacker, &lies.collect::<Vec<_>>(), Some(b"t")));
        assert!(lookup.answered(guide, &honest, Some(b"t")));
        loop {
            let asked = ask_addresses(&mut lookup);
            if asked.is_empty() {
                break;
            }
            for address in asked {
                match honest.iter().find(|contact| contact.address == address) {
                    Some(contact) => _ = lookup.answered(*contact, &honest, Some(b"t")),
                    None => lookup.failed(address),
                }
            }
        }
        let closest = lookup.closest();
        let count = honest.iter().filter(|one| closest.iter().any(|(to, _)| *to == one.address)).count();
        assert!(count >= 6, "{lie}: {count}");
    }
}

#[test]
fn nodes_that_an_attacker_named_are_asked_last() {
    let mut lookup = lookup([100, 101]);
    assert_eq!(ask(&mut lookup), [100, 101]);
    answer(&mut lookup, 100, &[1, 2, 3, 4, 5, 6, 7, 8]);
    answer(&mut lookup, 101, &[90, 91, 92]);
    assert_eq!(ask(&mut lookup), [1, 2, 3, 4]);
    for distance in 1..=3 {
        lookup.failed(node(distance).address);
    }
    assert_eq!(ask(&mut lookup), [90, 91, 92]);
    answer(&mut lookup, 90, &[5]);
    assert_eq!(ask(&mut lookup), [5]);
    for distance in [91, 92, 5, 4] {
        answer(&mut lookup, distance, &[]);
    }
    // Without them there are fewer than eight, so they get their turn.
    assert_eq!(ask(&mut lookup), [6, 7, 8]);
}

#[test]
fn nodes_with_an_invalid_id_do_not_count_and_the_closest_of_them_are_asked_all_the_same() {
    let mut random = fastrand::Rng::with_seed(1);
    let address = |number: u8| SocketAddr::from(([9, 9, number, 1], 1));
    let invalid = |number: u8| Contact { id: node(number).id, address: address(number) };
    let valid: Vec<Contact> = (100..120)
        .map(|number| {
            let address = address(number);
            Contact { id: NodeId::for_address(address.ip(), &mut random), address }
        })
        .collect();
    let known: Vec<Contact> = (1..50).map(invalid).chain(valid.iter().copied()).collect();
    let mut lookup = Lookup::new(OWN, TARGET, &known);
    while let Some(next) = lookup.next() {
        lookup.sent(next);
        let contact = *known.iter().find(|contact| contact.address == next).unwrap();
        assert!(lookup.answered(contact, &[], Some(b"t")));
    }
    assert!(lookup.is_done() && lookup.invalid_id_queries == MAX_INVALID_ID_QUERIES + DEFERRED_QUERIES);
    let closest = lookup.closest();
    let is_valid = |to: &SocketAddr| valid.iter().any(|node| node.address == *to);
    assert_eq!(closest.iter().filter(|(to, _)| is_valid(to)).count(), 8);
    let mut all = known.clone();
    all.sort_by_key(|contact| TARGET.distance(contact.id));
    assert!(all[..8].iter().all(|contact| closest.iter().any(|(to, _)| *to == contact.address)));

    let mut lookup = Lookup::new(OWN, TARGET, &known[..20]);
    while let Some(next) = lookup.next() {
        lookup.sent(next);
        let contact = *known.iter().find(|contact| contact.address == next).unwrap();
        assert!(lookup.answered(contact, &[], Some(b"t")));
    }
    assert!(lookup.is_done() && lookup.closest().len() == 8);
}

#[test]
fn queries_listed_nodes_and_peers_are_bounded() {
    let mut lookup = lookup([255]);
    let mut random = fastrand::Rng::with_seed(1);
    let mut queries = 0;
    while let Some(address) = lookup.next() {
        lookup.sent(address);
        queries += 1;
        // All nodes that are asked exist, and name others that are closer.
        let by = lookup.shortlist.claims(address).next().unwrap().1;
        let by = Contact { id: by.id.unwrap(), address };
        let mut named = Vec::new();
        for _ in 0..60 {
            let mut id = by.id;
            id.0[0] = id.0[0].saturating_sub(1);
            id.0[19] = random.u8(..);
            let ip = [127, random.u8(..), random.u8(..), random.u8(..)];
            named.push(Contact { id, address: SocketAddr::from((ip, 1)) });
        }
        lookup.answered(by, &named, None);
        assert!(lookup.shortlist.iter().count() <= shortlist::MAX_NODES);
    }
    assert_eq!((queries, lookup.is_done()), (MAX_QUERIES, true));
    let peers = |count: u16| (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(lookup.new_peers(peers(10)).len(), 10);
    assert_eq!(lookup.new_peers(peers(12)).len(), 2);
    assert_eq!(lookup.new_peers(peers(5_000)).len(), MAX_FOUND - 12);
}
