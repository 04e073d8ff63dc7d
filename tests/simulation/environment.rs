//! The outside world as one coordinator sees it. Nothing is done here: everything that the coordinator wants
//! is noted, and the host takes it from there after the turn.

use crate::counted_pieces::CountedPieces;
use femtotorrent::message::{HandedOver, Incoming, PeerKey, Snapshot};
use femtotorrent::net::PeerStream;
use femtotorrent::peer::{DetachedWorker, Worker};
use femtotorrent::piece::{Assembly, Bitfield, BufferPool, PieceDigest, PieceIndex};
use femtotorrent::strategy::{Approach, Interruption, Opening, Supply};
use femtotorrent::swarm::Environment;
use femtotorrent::web_seed::WebSeed;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// What the coordinator wanted in a turn, and what it can see.
pub struct Noted {
    /// The pieces on the disk.
    pub stored: Bitfield,
    /// Nothing of that is kept.
    is_stream: bool,
    /// Connections to begin.
    pub dialed: Vec<(PeerKey, SocketAddr)>,
    /// The workers of web seeds that were started, with their addresses.
    pub asked: Vec<(PeerKey, String, DetachedWorker)>,
    /// The worker of the connection that was accepted, or that came about.
    pub started: Option<(PeerKey, DetachedWorker)>,
    /// How the connection that came about begins.
    pub began: Option<Approach>,
    pub finish_writing: bool,
    /// The pieces that are put together.
    pub pieces: CountedPieces,
    /// How well it is supplied with peers, if it said so.
    pub supply: Option<Supply>,
}

impl Noted {
    /// Nothing is wanted yet.
    pub fn new(stored: Bitfield, is_stream: bool) -> Noted {
        let (dialed, pieces) = (Vec::new(), CountedPieces::default());
        Noted {
            stored,
            is_stream,
            dialed,
            asked: Vec::new(),
            started: None,
            began: None,
            finish_writing: false,
            pieces,
            supply: None,
        }
    }
}

/// The coordinator's end of it.
pub struct NotingEnvironment(pub Rc<RefCell<Noted>>);

impl Environment for NotingEnvironment {
    fn connect(&mut self, key: PeerKey, address: SocketAddr) -> io::Result<()> {
        self.0.borrow_mut().dialed.push((key, address));
        Ok(())
    }

    fn greet(&mut self, key: PeerKey, _: SocketAddr, _: PeerStream, opening: Opening) -> io::Result<Worker> {
        let (worker, other) = Worker::detached();
        let mut noted = self.0.borrow_mut();
        (noted.started, noted.began) = (Some((key, other)), Some(opening.approach));
        Ok(worker)
    }

    fn accept(&mut self, key: PeerKey, _: Incoming) -> io::Result<Worker> {
        let (worker, other) = Worker::detached();
        self.0.borrow_mut().started = Some((key, other));
        Ok(worker)
    }

    fn resume(&mut self, _: PeerKey, _: HandedOver) -> io::Result<Worker> {
        unreachable!("no simulated download begins with a magnet link")
    }

    fn start_web_seed(&mut self, key: PeerKey, seed: WebSeed) -> io::Result<Worker> {
        let (worker, other) = Worker::detached();
        self.0.borrow_mut().asked.push((key, seed.address, other));
        Ok(worker)
    }

    /// No byte is hashed, so any digest will do.
    fn piece_digest(&self, _: PieceIndex) -> PieceDigest {
        PieceDigest::default()
    }

    fn abandon(&mut self, assembly: &Assembly) {
        assembly.abandon(&BufferPool::new(0));
    }

    fn refuse(&mut self, assembly: &Assembly, sender: PeerKey) -> Vec<u32> {
        self.0.borrow_mut().pieces.refuse(assembly, sender)
    }

    fn served_pieces(&self) -> Bitfield {
        let noted = self.0.borrow();
        if noted.is_stream { Bitfield::none(noted.stored.length()) } else { noted.stored.clone() }
    }

    fn is_writer_behind(&self) -> bool {
        false
    }

    fn finish_writing(&mut self) -> bool {
        self.0.borrow_mut().finish_writing = true;
        true
    }

    fn show(&mut self, _: Snapshot) {}

    fn is_stopped(&self) -> bool {
        false
    }

    fn supply(&mut self, supply: Supply) {
        self.0.borrow_mut().supply = Some(supply);
    }

    fn look_around(&mut self, _: Instant) -> Option<Interruption> {
        None
    }

    fn dht_node(&mut self, _: SocketAddr) {}

    fn completed(&mut self, _: Snapshot) {}
}
