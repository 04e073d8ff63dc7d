//! Announcers and UDP trackers on loopback that answer, refuse, lie, lose packets or do not exist.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use femtotorrent::net::{BindAddress, Outlet};
use femtotorrent::tracker::{Answer, Counts, Scrape, Totals, TrackerAddress, TrackerError, scrape_all};

use crate::support::addresses::{nobody_at, nobody_by_udp};
use crate::support::tracker::{Reply, Tracker};
use crate::support::udp_tracker::{Asked, ScriptedFault, UdpTracker};
use crate::{BUDGET, DEADLINE, FAREWELL, IDENTITY, announcers, ended, start_from};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Two peers of six bytes.
const PEERS: &[u8] = &[127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 1, 0, 80];

/// The outcome of an announce to this tracker.
fn outcome_at(url: String) -> Result<Answer, TrackerError> {
    let (running, news) = announcers(vec![vec![url]]);
    let outcome = news.recv_timeout(DEADLINE).unwrap().outcome;
    running.stop(false, BUDGET);
    outcome
}

/// The outcome of an announce with these faults, and what the tracker was asked.
fn outcome_of(faults: impl IntoIterator<Item = ScriptedFault>) -> (Result<Answer, TrackerError>, Vec<Asked>) {
    let tracker = UdpTracker::start(V4, PEERS);
    faults.into_iter().for_each(|fault| tracker.script(fault));
    let outcome = outcome_at(tracker.url());
    (outcome, tracker.asked())
}

/// An address at which nothing listens.
fn closed_port() -> String {
    format!("udp://{}/announce", nobody_by_udp())
}

fn actions(asked: &[Asked]) -> Vec<u32> {
    asked.iter().map(|one| one.action).collect()
}

#[test]
fn a_tracker_hears_started_completed_and_stopped_under_one_connection_id() {
    let tracker = UdpTracker::start(V4, PEERS);
    let totals = Arc::new(Totals::new(Counts { uploaded: 0, downloaded: 0, left: 1 << 40 }));
    let (running, news) = start_from(BindAddress::any(), vec![vec![tracker.url()]], &totals);

    let first = news.recv_timeout(DEADLINE).unwrap();
    assert!(!first.tracker.contains("announce") && tracker.url().starts_with(&first.tracker));
    let answer = first.outcome.unwrap();
    assert_eq!(answer.peers, ["127.0.0.1:6881".parse().unwrap(), "10.0.0.1:80".parse().unwrap()]);
    assert_eq!((answer.incomplete, answer.complete), (Some(5), Some(6)));
    assert_eq!(answer.interval, Duration::from_secs(1800));

    totals.set(Counts { uploaded: 7, downloaded: 1 << 40, left: 0 });
    running.completed();
    news.recv_timeout(DEADLINE).unwrap();
    running.stop(false, BUDGET);
    ended(&news);

    let asked = tracker.asked();
    assert_eq!(actions(&asked), [0, 1, 1, 1]);
    let events: Vec<u8> = asked[1..].iter().map(Asked::event).collect();
    assert_eq!(events, [2, 1, 3]);
    for one in &asked[1..] {
        assert_eq!((one.connection, one.from), (asked[1].connection, asked[0].from));
        assert_eq!(
            (&one.rest[..20], &one.rest[20..40]),
            (&IDENTITY.info_hash.0[..], &IDENTITY.peer_id.0[..])
        );
        assert_eq!(one.rest[72..76], 0xc0ffee_u32.to_be_bytes());
        assert_eq!(one.rest[80..], *b"\0\x01\x02\x18/announce?passkey=secret");
    }
    let left: Vec<_> = asked[1..].iter().map(|one| one.rest[48..56].to_vec()).collect();
    assert_eq!(left, [(1_u64 << 40).to_be_bytes(), [0; 8], [0; 8]]);
    let wanted: Vec<u8> = asked[1..].iter().map(|one| one.rest[79]).collect();
    assert_eq!(wanted, [50, 50, 0]);
    let ids: std::collections::HashSet<u32> = asked.iter().map(|one| one.transaction).collect();
    assert_eq!(ids.len(), asked.len(), "each question has an id of its own");
}

#[test]
fn peers_of_a_tracker_on_ipv6_have_eighteen_bytes() {
    let mut peers = Ipv6Addr::LOCALHOST.octets().to_vec();
    peers.extend([0, 99, 1, 2, 3]);
    let tracker = UdpTracker::start(V6, &peers);
    assert_eq!(outcome_at(tracker.url()).unwrap().peers, ["[::1]:99".parse().unwrap()]);
}

#[test]
fn a_tracker_may_have_a_name_and_no_path() {
    let host = if ("localhost", 0).to_socket_addrs().unwrap().any(|found| found.is_ipv4()) { V4 } else { V6 };
    let tracker = UdpTracker::start(host, &[]);
    outcome_at(format!("udp://localhost:{}", tracker.port())).unwrap();
    assert_eq!(tracker.asked()[1].rest.len(), 82);
}

#[test]
fn what_is_lost_is_asked_again() {
    let (outcome, asked) = outcome_of([ScriptedFault::Lose]);
    outcome.unwrap();
    assert_eq!(actions(&asked), [0, 0, 1, 1]);
    assert_eq!(asked[0].transaction, asked[1].transaction, "a late answer would be an answer too");

    // If the announce is lost, the connection id that the tracker gave is still used.
    let (outcome, asked) = outcome_of([ScriptedFault::First(|_| Vec::new()), ScriptedFault::Lose]);
    outcome.unwrap();
    assert_eq!(actions(&asked), [0, 1, 1, 1]);
    assert_eq!(asked[1].connection, asked[2].connection);
}

#[test]
fn a_connection_id_that_the_tracker_does_not_know_any_more_is_asked_for_anew() {
    let tracker = UdpTracker::start(V4, PEERS);
    let (running, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    // The tracker says that it does not know the connection id.
    tracker.script(ScriptedFault::Say(|asked| vec![asked.answer(3, &[], b"Connection ID mismatch.")]));
    running.completed();
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    assert_eq!(actions(&tracker.asked()), [0, 1, 1, 0, 1]);
    running.stop(false, BUDGET);

    // The tracker does not answer under the old connection id.
    let tracker = UdpTracker::start(V4, PEERS);
    let (running, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    tracker.script(ScriptedFault::Forget);
    running.completed();
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    assert_eq!(actions(&tracker.asked()), [0, 1, 1, 0, 1]);
    running.stop(false, BUDGET);
    ended(&news);
}

#[test]
fn wrong_ids_other_actions_and_nonsense_are_ignored() {
    let lies: fn(&Asked) -> Vec<Vec<u8>> = |asked| {
        let mut stranger = asked.clone();
        stranger.transaction ^= 1;
        let (action, six) = (asked.action, [66; 6]);
        let all: Vec<Vec<u8>> = vec![
            stranger.answer(action, &[1, 2, 3], &six),
            stranger.answer(3, &[], b"wrong transaction"),
            asked.answer(action + 1, &[1, 2, 3], &six),
            asked.answer(action, &[], b"cut"),
            vec![0xff; 4096],
            vec![3],
            vec![],
        ];
        all
    };
    let (outcome, asked) = outcome_of([ScriptedFault::First(lies), ScriptedFault::First(lies)]);
    assert_eq!(outcome.unwrap().peers.len(), 2);
    assert_eq!(actions(&asked), [0, 1, 1]);
}

#[test]
fn the_right_ids_from_the_wrong_address_do_not_count() {
    let lie: fn(&Asked) -> Vec<Vec<u8>> = |asked| {
        vec![asked.answer(asked.action, &[7, 7, 7], &[66, 6, 6, 6, 6, 66]), asked.answer(3, &[], b"lie")]
    };
    let (outcome, _) = outcome_of([ScriptedFault::Stranger(lie), ScriptedFault::Stranger(lie)]);
    assert_eq!(outcome.unwrap().peers.len(), 2);
}

#[test]
fn a_refusal_is_reported_in_the_trackers_words_and_the_tracker_asked_once() {
    let no: fn(&Asked) -> Vec<Vec<u8>> = |asked| vec![asked.answer(3, &[], b"not\x1b wel\ncome")];
    let (outcome, asked) = outcome_of([ScriptedFault::Say(no)]);
    assert_eq!(
        (outcome, actions(&asked)),
        (Err(TrackerError::Refused("not\u{fffd} wel come".into())), vec![0])
    );
    let (outcome, asked) = outcome_of([ScriptedFault::First(|_| Vec::new()), ScriptedFault::Say(no)]);
    assert_eq!(
        (outcome, actions(&asked)),
        (Err(TrackerError::Refused("not\u{fffd} wel come".into())), vec![0, 1])
    );
}

#[test]
fn too_many_peers_are_taken_as_far_as_they_go() {
    let many: fn(&Asked) -> Vec<Vec<u8>> =
        |asked| vec![asked.answer(1, &[60, 0, 0], &[10, 0, 0, 1, 0, 80].repeat(5_000))];
    let (outcome, _) = outcome_of([ScriptedFault::First(|_| Vec::new()), ScriptedFault::Say(many)]);
    assert_eq!(outcome.unwrap().peers.len(), (4_096 - 20) / 6);
}

#[test]
fn a_tier_may_mix_protocols_and_a_closed_port_costs_no_time() {
    let [http, udp] = [Tracker::start(&[]), Tracker::start(&[])];
    let good = UdpTracker::start(V4, PEERS);
    http.script(Reply::Body(b"d14:failure reason4:gonee".to_vec()));
    let tier = vec![closed_port(), http.url(), good.url(), closed_port(), "wss://127.0.0.1:1".into()];
    let (running, news) = announcers(vec![tier, vec![udp.url()]]);
    let mut answered = 0;
    while answered < 2 {
        answered += usize::from(news.recv_timeout(DEADLINE).unwrap().outcome.is_ok());
    }
    running.stop(false, BUDGET);
    ended(&news);
    assert_eq!(udp.announces().last().unwrap().get("event"), "stopped");
    // Either tracker of the first tier may have been asked first. That one was told that we leave.
    let told = good.asked().last().is_some_and(|last| last.event() == 3);
    assert!(told || http.announces().last().unwrap().get("event") == "stopped");
}

#[test]
fn both_families_of_a_tier_are_announced_to_and_both_have_peers() {
    for http in [false, true] {
        let of_http = [V4, V6].map(|host| Tracker::start_at(host, &[(host, 7000).into()]));
        let of_udp = [(V4, PEERS), (V6, &[9; 18][..])].map(|(host, peers)| UdpTracker::start(host, peers));
        let urls = |one: usize| if http { of_http[one].url() } else { of_udp[one].url() };
        let (running, news) = announcers(vec![vec![urls(0), urls(1)]]);
        let answers = [(); 2].map(|()| news.recv_timeout(DEADLINE).unwrap().outcome.unwrap());
        assert!([true, false].iter().all(|v4| {
            answers.iter().any(|answer| answer.peers.iter().any(|peer| peer.is_ipv4() == *v4))
        }));
        running.stop(false, BUDGET);
        ended(&news);
        for one in 0..2 {
            let told = if http {
                of_http[one].announces().last().unwrap().get("event") == "stopped"
            } else {
                of_udp[one].asked().last().unwrap().event() == 3
            };
            assert!(told);
        }
    }
}

#[test]
fn a_family_that_does_not_work_is_no_failure_and_no_delay_if_the_other_answers() {
    let good = UdpTracker::start(V4, PEERS);
    let silent = UdpSocket::bind((V6, 0)).unwrap();
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    let closed = nobody_at(V6);
    let dead = [format!("http://{closed}/announce"), format!("udp://{}", silent.local_addr().unwrap())];
    for (dead, is_udp) in dead.into_iter().zip([false, true]) {
        let (running, news) = announcers(vec![vec![dead, good.url()]]);
        news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
        if is_udp {
            silent.recv_from(&mut [0; 100]).unwrap();
        }
        running.stop(false, BUDGET);
        assert_eq!(news.try_recv(), Err(TryRecvError::Disconnected), "its failure is no news");
    }
}

#[test]
fn a_silent_tracker_delays_neither_the_start_nor_the_end() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    let good = UdpTracker::start(V4, PEERS);
    let url = format!("udp://{}", silent.local_addr().unwrap());
    let (running, news) = announcers(vec![vec![url], vec![good.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    silent.recv_from(&mut [0; 100]).unwrap();
    running.stop(false, BUDGET);
    assert_eq!(news.try_recv(), Err(TryRecvError::Disconnected), "breaking off is no news");
    assert_eq!(good.asked().last().unwrap().event(), 3);
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv_from(&mut [0; 100]).is_err(), "a tracker that never answered is told nothing");
}

#[test]
fn a_packet_that_is_lost_at_the_end_costs_neither_completed_nor_stopped() {
    let tracker = UdpTracker::start(V4, PEERS);
    let (running, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    let answered = || ScriptedFault::First(|_| Vec::new());
    // What is silent under an old connection id is asked for a new one.
    for fault in [ScriptedFault::Lose, answered(), answered(), ScriptedFault::Lose] {
        tracker.script(fault);
    }
    running.stop(true, FAREWELL);
    ended(&news);
    let asked = tracker.asked();
    assert_eq!(actions(&asked), [0, 1, 1, 0, 1, 1, 0, 1]);
    let events: Vec<u8> = asked.iter().filter(|one| one.action == 1).map(Asked::event).collect();
    assert_eq!(events, [2, 1, 1, 3, 3]);
}

#[test]
fn a_tracker_that_falls_silent_hears_stopped_all_the_same() {
    let tracker = UdpTracker::start(V4, PEERS);
    let (running, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    tracker.script(ScriptedFault::Lose);
    running.completed();
    tracker.wait_for(3);
    running.stop(false, FAREWELL);
    ended(&news);
    let asked = tracker.asked();
    assert_eq!((asked[2].event(), asked.last().unwrap().event()), (1, 3));
}

#[test]
fn a_stopped_that_is_not_answered_is_given_up() {
    let tracker = UdpTracker::start(V4, PEERS);
    let (running, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    (0..20).for_each(|_| tracker.script(ScriptedFault::Lose));
    running.stop(false, BUDGET);
    ended(&news);
    assert_eq!(tracker.wait_for(3)[2].event(), 3);
}

#[test]
fn packets_leave_by_the_bind_address_or_not_at_all() {
    let tracker = UdpTracker::start(V4, PEERS);
    for ours in ["::1", "192.0.2.1"] {
        let bind_address = BindAddress::only(ours.parse().unwrap());
        let (running, news) = start_from(bind_address, vec![vec![tracker.url()]], &Arc::default());
        let outcome = news.recv_timeout(DEADLINE).unwrap().outcome;
        assert!(matches!(&outcome, Err(TrackerError::Unreachable(why)) if why.contains(ours)), "{outcome:?}");
        running.stop(false, BUDGET);
        ended(&news);
    }
    assert!(tracker.asked().is_empty());
    let ours: IpAddr = [127, 0, 0, 2].into();
    let (running, news) = start_from(BindAddress::only(ours), vec![vec![tracker.url()]], &Arc::default());
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    running.stop(false, BUDGET);
    assert!(tracker.asked().iter().all(|asked| asked.from.ip() == ours));
}

#[test]
fn all_trackers_are_scraped_and_each_has_its_own_answer() {
    let udp = UdpTracker::start(V4, &[]);
    let http = Tracker::start(&[]);
    let numbers = b"d8:completei1e10:downloadedi2e10:incompletei3ee";
    let body = [b"d5:filesd20:", IDENTITY.info_hash.0.as_slice(), numbers, b"ee"].concat();
    http.script(Reply::Body(body));
    let urls =
        [http.url(), udp.url(), closed_port(), "http://127.0.0.1:1/a".into(), "wss://a/announce".into()];
    let addresses: Vec<_> = urls.iter().map(|url| TrackerAddress::typed(url)).collect();
    let found = scrape_all(&addresses, IDENTITY.info_hash, &Outlet::default());
    let numbers = |complete, incomplete, downloaded| {
        Ok(Scrape { complete: Some(complete), incomplete: Some(incomplete), downloaded: Some(downloaded) })
    };
    assert_eq!(found[..2], [numbers(1, 3, 2), numbers(7, 9, 8)]);
    assert!(matches!(found[2], Err(TrackerError::Unreachable(_))), "{:?}", found[2]);
    assert_eq!(
        found[3..],
        [Err(TrackerError::NoScrape), Err(TrackerError::UnsupportedProtocol("wss".into()))]
    );
    let asked = http.announces();
    assert_eq!((asked[0].path(), asked[0].bytes("info_hash")), ("/scrape", Some(&IDENTITY.info_hash.0[..])));
    assert_eq!((actions(&udp.asked()), &udp.asked()[1].rest[..]), (vec![0, 2], &IDENTITY.info_hash.0[..]));
}
