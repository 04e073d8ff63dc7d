//! The writing half of a worker: from orders to frames, and from requests to blocks.
//!
//! Runs on the thread `out-ADDRESS`. It blocks on its orders, with the keep-alive or the upload limit as
//! the deadline, and on the socket. Orders come before blocks, one block at a time, so that what we ask
//! for does not wait behind what we give. When the coordinator and the reading half let go of the
//! worker, the orders end and so does the thread.

use super::demand::Next;
use super::{Demand, Shared};
use crate::message::{Greeting, HangUp, Order};
use crate::net::PeerStream;
use crate::piece::{BLOCK_LENGTH, Block, PieceIndex};
use crate::storage::BlockPart;
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::MetadataMessage;
use crate::wire::{BlockRequest, Message};
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
    pub stream: Arc<OnceLock<PeerStream>>,
    pub orders: Receiver<Order>,
    pub demand: Arc<Demand>,
    pub shared: Arc<Shared>,
    pub address: SocketAddr,
    pub uploads: Uploads,
    /// Nothing but the handshake was said. A bitfield may only come now (BEP 3).
    pub said_nothing_yet: bool,
    /// When we said something last.
    pub spoken: Instant,
}

/// How the sending of blocks stands.
#[derive(Default)]
pub struct Uploads {
    /// Bytes that were reserved under the upload limit, and when they may go.
    reserved: Option<(u32, Instant)>,
    /// Bytes that may go.
    paid: u32,
    /// The piece that the peer asked for last, and whether the disk was told of it.
    reading: Option<(PieceIndex, bool)>,
    /// Where the next block is. Kept for its memory.
    parts: Vec<BlockPart>,
}

impl Outbox {
    pub fn run(mut self) {
        let stream = Arc::clone(&self.stream);
        let Some(stream) = stream.get() else { return };
        let mut frames = Vec::new();
        // What the peer may ask for meanwhile has to wait: a bitfield comes first or not at all (BEP 3).
        while let Ok(order) = self.orders.recv_timeout(KEEP_ALIVE) {
            let introduction = matches!(order, Order::Introduce { .. });
            self.write(order, &mut frames);
            if introduction {
                break;
            }
        }
        loop {
            match self.wait(!frames.is_empty()) {
                Wake::Order(order) => self.write(order, &mut frames),
                Wake::Quiet => Message::KeepAlive.write_to(&mut frames),
                Wake::Demand => {}
                Wake::End => break stream.hang_up(HangUp::Released),
            }
            while frames.len() < ONE_WRITE {
                let Ok(order) = self.orders.try_recv() else { break };
                self.write(order, &mut frames);
            }
            let refused = self.demand.refused();
            refused.into_iter().for_each(|wanted| Message::Reject(wanted).write_to(&mut frames));
            self.refuse_metadata(&mut frames);
            let written = match self.next() {
                Some(Next::Block(piece, wanted)) => self.send_block(stream, piece, wanted, &mut frames),
                Some(Next::Metadata { number, piece, .. }) => {
                    self.write_metadata(number, piece, &mut frames);
                    stream.write_all(&frames).map_err(Fault::Stream)
                }
                None => stream.write_all(&frames).map_err(Fault::Stream),
            };
            if let Err(fault) = written {
                break stream.hang_up(fault.reason());
            }
            if !frames.is_empty() {
                self.spoken = Instant::now();
                frames.clear();
            }
        }
        self.give_back();
    }

    /// Waits until there is something to do, which there is where something is written already.
    fn wait(&mut self, written: bool) -> Wake {
        let pending = self.demand.pending();
        let now = Instant::now();
        match pending.next_length {
            None => self.give_back(),
            Some(bytes) if self.uploads.reserved.is_none() && self.uploads.paid < bytes => {
                // A long block waits its turn more than once, so that it gets no more than others.
                let portion = bytes.saturating_sub(self.uploads.paid).min(BLOCK_LENGTH);
                self.uploads.reserved = Some((portion, self.shared.up.take(portion as usize, now)));
            }
            Some(_) => {}
        }
        let due = self.uploads.reserved.map(|(_, due)| due);
        let may_go = pending.next_length.is_some() && due.is_none_or(|due| due <= now);
        if written || pending.refusals || may_go || !self.demand.sleep(due.is_some()) {
            return Wake::Demand;
        }
        let quiet = self.spoken + KEEP_ALIVE;
        match self.orders.recv_deadline(due.map_or(quiet, |due| due.min(quiet))) {
            Ok(order) => Wake::Order(order),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= quiet => Wake::Quiet,
            Err(RecvTimeoutError::Timeout) => Wake::Demand,
            Err(RecvTimeoutError::Disconnected) => Wake::End,
        }
    }

    /// What may go now.
    fn next(&mut self) -> Option<Next> {
        let now = Instant::now();
        if let Some((bytes, _)) = self.uploads.reserved.take_if(|(_, due)| *due <= now) {
            self.uploads.paid = self.uploads.paid.saturating_add(bytes);
        }
        let next = self.demand.next(self.uploads.paid, now)?;
        self.uploads.paid -= next.length().min(self.uploads.paid);
        Some(next)
    }

    /// Gives back what was reserved for blocks that are not wanted any more: others wait for it.
    fn give_back(&mut self) {
        let reserved = self.uploads.reserved.take().map_or(0, |(bytes, _)| bytes);
        let bytes = std::mem::take(&mut self.uploads.paid).saturating_add(reserved);
        self.shared.up.give_back(bytes as usize);
    }

    /// Writes a piece of the metadata, which was looked for when it was asked for.
    fn write_metadata(&self, number: u8, piece: u32, frames: &mut Vec<u8>) {
        let total_size = Some(self.shared.metadata().len() as u64);
        let data = self.shared.metadata_piece(piece);
        let data = data.map(|bytes| MetadataMessage::Data { piece, total_size, bytes });
        let answer = data.unwrap_or(MetadataMessage::Reject(piece));
        Message::Extended(number, &answer.to_wire()).write_to(frames);
    }

    fn refuse_metadata(&self, frames: &mut Vec<u8>) {
        if let (Some(number), refused) = self.demand.refused_metadata() {
            for piece in refused {
                Message::Extended(number, &MetadataMessage::Reject(piece).to_wire()).write_to(frames);
            }
        }
    }

    /// Sends a block, behind the frames that wait.
    fn send_block(
        &mut self,
        stream: &PeerStream,
        piece: PieceIndex,
        wanted: BlockRequest,
        frames: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let BlockRequest { index, begin, length } = wanted;
        let served_pieces = &self.shared.served_pieces;
        if !served_pieces.find(piece, begin, length, &mut self.uploads.parts) {
            // What was paid goes to the next block.
            self.uploads.paid = self.uploads.paid.saturating_add(length);
            if !self.demand.refuse(wanted) {
                return Err(Fault::NothingThere);
            }
            return stream.write_all(frames).map_err(Fault::Stream);
        }
        // Whoever asks twice in a row for parts of a piece will ask for the rest.
        self.uploads.reading = match self.uploads.reading {
            Some((last, false)) if last == piece => {
                served_pieces.read_ahead(piece, begin);
                Some((piece, true))
            }
            Some((last, true)) if last == piece => Some((piece, true)),
            _ => Some((piece, false)),
        };
        Message::piece_head(index, begin, length, frames);
        stream.write_more(frames).map_err(Fault::Stream)?;
        for part in self.uploads.parts.drain(..) {
            let sent = match part {
                BlockPart::File(file, offset, length) => stream.send_file(&file, offset, length),
                BlockPart::Bytes(bytes) => stream.write_all(&bytes),
                BlockPart::Zeros(length) => stream.write_zeros(length),
            };
            if let Err(error) = sent {
                let of_the_disk = !is_of_the_line(&error);
                if of_the_disk {
                    served_pieces.unreadable(piece, &error);
                }
                return Err(if of_the_disk { Fault::Disk } else { Fault::Stream(error) });
            }
        }
        self.demand.sent(length);
        Ok(())
    }

    fn write(&self, order: Order, frames: &mut Vec<u8>) {
        match order {
            Order::Introduce { pieces, greeting, upload_only } => {
                match pieces.count() {
                    _ if !self.said_nothing_yet => {
                        let pieces = pieces.iter(self.shared.geometry);
                        pieces.for_each(|piece| Message::Have(piece.get()).write_to(frames));
                    }
                    0 if greeting.fast => Message::HaveNone.write_to(frames),
                    0 => {}
                    _ if greeting.fast && pieces.is_full() => Message::HaveAll.write_to(frames),
                    _ => Message::Bitfield(&pieces.to_wire()).write_to(frames),
                }
                self.write_extensions(greeting, upload_only, frames);
                if let Some(port @ 1..) = self.shared.dht_port(self.address).filter(|_| greeting.dht) {
                    Message::Port(port).write_to(frames);
                }
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
                let bytes = pieces.iter().map(|piece| u64::from(self.shared.geometry.length(*piece)));
                // Twice, since a block may have to be asked for again.
                let bytes = bytes.sum::<u64>().saturating_mul(2);
                self.demand.allow_fast(pieces, bytes);
            }
            Order::TellOfOthers(number, others) => {
                Message::Extended(number, &others.to_wire()).write_to(frames);
            }
            Order::Wake => {}
        }
    }

    fn write_extensions(&self, greeting: Greeting, upload_only: bool, frames: &mut Vec<u8>) {
        if greeting.extensions {
            let ours = ExtensionHandshake {
                client: Some(super::CLIENT.to_owned()),
                request_queue: u32::try_from(super::demand::MAX_REQUESTS).ok(),
                port: self.shared.port,
                your_address: Some(self.address.ip()),
                upload_only,
                metadata: Some(extension::UT_METADATA),
                pex: self.shared.pex.then_some(extension::UT_PEX),
                metadata_size: Some(self.shared.metadata().len() as u64).filter(|size| *size > 0),
            };
            Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(frames);
        }
    }

    fn wanted(&self, block: Block) -> BlockRequest {
        let geometry = self.shared.geometry;
        let (begin, length) = (geometry.begin(block), geometry.block_length(block));
        BlockRequest { index: block.piece.get(), begin, length }
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
    Stream(io::Error),
    /// A block cannot be read although it was there a moment ago.
    Disk,
    /// It asks for a piece that we do not have (any more), and does not understand a refusal.
    NothingThere,
}

impl Fault {
    fn reason(&self) -> HangUp {
        match self {
            Fault::Stream(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                HangUp::DoesNotRead
            }
            Fault::Stream(_) => HangUp::ConnectionLost,
            Fault::Disk => HangUp::Unreadable,
            Fault::NothingThere => HangUp::CannotSend,
        }
    }
}

/// Sending from a file may fail at either end.
fn is_of_the_line(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::WriteZero
    )
}
