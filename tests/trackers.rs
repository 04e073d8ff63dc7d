//! Announcers and trackers on loopback that answer, refuse, lie, hang or do not exist.

#[cfg(test)]
#[path = "trackers/http_answers.rs"]
mod http_answers;
#[cfg(test)]
mod support;
#[cfg(test)]
#[path = "trackers/udp.rs"]
mod udp;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, unbounded};
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::{BindAddress, Outlet, OwnPorts};
use femtotorrent::strategy::Supply;
use femtotorrent::tracker::{
    Announcers, Counts, Identity, NOT_LISTENING, Totals, TrackerAddress, TrackerError, TrackerNews,
    USER_AGENT,
};
use support::addresses::nobody;
use support::tracker::{Reply, Tracker};

/// How long we wait for what is sure to come: long enough for a busy machine and for all tries over UDP.
const DEADLINE: Duration = Duration::from_secs(60);

/// The time for trackers at the end where they answer at once or never.
const BUDGET: Duration = Duration::from_secs(2);

/// The time that the session allows them.
const FAREWELL: Duration = Duration::from_secs(5);

const IDENTITY: Identity = Identity {
    info_hash: InfoHash(*b"\0\x01\x7f\x80\xff info-hash &=%+"),
    peer_id: femtotorrent::wire::PeerId(*b"-FM0100-\xf0\x9f\x92\xa9abcdefgh"),
    port: NOT_LISTENING,
    key: 0xc0ffee,
    numwant: 50,
    encryption: femtotorrent::strategy::Encryption::Allow,
};

fn start(tiers: Vec<Vec<String>>, totals: &Arc<Totals>) -> (Announcers, Receiver<TrackerNews>) {
    start_from(BindAddress::any(), tiers, totals)
}

fn start_from(
    bind_address: BindAddress,
    tiers: Vec<Vec<String>>,
    totals: &Arc<Totals>,
) -> (Announcers, Receiver<TrackerNews>) {
    start_by(Outlet::by(bind_address), tiers, totals)
}

fn start_by(
    outlet: Outlet,
    tiers: Vec<Vec<String>>,
    totals: &Arc<Totals>,
) -> (Announcers, Receiver<TrackerNews>) {
    let (sender, news) = unbounded();
    let address = |text: &String| TrackerAddress::new(text);
    let tiers = tiers.iter().map(|tier| tier.iter().map(address).collect()).collect();
    let announcers = Announcers::start(tiers, IDENTITY, totals, &outlet, USER_AGENT, move |news| {
        let _ = sender.send(news);
    });
    (announcers, news)
}

fn announcers(tiers: Vec<Vec<String>>) -> (Announcers, Receiver<TrackerNews>) {
    start(tiers, &Arc::default())
}

/// The outcome of an announce if the tracker gives this answer.
#[cfg(test)]
fn outcome_of(reply: Reply) -> Result<femtotorrent::tracker::Answer, TrackerError> {
    let tracker = Tracker::start(&[]);
    tracker.script(reply);
    let (announcers, news) = announcers(vec![vec![tracker.url()]]);
    let outcome = news.recv_timeout(DEADLINE).unwrap().outcome;
    announcers.stop(false, BUDGET);
    outcome
}

fn http(status: &str, headers: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    Reply::Raw([head.as_bytes(), body].concat())
}

/// An address at which nothing listens.
#[cfg(test)]
fn closed_port() -> String {
    format!("http://{}/announce", nobody())
}

fn ended(news: &Receiver<TrackerNews>) {
    while news.recv_timeout(DEADLINE) != Err(RecvTimeoutError::Disconnected) {}
}

/// The events that it heard of, in order.
#[cfg(test)]
fn events(tracker: &Tracker) -> Vec<String> {
    tracker.announces().iter().map(|one| one.get("event")).collect()
}

#[test]
fn a_tracker_hears_of_the_port_that_a_router_has_opened_from_the_next_announce_on() {
    let tracker = Tracker::start(&[]);
    let ports = OwnPorts::listening_at(Some(61_234));
    let outlet = Outlet { ports: ports.clone(), ..Outlet::default() };
    let (announcers, news) = start_by(outlet, vec![vec![tracker.url()]], &Arc::default());
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    ports.set_outside(None, 7000, 7000);
    announcers.completed();
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    announcers.stop(false, BUDGET);
    ended(&news);
    let announced: Vec<String> = tracker.announces().iter().map(|one| one.get("port")).collect();
    assert_eq!(announced, ["61234", "7000", "7000"]);
}

#[test]
fn a_tracker_hears_started_completed_and_stopped_and_its_id_comes_back() {
    let peers: [SocketAddr; 2] = ["127.0.0.1:6881".parse().unwrap(), "[::1]:6882".parse().unwrap()];
    let tracker = Tracker::start(&peers);
    let totals = Arc::new(Totals::new(Counts { uploaded: 0, downloaded: 0, left: 1 << 40 }));
    let (announcers, news) = start(vec![vec![tracker.url() + "?passkey=secret"]], &totals);

    let first = news.recv_timeout(DEADLINE).unwrap();
    assert_eq!(first.outcome.unwrap().peers, peers);
    assert!(tracker.url().starts_with(&first.tracker) && !first.tracker.contains("announce"));

    totals.set(Counts { uploaded: 7, downloaded: 1 << 40, left: 0 });
    tracker
        .script(Reply::Body(b"d8:intervali1800e10:tracker id4:\0& \xff15:warning message4:busye".to_vec()));
    announcers.completed();
    let second = news.recv_timeout(DEADLINE).unwrap();
    assert_eq!(second.outcome.unwrap().warning.as_deref(), Some("busy"));
    announcers.stop(false, BUDGET);
    ended(&news);

    let announces = tracker.announces();
    let events: Vec<String> = announces.iter().map(|one| one.get("event")).collect();
    assert_eq!(events, ["started", "completed", "stopped"]);
    let left: Vec<String> = announces.iter().map(|one| one.get("left")).collect();
    assert_eq!(left, ["1099511627776", "0", "0"]);
    let wanted: Vec<String> = announces.iter().map(|one| one.get("numwant")).collect();
    assert_eq!(wanted, ["50", "50", "0"]);
    for one in &announces {
        assert_eq!(one.path(), "/announce");
        assert_eq!(one.get("passkey"), "secret");
        assert_eq!(one.bytes("info_hash"), Some(IDENTITY.info_hash.0.as_slice()));
        assert_eq!(one.bytes("peer_id"), Some(IDENTITY.peer_id.0.as_slice()));
        assert_eq!(
            (one.get("port"), one.get("key"), one.get("compact")),
            ("1".into(), "00C0FFEE".into(), "1".into())
        );
    }
    assert_eq!(announces[1].bytes("trackerid"), None);
    assert_eq!(announces[2].bytes("trackerid"), Some(b"\0& \xff".as_slice()));
}

#[test]
fn completed_and_stopped_are_both_sent_when_the_end_comes_at_once() {
    for before in [true, false] {
        let tracker = Tracker::start(&[]);
        let (announcers, news) = announcers(vec![vec![tracker.url()]]);
        news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
        if before {
            announcers.completed();
        }
        announcers.stop(!before, BUDGET);
        assert_eq!(events(&tracker), ["started", "completed", "stopped"]);
    }
}

#[test]
fn a_tracker_that_fails_is_replaced_by_the_next_of_its_tier() {
    let good = Tracker::start(&[]);
    let refusing = Tracker::start(&[]);
    refusing.script(Reply::Body(b"d14:failure reason4:gonee".to_vec()));
    let tier = vec![
        closed_port(),
        refusing.url(),
        closed_port(),
        good.url(),
        closed_port(),
        "wss://127.0.0.1:1".into(),
    ];
    let (announcers, news) = announcers(vec![tier]);
    let good_answered = |news: &TrackerNews| news.outcome.is_ok() && good.url().starts_with(&news.tracker);
    while !good_answered(&news.recv_timeout(DEADLINE).unwrap()) {}
    announcers.stop(false, BUDGET);
    let events: Vec<String> = good.announces().iter().map(|one| one.get("event")).collect();
    assert_eq!(events, ["started", "stopped"]);
    assert!(refusing.announces().iter().all(|one| one.get("event") == "started"));
}

#[test]
fn all_tiers_are_asked_at_once_and_a_hanging_one_delays_neither_the_start_nor_the_end() {
    let hanging = Tracker::start(&[]);
    hanging.script(Reply::Hang);
    let good = [Tracker::start(&[]), Tracker::start(&[])];
    let (announcers, news) =
        announcers(vec![vec![hanging.url()], vec![good[0].url()], vec![closed_port()], vec![good[1].url()]]);
    let answered = (0..3).filter(|_| news.recv_timeout(DEADLINE).unwrap().outcome.is_ok()).count();
    assert_eq!(answered, 2);
    hanging.wait_for(1);
    announcers.stop(false, BUDGET);
    assert_eq!(news.try_recv(), Err(TryRecvError::Disconnected), "breaking off is no news");
    for tracker in &good {
        assert_eq!(tracker.announces().last().unwrap().get("event"), "stopped");
    }
    assert_eq!(hanging.announces().len(), 1, "a tracker that never answered is told nothing");
}

#[test]
fn a_tracker_that_is_slow_at_the_end_hears_completed_and_stopped() {
    for before in [true, false] {
        let tracker = Tracker::start(&[]);
        let (announcers, news) = announcers(vec![vec![tracker.url()]]);
        news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
        tracker.script(Reply::Hang);
        tracker.script(Reply::Hang);
        if before {
            announcers.completed();
            tracker.wait_for(2);
        }
        announcers.stop(!before, BUDGET);
        tracker.wait_for(3);
        ended(&news);
        assert_eq!(events(&tracker), ["started", "completed", "stopped"]);
    }
}

#[test]
fn a_tracker_that_hangs_at_the_end_leaves_time_for_the_others_of_its_tier() {
    let [one, other] = [(); 2].map(|()| Tracker::start(&[]));
    let (announcers, news) = announcers(vec![vec![one.url(), other.url()]]);
    let first = news.recv_timeout(DEADLINE).unwrap();
    let (first, second) = if one.url().starts_with(&first.tracker) { (one, other) } else { (other, one) };
    // The first fails once, so that both know us. It is asked again, and hangs.
    first.script(http("500 Oops", "", b""));
    announcers.completed();
    assert!(news.recv_timeout(DEADLINE).unwrap().outcome.is_err());
    second.wait_for(2);
    second.script(Reply::Hang);
    announcers.stop(false, BUDGET);
    assert_eq!(events(&first), ["started", "completed", "stopped"]);
    assert_eq!(events(&second), ["started", "completed", "stopped"]);
}

#[test]
fn a_stopped_that_is_not_answered_is_given_up() {
    let tracker = Tracker::start(&[]);
    let (announcers, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    tracker.script(Reply::Hang);
    announcers.stop(false, BUDGET);
    ended(&news);
    assert_eq!(tracker.wait_for(2)[1].get("event"), "stopped");
}

#[test]
fn dropping_the_announcers_ends_their_threads_without_a_word() {
    let tracker = Tracker::start(&[]);
    let (announcers, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    drop(announcers);
    ended(&news);
    assert_eq!(tracker.announces().len(), 1);
}

#[test]
fn peers_are_not_asked_for_before_the_minimum_no_matter_how_often_they_run_short() {
    let tracker = Tracker::start(&[]);
    let (announcers, news) = announcers(vec![vec![tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    (0..1_000).for_each(|_| announcers.supply(Supply::Nobody));
    announcers.stop(false, BUDGET);
    let events: Vec<String> = tracker.announces().iter().map(|one| one.get("event")).collect();
    assert_eq!(events, ["started", "stopped"]);
}

#[test]
fn a_tier_that_we_cannot_speak_with_says_so() {
    let (announcers, news) = announcers(vec![
        vec!["wss://t.example:6969/announce".into(), "ws://t.example/".into()],
        vec!["not an address".into()],
        vec![],
    ]);
    assert!(announcers.is_empty());
    let first = news.recv_timeout(DEADLINE).unwrap();
    assert_eq!(first.tracker, "wss://t.example:6969");
    assert_eq!(first.outcome, Err(TrackerError::UnsupportedProtocol("wss".into())));
    let second = news.recv_timeout(DEADLINE).unwrap();
    assert!(matches!(second.outcome, Err(TrackerError::BadAddress(_))));
    ended(&news);
}

#[test]
fn a_tracker_that_is_named_in_two_tiers_is_asked_once() {
    let tracker = Tracker::start(&[]);
    let (announcers, news) = announcers(vec![vec![tracker.url()], vec![tracker.url(), tracker.url()]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    announcers.stop(false, BUDGET);
    ended(&news);
    let events: Vec<String> = tracker.announces().iter().map(|one| one.get("event")).collect();
    assert_eq!(events, ["started", "stopped"]);
}

#[test]
fn a_tracker_that_is_not_there_is_unreachable() {
    let (announcers, news) = announcers(vec![vec![closed_port()]]);
    let outcome = news.recv_timeout(DEADLINE).unwrap().outcome;
    assert!(matches!(outcome, Err(TrackerError::Unreachable(_))), "{outcome:?}");
    announcers.stop(false, BUDGET);
    ended(&news);
}

#[test]
fn a_tracker_hears_from_the_address_that_everything_leaves_by() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let ours: IpAddr = [127, 0, 0, 2].into();
    let (announcers, news) = start_from(BindAddress::only(ours), vec![vec![url]], &Arc::default());
    // The request is not answered. The announcer still ends when it is told to.
    let (_stream, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), ours);
    announcers.stop(false, BUDGET);
    ended(&news);
}

#[test]
fn a_tracker_that_cannot_be_reached_from_that_address_is_not_reached_from_another() {
    let tracker = Tracker::start(&[]);
    for ours in ["::1", "192.0.2.1"] {
        let bind_address = BindAddress::only(ours.parse().unwrap());
        let (announcers, news) = start_from(bind_address, vec![vec![tracker.url()]], &Arc::default());
        let outcome = news.recv_timeout(DEADLINE).unwrap().outcome;
        assert!(matches!(&outcome, Err(TrackerError::Unreachable(why)) if why.contains(ours)), "{outcome:?}");
        announcers.stop(false, BUDGET);
        ended(&news);
    }
    assert!(tracker.announces().is_empty());
}

#[test]
fn with_a_bind_address_trackers_are_told_all_that_they_should_know() {
    let tracker = Tracker::start(&["127.0.0.1:6881".parse().unwrap()]);
    let bind_address = BindAddress::only([127, 0, 0, 2].into());
    let (announcers, news) = start_from(bind_address, vec![vec![tracker.url()]], &Arc::default());
    assert_eq!(news.recv_timeout(DEADLINE).unwrap().outcome.unwrap().peers.len(), 1);
    announcers.completed();
    announcers.stop(false, BUDGET);
    let events: Vec<String> = tracker.announces().iter().map(|one| one.get("event")).collect();
    assert_eq!(events, ["started", "completed", "stopped"]);
    ended(&news);
}
