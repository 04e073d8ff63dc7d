//! Who is not even listened to. The addresses are made up, as a test has no other host.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

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
