//! Connections between two ports of this host, and what strangers may send to one.

use super::link::Sender;
use super::timers::Timers;
use super::*;
use crate::net::HangUp;
use crate::net::half_open::{self, Alarm};
use crate::net::udp_port::Diversion;
use crate::strategy::utp::Conversation;
use crate::wire::utp::{Header, Kind, Packet};
use crossbeam_channel::{Receiver, unbounded};
use std::net::UdpSocket;

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn loopback(host: u8) -> BindAddress {
    BindAddress::only([127, 0, 29, host].into())
}

/// uTP at this address, and the connections that come in there.
fn listening(host: u8) -> (Utp, SocketAddr, Receiver<PeerStream>) {
    let utp = Utp::new(loopback(host), 0);
    let (came, coming) = unbounded();
    utp.listen(move |stream, _| drop(came.send(stream)));
    let port = utp.port(IpFamily::V4).unwrap();
    (utp, SocketAddr::from(([127, 0, 29, host], port)), coming)
}

fn connect(utp: &Utp, to: SocketAddr) -> io::Result<PeerStream> {
    let (alarm, bell) = Alarm::new().unwrap();
    let bell = Arc::new(bell);
    let attempt = utp.connect(to, Arc::downgrade(&bell))?;
    let until = Instant::now() + PATIENCE;
    while attempt.outcome().is_none() && Instant::now() < until {
        half_open::wait(std::iter::empty(), &alarm, Some(until)).unwrap();
    }
    attempt.outcome().ok_or(ErrorKind::TimedOut)??;
    Ok(attempt.finish().unwrap())
}

/// A connection between two ports. The one that is connected to hears of it with the first byte. What holds over every
/// transport is tried in `peer_stream/tests.rs`.
pub(in crate::net) fn pair() -> (PeerStream, PeerStream, [Utp; 2]) {
    let ((one, ..), (two, there, coming)) = (listening(1), listening(2));
    let stream = connect(&one, there).unwrap();
    stream.write_all(b"!").unwrap();
    let peer = coming.recv_timeout(PATIENCE).unwrap();
    assert_eq!(read_exact(&peer, 1), b"!");
    for end in [&stream, &peer] {
        end.wait_at_most(PATIENCE).unwrap();
    }
    (stream, peer, [one, two])
}

fn read_exact(stream: &PeerStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact_by(&mut bytes, Instant::now() + PATIENCE).unwrap();
    bytes
}

fn syn(id: u16) -> Vec<u8> {
    packet(Kind::Syn, id, 1, 0, &[])
}

fn packet(kind: Kind, connection_id: u16, sequence: u16, acknowledgement: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        kind,
        connection_id,
        timestamp: 0,
        timestamp_difference: 0,
        window: 1 << 20,
        sequence,
        acknowledgement,
    };
    let mut bytes = Vec::new();
    Packet { header, selective: None, payload }.write(&mut bytes);
    bytes
}

/// What came back, if anything does.
fn answer(socket: &UdpSocket) -> Option<(Header, usize)> {
    let mut bytes = [0; 2048];
    let length = socket.recv(&mut bytes).ok()?;
    Some((Packet::read(&bytes[..length]).unwrap().header, length))
}

#[test]
fn a_connection_carries_bytes_both_ways_and_ends_for_both() {
    let (stream, peer, _ports) = pair();
    assert!(stream.is_utp() && peer.is_utp());
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::thread::scope(|scope| {
        for (from, to) in [(&stream, &peer), (&peer, &stream)] {
            scope.spawn(|| sent.chunks(40_000).for_each(|part| from.write_all(part).unwrap()));
            scope.spawn(|| assert!(read_exact(to, sent.len()) == sent));
        }
    });
    stream.write_all(b"the last").unwrap();
    stream.hang_up(HangUp::Released);
    assert_eq!(read_exact(&peer, 8), b"the last");
    assert_eq!(peer.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn a_read_waits_no_longer_than_it_may() {
    let (stream, _peer, _ports) = pair();
    stream.wait_at_most(Duration::from_millis(1)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn a_port_at_which_nobody_listens_refuses() {
    let (one, ..) = listening(3);
    let nobody = Utp::new(loopback(4), 0);
    // It has a port and accepts nothing.
    nobody.listen(|_, _| ());
    nobody.stop_listening();
    let there = SocketAddr::from(([127, 0, 29, 4], nobody.port(IpFamily::V4).unwrap()));
    assert_eq!(connect(&one, there).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn who_only_asks_gets_short_answers_and_no_connection() {
    let (utp, there, coming) = listening(5);
    let stranger = UdpSocket::bind("127.0.29.6:0").unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.connect(there).unwrap();
    stranger.send(&syn(7)).unwrap();
    let (header, length) = answer(&stranger).unwrap();
    assert_eq!((header.kind, header.connection_id, header.acknowledgement), (Kind::State, 7, 1));
    assert!(length <= syn(7).len(), "{length} bytes");
    // Who has not seen the answer acknowledges something else.
    for other in [header.sequence.wrapping_add(1000), header.sequence.wrapping_sub(1000)] {
        stranger.send(&packet(Kind::Data, 8, 2, other, b"hello")).unwrap();
    }
    assert!(coming.recv_timeout(Duration::from_millis(50)).is_err());
    // BEP 29: the answer's number is that of the packet to come, so the one before it is acknowledged.
    stranger.send(&packet(Kind::Data, 8, 2, header.sequence.wrapping_sub(1), b"hello")).unwrap();
    assert_eq!(read_exact(&coming.recv_timeout(PATIENCE).unwrap(), 5), b"hello");
    drop(utp);
}

#[test]
fn a_flood_of_requests_takes_bounded_memory_and_keeps_nobody_out() {
    let (utp, there, coming) = listening(7);
    let flood = UdpSocket::bind("127.0.29.8:0").unwrap();
    flood.connect(there).unwrap();
    for id in 0..20_000_u16 {
        let _ = flood.send(&syn(id));
    }
    let table = utp.table(IpFamily::V4).unwrap();
    // The oldest goes a moment after the newest has come.
    let connections = table.connections();
    assert!(connections <= strangers::MOST_OF_ONE + 1, "{connections}");
    let (other, ..) = listening(9);
    let stream = connect(&other, there).unwrap();
    stream.write_all(b"!").unwrap();
    assert_eq!(read_exact(&coming.recv_timeout(PATIENCE).unwrap(), 1), b"!");
}

#[test]
fn a_flood_of_requests_from_elsewhere_has_a_pace() {
    let (utp, ..) = listening(12);
    let table = utp.table(IpFamily::V4).unwrap();
    let from = |number: u32| SocketAddr::from(((0x3200_0000 + number).to_be_bytes(), 9));
    // The same request again and again as well.
    (0..10_000).for_each(|_| _ = table.take(&syn(1), from(1)));
    let of_one = table.begun();
    assert_eq!(of_one, 1, "the rest is the same one");
    (0..10_000).for_each(|id| _ = table.take(&syn(id), from(1)));
    assert!(table.begun() < 1_000, "{}", table.begun());
    (0..10_000).for_each(|number| _ = table.take(&syn(1), from(number)));
    assert!(table.begun() < 5_000, "{}", table.begun());
}

#[test]
fn packets_of_no_connection_are_answered_at_a_pace_and_resets_never() {
    let (_utp, there, _coming) = listening(10);
    let stranger = UdpSocket::bind("127.0.29.11:0").unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.connect(there).unwrap();
    stranger.send(&packet(Kind::Reset, 1, 1, 1, &[])).unwrap();
    // The first answer is to the first of these.
    for id in 0..500 {
        stranger.send(&packet(Kind::Data, 1000 + id, 1, 1, b"x")).unwrap();
    }
    let (first, _) = answer(&stranger).unwrap();
    assert_eq!((first.kind, first.connection_id), (Kind::Reset, 1000));
    // One more question, which is answered behind them. It may find no room at first.
    stranger.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let until = Instant::now() + PATIENCE;
    let mut answers = 1;
    loop {
        assert!(Instant::now() < until, "no answer to a question after {answers} answers");
        match answer(&stranger) {
            Some((header, length)) if header.kind == Kind::Reset && length <= 21 => answers += 1,
            Some((header, _)) => {
                assert_eq!((header.kind, header.connection_id), (Kind::State, 7));
                break;
            }
            None => _ = stranger.send(&syn(7)).unwrap(),
        }
    }
    // A few more tokens drop in while this runs.
    assert!(answers < 100, "{answers} answers");
}

#[test]
fn another_protocol_at_the_same_port_gets_its_packets() {
    let port = Arc::new(UdpPort::open(IpFamily::V4, 0, loopback(12)).unwrap());
    let utp = Utp::new(loopback(12), 0);
    utp.share(&port);
    let (came, coming) = unbounded();
    utp.listen(move |stream, _| drop(came.send(stream)));
    let there = port.address();
    assert_eq!(utp.port(IpFamily::V4), Some(there.port()));
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut packet = [0; 2048];
            // An empty packet wakes the thread.
            loop {
                let received = port.receive(&mut packet, Instant::now() + PATIENCE).unwrap();
                if let Some((length @ 1.., _)) = received {
                    return packet[..length].to_vec();
                }
            }
        });
        let (other, ..) = listening(13);
        let stream = connect(&other, there).unwrap();
        stream.write_all(b"!").unwrap();
        assert_eq!(read_exact(&coming.recv_timeout(PATIENCE).unwrap(), 1), b"!");
        UdpSocket::bind("127.0.29.14:0").unwrap().send_to(b"d1:ad2:id20:", there).unwrap();
        assert_eq!(receiver.join().unwrap(), b"d1:ad2:id20:");
    });
}

#[test]
fn a_flood_of_one_protocol_does_not_keep_the_other_from_its_deadline() {
    let port = Arc::new(UdpPort::open(IpFamily::V4, 0, loopback(15)).unwrap());
    let utp = Utp::new(loopback(15), 0);
    utp.share(&port);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.29.16:0").unwrap();
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = socket.send_to(&packet(Kind::Data, 1, 1, 1, b"x"), port.address());
            }
        });
        for _ in 0..5 {
            let due = Instant::now() + Duration::from_millis(20);
            assert_eq!(port.receive(&mut [0; 100], due).unwrap(), None);
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn an_attempt_that_is_given_up_leaves_nothing_behind() {
    let (utp, ..) = listening(17);
    let silent = UdpSocket::bind("127.0.29.18:0").unwrap();
    let bell = Arc::new(Alarm::new().unwrap().1);
    let attempts: Vec<_> =
        (0..50).map(|_| utp.connect(silent.local_addr().unwrap(), Arc::downgrade(&bell)).unwrap()).collect();
    let table = utp.table(IpFamily::V4).unwrap();
    assert!(attempts.iter().all(|attempt| attempt.outcome().is_none()));
    assert_eq!((table.connections(), table.due()), (50, 50));
    drop(attempts);
    assert_eq!((table.connections(), table.due()), (0, 0));
}

#[test]
fn a_thread_that_still_sends_brings_no_forgotten_connection_back() {
    let (utp, ..) = listening(19);
    let (_other, there, coming) = listening(20);
    let bell = Arc::new(Alarm::new().unwrap().1);
    let table = utp.table(IpFamily::V4).unwrap();
    let (_key, link) = table.connect(there, Arc::downgrade(&bell)).unwrap();
    link.write_all(b"!", false, PATIENCE).unwrap();
    let peer = coming.recv_timeout(PATIENCE).unwrap();
    assert_eq!(read_exact(&peer, 1), b"!");
    link.shut_down();
    drop(peer);
    let end = Instant::now() + PATIENCE;
    while table.connections() > 0 {
        assert!(Instant::now() < end, "it is not forgotten");
        std::thread::yield_now();
    }
    // As the thread does that closed it, and looks once more whether something is to be sent.
    for _ in 0..1000 {
        link.send(Sender::Own);
        assert_eq!(table.due(), 0);
    }
}

#[test]
fn what_is_late_gets_no_second_turn_before_the_others_had_theirs() {
    let port = Arc::new(UdpPort::open(IpFamily::V4, 0, loopback(21)).unwrap());
    let timers = Arc::<Timers<Link>>::default();
    let conversation = Conversation::connect(7, 7, Instant::now());
    let link = Link::new(1, port.address(), conversation, (&port, &timers), None);
    // It is over, and is late until somebody forgets it.
    link.shut_down();
    let turn = Instant::now();
    let late = timers.next(turn).unwrap();
    while Instant::now() <= turn {}
    late.came_due(turn);
    assert_eq!((timers.next(turn).is_some(), timers.len()), (false, 1));
}

#[test]
fn what_was_written_last_comes_although_the_process_ends() {
    let (stream, peer, [one, _two]) = pair();
    let sent: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    stream.write_all(&sent).unwrap();
    one.finish(PATIENCE);
    drop((stream, one));
    assert!(read_exact(&peer, sent.len()) == sent);
    assert_eq!(peer.read(&mut [0; 9]).unwrap(), 0, "and the end of it");
}

#[test]
fn who_does_not_answer_at_the_end_hears_that_the_connection_is_no_more() {
    let (utp, ..) = listening(22);
    let silent = UdpSocket::bind("127.0.29.23:0").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let bell = Arc::new(Alarm::new().unwrap().1);
    let attempt = utp.connect(silent.local_addr().unwrap(), Arc::downgrade(&bell)).unwrap();
    let mut bytes = [0; 2048];
    let (length, from) = silent.recv_from(&mut bytes).unwrap();
    let call = Packet::read(&bytes[..length]).unwrap().header;
    silent.connect(from).unwrap();
    silent.send(&packet(Kind::State, call.connection_id, 1, call.sequence, &[])).unwrap();
    while attempt.outcome().is_none() {
        std::thread::yield_now();
    }
    let stream = attempt.finish().unwrap();
    stream.write_all(b"anybody there?").unwrap();
    utp.finish(Duration::from_millis(10));
    let reset = std::iter::from_fn(|| answer(&silent)).find(|(header, _)| header.kind == Kind::Reset);
    assert_eq!(reset.unwrap().0.connection_id, call.connection_id.wrapping_add(1));
}
