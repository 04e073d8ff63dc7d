//! Networks of simulated nodes: the clock is a counter, and packets are values in a queue.

#![cfg(test)]

#[path = "support/dht_world.rs"]
mod dht_world;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use femtotorrent::chance;
use femtotorrent::discovery::dht::NodeId;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::strategy::Supply;

use dht_world::{HostKind, SimulatedHost, World};

const SECOND: Duration = Duration::from_secs(1);

/// The port that a torrent's peers announce.
const PORT: u16 = 51_413;

/// `count` nodes in networks of their own. Each knows some others.
fn network(world: &mut World, count: usize, kind: impl Fn(usize) -> HostKind) {
    let ask_some = |world: &mut World, place: usize, among: usize| {
        for _ in 0..3.min(among) {
            let known = world.hosts[chance::below(among, &mut world.random)].address;
            world.with(place, |node, now| node.contact(known, now));
        }
    };
    for number in 0..count {
        let ip = IpAddr::from([50, (number / 250) as u8, (number % 250) as u8, 7]);
        let place = world.add(SocketAddr::new(ip, 6881), kind(number));
        ask_some(world, place, number);
        world.run(SECOND / 50);
    }
    // A node that knows few others asks again, as `bootstrap` has it.
    for _ in 0..4 {
        world.run(5 * SECOND);
        for place in 0..count {
            if world.hosts[place].node.knows_few_nodes() {
                ask_some(world, place, count);
            }
        }
    }
    world.run(5 * SECOND);
}

/// One node in `among` is an attacker.
fn one_attacker_in(among: usize) -> impl Fn(usize) -> HostKind {
    move |number| {
        if number > 0 && number.is_multiple_of(among) { HostKind::Attacker } else { HostKind::Honest }
    }
}

fn torrent(number: usize) -> InfoHash {
    InfoHash(NodeId::random(&mut fastrand::Rng::with_seed(number as u64)).0)
}

/// A host that is there and honest.
fn any_honest(world: &mut World) -> usize {
    loop {
        let place = chance::below(world.hosts.len(), &mut world.random);
        if matches!(world.hosts[place].kind, HostKind::Honest) {
            return place;
        }
    }
}

/// Has nodes announce these torrents. Returns each torrent with the host that announced it.
fn announce(world: &mut World, torrents: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut announced = Vec::new();
    for number in torrents {
        let place = any_honest(world);
        world.with(place, |node, now| node.search(torrent(number), Some(PORT), now));
        announced.push((number, place));
        world.run(SECOND / 20);
    }
    world.run(10 * SECOND);
    for (number, place) in &announced {
        world.with(*place, |node, _| node.forget(torrent(*number)));
    }
    announced
}

/// Has `times` other hosts search for each of these torrents. Returns the number of searches, of searches
/// that did not find the peer, and of queries.
fn search(world: &mut World, announced: &[(usize, usize)], times: usize) -> (usize, usize, usize) {
    let queries = |world: &World| world.hosts.iter().map(|host| host.get_peers).sum::<usize>();
    let (before, mut missing) = (queries(world), HashSet::new());
    for (number, owner) in announced {
        let peer = SocketAddr::new(world.hosts[*owner].address.ip(), PORT);
        for _ in 0..times {
            let place = any_honest(world);
            if place != *owner && missing.insert((place, torrent(*number), peer)) {
                world.with(place, |node, now| {
                    node.search(torrent(*number), None, now);
                    // One lookup each, for this test.
                    node.supply(torrent(*number), Supply::Good, now);
                });
            }
        }
        world.run(SECOND / 20);
    }
    world.run(4 * SECOND);
    let all = missing.len();
    for found in &world.found {
        missing.remove(found);
    }
    (all, missing.len(), queries(world) - before)
}

#[test]
fn among_a_thousand_nodes_a_peer_that_was_announced_is_found() {
    let mut world = World::new(1, 1, SECOND / 10);
    network(&mut world, 1_000, |_| HostKind::Honest);
    let announced = announce(&mut world, 0..100);
    let (all, missing, queries) = search(&mut world, &announced, 2);
    assert!(missing * 100 <= all, "{missing} of {all}");
    assert!(queries <= all * 20, "{queries} queries for {all}");
}

#[test]
fn among_a_thousand_nodes_of_which_a_third_is_gone_and_a_tenth_attacks_a_peer_that_was_announced_is_found() {
    let mut world = World::new(2, 1, SECOND / 10);
    network(&mut world, 1_000, one_attacker_in(10));
    let mut announced = announce(&mut world, 0..50);
    let mut gone = 0;
    while gone < world.hosts.len() / 3 {
        let place = any_honest(&mut world);
        world.hosts[place].kind = HostKind::Dead;
        gone += 1;
    }
    announced.extend(announce(&mut world, 50..100));
    let (all, missing, queries) = search(&mut world, &announced, 2);
    assert!(missing * 100 <= all, "{missing} of {all}");
    assert!(queries <= all * 40, "{queries} queries for {all}");
    let could_be_a_peer = |peer: &SocketAddr| !peer.ip().is_loopback() && !peer.ip().is_multicast();
    assert!(world.found.iter().all(|(_, _, peer)| could_be_a_peer(peer)));
    // Nor did the attackers make an honest node take another ID, or believe in another address.
    let honest = world.hosts.iter().filter(|host| matches!(host.kind, HostKind::Honest));
    assert!(honest.clone().all(|host| host.node.id().is_valid_for(host.address.ip())));
    assert!(honest.clone().all(|host| host.node.external().is_none_or(|ip| ip == host.address.ip())));
}

#[test]
fn if_most_nodes_know_nothing_of_bep_42_an_announce_still_reaches_the_nodes_that_others_ask() {
    let mut world = World::new(5, 1, SECOND / 10);
    network(
        &mut world,
        500,
        |number| if number % 10 > 0 { HostKind::WithoutBep42 } else { HostKind::Honest },
    );
    let mut reached = 0;
    for (number, _) in announce(&mut world, 0..50) {
        let info_hash = torrent(number);
        let far = |host: &SimulatedHost| NodeId(info_hash.0).distance(host.node.id());
        let mut closest: Vec<&SimulatedHost> = world.hosts.iter().collect();
        closest.sort_by_key(|host| far(host));
        reached += closest[..8]
            .iter()
            .filter(|host| world.announced_to.contains(&(info_hash, host.address)))
            .count();
    }
    assert!(reached >= 50 * 7, "{reached} of {}", 50 * 8);
}

/// Nodes on the loopback network, which know the first one and no other.
fn loopback(count: u8) -> World {
    let mut world = World::new(3, 0, Duration::from_millis(1));
    for number in 1..=count {
        let place = world.add(SocketAddr::from(([127, 0, 0, number], 6881)), HostKind::Honest);
        let first = world.hosts[0].address;
        world.with(place, |node, now| node.contact(first, now));
        world.run(Duration::from_millis(5));
    }
    world
}

#[test]
fn thirty_nodes_on_one_machine_find_each_other_at_once_and_with_few_queries() {
    let mut world = loopback(30);
    let mut searches = 0;
    for (number, owner) in [(1, 29), (2, 0), (3, 15)] {
        world.with(owner, |node, now| node.search(torrent(number), Some(PORT), now));
        world.run(SECOND / 10);
        let before: usize = world.hosts.iter().map(|host| host.get_peers).sum();
        let others: Vec<usize> = (0..30).filter(|place| *place != owner).collect();
        for place in &others {
            world.with(*place, |node, now| node.search(torrent(number), None, now));
        }
        world.run(SECOND / 10);
        let peer = SocketAddr::new(world.hosts[owner].address.ip(), PORT);
        for place in &others {
            assert!(world.found.contains(&(*place, torrent(number), peer)), "{place}");
            world.with(*place, |node, _| node.forget(torrent(number)));
        }
        searches += world.hosts.iter().map(|host| host.get_peers).sum::<usize>() - before;
        world.with(owner, |node, _| node.forget(torrent(number)));
    }
    assert!(searches <= 3 * 29 * 12, "{searches} queries for {}", 3 * 29);
}

#[test]
fn in_a_network_of_two_or_three_all_find_each_other() {
    for count in [2, 3] {
        let mut world = World::new(4, 0, Duration::from_millis(1));
        let first: SocketAddr = "127.0.0.1:6881".parse().unwrap();
        for number in 1..=count {
            let place = world.add(SocketAddr::from(([127, 0, 0, number], 6881)), HostKind::Honest);
            world.with(place, |node, now| node.search(torrent(1), Some(PORT + u16::from(number)), now));
            if number > 1 {
                world.with(place, |node, now| node.contact(first, now));
            }
        }
        world.run(SECOND / 2);
        for place in 0..usize::from(count) {
            for number in (1..=count).filter(|number| usize::from(*number) != place + 1) {
                let peer = SocketAddr::from(([127, 0, 0, number], PORT + u16::from(number)));
                assert!(world.found.contains(&(place, torrent(1), peer)), "{place} of {count}: {peer}");
            }
        }
    }
}

#[test]
fn a_network_without_searches_is_quiet_and_stays_together() {
    let mut world = loopback(30);
    world.run(60 * SECOND);
    world.hosts.iter_mut().for_each(|host| host.bytes = 0);
    world.run(3600 * SECOND);
    for host in &world.hosts {
        assert!(host.bytes < 3600 * 1_000, "{} bytes in an hour", host.bytes);
        assert!(host.node.good_nodes().len() >= 8);
    }
}
