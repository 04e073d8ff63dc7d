use super::*;
use crate::address::loopback_if_unspecified;
use crate::net::addresses::{free_address, nobody_by_udp};
use std::net::IpAddr;
use std::thread;

/// The families that this host has.
fn families() -> impl Iterator<Item = (IpFamily, &'static str)> {
    let all = [(IpFamily::V4, "127.0.0.1"), (IpFamily::V6, "::1")];
    all.into_iter().filter(|(family, host)| *family == IpFamily::V4 || UdpSocket::bind((*host, 0)).is_ok())
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn packets_arrive_with_the_address_that_they_came_from() {
    for (family, host) in families() {
        let port = UdpPort::open(family, 0, BindAddress::any()).unwrap();
        let to = loopback_if_unspecified(port.address());
        for text in ["one", "two"] {
            let other = UdpSocket::bind((host, 0)).unwrap();
            other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            other.send_to(text.as_bytes(), to).unwrap();
            let mut packet = [0; 2];
            let (length, from) = port.receive(&mut packet, far()).unwrap().unwrap();
            assert_eq!((length, from), (2, other.local_addr().unwrap()));
            assert_eq!(packet, text.as_bytes()[..2]);
            port.send(from, b"answer").unwrap();
            assert_eq!(other.recv_from(&mut [0; 9]).unwrap(), (6, to));
        }
        assert_eq!(port.receive(&mut [0], Instant::now() + Duration::from_millis(20)).unwrap(), None);
    }
}

#[test]
fn a_port_that_is_taken_is_replaced_by_another() {
    for (family, host) in families() {
        // Nobody else is given it when it is let go.
        let address = free_address(host.parse::<IpAddr>().unwrap());
        let taken = UdpSocket::bind(address).unwrap();
        let port = UdpPort::open(family, address.port(), BindAddress::only(address.ip())).unwrap();
        assert_ne!(port.address(), address);
        assert_eq!(port.address().ip(), address.ip());
        drop(taken);
        let port = UdpPort::open(family, address.port(), BindAddress::only(address.ip())).unwrap();
        assert_eq!(port.address(), address);
    }
}

#[test]
fn the_two_families_share_a_port_number() {
    let four = UdpPort::open(IpFamily::V4, 0, BindAddress::any()).unwrap();
    let number = four.address().port();
    // Another test may have this number for IPv6. Then we get another number, and never an error.
    assert!(families().skip(1).all(|(six, _)| UdpPort::open(six, number, BindAddress::any()).is_ok()));
}

#[test]
fn packets_leave_by_the_address_that_was_named_or_not_at_all() {
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    there.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let named = IpAddr::from([127, 0, 0, 2]);
    let port = UdpPort::open(IpFamily::V4, 0, BindAddress::only(named)).unwrap();
    port.send(there.local_addr().unwrap(), b"x").unwrap();
    assert_eq!(there.recv_from(&mut [0]).unwrap().1, port.address());
    assert_eq!(port.address().ip(), named);
    for (family, ip) in [(IpFamily::V6, "127.0.0.2"), (IpFamily::V4, "::1"), (IpFamily::V4, "192.0.2.1")] {
        let error = UdpPort::open(family, 7, BindAddress::only(ip.parse().unwrap())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{ip}");
    }
}

#[test]
fn a_caller_whose_deadline_has_passed_gets_what_has_come_already() {
    let port = UdpPort::open(IpFamily::V4, 0, BindAddress::only([127, 0, 0, 1].into())).unwrap();
    let past = Instant::now();
    port.send(port.address(), b"x").unwrap();
    assert_eq!(port.receive(&mut [0], past).unwrap(), Some((1, port.address())));
    assert_eq!(port.receive(&mut [0], past).unwrap(), None);
    port.hang_up();
    port.receive(&mut [0], past).unwrap_err();
}

#[test]
fn an_address_without_a_program_or_a_route_leaves_the_port_usable() {
    let port = UdpPort::open(IpFamily::V4, 0, BindAddress::only([127, 0, 0, 1].into())).unwrap();
    let closed = nobody_by_udp();
    let _ = port.send(closed, b"x");
    assert!(port.send("[::1]:9".parse().unwrap(), b"x").is_err());
    assert_eq!(port.receive(&mut [0], Instant::now() + Duration::from_millis(20)).unwrap(), None);
    port.send(port.address(), b"still there").unwrap();
    assert!(port.receive(&mut [0; 20], far()).unwrap().is_some());
}

#[test]
fn the_thread_that_waits_is_woken_and_ended() {
    let never = Instant::now() + Duration::from_secs(1 << 20);
    for (family, host) in families() {
        for bind_address in [BindAddress::any(), BindAddress::only(host.parse().unwrap())] {
            let port = UdpPort::open(family, 0, bind_address).unwrap();
            let (tell, told) = std::sync::mpsc::channel();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    tell.send(port.receive(&mut [0; 9], never).unwrap()).unwrap();
                    port.receive(&mut [0; 9], never).unwrap_err().kind()
                });
                port.wake();
                let by_itself = Some((0, loopback_if_unspecified(port.address())));
                assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), by_itself);
                port.hang_up();
                assert_eq!(waiting.join().unwrap(), ErrorKind::ConnectionAborted);
            });
        }
    }
}

#[test]
fn a_hang_up_behind_a_packet_is_no_packet_and_no_panic() {
    for (family, host) in families() {
        let port = UdpPort::open(family, 0, BindAddress::any()).unwrap();
        let to = loopback_if_unspecified(port.address());
        let there = UdpSocket::bind((host, 0)).unwrap();
        there.send_to(b"packet", to).unwrap();
        let socket = port.socket();
        let receive = || receive_from(&socket, &mut [0; 9]);
        let first = receive();
        port.hang_up();
        let second = receive();
        assert_eq!(first.unwrap(), (6, there.local_addr().unwrap()));
        assert_eq!(second.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    }
}

/// A protocol that takes all packets, and counts them.
#[derive(Debug, Default)]
struct TakesAll(std::sync::atomic::AtomicUsize);

impl Diversion for TakesAll {
    fn take(&self, _: &[u8], _: SocketAddr) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn settle(&self) -> Option<Instant> {
        None
    }
}

#[test]
fn who_waits_gets_its_turn_after_some_packets_of_the_other_protocol() {
    let port = UdpPort::open(IpFamily::V4, 0, BindAddress::only("127.0.0.1".parse().unwrap())).unwrap();
    let other = Arc::new(TakesAll::default());
    let weak: std::sync::Weak<TakesAll> = Arc::downgrade(&other);
    port.divert(weak);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    (0..2 * BURST).for_each(|_| _ = sender.send_to(b"x", port.address()).unwrap());
    // Its time is over already.
    assert_eq!(port.receive(&mut [0], Instant::now()).unwrap(), None);
    assert_eq!(other.0.load(Ordering::Relaxed), BURST);
}

#[test]
fn where_no_packet_can_wake_the_thread_it_looks_by_itself_within_a_second() {
    let hour = Duration::from_secs(3_600);
    let mut port = UdpPort::open(IpFamily::V4, 0, BindAddress::only([127, 0, 0, 1].into())).unwrap();
    assert_eq!(port.one_wait(hour), LOOK_AGAIN, "nobody knows yet");
    port.wake();
    assert_eq!(port.receive(&mut [0], far()).unwrap().unwrap().0, 0);
    assert_eq!(port.one_wait(hour), hour);
    // As if loopback were down.
    port.address = "[2001:db8::1]:9".parse().unwrap();
    port.wake();
    let until = Instant::now() + hour;
    assert_eq!(port.receive(&mut [0], until).unwrap(), None);
    assert!(Instant::now() < until);
    assert_eq!(port.one_wait(hour), LOOK_AGAIN);
    assert_eq!(port.one_wait(LOOK_AGAIN / 2), LOOK_AGAIN / 2);
}
