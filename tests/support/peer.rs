//! A peer that does what a test tells it, byte for byte.
//!
//! A [`Peer`] listens on loopback and runs its script once for each connection, one after the other, on
//! a thread that ends with it. Every wait of a script has a deadline. What it was told is on record, and
//! a test can wait for the record to say something. [`Talk::dial`] is a peer that connects to us: the
//! test itself is its script.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use femtotorrent::wire::{BlockRequest, Message};

use crate::sample::Sample;

/// The wait for what is sure to come, long enough for a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(40);
/// Reserved bytes of a peer that speaks BEP 3 only.
pub const PLAIN: [u8; 8] = [0; 8];
/// Reserved bytes of one that speaks the Fast extension too (BEP 6).
pub const FAST: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 4];
/// Reserved bytes of one that speaks the Fast extension and the extension protocol (BEP 10).
pub const MODERN: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 4];

/// What femtotorrent said to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(u32),
    Bitfield(Vec<u8>),
    HaveNone,
    Request(BlockRequest),
    /// A block, and its bytes.
    Piece(BlockRequest, Vec<u8>),
    Cancel(BlockRequest),
    HaveAll,
    Reject(BlockRequest),
    AllowedFast(u32),
    Extended(Vec<u8>),
    /// Anything else, by its number.
    Other(u8),
}

/// What happened to a peer so far.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Connections that were accepted.
    pub connections: usize,
    /// Connections that are over.
    pub ended: usize,
    /// What was said, over all connections.
    pub said: Vec<Said>,
    /// Blocks that were sent.
    pub served: usize,
}

impl Record {
    /// The blocks that were asked for, in order.
    pub fn requests(&self) -> Vec<BlockRequest> {
        self.said
            .iter()
            .filter_map(|said| if let Said::Request(it) = said { Some(*it) } else { None })
            .collect()
    }

    /// The blocks that were cancelled, in order.
    pub fn cancels(&self) -> Vec<BlockRequest> {
        self.said
            .iter()
            .filter_map(|said| if let Said::Cancel(it) = said { Some(*it) } else { None })
            .collect()
    }
}

/// A condition that one thread waits for and another makes true.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Opens the gate for good.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open. Fails when that takes too long.
    pub fn pass(&self) -> io::Result<()> {
        let open = self.0.0.lock().unwrap();
        let (open, _) = self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap();
        if *open { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    record: Record,
    stream: Option<TcpStream>,
    ends: bool,
}

/// A scripted peer that listens until it is dropped.
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// A peer at 127.0.0.1 with this script. An error ends a connection, and is no fault of the test's:
    /// what a peer must not do shows in the record and in the download.
    pub fn start(script: impl FnMut(&mut Talk) -> io::Result<()> + Send + 'static) -> Peer {
        Peer::at("127.0.0.1", script)
    }

    /// The same at another address of this host.
    pub fn at(ip: &str, mut script: impl FnMut(&mut Talk) -> io::Result<()> + Send + 'static) -> Peer {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let Some(mut talk) = Talk::begin(stream, &shared) else { break };
                    let _ = script(&mut talk);
                    talk.end();
                }
            }
        });
        Peer { address, shared, thread: Some(thread) }
    }

    /// A peer that has everything, speaks every extension, and serves whoever asks.
    pub fn honest(sample: &Arc<Sample>) -> Peer {
        let sample = Arc::clone(sample);
        Peer::start(move |talk| {
            talk.greet(&sample, MODERN)?;
            talk.say(Message::HaveAll)?;
            talk.say(Message::Unchoke)?;
            talk.serve(&sample)
        })
    }

    /// An honest peer that unchokes only when the gate is open.
    pub fn honest_after(sample: &Arc<Sample>, gate: &Gate) -> Peer {
        let (sample, gate) = (Arc::clone(sample), gate.clone());
        Peer::start(move |talk| {
            talk.greet(&sample, MODERN)?;
            talk.say(Message::HaveAll)?;
            gate.pass()?;
            talk.say(Message::Unchoke)?;
            talk.serve(&sample)
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened so far.
    pub fn record(&self) -> Record {
        self.shared.state.lock().unwrap().record.clone()
    }

    /// Waits until the record is so. Panics when that takes too long.
    pub fn wait_until(&self, so: impl Fn(&Record) -> bool) -> Record {
        let state = self.shared.state.lock().unwrap();
        let (state, _) =
            self.shared.changed.wait_timeout_while(state, DEADLINE, |state| !so(&state.record)).unwrap();
        assert!(so(&state.record), "it never came so far: {:?}", state.record);
        state.record.clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock() {
            state.ends = true;
            if let Some(stream) = &state.stream {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        // Wakes the thread where it waits for a connection.
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection, as the script sees it.
pub struct Talk {
    stream: TcpStream,
    shared: Arc<Shared>,
    /// How many connections came before this one.
    pub turn: usize,
    /// So many bytes more, and the peer dies.
    pub life: usize,
    /// What femtotorrent's handshake said that it speaks.
    pub reserved: [u8; 8],
}

impl Talk {
    /// Connects to a femtotorrent that listens. The connection ends with the talk.
    pub fn dial(address: SocketAddr) -> Talk {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        Talk::begin(stream, &Arc::default()).unwrap()
    }

    /// Our own end of the connection, which is what femtotorrent calls us.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    fn begin(stream: TcpStream, shared: &Arc<Shared>) -> Option<Talk> {
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.set_write_timeout(Some(DEADLINE)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut state = shared.state.lock().unwrap();
        if state.ends {
            return None;
        }
        state.stream = stream.try_clone().ok();
        state.record.connections += 1;
        let turn = state.record.connections - 1;
        drop(state);
        shared.changed.notify_all();
        Some(Talk { stream, shared: Arc::clone(shared), turn, life: usize::MAX, reserved: [0; 8] })
    }

    fn end(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        let mut state = self.shared.state.lock().unwrap();
        state.stream = None;
        state.record.ended += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Reads femtotorrent's handshake and answers with these reserved bytes.
    pub fn greet(&mut self, sample: &Sample, reserved: [u8; 8]) -> io::Result<()> {
        self.hear_handshake()?;
        let mut id = *b"-SC0001-............";
        id[8..].fill_with(|| fastrand::alphanumeric() as u8);
        self.say_handshake(reserved, sample.info_hash(), id)
    }

    /// Says its handshake with these reserved bytes first, as who connects does, and reads femtotorrent's.
    pub fn introduce(&mut self, sample: &Sample, reserved: [u8; 8]) -> io::Result<()> {
        let id = format!("-SC0001-{:012}", self.address().port());
        self.say_handshake(reserved, sample.info_hash(), id.as_bytes().try_into().unwrap())?;
        let (hash, _) = self.hear_handshake()?;
        assert_eq!(hash, sample.info_hash());
        Ok(())
    }

    /// Reads femtotorrent's handshake: its info-hash and its peer id.
    pub fn hear_handshake(&mut self) -> io::Result<([u8; 20], [u8; 20])> {
        let mut bytes = [0; 68];
        self.stream.read_exact(&mut bytes)?;
        assert_eq!(&bytes[..20], b"\x13BitTorrent protocol");
        self.reserved.copy_from_slice(&bytes[20..28]);
        Ok((bytes[28..48].try_into().unwrap(), bytes[48..].try_into().unwrap()))
    }

    /// Sends a handshake.
    pub fn say_handshake(&mut self, reserved: [u8; 8], hash: [u8; 20], id: [u8; 20]) -> io::Result<()> {
        self.say_bytes(&[&b"\x13BitTorrent protocol"[..], &reserved, &hash, &id].concat())
    }

    /// Sends a message.
    pub fn say(&mut self, message: Message<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        message.write_to(&mut bytes);
        self.say_bytes(&bytes)
    }

    /// Sends these bytes, or as many as the peer lives for.
    pub fn say_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = bytes.len().min(self.life);
        self.stream.write_all(&bytes[..sent])?;
        self.life -= sent;
        if sent == bytes.len() { Ok(()) } else { Err(io::Error::other("it died")) }
    }

    /// Sends a frame with this name, whatever its body.
    pub fn say_frame(&mut self, name: u8, body: &[u8]) -> io::Result<()> {
        self.say_bytes(&[&(body.len() as u32 + 1).to_be_bytes()[..], &[name], body].concat())
    }

    /// Sends a block as it is in the payload.
    pub fn send(&mut self, sample: &Sample, wanted: BlockRequest) -> io::Result<()> {
        let data = sample.block(wanted.index, wanted.begin, wanted.length);
        self.send_data(wanted, data)
    }

    /// Sends a block with these bytes.
    pub fn send_data(&mut self, wanted: BlockRequest, data: &[u8]) -> io::Result<()> {
        self.say(Message::Piece { index: wanted.index, begin: wanted.begin, data })?;
        self.shared.state.lock().unwrap().record.served += 1;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits for the next message.
    pub fn next(&mut self) -> io::Result<Said> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        let wanted = || BlockRequest { index: number(1), begin: number(5), length: number(9) };
        let said = match frame.first() {
            None => Said::KeepAlive,
            Some(0) => Said::Choke,
            Some(1) => Said::Unchoke,
            Some(2) => Said::Interested,
            Some(3) => Said::NotInterested,
            Some(4) => Said::Have(number(1)),
            Some(5) => Said::Bitfield(frame[1..].to_vec()),
            Some(6) => Said::Request(wanted()),
            Some(7) => {
                let length = frame.len() as u32 - 9;
                Said::Piece(BlockRequest { index: number(1), begin: number(5), length }, frame[9..].to_vec())
            }
            Some(8) => Said::Cancel(wanted()),
            Some(14) => Said::HaveAll,
            Some(15) => Said::HaveNone,
            Some(16) => Said::Reject(wanted()),
            Some(17) => Said::AllowedFast(number(1)),
            Some(20) => Said::Extended(frame[1..].to_vec()),
            Some(other) => Said::Other(*other),
        };
        self.shared.state.lock().unwrap().record.said.push(said.clone());
        self.shared.changed.notify_all();
        Ok(said)
    }

    /// Waits for the next request and passes over what else is said.
    pub fn next_request(&mut self) -> io::Result<BlockRequest> {
        loop {
            if let Said::Request(wanted) = self.next()? {
                return Ok(wanted);
            }
        }
    }

    /// Waits until femtotorrent has said this.
    pub fn wait_for(&mut self, awaited: &Said) -> io::Result<()> {
        while self.next()? != *awaited {}
        Ok(())
    }

    /// Serves every request until the connection ends.
    pub fn serve(&mut self, sample: &Sample) -> io::Result<()> {
        loop {
            let wanted = self.next_request()?;
            self.send(sample, wanted)?;
        }
    }

    /// Hears and answers nothing until the connection ends.
    pub fn hear_out(&mut self) -> io::Result<()> {
        loop {
            self.next()?;
        }
    }

    /// Waits until femtotorrent has hung up, however it does so.
    pub fn wait_for_end(&mut self) {
        let mut rest = [0; 4096];
        while matches!(self.stream.read(&mut rest), Ok(1..)) {}
    }
}
