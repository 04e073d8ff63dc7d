//! A peer that does what a test tells it, byte for byte.
//!
//! A [`ScriptedPeer`] listens on loopback and runs its script once for each connection, one after the other,
//! on a thread that ends with it. Every wait of a script has a deadline. What it was told is on record, and
//! a test can wait until the record says something. [`Talk::dial`] is a peer that connects to us: the test
//! itself is its script.
//!
//! Most scripts begin alike, and [`ScriptedPeer::seed`] writes that beginning:
//!
//! ```text
//! ScriptedPeer::seed(&sample).speaking(FAST).having(|piece| piece % 3 == 0).then(|talk| talk.serve())
//! ```

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use femtotorrent::wire::{BlockRequest, Message};

use super::gate::Gate;
use super::sample::Sample;
use super::talk::{DEADLINE, MODERN, PLAIN, Said, Talk, speaks_fast};

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

/// The record of a peer, where its test can wait for it.
#[derive(Default)]
pub(super) struct SharedRecord {
    state: Mutex<RecordState>,
    changed: Condvar,
}

#[derive(Default)]
struct RecordState {
    record: Record,
    /// The connection that the script is busy with.
    stream: Option<TcpStream>,
    ends: bool,
}

impl SharedRecord {
    /// Notes a new connection: how many came before it. `None` where the peer is to end.
    pub(super) fn begin(&self, stream: &TcpStream) -> Option<usize> {
        let mut state = self.state.lock().unwrap();
        if state.ends {
            return None;
        }
        state.stream = stream.try_clone().ok();
        state.record.connections += 1;
        let turn = state.record.connections - 1;
        drop(state);
        self.changed.notify_all();
        Some(turn)
    }

    /// Notes that the connection is over.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap();
        state.stream = None;
        state.record.ended += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Writes something into the record.
    pub(super) fn note(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.state.lock().unwrap().record);
        self.changed.notify_all();
    }
}

/// A scripted peer that listens until it is dropped.
pub struct ScriptedPeer {
    address: SocketAddr,
    shared: Arc<SharedRecord>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedPeer {
    /// The script of a peer at 127.0.0.1 that has everything, speaks BEP 3 only, and unchokes at once. The
    /// methods of [`PeerScript`] change that; [`PeerScript::then`] and [`PeerScript::serving`] start the
    /// peer.
    pub fn seed(sample: &Sample) -> PeerScript {
        PeerScript {
            sample: sample.clone(),
            ip: "127.0.0.1".to_owned(),
            reserved: PLAIN,
            has: Box::new(|_| true),
            unchoke: Unchoke::AtOnce,
        }
    }

    /// A peer at 127.0.0.1 whose script begins before the handshake. An error ends a connection, and is no
    /// fault of the test's: what a peer must not do shows in the record and in the download.
    pub fn start(
        sample: &Sample,
        script: impl FnMut(&mut Talk) -> io::Result<()> + Send + 'static,
    ) -> ScriptedPeer {
        ScriptedPeer::at("127.0.0.1", sample, script)
    }

    /// The same at another address of this host.
    pub fn at(
        ip: &str,
        sample: &Sample,
        mut script: impl FnMut(&mut Talk) -> io::Result<()> + Send + 'static,
    ) -> ScriptedPeer {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sample, shared) = (Arc::new(sample.clone()), Arc::<SharedRecord>::default());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let Some(mut talk) = Talk::begin(stream, &sample, &shared) else { break };
                    let _ = script(&mut talk);
                    talk.end();
                }
            }
        });
        ScriptedPeer { address, shared, thread: Some(thread) }
    }

    /// A peer that has everything, speaks every extension, and serves every request.
    pub fn honest(sample: &Sample) -> ScriptedPeer {
        ScriptedPeer::seed(sample).speaking(MODERN).serving()
    }

    /// An honest peer that unchokes only when the gate is open.
    pub fn honest_after(sample: &Sample, gate: Gate) -> ScriptedPeer {
        ScriptedPeer::seed(sample).speaking(MODERN).unchoking_after(gate).serving()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened so far.
    pub fn record(&self) -> Record {
        self.shared.state.lock().unwrap().record.clone()
    }

    /// Waits until the record is like this. Panics when that takes too long.
    pub fn wait_until(&self, is_so: impl Fn(&Record) -> bool) -> Record {
        let state = self.shared.state.lock().unwrap();
        let (state, _) =
            self.shared.changed.wait_timeout_while(state, DEADLINE, |state| !is_so(&state.record)).unwrap();
        assert!(is_so(&state.record), "it never came so far: {:?}", state.record);
        state.record.clone()
    }
}

impl Drop for ScriptedPeer {
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

/// How most scripts begin: the handshake, what the peer has, and the unchoke.
pub struct PeerScript {
    sample: Sample,
    ip: String,
    reserved: [u8; 8],
    has: Box<dyn Fn(u32) -> bool + Send>,
    unchoke: Unchoke,
}

/// When a peer unchokes us.
enum Unchoke {
    AtOnce,
    After(Gate),
    Never,
}

impl PeerScript {
    /// Listens at this address of the host.
    pub fn at(mut self, ip: &str) -> PeerScript {
        self.ip = ip.to_owned();
        self
    }

    /// Greets with these reserved bytes.
    pub fn speaking(mut self, reserved: [u8; 8]) -> PeerScript {
        self.reserved = reserved;
        self
    }

    /// Has these pieces and no others.
    pub fn having(mut self, has: impl Fn(u32) -> bool + Send + 'static) -> PeerScript {
        self.has = Box::new(has);
        self
    }

    /// Unchokes when the gate is open.
    pub fn unchoking_after(mut self, gate: Gate) -> PeerScript {
        self.unchoke = Unchoke::After(gate);
        self
    }

    /// Does not unchoke, unless the rest of the script does.
    pub fn choking(mut self) -> PeerScript {
        self.unchoke = Unchoke::Never;
        self
    }

    /// Starts the peer, which goes on with this after each beginning.
    pub fn then(self, mut rest: impl FnMut(&mut Talk) -> io::Result<()> + Send + 'static) -> ScriptedPeer {
        let PeerScript { sample, ip, reserved, has, unchoke } = self;
        ScriptedPeer::at(&ip, &sample, move |talk| {
            talk.greet(reserved)?;
            say_what_it_has(talk, reserved, &has)?;
            match unchoke {
                Unchoke::AtOnce => talk.say(Message::Unchoke)?,
                Unchoke::After(gate) => {
                    gate.pass()?;
                    talk.say(Message::Unchoke)?;
                }
                Unchoke::Never => {}
            }
            rest(talk)
        })
    }

    /// Starts the peer, which serves every request.
    pub fn serving(self) -> ScriptedPeer {
        self.then(Talk::serve)
    }
}

/// Says which pieces it has, in the shortest way that it speaks.
fn say_what_it_has(talk: &mut Talk, reserved: [u8; 8], has: impl Fn(u32) -> bool) -> io::Result<()> {
    let pieces = talk.sample.pieces();
    let count = (0..pieces).filter(|piece| has(*piece)).count();
    match count {
        0 if speaks_fast(reserved) => talk.say(Message::HaveNone),
        // Without the Fast extension a peer that has nothing says nothing (BEP 3).
        0 => Ok(()),
        _ if count == pieces as usize && speaks_fast(reserved) => talk.say(Message::HaveAll),
        _ => talk.say_bitfield(has),
    }
}
