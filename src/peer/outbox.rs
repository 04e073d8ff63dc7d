//! The writing half of a worker: from orders to frames, and from requests to blocks.
//!
//! Runs on the thread `out-ADDRESS`. It blocks on its orders, with the keep-alive or the upload limit as
//! the deadline, and on the socket. Orders come before blocks, one block at a time, so that what we ask
//! for does not wait behind what we give. When the coordinator and the reading half let go of the
//! worker, the orders end and so does the thread.

use super::{Demand, Shared};
use crate::message::{Greeting, Order};
use crate::net::Line;
use crate::piece::{Block, PieceIndex};
use crate::storage::Part;
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::{Message, Wanted};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A connection on which nothing was said for two minutes is closed by the other side (BEP 3).
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// Several orders that wait go out with one write, up to about this many bytes.
const ONE_WRITE: usize = 16 * 1024;

pub struct Outbox {
    pub line: Arc<OnceLock<Line>>,
    pub orders: Receiver<Order>,
    pub demand: Arc<Demand>,
    pub shared: Arc<Shared>,
    pub address: SocketAddr,
    pub uploads: Uploads,
}

/// How the sending of blocks stands.
#[derive(Default)]
pub struct Uploads {
    /// When the next block may go, where the upload limit has spoken.
    due: Option<Instant>,
    /// The piece that the disk was told of.
    ahead: Option<PieceIndex>,
    /// Where the next block is. Kept for its memory.
    parts: Vec<Part>,
}

impl Outbox {
    pub fn run(mut self) {
        let line = Arc::clone(&self.line);
        let Some(line) = line.get() else { return };
        let mut frames = Vec::new();
        loop {
            match self.wait() {
                Wake::Order(order) => self.write(order, &mut frames),
                Wake::Quiet => Message::KeepAlive.write_to(&mut frames),
                Wake::Demand => {}
                Wake::End => break line.hang_up("we are done with it"),
            }
            while frames.len() < ONE_WRITE {
                let Ok(order) = self.orders.try_recv() else { break };
                self.write(order, &mut frames);
            }
            let refused = self.demand.refused();
            refused.into_iter().for_each(|wanted| Message::Reject(wanted).write_to(&mut frames));
            let written = match self.next_block() {
                Some((piece, wanted)) => self.send_block(line, piece, wanted, &mut frames),
                None => line.write_all(&frames).map_err(Fault::Line),
            };
            if let Err(fault) = written {
                break line.hang_up(fault.reason());
            }
            frames.clear();
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self) -> Wake {
        let pending = self.demand.pending();
        if pending.refusals {
            return Wake::Demand;
        }
        if let (Some(bytes), None) = (pending.next_length, self.uploads.due) {
            self.uploads.due = Some(self.shared.up.take(bytes as usize, Instant::now()));
        }
        let due = self.uploads.due;
        if due.is_some_and(|due| due <= Instant::now()) || !self.demand.sleep(due.is_some()) {
            return Wake::Demand;
        }
        match self.orders.recv_deadline(due.unwrap_or_else(|| Instant::now() + KEEP_ALIVE)) {
            Ok(order) => Wake::Order(order),
            Err(RecvTimeoutError::Timeout) if due.is_some() => Wake::Demand,
            Err(RecvTimeoutError::Timeout) => Wake::Quiet,
            Err(RecvTimeoutError::Disconnected) => Wake::End,
        }
    }

    /// The block that may go now.
    fn next_block(&mut self) -> Option<(PieceIndex, Wanted)> {
        let now = Instant::now();
        if self.uploads.due.is_none_or(|due| due > now) {
            return None;
        }
        self.uploads.due = None;
        self.demand.next(now)
    }

    /// Sends a block, behind the frames that wait.
    fn send_block(
        &mut self,
        line: &Line,
        piece: PieceIndex,
        wanted: Wanted,
        frames: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Wanted { index, begin, length } = wanted;
        let Uploads { ahead, parts, .. } = &mut self.uploads;
        if *ahead != Some(piece) {
            *ahead = Some(piece);
            self.shared.stock.read_ahead(piece);
        }
        if !self.shared.stock.find(piece, begin, length, parts) {
            if !self.demand.refuse(wanted) {
                return Err(Fault::NothingThere);
            }
            return line.write_all(frames).map_err(Fault::Line);
        }
        Message::piece_head(index, begin, length, frames);
        line.write_more(frames).map_err(Fault::Line)?;
        for part in parts.drain(..) {
            match part {
                Part::File(file, offset, length) => line.send_file(&file, offset, length),
                Part::Zeros(length) => line.write_zeros(length),
            }
            .map_err(Fault::Block)?;
        }
        self.demand.sent(length);
        Ok(())
    }

    fn write(&self, order: Order, frames: &mut Vec<u8>) {
        match order {
            Order::Introduce { pieces, greeting, upload_only } => {
                match pieces.count() {
                    0 if greeting.fast => Message::HaveNone.write_to(frames),
                    0 => {}
                    _ if greeting.fast && pieces.is_full() => Message::HaveAll.write_to(frames),
                    _ => Message::Bitfield(&pieces.to_wire()).write_to(frames),
                }
                self.write_extensions(greeting, upload_only, frames);
            }
            Order::UploadOnly(greeting) => self.write_extensions(greeting, true, frames),
            Order::Interested(true) => Message::Interested.write_to(frames),
            Order::Interested(false) => Message::NotInterested.write_to(frames),
            Order::Request(spans) => {
                for block in spans.into_iter().flat_map(|span| span.blocks()) {
                    Message::Request(self.wanted(block)).write_to(frames);
                }
            }
            Order::Cancel(blocks) => {
                blocks.into_iter().for_each(|block| Message::Cancel(self.wanted(block)).write_to(frames));
            }
            Order::Have(piece) => Message::Have(piece.get()).write_to(frames),
            Order::Unchoke => {
                self.demand.unchoke();
                Message::Unchoke.write_to(frames);
            }
            Order::Choke => {
                // The choke comes first on the wire, then a refusal for each request (BEP 6).
                Message::Choke.write_to(frames);
                self.demand.choke();
            }
            Order::AllowFast(pieces) => {
                pieces.iter().for_each(|piece| Message::AllowedFast(piece.get()).write_to(frames));
                self.demand.allow_fast(pieces);
            }
            Order::Serve => {}
        }
    }

    fn write_extensions(&self, greeting: Greeting, upload_only: bool, frames: &mut Vec<u8>) {
        if greeting.extensions {
            let ours = ExtensionHandshake {
                client: Some(concat!("femtotorrent ", env!("CARGO_PKG_VERSION")).to_owned()),
                request_queue: u32::try_from(super::demand::MOST_REQUESTS).ok(),
                port: self.shared.port,
                your_address: Some(self.address.ip()),
                upload_only,
            };
            Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(frames);
        }
    }

    fn wanted(&self, block: Block) -> Wanted {
        let geometry = self.shared.geometry;
        let (begin, length) = (geometry.begin(block), geometry.block_length(block));
        Wanted { index: block.piece.get(), begin, length }
    }
}

/// What there is to do.
enum Wake {
    /// This.
    Order(Order),
    /// Something for the peer may be ready.
    Demand,
    /// Nothing was said for a long time.
    Quiet,
    /// Nobody will order anything any more.
    End,
}

/// Why the outbox ends.
enum Fault {
    /// Nothing can be written.
    Line(io::Error),
    /// A block cannot be written, or cannot be read although it was there a moment ago.
    Block(io::Error),
    /// It asks for a piece that we do not have (any more), and does not understand a refusal.
    NothingThere,
}

impl Fault {
    fn reason(&self) -> &'static str {
        match self {
            Fault::Line(error) | Fault::Block(error)
                if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) =>
            {
                "it does not read what we send"
            }
            Fault::Block(error) if error.kind() == ErrorKind::UnexpectedEof => {
                "a file got shorter while it was sent"
            }
            Fault::Line(_) | Fault::Block(_) => "the connection is lost",
            Fault::NothingThere => "it asks for a piece that we cannot send",
        }
    }
}
