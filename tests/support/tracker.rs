//! A tiny HTTP tracker on loopback: it records what it is told, introduces to each other those who
//! tell it, and answers what the test scripted.
//!
//! One thread takes one connection after the other. It ends with the [`Tracker`].

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// An answer other than the peers that the tracker was started with.
pub enum Reply {
    /// This body with status 200.
    Body(Vec<u8>),
    /// These bytes, head included.
    Raw(Vec<u8>),
    /// None at all, while the connection stays open.
    Hang,
}

/// One request as the tracker received it.
#[derive(Clone, Debug)]
pub struct Announced {
    path: String,
    parameters: Vec<(String, Vec<u8>)>,
    headers: Vec<(String, String)>,
}

impl Announced {
    /// The path, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The raw value of a parameter, decoded.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The value of a parameter as text. Empty where there is none.
    pub fn get(&self, name: &str) -> String {
        String::from_utf8_lossy(self.bytes(name).unwrap_or_default()).into_owned()
    }
}

/// A tracker that runs until it is dropped.
pub struct Tracker {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    peers: Vec<SocketAddr>,
    state: Mutex<State>,
    heard: Condvar,
}

#[derive(Default)]
struct State {
    announces: Vec<Announced>,
    here: Vec<SocketAddr>,
    script: VecDeque<Reply>,
    ends: bool,
}

impl Tracker {
    /// A tracker that names these peers and all who announced themselves before, at the addresses that
    /// they connected from.
    pub fn start(peers: &[SocketAddr]) -> Tracker {
        Tracker::start_at(Ipv4Addr::LOCALHOST.into(), peers)
    }

    /// The same, at this address of the host.
    pub fn start_at(host: IpAddr, peers: &[SocketAddr]) -> Tracker {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { peers: peers.to_vec(), state: Mutex::default(), heard: Condvar::new() });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve(&listener)
        });
        Tracker { address, shared, thread: Some(thread) }
    }

    /// The announce address.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Answers the next request that has no scripted answer yet with this one.
    pub fn script(&self, reply: Reply) {
        self.shared.state.lock().unwrap().script.push_back(reply);
    }

    /// What has been announced so far.
    pub fn announces(&self) -> Vec<Announced> {
        self.shared.state.lock().unwrap().announces.clone()
    }

    /// Waits until this many requests have come, and returns them. Panics when they do not come.
    pub fn wait_for(&self, count: usize) -> Vec<Announced> {
        let state = self.shared.state.lock().unwrap();
        let (state, _) =
            self.shared.heard.wait_timeout_while(state, DEADLINE, |now| now.announces.len() < count).unwrap();
        assert!(state.announces.len() >= count, "{} of {count} announces", state.announces.len());
        state.announces.clone()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock() {
            state.ends = true;
        }
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, listener: &TcpListener) {
        let mut hanging = Vec::new();
        for stream in listener.incoming() {
            if self.state.lock().unwrap().ends {
                break;
            }
            let Ok(mut stream) = stream else { continue };
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.set_write_timeout(Some(DEADLINE)).unwrap();
            let Some(announced) = read_request(&mut stream) else { continue };
            let (reply, peers) = {
                let mut state = self.state.lock().unwrap();
                let others = state.introduce(&stream, &announced);
                state.announces.push(announced);
                (state.script.pop_front(), [self.peers.clone(), others].concat())
            };
            self.heard.notify_all();
            // A client that has enough of an answer closes the connection: no fault of the test's.
            let _ = match reply {
                None => stream.write_all(&with_head(&compact(&peers))),
                Some(Reply::Body(body)) => stream.write_all(&with_head(&body)),
                Some(Reply::Raw(bytes)) => stream.write_all(&bytes),
                Some(Reply::Hang) => {
                    hanging.push(stream);
                    Ok(())
                }
            };
        }
    }
}

impl State {
    /// Notes where a client listens, and returns the others.
    fn introduce(&mut self, stream: &TcpStream, announced: &Announced) -> Vec<SocketAddr> {
        let (Ok(from), Ok(port)) = (stream.peer_addr(), announced.get("port").parse()) else {
            return Vec::new();
        };
        let client = SocketAddr::new(from.ip(), port);
        self.here.retain(|known| *known != client);
        let others = self.here.clone();
        if announced.get("event") != "stopped" {
            self.here.push(client);
        }
        others
    }
}

/// Reads the head of a request, and from it the path and the query.
fn read_request(stream: &mut TcpStream) -> Option<Announced> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let target = text.strip_prefix("GET ")?.split(' ').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = text.lines().filter_map(|line| line.split_once(": "));
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(Announced {
        path: path.to_owned(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), percent_decoded(value))).collect(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    })
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digits: String = bytes.by_ref().take(2).map(char::from).collect();
            u8::from_str_radix(&digits, 16).unwrap()
        } else {
            byte
        });
    }
    decoded
}

/// The peers as a tracker sends them: IPv4 in `peers`, IPv6 in `peers6`.
fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer {
            SocketAddr::V4(peer) => {
                four.extend(peer.ip().octets().into_iter().chain(peer.port().to_be_bytes()))
            }
            SocketAddr::V6(peer) => {
                six.extend(peer.ip().octets().into_iter().chain(peer.port().to_be_bytes()))
            }
        }
    }
    let mut body = format!("d8:intervali1800e5:peers{}:", four.len()).into_bytes();
    body.extend(four);
    body.extend(format!("6:peers6{}:", six.len()).bytes());
    body.extend(six);
    body.push(b'e');
    body
}

fn with_head(body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .into_bytes();
    answer.extend(body);
    answer
}
