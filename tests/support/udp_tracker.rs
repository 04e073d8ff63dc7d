//! A tiny UDP tracker on loopback (BEP 15): it records what it is asked, answers as it should, and for a
//! change as the test scripted.
//!
//! One thread takes one packet after the other. It ends with the [`UdpTracker`].

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A fault that a test scripts: what becomes of one packet, other than that it is answered.
pub enum ScriptedFault {
    /// It is lost.
    Lose,
    /// It is lost, and so is all memory of connection ids.
    Forget,
    /// These packets answer it.
    Say(fn(&Asked) -> Vec<Vec<u8>>),
    /// These packets come before the answer.
    First(fn(&Asked) -> Vec<Vec<u8>>),
    /// A stranger answers before it does, with these packets.
    Stranger(fn(&Asked) -> Vec<Vec<u8>>),
}

/// One packet as the tracker received it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The connection id.
    pub connection: u64,
    /// 0 for a connection, 1 for an announce, 2 for a scrape.
    pub action: u32,
    /// The transaction id.
    pub transaction: u32,
    /// What follows.
    pub rest: Vec<u8>,
    /// Where it came from.
    pub from: SocketAddr,
}

impl Asked {
    /// A packet that answers with this action, these numbers and these bytes.
    pub fn answer(&self, action: u32, numbers: &[u32], bytes: &[u8]) -> Vec<u8> {
        let numbers = [action, self.transaction].into_iter().chain(numbers.iter().copied());
        numbers.flat_map(u32::to_be_bytes).chain(bytes.iter().copied()).collect()
    }

    /// The event of an announce: 0 none, 1 completed, 2 started, 3 stopped.
    pub fn event(&self) -> u8 {
        self.rest[67]
    }
}

/// A tracker that runs until it is dropped.
pub struct UdpTracker {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    peers: Vec<u8>,
    state: Mutex<State>,
    heard: Condvar,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    script: VecDeque<ScriptedFault>,
    /// The connection ids that were given out, and to which address.
    known: HashMap<u64, SocketAddr>,
    ends: bool,
}

impl UdpTracker {
    /// A tracker at this host whose announces are answered with these bytes of peers.
    pub fn start(host: IpAddr, peers: &[u8]) -> UdpTracker {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let shared =
            Arc::new(Shared { peers: peers.to_vec(), state: Mutex::default(), heard: Condvar::new() });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve(&socket)
        });
        UdpTracker { address, shared, thread: Some(thread) }
    }

    /// The announce address.
    pub fn url(&self) -> String {
        format!("udp://{}/announce?passkey=secret", self.address)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Does this with the next packet that has nothing scripted yet.
    pub fn script(&self, fault: ScriptedFault) {
        self.shared.state.lock().unwrap().script.push_back(fault);
    }

    /// What has been asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// Waits until this many packets have come, and returns them. Panics when they do not come.
    pub fn wait_for(&self, count: usize) -> Vec<Asked> {
        let state = self.shared.state.lock().unwrap();
        let (state, _) =
            self.shared.heard.wait_timeout_while(state, DEADLINE, |now| now.asked.len() < count).unwrap();
        assert!(state.asked.len() >= count, "{} of {count} packets", state.asked.len());
        state.asked.clone()
    }
}

impl Drop for UdpTracker {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock() {
            state.ends = true;
        }
        // Wakes the thread, which waits for a packet.
        if let Ok(socket) = UdpSocket::bind((self.address.ip(), 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket) {
        let mut packet = [0; 4096];
        let stranger = UdpSocket::bind((socket.local_addr().unwrap().ip(), 0)).unwrap();
        loop {
            // An error is an earlier answer that reached no client: the one that asked has had enough.
            let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
            let mut state = self.state.lock().unwrap();
            if state.ends {
                return;
            }
            let asked = parse(&packet[..length], from);
            state.asked.push(asked.clone());
            let fault = state.script.pop_front();
            let (before, by_stranger, answers) = match fault {
                None => (Vec::new(), Vec::new(), true),
                Some(ScriptedFault::Lose) => (Vec::new(), Vec::new(), false),
                Some(ScriptedFault::Forget) => {
                    state.known.clear();
                    (Vec::new(), Vec::new(), false)
                }
                Some(ScriptedFault::Say(packets)) => (packets(&asked), Vec::new(), false),
                Some(ScriptedFault::First(packets)) => (packets(&asked), Vec::new(), true),
                Some(ScriptedFault::Stranger(packets)) => (Vec::new(), packets(&asked), true),
            };
            let answer = answers.then(|| state.answer(&asked, &self.peers));
            drop(state);
            by_stranger.iter().for_each(|packet| drop(stranger.send_to(packet, from)));
            before.iter().chain(&answer).for_each(|packet| drop(socket.send_to(packet, from)));
            self.heard.notify_all();
        }
    }
}

impl State {
    fn answer(&mut self, asked: &Asked, peers: &[u8]) -> Vec<u8> {
        if asked.action == 0 {
            assert_eq!((asked.connection, asked.rest.len()), (0x417_2710_1980, 0));
            let id = u64::from(asked.transaction) << 32 | self.known.len() as u64;
            self.known.insert(id, asked.from);
            return asked.answer(0, &[asked.transaction, id as u32], &[]);
        }
        if self.known.get(&asked.connection) != Some(&asked.from) {
            return asked.answer(3, &[], b"who are you?");
        }
        match asked.action {
            1 => asked.answer(1, &[1800, 5, 6], peers),
            _ => asked.answer(2, &[7, 8, 9], &[]),
        }
    }
}

fn parse(packet: &[u8], from: SocketAddr) -> Asked {
    let number = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
    Asked {
        connection: u64::from(number(0)) << 32 | u64::from(number(4)),
        action: number(8),
        transaction: number(12),
        rest: packet[16..].to_vec(),
        from,
    }
}
