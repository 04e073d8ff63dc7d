//! A router that does what a test says.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use addresses::free_address;
use crossbeam_channel::{Receiver, unbounded};
use femtotorrent::net::tap::Tap;
use femtotorrent::net::{BindAddress, OwnPorts};
use femtotorrent::port_mapping::{
    GatewayChoice, Gateways, Mapped, MappingOptions, MappingState, PortMapping,
};

#[path = "../support/addresses.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod addresses;

/// For anything that should take milliseconds.
pub const WAIT: Duration = Duration::from_secs(60);
/// How often a thread here looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);
/// Our port.
pub const PORT: u16 = 61_234;

/// A thread that ends with its owner.
struct Until {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Until {
    fn spawn(mut step: impl FnMut() + Send + 'static) -> Until {
        let ends = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            while !theirs.load(Ordering::Acquire) {
                step();
            }
        });
        Until { ends, thread: Some(thread) }
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        let _ = self.thread.take().unwrap().join();
    }
}

/// A port that answers packets.
pub struct Datagrams {
    pub address: SocketAddr,
    /// The same socket, to say something unasked.
    pub socket: UdpSocket,
    /// What was asked.
    pub asked: Receiver<Vec<u8>>,
    _thread: Until,
}

impl Datagrams {
    /// `answer` gets each packet, and returns those that go back. What is asked again and again was asked once.
    pub fn that(mut answer: impl FnMut(&[u8], SocketAddr) -> Vec<Vec<u8>> + Send + 'static) -> Datagrams {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let (tell, asked) = unbounded();
        let (mine, mut last) = (socket.try_clone().unwrap(), Vec::new());
        let thread = Until::spawn(move || {
            let mut packet = [0; 2000];
            if let Ok((length, from)) = mine.recv_from(&mut packet) {
                // A question that is asked again after 250 ms is the same one.
                if last != packet[..length] {
                    last = packet[..length].to_vec();
                    let _ = tell.send(last.clone());
                }
                for answer in answer(&packet[..length], from) {
                    let _ = mine.send_to(&answer, from);
                }
            }
        });
        Datagrams { address: socket.local_addr().unwrap(), socket, asked, _thread: thread }
    }

    pub fn silent() -> Datagrams {
        Datagrams::that(|_, _| Vec::new())
    }

    pub fn next(&self) -> Vec<u8> {
        self.asked.recv_timeout(WAIT).expect("a question")
    }
}

/// A device that answers HTTP.
pub struct Device {
    pub address: SocketAddr,
    /// What was asked: the whole requests.
    pub asked: Receiver<String>,
    _thread: Until,
}

impl Device {
    /// `answer` gets each request and its connection.
    pub fn that(answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> Device {
        Device::at("127.0.0.1", answer)
    }

    /// The same on another host.
    pub fn at(host: &str, mut answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> Device {
        let listener = TcpListener::bind((host, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = unbounded();
        let thread = Until::spawn(move || match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(WAIT)).unwrap();
                let request = request(&mut stream);
                let _ = tell.send(request.clone());
                answer(&request, &mut stream);
            }
            Err(_) => thread::sleep(LOOK / 10),
        });
        Device { address, asked, _thread: thread }
    }

    pub fn next(&self) -> String {
        self.asked.recv_timeout(WAIT).expect("a request")
    }

    /// The next request that calls this action.
    pub fn next_call(&self, action: &str) -> String {
        loop {
            let request = self.next();
            if request.contains(&format!("#{action}\"")) {
                return request;
            }
        }
    }
}

fn request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(length) => bytes.extend(&buffer[..length]),
        }
    }
}

pub fn say(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// Us, behind that router.
pub struct Client {
    pub mapping: Option<PortMapping>,
    pub ports: OwnPorts,
}

impl Client {
    /// Asks these, a second of a lease being `second`.
    pub fn with(gateways: Gateways, second: Duration) -> Client {
        Client::watched_by(Tap::default(), gateways, second)
    }

    /// The same, and what is said is seen at this door.
    pub fn watched_by(tap: Tap, gateways: Gateways, second: Duration) -> Client {
        let ports = OwnPorts::listening_at(Some(PORT));
        let mapping = PortMapping::start(MappingOptions {
            // The router has another address than we have.
            bind_address: BindAddress::only(Ipv4Addr::new(127, 0, 0, 2).into()),
            ports: ports.clone(),
            udp: Some(PORT),
            gateways: GatewayChoice::Given(gateways),
            second,
            tap,
        });
        Client { mapping: Some(mapping.unwrap()), ports }
    }

    pub fn state(&self) -> MappingState {
        self.mapping.as_ref().unwrap().state()
    }

    /// Waits for a state that pleases.
    pub fn wait<Found>(&self, mut pleases: impl FnMut(&MappingState) -> Option<Found>) -> Found {
        let end = Instant::now() + WAIT;
        loop {
            let state = self.state();
            if let Some(found) = pleases(&state) {
                return found;
            }
            assert!(Instant::now() < end, "it stays at {state:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn mapped(&self) -> Mapped {
        self.wait(|state| if let MappingState::Mapped(mapped) = state { Some(*mapped) } else { None })
    }

    pub fn refused(&self) -> String {
        self.wait(|state| if let MappingState::Refused(_, why) = state { Some(why.clone()) } else { None })
    }

    pub fn end(&mut self) {
        self.mapping = None;
    }
}

/// A router at these addresses, whose announcements come from a group that no other test is in.
pub fn gateways(four: SocketAddr, ssdp: SocketAddr) -> Gateways {
    let free = free_address(Ipv4Addr::LOCALHOST).port();
    let announcements = SocketAddr::from((Ipv4Addr::new(239, 192, 152, 144), free));
    Gateways { four: Some(four), six: None, ssdp, announcements }
}
