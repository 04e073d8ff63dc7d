//! PCP and NAT-PMP.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use femtotorrent::address::IpFamily;
use femtotorrent::net::BindAddress;
use femtotorrent::port_mapping::Way;
use socket2::SockRef;

use crate::gateway::{Client, Datagrams, PORT, gateways};

const SECOND: Duration = Duration::from_secs(1);
/// So that an hour takes 3.6 s, and a minute 60 ms.
const SHORT: Duration = Duration::from_millis(1);
const OUTSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(5, 6, 7, 8));
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What a router answers to a request of PCP.
#[derive(Clone, Copy)]
struct Pcp {
    result: u8,
    lifetime: u32,
    epoch: u32,
    port: u16,
    address: IpAddr,
}

const GRANTED: Pcp = Pcp { result: 0, lifetime: 3600, epoch: 1000, port: 7000, address: OUTSIDE };

impl Pcp {
    fn to(self, request: &[u8]) -> Vec<u8> {
        let mut packet = request.to_vec();
        packet[1] |= 0x80;
        packet[3] = self.result;
        packet[4..8].copy_from_slice(&self.lifetime.to_be_bytes());
        packet[8..12].copy_from_slice(&self.epoch.to_be_bytes());
        packet[12..24].fill(0);
        packet[42..44].copy_from_slice(&self.port.to_be_bytes());
        let address = match self.address {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        packet[44..60].copy_from_slice(&address.octets());
        packet
    }
}

fn is_pcp(request: &[u8]) -> bool {
    request.len() == 60 && request[0] == 2
}

fn lifetime(request: &[u8]) -> u32 {
    u32::from_be_bytes(request[4..8].try_into().unwrap())
}

/// What a router answers to a request of NAT-PMP, the address included.
fn nat_pmp(request: &[u8], port: u16, seconds: u32) -> Vec<u8> {
    let mut packet = vec![0, 128 + request[1], 0, 0, 0, 0, 3, 232];
    match request[1] {
        0 => packet.extend([5, 6, 7, 8]),
        _ => {
            packet.extend(&request[4..6]);
            packet.extend(port.to_be_bytes());
            packet.extend(seconds.to_be_bytes());
        }
    }
    packet
}

/// Nobody who speaks UPnP.
fn alone(gateway: &Datagrams) -> femtotorrent::port_mapping::Gateways {
    gateways(gateway.address, "127.0.0.1:9".parse().unwrap())
}

#[test]
fn pcp_opens_one_port_for_both_protocols_and_closes_it_at_the_end() {
    let gateway = Datagrams::that(|request, _| vec![GRANTED.to(request)]);
    let mut client = Client::with(alone(&gateway), SECOND);
    let mapped = client.mapped();
    assert_eq!(
        (mapped.way, mapped.gateway, mapped.external),
        (Way::Pcp, gateway.address.ip(), Some(OUTSIDE))
    );
    assert_eq!((mapped.tcp, mapped.udp), (7000, 7000));
    assert_eq!(IpFamily::BOTH.map(|family| client.ports.announced(family)), [Some(7000), Some(PORT)]);
    // To connect there would be to connect to ourselves.
    assert!(client.ports.lead_back((OUTSIDE, 7000).into()));

    let (tcp, udp) = (gateway.next(), gateway.next());
    assert_eq!((tcp[36], udp[36], lifetime(&tcp)), (TCP, UDP, 3600));
    assert_eq!(
        (&tcp[8..24], &tcp[40..44]),
        (&b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x02"[..], &[0xef, 0x32, 0xef, 0x32][..])
    );
    // The number that TCP was given is the one that we would like for UDP.
    assert_eq!(udp[42..44], 7000_u16.to_be_bytes());

    client.end();
    let (tcp_closed, udp_closed) = (gateway.next(), gateway.next());
    assert_eq!((lifetime(&tcp_closed), lifetime(&udp_closed)), (0, 0));
    assert_eq!((&tcp_closed[24..42], &udp_closed[24..42]), (&tcp[24..42], &udp[24..42]));
    assert_eq!(client.ports.announced(IpFamily::V4), Some(PORT));
    assert!(!client.ports.lead_back((OUTSIDE, 7000).into()));
}

#[test]
fn what_may_be_open_when_the_end_comes_is_closed_too() {
    // It opens the port and does not say so.
    let gateway = Datagrams::silent();
    let mut client = Client::with(alone(&gateway), SECOND);
    let asked = gateway.next();
    client.end();
    let closed = loop {
        let next = gateway.next();
        if lifetime(&next) == 0 {
            break next;
        }
    };
    assert_eq!((closed[0], &closed[24..42]), (2, &asked[24..42]));
}

#[test]
fn nat_pmp_is_spoken_where_the_router_says_that_pcp_is_too_new() {
    let gateway = Datagrams::that(|request, _| match is_pcp(request) {
        true => vec![vec![0, 128 + (request[1] & 127), 0, 1, 0, 0, 0, 9]],
        false => vec![nat_pmp(request, 7100, 3600)],
    });
    let mut client = Client::with(alone(&gateway), SECOND);
    let mapped = client.mapped();
    assert_eq!(
        (mapped.way, mapped.tcp, mapped.udp, mapped.external),
        (Way::NatPmp, 7100, 7100, Some(OUTSIDE))
    );
    let asked: Vec<Vec<u8>> = (0..4).map(|_| gateway.next()).collect();
    // One question by PCP; then TCP, UDP and the address.
    assert_eq!(asked[0][0], 2);
    assert_eq!(
        asked[1..].iter().map(|packet| packet[..2].to_vec()).collect::<Vec<_>>(),
        [[0, 2], [0, 1], [0, 0]]
    );
    client.end();
    let mut closed = [gateway.next(), gateway.next()];
    closed.sort();
    let port = PORT.to_be_bytes();
    assert_eq!(
        closed.map(|packet| (packet[1], packet[4..].to_vec())),
        [1, 2].map(|code| (code, vec![port[0], port[1], 0, 0, 0, 0, 0, 0]))
    );
}

#[test]
fn a_lease_is_renewed_before_it_ends_for_the_port_that_was_given() {
    let gateway = Datagrams::that(|request, _| vec![Pcp { lifetime: 120, ..GRANTED }.to(request)]);
    let client = Client::with(alone(&gateway), SHORT);
    let first = [gateway.next(), gateway.next()];
    for _ in 0..3 {
        let again = [gateway.next(), gateway.next()];
        for (then, now) in first.iter().zip(&again) {
            // The same nonce, protocol and port of ours; now it is known which one outside.
            assert_eq!(then[24..42], now[24..42]);
            assert_eq!((&now[42..44], lifetime(now)), (&7000_u16.to_be_bytes()[..], 3600));
        }
    }
    client.mapped();
}

#[test]
fn a_gateway_that_goes_away_takes_its_port_with_it() {
    let gateway = Datagrams::that(|request, _| vec![Pcp { lifetime: 60, ..GRANTED }.to(request)]);
    let client = Client::with(alone(&gateway), SHORT);
    client.mapped();
    drop(gateway);
    assert!(client.refused().contains("no answer to PCP"));
    assert_eq!(client.ports.announced(IpFamily::V4), Some(PORT));
}

#[test]
fn a_gateway_that_has_begun_anew_is_asked_at_once_and_nobody_else_can_say_that_it_has() {
    let epoch = Arc::new(AtomicU32::new(1000));
    let theirs = Arc::clone(&epoch);
    let gateway = Datagrams::that(move |request, _| {
        vec![Pcp { epoch: theirs.load(Ordering::Acquire), ..GRANTED }.to(request)]
    });
    let router = alone(&gateway);
    let client = Client::with(router, SECOND);
    client.mapped();
    let _both = [gateway.next(), gateway.next()];
    let announce = |socket: &UdpSocket, epoch: u32| {
        SockRef::from(socket).set_multicast_if_v4(&[127, 0, 0, 1].into()).unwrap();
        let mut packet = [0; 24];
        packet[..2].copy_from_slice(&[2, 0x80]);
        packet[8..12].copy_from_slice(&epoch.to_be_bytes());
        socket.send_to(&packet, router.announcements).unwrap();
    };
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A stranger; the gateway, whose time goes on; nonsense. Then the truth.
    announce(&stranger, 1);
    announce(&gateway.socket, 1001);
    gateway.socket.send_to(b"\x02\x80", router.announcements).unwrap();
    let early = gateway.asked.recv_timeout(Duration::from_millis(300));
    assert!(early.is_err(), "{early:?}");
    epoch.store(2, Ordering::Release);
    announce(&gateway.socket, 1);
    let _both = [gateway.next(), gateway.next()];
    // It is not believed again and again.
    (0..50).for_each(|_| announce(&gateway.socket, 0));
    drop(client);
    let closed = [gateway.next(), gateway.next()];
    assert_eq!(closed.map(|packet| lifetime(&packet)), [0, 0]);
}

#[test]
fn only_the_answer_to_our_question_from_the_gateway_itself_counts() {
    let liar = UdpSocket::bind("127.0.0.1:0").unwrap();
    let gateway = Datagrams::that(move |request, from| {
        if !is_pcp(request) {
            return Vec::new();
        }
        let with = |at: usize, byte: u8| {
            let mut packet = Pcp { port: 6666, ..GRANTED }.to(request);
            packet[at] = byte;
            packet
        };
        liar.send_to(&Pcp { port: 6666, ..GRANTED }.to(request), from).unwrap();
        let [nonce, transport, port] =
            [(24, !request[24]), (36, 1), (41, !request[41])].map(|(at, byte)| with(at, byte));
        let cut = with(0, 2)[..59].to_vec();
        let mut long = with(0, 2);
        long.resize(1200, 0);
        vec![nonce, transport, port, cut, long, Vec::new(), request.to_vec(), GRANTED.to(request)]
    });
    let client = Client::with(alone(&gateway), SECOND);
    assert_eq!((client.mapped().tcp, client.mapped().udp), (7000, 7000));
}

#[test]
fn a_gateway_that_lies_about_where_it_is_is_not_believed_and_its_port_is_used() {
    for lie in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::1"] {
        let address = lie.parse().unwrap();
        let gateway = Datagrams::that(move |request, _| vec![Pcp { address, ..GRANTED }.to(request)]);
        let client = Client::with(alone(&gateway), SECOND);
        let mapped = client.mapped();
        assert_eq!((mapped.external, mapped.tcp), (None, 7000), "{lie}");
        assert_eq!(client.ports.announced(IpFamily::V4), Some(7000));
    }
}

#[test]
fn the_port_of_a_gateway_behind_another_one_is_not_announced() {
    for inner in ["192.168.0.7", "100.64.0.7"] {
        let address: IpAddr = inner.parse().unwrap();
        let gateway = Datagrams::that(move |request, _| vec![Pcp { address, ..GRANTED }.to(request)]);
        let client = Client::with(alone(&gateway), SECOND);
        assert_eq!(client.mapped().inner_network(), Some(address));
        assert_eq!(client.ports.announced(IpFamily::V4), Some(PORT));
        let said = client.state().sentence().unwrap();
        assert!(said.contains(inner) && said.contains("open the port there too"), "{said}");
    }
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let gateway = Datagrams::that(|request, _| match is_pcp(request) {
        true => vec![Pcp { result: 2, ..GRANTED }.to(request)],
        false => vec![vec![0, 128 + request[1], 0, 2, 0, 0, 0, 9]],
    });
    let client = Client::with(alone(&gateway), SECOND);
    let why = client.refused();
    assert!(why.contains("not allowed"), "{why}");
    assert_eq!(client.ports.announced(IpFamily::V4), Some(PORT));
}

#[test]
fn a_gateway_that_opens_port_zero_or_for_no_time_has_opened_none() {
    for answer in [Pcp { port: 0, ..GRANTED }, Pcp { lifetime: 0, ..GRANTED }] {
        let gateway = Datagrams::that(move |request, _| match is_pcp(request) {
            true => vec![answer.to(request)],
            false => vec![nat_pmp(request, answer.port, answer.lifetime)],
        });
        let why = Client::with(alone(&gateway), SECOND).refused();
        assert!(why.contains("no port was opened"), "{why}");
    }
}

#[test]
fn a_flood_of_packets_ends_the_question_and_not_us() {
    // The answer comes behind more than we look at.
    let gateway = Datagrams::that(|request, _| {
        let mut all = vec![request.to_vec(); 100];
        all.extend(is_pcp(request).then(|| GRANTED.to(request)));
        all
    });
    let mut client = Client::with(alone(&gateway), SECOND);
    assert!(client.refused().contains("no answer to PCP"));
    client.end();
}

#[test]
fn an_ipv6_router_is_asked_to_let_our_port_through() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else { return };
    socket.set_read_timeout(Some(crate::gateway::WAIT)).unwrap();
    let gateway = socket.local_addr().unwrap();
    let router =
        femtotorrent::port_mapping::Gateways { four: None, six: Some(gateway), ..gateways(gateway, gateway) };
    let ports = femtotorrent::net::OwnPorts::listening_at(Some(PORT));
    let options = femtotorrent::port_mapping::MappingOptions {
        bind_address: BindAddress::only("::1".parse().unwrap()),
        ports: ports.clone(),
        udp: None,
        gateways: femtotorrent::port_mapping::GatewayChoice::Given(router),
        second: SECOND,
        tap: Default::default(),
    };
    let client =
        Client { mapping: Some(femtotorrent::port_mapping::PortMapping::start(options).unwrap()), ports };
    let mut packet = [0; 100];
    let (length, from): (usize, SocketAddr) = socket.recv_from(&mut packet).unwrap();
    let request = &packet[..length];
    assert_eq!((length, request[8..24].to_vec()), (60, [[0; 15].to_vec(), vec![1]].concat()));
    let granted = Pcp { port: PORT, address: "2a00::1".parse().unwrap(), ..GRANTED };
    socket.send_to(&granted.to(request), from).unwrap();
    let mapped = client.mapped();
    assert_eq!((mapped.way, mapped.tcp, mapped.gateway), (Way::Pcp, PORT, gateway.ip()));
    assert_eq!(client.ports.announced(IpFamily::V6), Some(PORT));
}
