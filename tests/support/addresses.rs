//! Addresses for tests: at which no program listens, and for a program that cannot choose one itself. Whoever binds port
//! 0 and lets it go has an address that the system may give to another test in the next moment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Socket, Type};

/// What holds the addresses of nobody: for as long as the process lives, since a test may name one to the very end.
static HELD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());

/// The ports that [`free_address`] gives: below those that the system gives to whoever asks for any.
const FREE: std::ops::Range<u16> = 10_000..32_000;

/// How many of them were looked at.
static LOOKED_AT: AtomicU32 = AtomicU32::new(0);

/// Where TCP connections are refused.
pub fn nobody() -> SocketAddr {
    nobody_at(Ipv4Addr::LOCALHOST)
}

/// The same at this address of ours.
pub fn nobody_at(ip: impl Into<IpAddr>) -> SocketAddr {
    // It is bound, and does not listen.
    hold(bind(ip.into(), Type::STREAM))
}

/// Where the system answers each datagram with the word that no program has the port.
pub fn nobody_by_udp() -> SocketAddr {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let socket = bind(ip, Type::DGRAM);
    // One that is connected hears only its other end, and this is port 9, which discards.
    socket.connect(&SocketAddr::new(ip, 9).into()).unwrap();
    hold(socket)
}

fn bind(ip: IpAddr, kind: Type) -> Socket {
    let address = SocketAddr::new(ip, 0);
    let socket = Socket::new(Domain::for_address(address), kind, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

fn hold(socket: Socket) -> SocketAddr {
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    HELD.lock().unwrap().push(socket);
    address
}

/// An address that nothing has, by TCP or UDP, and that no other test of this process is given.
pub fn free_address(ip: impl Into<IpAddr>) -> SocketAddr {
    let ip = ip.into();
    loop {
        let number = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        // Test programs that run side by side begin at different places.
        let place = process::id().wrapping_mul(61).wrapping_add(number) % u32::from(FREE.end - FREE.start);
        let address = SocketAddr::new(ip, FREE.start + u16::try_from(place).unwrap());
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}
