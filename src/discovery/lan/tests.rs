use super::*;
use crate::metainfo::InfoHash;
use crossbeam_channel::{Receiver, bounded, unbounded};
use std::sync::atomic::{AtomicU32, Ordering};

const DEADLINE: Duration = Duration::from_secs(40);

/// A torrent that no other test on this host has: all tests that run at the moment share one network.
fn torrent() -> [u8; 20] {
    std::array::from_fn(|_| fastrand::u8(..))
}

fn lan(ip: [u8; 4], port: u16) -> Lan {
    let lan = Lan::start(BindAddress::only(ip.into()), port, Tap::default()).unwrap();
    let joined = lan.shared.places.iter().filter(|place| place.group().is_some()).count();
    assert_eq!(joined, 1, "the loopback interface takes no multicast on this host");
    lan
}

fn found(inbox: &Receiver<Event>) -> Vec<SocketAddr> {
    match inbox.recv_timeout(DEADLINE).unwrap() {
        Event::Found(_, found) => found,
        other => panic!("{other:?}"),
    }
}

/// Sends a packet from this address, as another program would.
fn say(ip: [u8; 4], port: u16, info_hash: InfoHash) {
    let group = Group::join(GROUPS[0].0, BindAddress::only(ip.into())).unwrap();
    group.send(&SearchPacket::to_wire(GROUPS[0].0, port, &[info_hash], "other")).unwrap();
}

#[test]
fn two_hosts_on_one_network_find_each_other() {
    let hash = torrent();
    let ((to_one, one), (to_two, two)) = (unbounded(), unbounded());
    let first = lan([127, 0, 41, 1], 7001);
    let _first = (first.announce(InfoHash(hash), to_one), first);
    let second = lan([127, 0, 41, 2], 7002);
    let _second = (second.announce(InfoHash(hash), to_two), second);
    // The first host may have announced before the second listened. It then receives the announce of the
    // second, and the second receives its next one.
    assert_eq!(found(&one), [SocketAddr::from(([127, 0, 41, 2], 7002))]);
    say([127, 0, 41, 3], 7003, InfoHash(hash));
    let of_two: Vec<_> = (0..2).map(|_| found(&two)).take_while(|found| found[0].port() != 7003).collect();
    assert!(of_two.iter().all(|found| *found == [SocketAddr::from(([127, 0, 41, 1], 7001))]), "{of_two:?}");
}

#[test]
fn only_announces_of_our_torrents_count_and_our_own_packets_do_not() {
    let ((events, inbox), hash) = (unbounded(), torrent());
    let lan = lan([127, 0, 42, 1], 7001);
    let registration = lan.announce(InfoHash(hash), events.clone());
    let (_others, others) = {
        let (events, inbox) = unbounded();
        (lan.announce(InfoHash(torrent()), events), inbox)
    };
    say([127, 0, 42, 9], 1, InfoHash(torrent()));
    say([127, 0, 42, 9], 2, InfoHash(hash));
    assert_eq!(found(&inbox), [SocketAddr::from(([127, 0, 42, 9], 2))]);
    // A later registration counts, also when the earlier one ends after it began.
    let (later_events, later) = unbounded();
    let _registration = lan.announce(InfoHash(hash), later_events);
    drop(registration);
    say([127, 0, 42, 9], 3, InfoHash(hash));
    assert_eq!(found(&later), [SocketAddr::from(([127, 0, 42, 9], 3))]);
    assert!(inbox.is_empty() && others.is_empty());
}

#[test]
fn a_full_inbox_holds_up_no_other_and_the_end_comes_at_once() {
    let ((events, inbox), hash, other) = (bounded(1), torrent(), torrent());
    let lan = lan([127, 0, 43, 1], 0);
    let _registration = lan.announce(InfoHash(hash), events);
    let (last_events, last) = bounded(1);
    let _last = lan.announce(InfoHash(other), last_events);
    (1..20).for_each(|port| say([127, 0, 43, 9], port, InfoHash(hash)));
    say([127, 0, 43, 9], 20, InfoHash(other));
    assert_eq!(found(&last), [SocketAddr::from(([127, 0, 43, 9], 20))]);
    assert_eq!(found(&inbox), [SocketAddr::from(([127, 0, 43, 9], 1))]);
    drop(lan);
    assert!(inbox.is_empty());
}

#[test]
fn announces_are_packed_and_spread_over_time() {
    let lan = lan([127, 0, 44, 1], 7001);
    let (events, _inbox) = unbounded();
    let many: Vec<_> = (0..60).map(|_| lan.announce(InfoHash(torrent()), events.clone())).collect();
    let now = Instant::now() + BATCHING_DELAY;
    let mut said: Vec<_> = (0..3).flat_map(|_| lan.shared.list().take_due(now)).collect();
    said.sort_unstable();
    said.dedup();
    // The thread may already have taken one packet of them.
    assert!(said.len() == 60 || said.len() == 60 - MAX_HASHES, "{}", said.len());
    assert!(lan.shared.list().take_due(now).is_empty());
    let later = now + INTERVAL + DEADLINE;
    assert_eq!(lan.shared.list().take_due(later).len(), MAX_HASHES);
    drop(many);
    assert!(lan.shared.list().take_due(later + INTERVAL).is_empty());
}

#[test]
fn a_host_that_can_join_no_group_finds_no_peer_and_has_no_error() {
    let lan = Lan::start(BindAddress::only("192.0.2.77".parse().unwrap()), 7001, Tap::default()).unwrap();
    let (events, _inbox) = unbounded();
    let registration = lan.announce(InfoHash(torrent()), events);
    assert!(registration.sight(Instant::now()).is_trouble);
    drop((registration, lan));
}

#[test]
fn a_host_that_comes_into_a_network_later_joins_the_group_then_and_announces_at_once() {
    let tries = AtomicU32::new(0);
    let ip = BindAddress::only([127, 0, 46, 1].into());
    let join = move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Err(ErrorKind::NetworkUnreachable.into()),
        _ => Group::join(GROUPS[0].0, ip),
    };
    let hearer = Group::join(GROUPS[0].0, BindAddress::only([127, 0, 46, 2].into())).unwrap();
    let place = MeetingPlace::new(GROUPS[0].0, "lan-4", join);
    let lan = Lan::start_at(vec![place], 7046, Tap::default()).unwrap();
    let ((events, inbox), hash) = (unbounded(), InfoHash(torrent()));
    let registration = lan.announce(hash, events);
    assert!(registration.sight(Instant::now()).is_trouble);
    registration.interrupted();
    let (mut packet, far) = ([0; PACKET_BYTES], Instant::now() + DEADLINE);
    loop {
        let (length, _) = hearer.receive(&mut packet, far).unwrap().expect("nothing is announced");
        let heard = SearchPacket::from_wire(&packet[..length]);
        if heard.is_some_and(|heard| heard.port == 7046 && heard.info_hashes.contains(&hash)) {
            break;
        }
    }
    say([127, 0, 46, 9], 9, hash);
    assert_eq!(found(&inbox), [SocketAddr::from(([127, 0, 46, 9], 9))]);
    assert!(!registration.sight(Instant::now()).is_trouble);
}

#[test]
fn all_torrents_tell_of_one_interruption_and_the_groups_are_joined_once() {
    let (mut list, now) = (TorrentList::default(), Instant::now());
    let times = (0..30).filter(|second| {
        list.interrupted(now + Duration::from_secs(*second));
        std::mem::take(&mut list.joins_anew)
    });
    assert_eq!(times.collect::<Vec<_>>(), [0, 10, 20]);
}

#[test]
fn an_address_far_away_is_not_believed_to_be_near() {
    let near = |from: &str, ours: &str| is_near(from.parse().unwrap(), ours.parse().unwrap());
    for from in ["10.1.2.3", "192.168.9.9", "172.31.0.1", "169.254.1.1", "127.0.0.9", "203.0.113.200"] {
        assert!(near(from, "203.0.113.7"), "{from}");
    }
    for from in ["203.0.112.7", "8.8.8.8", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1"] {
        assert!(!near(from, "203.0.113.7"), "{from}");
    }
    for from in ["fe80::1", "fd00::1", "::1", "2001:db8:1:2:ffff::1"] {
        assert!(near(from, "2001:db8:1:2::7"), "{from}");
    }
    for from in ["2001:db8:1:3::7", "::", "ff15::1"] {
        assert!(!near(from, "2001:db8:1:2::7"), "{from}");
    }
}

#[test]
fn a_torrent_without_peers_is_announced_after_one_two_and_four_minutes_and_then_every_five() {
    let (start, (events, _inbox)) = (Instant::now(), unbounded());
    let info_hash = InfoHash([1; 20]);
    let torrent = AnnouncedTorrent { info_hash, events, announced: None, due: start, early: 0, heard: 0 };
    let mut list = TorrentList { torrents: vec![torrent], ..TorrentList::default() };
    let mut minutes = Vec::new();
    for _ in 0..6 {
        let due = list.torrents[0].due;
        minutes.push((due - start).as_secs() / 60);
        assert_eq!(list.take_due(due), [info_hash]);
        (0..9).for_each(|_| list.torrents[0].hurry());
    }
    assert_eq!(minutes, [0, 1, 3, 7, 12, 17]);
}
