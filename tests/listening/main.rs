//! The port that peers come in at: which of them are let through to a coordinator.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod encrypted;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use femtotorrent::message::{Event, HangUp, Incoming};
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::{BindAddress, Ports, USUAL_PORTS};
use femtotorrent::peer::Listener;
use femtotorrent::strategy::Source;
use femtotorrent::wire::Handshake;
use support::addresses::free_address;
use support::log_capture;
use support::process::threads_named;
use support::skip::skip;

/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(40);
const HASH: [u8; 20] = [7; 20];
const ID: [u8; 20] = *b"-SC0001-abcdefghijkl";

fn listener() -> Listener {
    log_capture::open();
    Listener::start(Ports::Exactly(0), BindAddress::any()).unwrap()
}

/// A connection to the listener, from this address.
fn connect_from(from: &str, listener: &Listener) -> TcpStream {
    let bind_address = BindAddress::only(from.parse().unwrap());
    let stream = bind_address.connect(SocketAddr::from(([127, 0, 0, 1], listener.port())), DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn connect(listener: &Listener) -> TcpStream {
    connect_from("127.0.0.1", listener)
}

fn handshake(info_hash: [u8; 20]) -> Vec<u8> {
    Handshake::ours(InfoHash(info_hash), femtotorrent::wire::PeerId(ID), false).to_wire()
}

fn incoming(events: &Receiver<Event>) -> Incoming {
    match events.recv_timeout(DEADLINE).unwrap() {
        Event::Incoming(incoming) => incoming,
        other => panic!("{other:?}"),
    }
}

/// Waits until the other side has hung up, without a word.
fn is_closed(stream: &TcpStream) {
    is_closed_after(stream, 0);
}

/// Waits until the other side has hung up, after so many bytes at most.
fn is_closed_after(mut stream: &TcpStream, most: usize) {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
    assert!(heard.len() <= most, "{} bytes came", heard.len());
}

/// Reads what comes. A process that was stopped and goes on waits anew.
fn read(mut stream: &TcpStream, into: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits until no thread is left for an address that begins like this. Linux keeps 15 letters of a name, which are six of
/// the address.
fn no_thread_for(ip: &str) {
    let deadline = Instant::now() + DEADLINE;
    while !threads_named(ip).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", threads_named(ip));
        std::thread::yield_now();
    }
}

#[test]
fn a_handshake_for_a_torrent_of_ours_reaches_its_coordinator_with_its_connection() {
    let listener = listener();
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    let mut stream = connect(&listener);
    // In two parts, and with the first message right behind.
    let bytes = [handshake(HASH), b"rest".to_vec()].concat();
    stream.write_all(&bytes[..30]).unwrap();
    stream.write_all(&bytes[30..]).unwrap();
    let incoming = incoming(&inbox);
    assert_eq!(incoming.address, stream.local_addr().unwrap());
    assert_eq!(incoming.handshake, Handshake::ours(InfoHash(HASH), femtotorrent::wire::PeerId(ID), false));
    let mut rest = [0; 4];
    incoming.stream.read_exact_by(&mut rest, Instant::now() + DEADLINE).unwrap();
    assert_eq!(&rest, b"rest");
    incoming.stream.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

#[test]
fn each_torrent_has_its_own_inbox_until_its_registration_ends() {
    let listener = listener();
    let ((one, one_inbox), (two, two_inbox)) = (unbounded(), unbounded());
    let _one = listener.register(InfoHash([1; 20]), one);
    let second = listener.register(InfoHash([2; 20]), two);
    connect(&listener).write_all(&handshake([2; 20])).unwrap();
    connect(&listener).write_all(&handshake([1; 20])).unwrap();
    assert_eq!(incoming(&two_inbox).handshake.info_hash, InfoHash([2; 20]));
    assert_eq!(incoming(&one_inbox).handshake.info_hash, InfoHash([1; 20]));
    drop(second);
    let mut late = connect(&listener);
    late.write_all(&handshake([2; 20])).unwrap();
    is_closed(&late);
    assert!(two_inbox.is_empty());
}

#[test]
fn a_later_registration_counts_and_outlives_the_one_before() {
    let listener = listener();
    let ((old, old_inbox), (new, new_inbox)) = (unbounded(), unbounded());
    let first = listener.register(InfoHash(HASH), old);
    let _second = listener.register(InfoHash(HASH), new);
    drop(first);
    connect(&listener).write_all(&handshake(HASH)).unwrap();
    incoming(&new_inbox);
    assert!(old_inbox.is_empty());
}

#[test]
fn a_peer_that_wants_another_torrent_or_protocol_is_dropped_with_the_reason_in_the_log() {
    let listener = listener();
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    // What does not begin with the name of the protocol may be a key exchange.
    let http = [b"GET / HTTP/1.1\r\nHost: example\r\n".to_vec(), vec![b'x'; 1000]].concat();
    let cases: [(Vec<u8>, &str); 3] = [
        (handshake([8; 20]), "asks for a torrent that is not here (wrong info-hash?)"),
        (http, "no proof of the shared secret"),
        (vec![0; 96], "an invalid public key"),
    ];
    for (bytes, why) in cases {
        let mut stream = connect(&listener);
        let _ = stream.write_all(&bytes);
        is_closed_after(&stream, if why.contains("proof") { 96 + 512 } else { 0 });
        log_capture::wait_for(stream.local_addr().unwrap(), why);
    }
    let stream = connect(&listener);
    let address = stream.local_addr().unwrap();
    drop(stream);
    log_capture::wait_for(address, "closed before the handshake was complete");
    assert!(inbox.is_empty());
}

#[test]
fn silent_connections_keep_no_peer_out_and_the_oldest_go() {
    let listener = listener();
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    let silent: Vec<TcpStream> = (0..128 + 64).map(|_| connect_from("127.71.1.1", &listener)).collect();
    let mut honest = connect(&listener);
    honest.write_all(&handshake(HASH)).unwrap();
    assert_eq!(incoming(&inbox).address, honest.local_addr().unwrap());
    for oldest in &silent[..64] {
        is_closed(oldest);
        log_capture::wait_for(oldest.local_addr().unwrap(), HangUp::TooManyHandshakes);
    }
    assert!(threads_named("127.71").len() <= 256);
    drop(listener);
    silent.iter().for_each(is_closed);
    no_thread_for("127.71");
}

#[test]
fn a_byte_now_and_then_wins_no_time() {
    let listener = listener();
    let (events, _inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    let mut slow = connect(&listener);
    let address = slow.local_addr().unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let bytes = handshake(HASH);
    let mut sent = bytes.iter();
    // The wait between two bytes is for the end of the connection.
    while let Some(byte) = sent.next()
        && slow.write_all(&[*byte]).is_ok()
        && read(&slow, &mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    {}
    assert!(sent.len() > 0, "it was given time for the whole handshake");
    log_capture::wait_for(address, "no handshake in 10 s");
}

/// A connection whose handshake is said, and that the peer does not wait for.
fn come_and_go(listener: &Listener) {
    connect(listener).write_all(&handshake(HASH)).unwrap();
}

#[test]
fn a_peer_waits_for_room_in_an_inbox_that_other_peers_flood() {
    let listener = listener();
    let (events, inbox) = bounded(301);
    let _registration = listener.register(InfoHash(HASH), events.clone());
    for _ in 0..300 {
        events.send(Event::Found(Source::Lan, Vec::new())).unwrap();
    }
    let mut peers = [connect(&listener), connect(&listener)];
    // There is room for one of them. The other has to wait until the flood is over.
    for peer in &mut peers {
        peer.write_all(&handshake(HASH)).unwrap();
    }
    let deadline = Instant::now() + DEADLINE;
    while inbox.len() < 301 {
        assert!(Instant::now() < deadline, "no connection came");
        std::thread::yield_now();
    }
    assert!(inbox.iter().take(300).all(|event| matches!(event, Event::Found(..))));
    let mut came = [incoming(&inbox).address, incoming(&inbox).address];
    let mut expected = peers.map(|peer| peer.local_addr().unwrap());
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
}

#[test]
fn an_inbox_that_nobody_reads_holds_a_bounded_number_of_connections() {
    let listener = listener();
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    let deadline = Instant::now() + DEADLINE;
    for count in 1..=256 {
        come_and_go(&listener);
        while inbox.len() < count {
            assert!(Instant::now() < deadline, "{count}");
            std::thread::yield_now();
        }
    }
    let mut late = connect(&listener);
    late.write_all(&handshake(HASH)).unwrap();
    is_closed(&late);
    log_capture::wait_for(late.local_addr().unwrap(), "the torrent is too busy");
    assert_eq!(inbox.len(), 256);

    // The coordinator takes one, and there is room for one.
    drop(incoming(&inbox));
    come_and_go(&listener);
    while inbox.len() < 256 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn an_inbox_that_is_full_keeps_no_thread_at_the_end() {
    let listener = listener();
    let (events, inbox): (Sender<Event>, Receiver<Event>) = bounded(1);
    let _registration = listener.register(InfoHash(HASH), events.clone());
    events.send(Event::Stop).unwrap();
    let mut waiting = connect_from("127.72.1.1", &listener);
    waiting.write_all(&handshake(HASH)).unwrap();
    let mut silent = connect_from("127.72.1.2", &listener);
    silent.write_all(&handshake(HASH)[..67]).unwrap();
    drop(listener);
    is_closed(&waiting);
    is_closed(&silent);
    no_thread_for("127.72");
    assert!(matches!(inbox.try_recv(), Ok(Event::Stop)));
    assert!(inbox.is_empty());
}

#[test]
fn a_torrent_that_has_just_ended_is_as_one_that_we_do_not_have() {
    let listener = listener();
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    drop(inbox);
    let mut stream = connect(&listener);
    stream.write_all(&handshake(HASH)).unwrap();
    is_closed(&stream);
    log_capture::wait_for(stream.local_addr().unwrap(), "the torrent has just ended");
}

#[test]
fn nothing_listens_when_the_listener_is_gone_and_its_port_is_free_at_once() {
    log_capture::open();
    // Nobody else is given it when it is let go.
    let port = free_address([127, 0, 0, 1]).port();
    let listener = Listener::start(Ports::Exactly(port), BindAddress::any()).unwrap();
    let (events, inbox) = unbounded();
    let registration = listener.register(InfoHash(HASH), events);
    let mut stream = connect(&listener);
    stream.write_all(&handshake(HASH)).unwrap();
    // This end closes first, so the system remembers the connection at this port.
    drop(incoming(&inbox));
    is_closed(&stream);
    drop(listener);
    assert!(TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), DEADLINE).is_err());
    let again = Listener::start(Ports::Exactly(port), BindAddress::any()).unwrap();
    assert_eq!(again.port(), port);
    drop(registration);
}

#[test]
fn one_port_serves_both_families_and_says_plain_addresses() {
    let listener = listener();
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    connect(&listener).write_all(&handshake(HASH)).unwrap();
    assert_eq!(incoming(&inbox).address.ip(), IpAddr::from([127, 0, 0, 1]));
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return skip("this host has no IPv6");
    }
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, listener.port()));
    TcpStream::connect_timeout(&six, DEADLINE).unwrap().write_all(&handshake(HASH)).unwrap();
    assert_eq!(incoming(&inbox).address.ip(), IpAddr::from(Ipv6Addr::LOCALHOST));
}

#[test]
fn a_port_that_another_program_has_for_either_family_is_in_use() {
    let mut others = vec![TcpListener::bind("127.0.0.1:0").unwrap()];
    others.extend(TcpListener::bind("[::1]:0"));
    for other in others {
        let port = other.local_addr().unwrap().port();
        let error = Listener::start(Ports::Exactly(port), BindAddress::any()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
}

#[test]
fn a_port_that_is_taken_is_followed_by_the_next_of_the_usual_ones() {
    let (first, last) = (*USUAL_PORTS.start(), *USUAL_PORTS.end());
    assert!((49_152..=last).contains(&first), "the ports are of the dynamic range");
    let ours = BindAddress::only([127, 7, 3, 2].into());
    let listeners: Vec<Listener> =
        (0..3).map(|_| Listener::start(Ports::From(last), ours).unwrap()).collect();
    // Other programs may have some of them.
    let after = |port: u16| if port == last { 0 } else { port - first + 1 };
    let ports: Vec<u16> = listeners.iter().map(|one| after(one.port())).collect();
    assert!(ports.is_sorted_by(|one, next| one < next) && ports.iter().all(|after| *after < 50), "{ports:?}");
}

#[test]
fn with_a_bind_address_no_peer_comes_in_at_another() {
    log_capture::open();
    let ours = IpAddr::from([127, 7, 3, 1]);
    // At this port nobody else has come to listen.
    let port = free_address(ours).port();
    let _listener = Listener::start(Ports::Exactly(port), BindAddress::only(ours)).unwrap();
    let at = |ip| TcpStream::connect_timeout(&SocketAddr::new(ip, port), DEADLINE);
    at(ours).unwrap();
    assert_eq!(at([127, 0, 0, 1].into()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let elsewhere = BindAddress::only("192.0.2.1".parse().unwrap());
    let error = Listener::start(Ports::Exactly(0), elsewhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}
