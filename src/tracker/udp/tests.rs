use super::*;
use crate::metainfo::InfoHash;
use crate::net::BindAddress;
use std::net::UdpSocket;
use std::thread::{JoinHandle, spawn};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(40);

/// A client with this patience, for which a name `a_b_c` has the addresses a, b and c.
fn tracker(patience: [Duration; 3]) -> UdpTracker {
    let look_up: LookUp = |host, port, _| {
        let address = |one: &str| SocketAddr::new(one.parse().unwrap(), port);
        Ok(host.split('_').map(address).collect())
    };
    UdpTracker { patience, look_up, ..UdpTracker::new(Outlet::default()) }
}

/// The next packet. A process that was stopped and goes on waits anew.
fn receive(socket: &UdpSocket, packet: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        match socket.recv_from(packet) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => return received.unwrap(),
        }
    }
}

/// Answers `packets` packets with themselves, without their first eight bytes: the rest has the right action
/// and transaction ID, and enough numbers for a connection ID or a scrape.
fn serve(host: &str, packets: usize) -> (u16, JoinHandle<()>) {
    let socket = UdpSocket::bind((host, 0)).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = spawn(move || {
        for _ in 0..packets {
            let mut packet = [0; 60];
            let (_, from) = receive(&socket, &mut packet);
            socket.send_to(&packet[8..], from).unwrap();
        }
    });
    (port, server)
}

fn scrape(tracker: &UdpTracker, host: &str, port: u16) -> Result<Scrape, TrackerError> {
    let address = TrackerAddress::new(&format!("udp://{host}:{port}"));
    tracker.scrape(&address, InfoHash([0; 20]), LONG)
}

#[test]
fn all_addresses_of_a_name_are_tried_of_both_families() {
    for (answering, name) in [
        ("127.0.0.1", "::1_127.0.0.1"),
        ("::1", "127.0.0.1_::1"),
        // An address of no single host, and an address where no program listens.
        ("127.0.0.1", "255.255.255.255_127.0.0.9_127.0.0.1"),
    ] {
        let (port, server) = serve(answering, 2);
        scrape(&tracker([LONG; 3]), name, port).unwrap();
        server.join().unwrap();
    }
}

#[test]
fn a_silent_address_delays_the_others_by_one_wait() {
    let (port, server) = serve("127.0.0.1", 2);
    let _silent = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    // The wait for any address but the last is short, however long the given patience is.
    scrape(&tracker([LONG; 3]), "127.0.0.2_127.0.0.1", port).unwrap();
    server.join().unwrap();
}

#[test]
fn an_answer_that_comes_while_another_address_is_asked_counts() {
    let slow = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = slow.local_addr().unwrap().port();
    let silent = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    let server = spawn(move || {
        let mut packet = [0; 60];
        let (_, from) = receive(&slow, &mut packet);
        // By then the other is being asked.
        receive(&silent, &mut [0; 60]);
        slow.send_to(&packet[8..], from).unwrap();
        // The same request again, and then the one under the connection ID.
        let asked: Vec<usize> = (0..2).map(|_| receive(&slow, &mut packet).0).collect();
        slow.send_to(&packet[8..], from).unwrap();
        asked
    });
    scrape(&tracker([SHORT, LONG, LONG]), "127.0.0.1_127.0.0.2", port).unwrap();
    assert_eq!(server.join().unwrap(), [16, 36]);
}

#[test]
fn a_tracker_that_never_answers_is_asked_three_times_and_given_up() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let outcome = scrape(&tracker([SHORT; 3]), "127.0.0.1", silent.local_addr().unwrap().port());
    assert_eq!(outcome, Err(TrackerError::TimedOut { awaited: "answer", seconds: 0 }));
    silent.set_nonblocking(true).unwrap();
    let heard = std::iter::from_fn(|| silent.recv_from(&mut [0; 100]).ok());
    assert_eq!(heard.map(|(length, _)| length).collect::<Vec<_>>(), [16; 3]);
}

/// A tracker of several servers behind one address: it refuses the connection IDs of so many exchanges, with these words.
/// The outcome at it, and how many requests it got.
fn at_refusing(times: u32, words: &'static [u8]) -> (Result<Scrape, TrackerError>, u32) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let address = socket.local_addr().unwrap();
    let server = spawn(move || {
        let mut asked = 0;
        let mut packet = [0; 60];
        // An empty packet is the end.
        while let (length @ 1.., from) = receive(&socket, &mut packet) {
            let is_request = length > 16;
            asked += u32::from(is_request);
            let answer = match is_request && asked <= times {
                true => [&[0, 0, 0, 3], &packet[12..16], words].concat(),
                false => packet[8..].to_vec(),
            };
            socket.send_to(&answer, from).unwrap();
        }
        asked
    });
    let outcome = scrape(&tracker([LONG; 3]), "127.0.0.1", address.port());
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], address).unwrap();
    (outcome, server.join().unwrap())
}

#[test]
fn a_tracker_that_refuses_a_fresh_connection_id_is_asked_for_another_one() {
    let (outcome, asked) = at_refusing(2, b"Connection ID missmatch.\0");
    outcome.unwrap();
    assert_eq!(asked, 3);
}

#[test]
fn a_tracker_that_refuses_each_connection_id_or_the_torrent_has_refused() {
    for (words, expected) in [(b"Invalid connection ID".as_slice(), MORE_IDS + 1), (b"not registered", 1)] {
        let (outcome, asked) = at_refusing(u32::MAX, words);
        assert!(matches!(outcome, Err(TrackerError::Refused(_))), "{outcome:?}");
        assert_eq!(asked, expected);
    }
}

#[test]
fn families_take_turns_and_the_one_that_we_cannot_leave_by_comes_last() {
    let list = |text: &str| -> Vec<SocketAddr> {
        text.split(' ').map(|one| SocketAddr::new(one.parse().unwrap(), 1)).collect()
    };
    let found = list("::1 ::2 ::3 1.0.0.1 1.0.0.2");
    let any = UdpTracker::new(Outlet::default());
    let turns = any.in_turn(found.clone());
    assert_eq!(turns, list("::1 1.0.0.1 ::2 1.0.0.2 ::3"));
    let four = UdpTracker::new(Outlet::by(BindAddress::only([127, 0, 0, 1].into())));
    let turns = four.in_turn(found.clone());
    assert_eq!(turns, list("1.0.0.1 1.0.0.2 ::1 ::2 ::3"));
    assert_eq!(any.in_turn(found.repeat(100)).len(), MAX_ADDRESSES);
}

#[test]
fn after_an_abort_all_exchanges_fail() {
    let (port, server) = serve("127.0.0.1", 2);
    let tracker = tracker([LONG; 3]);
    scrape(&tracker, "127.0.0.1", port).unwrap();
    server.join().unwrap();
    tracker.abort();
    assert!(matches!(scrape(&tracker, "127.0.0.1", port), Err(TrackerError::Unreachable(_))));
}

#[test]
fn our_own_port_hears_nothing() {
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let port = ours.local_addr().unwrap().port();
    let tracker = UdpTracker::new(Outlet {
        ports: crate::net::OwnPorts::listening_at(Some(port)),
        ..Outlet::default()
    });
    let outcome = scrape(&tracker, "127.0.0.1", port);
    assert!(matches!(outcome, Err(TrackerError::NotAsked(_))), "{outcome:?}");
    assert_eq!(ours.recv(&mut [0; 100]).unwrap_err().kind(), ErrorKind::WouldBlock);
}
