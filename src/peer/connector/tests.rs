use super::*;
use crate::message::PeerError;
use crate::net::PeerStream;
use crate::net::addresses::{free_address, nobody};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use std::net::TcpListener;
use std::sync::Weak;
use std::time::Instant;

const WAIT: Duration = Duration::from_secs(20);

fn attempted(inbox: &Receiver<Event>) -> (PeerKey, Result<PeerStream, PeerError>) {
    match inbox.recv_timeout(WAIT).unwrap() {
        Event::Attempted(key, _, outcome) => (key, outcome),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_caller_hears_what_came_of_its_own_attempts() {
    let connector = Connector::new(BindAddress::any(), 2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let nobody = nobody();
    let ((one, heard_by_one), (two, heard_by_two)) = (bounded(100), bounded(100));
    let (one, two) = (connector.caller(one), connector.caller(two));
    for number in 0..10 {
        one.connect(PeerKey(number), there).unwrap();
        two.connect(PeerKey(100 + number), nobody).unwrap();
    }
    for number in 0..10 {
        assert!(matches!(attempted(&heard_by_one), (key, Ok(_)) if key == PeerKey(number)));
        let (key, refused) = attempted(&heard_by_two);
        assert!(key == PeerKey(100 + number), "{key:?}");
        assert!(
            matches!(refused, Err(PeerError::Connect(why)) if why.kind() == ErrorKind::ConnectionRefused)
        );
    }
}

#[test]
fn an_inbox_that_is_full_holds_up_nobody_else_and_loses_nothing() {
    let connector = Connector::new(BindAddress::any(), 4);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let ((slow, full), (quick, inbox)) = (bounded(1), bounded(100));
    let (slow, quick) = (connector.caller(slow), connector.caller(quick));
    (0..6).for_each(|number| slow.connect(PeerKey(number), there).unwrap());
    quick.connect(PeerKey(100), there).unwrap();
    assert!(attempted(&inbox).1.is_ok());
    (0..6).for_each(|_| assert!(attempted(&full).1.is_ok()));
}

#[test]
fn what_is_ourselves_is_not_dialed_for_any_torrent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (here, (events, inbox)) = (listener.local_addr().unwrap(), bounded(100));
    let here_in_ipv6 = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), here.port());
    let listening = Connector::beside(OwnPorts::listening_at(Some(here.port())), BindAddress::any(), 4);
    let ports = OwnPorts::listening_at(Some(9));
    ports.set_outside(Some(here.ip()), here.port(), 0);
    let mapped = Connector::beside(ports, BindAddress::any(), 4);
    let told = Connector::new(BindAddress::any(), 4);
    told.clone().met_ourselves(here_in_ipv6);
    for connector in [listening, mapped, told] {
        let caller = connector.caller(events.clone());
        for to in [here, here_in_ipv6] {
            caller.connect(PeerKey(1), to).unwrap();
            assert!(matches!(attempted(&inbox).1, Err(PeerError::Ourselves)), "{to}");
        }
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_panic_costs_the_attempts_and_leaves_none_without_an_answer() {
    let connector = Connector::new(BindAddress::any(), 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let ((_commands, orders), (events, inbox)) = (unbounded(), bounded(100));
    let mut attempts = Attempts {
        way: connector.way.clone(),
        own: Arc::clone(&connector.own),
        queue: AttemptQueue::new(1),
        orders,
        alarm: Alarm::new().unwrap().0,
        bell: Weak::new(),
        unsent: Vec::new(),
        running: Arc::downgrade(&connector.running),
    };
    for number in 0..3 {
        attempts.queue.offer(1, Wanted { key: PeerKey(number), address: there, events: events.clone() });
    }
    attempts.begin(Instant::now());
    assert_eq!(attempts.queue.open().count(), 1);
    // As after a panic.
    attempts.fail_all();
    attempts.live();
    for number in 0..3 {
        let (key, outcome) = attempted(&inbox);
        assert!(key == PeerKey(number) && matches!(outcome, Err(PeerError::Connect(_))), "{key:?}");
    }
}

#[test]
fn who_leaves_leaves_nothing_behind() {
    let connector = Connector::new(BindAddress::any(), 4);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let (events, inbox) = bounded(1);
    let caller = connector.caller(events);
    (0..9).for_each(|number| caller.connect(PeerKey(number), there).unwrap());
    assert!(attempted(&inbox).1.is_ok());
    drop(caller);
    // One may be in the inbox. The others held senders, which are gone.
    while let Ok(event) = inbox.recv_timeout(WAIT) {
        drop(event);
    }
    assert_eq!(inbox.try_recv().unwrap_err(), TryRecvError::Disconnected);
}

/// uTP at an address of this host where connections are accepted and kept.
fn utp_at(ip: [u8; 4], port: u16) -> (Utp, Receiver<PeerStream>) {
    let utp = Utp::new(BindAddress::only(ip.into()), port);
    let (came, coming) = unbounded();
    utp.listen(move |stream, _| drop(came.send(stream)));
    (utp, coming)
}

fn with_utp(ip: [u8; 4]) -> Connector {
    let bind_address = BindAddress::only(ip.into());
    Connector::new(bind_address, 4).with_utp(Some(Utp::new(bind_address, 0)))
}

/// The outcome of one attempt at this address.
fn outcome(connector: &Connector, to: SocketAddr) -> Result<PeerStream, PeerError> {
    let (events, inbox) = bounded(1);
    let caller = connector.caller(events);
    caller.connect(PeerKey(1), to).unwrap();
    attempted(&inbox).1
}

#[test]
fn who_refuses_tcp_is_reached_over_utp_and_who_takes_both_over_tcp() {
    let connector = with_utp([127, 0, 30, 1]);
    let there = free_address([127, 0, 30, 2]);
    let (_utp, coming) = utp_at([127, 0, 30, 2], there.port());
    let stream = outcome(&connector, there).unwrap();
    assert!(stream.is_utp());
    stream.write_all(b"!").unwrap();
    assert!(coming.recv_timeout(WAIT).is_ok());
    let _listener = TcpListener::bind(there).unwrap();
    assert!(!outcome(&connector, there).unwrap().is_utp());
}

#[test]
fn who_refuses_tcp_and_is_silent_over_utp_has_refused() {
    let connector = with_utp([127, 0, 30, 3]);
    let silent = std::net::UdpSocket::bind("127.0.30.4:0").unwrap();
    let there = silent.local_addr().unwrap();
    for is_asked in [true, false] {
        let refused = outcome(&connector, there);
        assert!(
            matches!(&refused, Err(PeerError::Connect(why)) if why.kind() == ErrorKind::ConnectionRefused),
            "{refused:?}"
        );
        // A moment later it is not asked again.
        silent.set_nonblocking(true).unwrap();
        let asked = std::iter::from_fn(|| silent.recv(&mut [0; 100]).ok()).count();
        assert_eq!(asked > 0, is_asked);
    }
}

#[test]
fn who_is_silent_over_tcp_is_asked_over_utp_beside_it() {
    let connector = with_utp([127, 0, 30, 5]);
    let deaf = crate::net::deaf::Deaf::at(free_address([127, 0, 30, 6]));
    let (_utp, _coming) = utp_at([127, 0, 30, 6], deaf.address.port());
    assert!(outcome(&connector, deaf.address).unwrap().is_utp());
}

#[test]
fn who_fell_silent_over_utp_is_reached_over_tcp_the_next_time() {
    let connector = with_utp([127, 0, 30, 9]);
    let there = free_address([127, 0, 30, 10]);
    let (_utp, _coming) = utp_at([127, 0, 30, 10], there.port());
    let _listener = TcpListener::bind(there).unwrap();
    connector.closed_early(there);
    assert!(outcome(&connector, there).unwrap().is_utp());
    connector.fell_silent(there);
    assert!(!outcome(&connector, there).unwrap().is_utp());
}

#[test]
fn who_closes_tcp_before_a_word_is_reached_over_utp_the_next_time() {
    let connector = with_utp([127, 0, 30, 7]);
    let there = free_address([127, 0, 30, 8]);
    let (utp, _coming) = utp_at([127, 0, 30, 8], there.port());
    let _listener = TcpListener::bind(there).unwrap();
    assert!(!outcome(&connector, there).unwrap().is_utp());
    connector.closed_early(there);
    assert!(outcome(&connector, there).unwrap().is_utp());
    // Where it does not answer there, TCP has its turn.
    drop(utp);
    connector.closed_early(there);
    assert!(!outcome(&connector, there).unwrap().is_utp());
}
