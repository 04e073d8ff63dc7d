//! Who is not even listened to. The addresses are made up, as a test has no other host.

use super::*;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Has a connection come from this address. Whether it was closed before it had said anything.
fn is_closed_at_once(listener: &Listener, from: &str) -> bool {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let (stream, _) = socket.accept().unwrap();
    let before = listener.state.handshakes().pending.iter().count();
    listener
        .state
        .admit(|| PeerStream::accepted(stream), SocketAddr::new(from.parse().unwrap(), 40_000), DEADLINE)
        .unwrap();
    if listener.state.handshakes().pending.iter().count() > before {
        // Its thread ends now, as the peer is gone.
        return false;
    }
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    matches!(peer.read(&mut [0; 1]), Ok(0))
}

fn listener() -> Listener {
    Listener::start(Ports::Exactly(0), BindAddress::only("127.0.0.1".parse().unwrap())).unwrap()
}

#[test]
fn a_network_from_which_a_flood_came_is_turned_away_without_a_thread() {
    let listener = listener();
    listener.refuse("192.0.2.1".parse().unwrap());
    assert!(is_closed_at_once(&listener, "192.0.2.1"));
}

#[test]
fn connections_that_lead_nowhere_have_a_pace() {
    let listener = listener();
    let turned_away = (0..100).filter(|_| {
        let closed = is_closed_at_once(&listener, "192.0.2.1");
        let none_pending = |connections: &mut Connections| connections.threads > 0;
        let _ =
            listener.state.changed.wait_timeout_while(listener.state.handshakes(), PATIENCE, none_pending);
        closed
    });
    // A few more may come while the test runs.
    assert!(turned_away.count() > 30);
}

/// How long a wait took at least can be told on any machine, and nothing else shows that there was one.
#[test]
fn in_a_crowd_no_connection_is_taken_from_the_system_for_a_moment() {
    let listener = listener();
    let now = Instant::now() + Duration::from_secs(3600);
    let from = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
    let come = |numbers: std::ops::Range<u32>| {
        numbers.for_each(|number| _ = lock(&listener.state.arrivals).may_enter(from(number), now));
    };
    come(0..1000);
    let (began, mut peers) = (Instant::now(), Vec::new());
    for number in 1..=10 {
        peers.push(TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap());
        let are_fewer = |connections: &mut Connections| connections.pending.iter().count() < number;
        let is_late = Instant::now() + PATIENCE;
        while are_fewer(&mut listener.state.handshakes()) {
            assert!(Instant::now() < is_late, "it is not accepted");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Until it waits. Then there is a crowd again.
        while lock(&listener.state.arrivals).is_crowded() {
            assert!(Instant::now() < is_late, "it does not wait");
            std::thread::sleep(Duration::from_millis(1));
        }
        come(1000..1100);
    }
    assert!(began.elapsed() >= Duration::from_millis(9 * 25));
}

/// A connection from this address begins with a key exchange. Whether it is answered.
fn is_answered(listener: &Listener, from: &str) -> bool {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (stream, _) = socket.accept().unwrap();
    listener
        .state
        .admit(|| PeerStream::accepted(stream), SocketAddr::new(from.parse().unwrap(), 40_000), DEADLINE)
        .unwrap();
    peer.write_all(&[9; 96]).unwrap();
    peer.read(&mut [0; 1]).is_ok_and(|read| read > 0)
}

#[test]
fn a_flood_of_key_exchanges_has_a_pace() {
    let listener = listener();
    assert!(is_answered(&listener, "192.0.2.1"));
    // So that none is free again before the test is over.
    let later = Instant::now() + Duration::from_secs(3600);
    let begun = |_: &u32| lock(&listener.state.arrivals).may_exchange_keys([192, 0, 2, 2].into(), later);
    assert!((0..10_000_u32).filter(begun).count() < 1_000);
    assert!(!is_answered(&listener, "192.0.2.3"));
    assert!(is_answered(&listener, "127.0.0.1"));
}
