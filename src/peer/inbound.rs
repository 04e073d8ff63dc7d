//! The reading half of a worker: from the socket to the assembly.
//!
//! Runs on the thread `peer-ADDRESS`, from the connection's first byte to its last. It blocks on the
//! socket, and on the writer's inbox when the disk is slower than the peer. What a read brought is
//! reported in one event. It never decides what to ask for and never writes but the handshake.

use super::greeting::{self, Opening, Said};
use super::ledger::{Claim, Ledger};
use super::read_buffer::ReadBuffer;
use super::{Demand, STACK_BYTES, Shared, outbox};
use crate::message::{Event, HangUp, Lease, News, Order, PeerError, PeerKey, Violation, Write};
use crate::net::PeerStream;
use crate::piece::{Assembly, Bitfield, Block, Put, Span};
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::{self, MetadataMessage};
use crate::wire::pex::PeerExchange;
use crate::wire::{BlockRequest, FrameLimits, Message};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// BEP 3 has peers say something every two minutes.
const SILENCE: Duration = Duration::from_secs(150);
/// So much news in one report at most; the rest comes with the next. What a read brings of blocks is
/// little news, so this bounds only what peers that flood us can put into the coordinator's inbox: a
/// thousand such reports are a few megabytes.
const REPORT: usize = 64;
/// A peer that tells of others comes with at most one message in this time (BEP 11 has a minute)...
const EXCHANGE: Duration = Duration::from_secs(40);
/// ...but for some at first.
const EARLY_EXCHANGES: u32 = 3;
/// What BEP 3 has everybody refuse, in bytes.
const LONGEST_REQUEST: u32 = 128 * 1024;

/// What a worker starts with.
pub struct Start {
    /// Weak for as long as it connects. Nothing can wake a thread that connects, so it must hold nothing
    /// that the end of a run waits for: not even the writer's inbox.
    pub shared: Weak<Shared>,
    pub opening: Opening,
    pub ends: Ends,
}

/// The worker's ends of its channels, and what both halves know.
pub struct Ends {
    pub key: PeerKey,
    pub address: SocketAddr,
    pub stream: Arc<OnceLock<PeerStream>>,
    pub demand: Arc<Demand>,
    pub orders: Receiver<Order>,
    /// Wakes the outbox.
    pub wake: Sender<Order>,
    pub leases: Receiver<Lease>,
}

impl Start {
    /// The life of the connection. Always ends with [`Event::Gone`].
    pub fn run(self) {
        let connected = self.opening.stream(self.ends.address);
        let Some(shared) = self.shared.upgrade() else { return };
        let (key, events, stream) = (self.ends.key, shared.events.clone(), Arc::clone(&self.ends.stream));
        let why = connected.and_then(|(connected, said)| self.ends.live(connected, said, shared));
        let why = why.err().unwrap_or(PeerError::Closed);
        if let Some(stream) = stream.get() {
            stream.hang_up(HangUp::WorkerEnded);
        }
        // It fails where the coordinator has ended: nobody wants to know.
        let _ = events.send(Event::Gone(key, why));
    }
}

impl Ends {
    fn live(self, connected: PeerStream, said: Said, shared: Arc<Shared>) -> Result<(), PeerError> {
        let stream = self.stream.get_or_init(|| connected);
        // No lease comes before the greeting, but the coordinator may have let go of us meanwhile, and
        // had no stream yet to hang up.
        if matches!(self.leases.try_recv(), Err(TryRecvError::Disconnected)) {
            return Err(PeerError::HungUp(HangUp::Released));
        }
        let dht = shared.dht_port(self.address).is_some();
        let went_on = matches!(said, Said::Frames(..));
        let (greeting, heard) = greeting::greet(stream, said, shared.info_hash, shared.peer_id, dht)?;
        self.demand.speaks_fast(greeting.fast);
        stream.wait_at_most(SILENCE).map_err(PeerError::Lost)?;

        let outbox = outbox::Outbox {
            stream: Arc::clone(&self.stream),
            orders: self.orders,
            demand: Arc::clone(&self.demand),
            shared: Arc::clone(&shared),
            address: self.address,
            uploads: outbox::Uploads::default(),
            said_nothing_yet: !went_on,
            spoken: Instant::now(),
        };
        std::thread::Builder::new()
            .name(format!("out-{}", self.address.ip()))
            .stack_size(STACK_BYTES)
            .spawn(move || outbox.run())
            .map_err(PeerError::Connect)?;

        let mut inbound = Inbound {
            key: self.key,
            ledger: Ledger::new(self.leases),
            demand: self.demand,
            wake: self.wake,
            news: Vec::new(),
            verified: Vec::new(),
            introduced: false,
            complete: false,
            fast: greeting.fast,
            exchanged: Instant::now(),
            shared,
        };
        inbound.send(Event::Greeted(self.key, greeting))?;
        let end = inbound.listen(stream, heard);
        // What was heard before the end counts: a verdict on a piece comes only once.
        let _ = inbound.report();
        end
    }
}

struct Inbound {
    key: PeerKey,
    shared: Arc<Shared>,
    ledger: Ledger,
    demand: Arc<Demand>,
    wake: Sender<Order>,
    news: Vec<News>,
    /// Verified pieces, which go to the writer when the news of them is told.
    verified: Vec<Write>,
    /// The peer has said what it has. BEP 3 wants that as the very first message, but several clients
    /// send the handshake of the extension protocol before it.
    introduced: bool,
    /// It has said that it has every piece.
    complete: bool,
    fast: bool,
    /// Until when what it told of others would have lasted at the pace that it may have.
    exchanged: Instant,
}

impl Inbound {
    /// Hears what was read before, then what comes.
    fn listen(&mut self, stream: &PeerStream, heard: Vec<u8>) -> Result<(), PeerError> {
        let limits = FrameLimits::for_pieces(self.shared.geometry.piece_count());
        let mut buffer = ReadBuffer::holding(Arc::clone(&self.shared.read_memory), heard);
        let down = Arc::clone(&self.shared.down);
        loop {
            while let Some(message) = buffer.next(&limits)? {
                self.hear(message)?;
                if self.news.len() >= REPORT {
                    self.report()?;
                }
            }
            self.report()?;
            buffer.fill(stream, &down)?;
        }
    }

    fn hear(&mut self, message: Message<'_>) -> Result<(), PeerError> {
        let news = match message {
            Message::Piece { index, begin, data } => return self.hear_block(index, begin, data),
            Message::HaveAll | Message::HaveNone if self.introduced && !self.may_complete(&message) => {
                return Err(PeerError::Violation(Violation::SecondBitfield));
            }
            Message::HaveAll | Message::HaveNone | Message::Reject(_) | Message::AllowedFast(_)
                if !self.fast =>
            {
                return Err(PeerError::Violation(Violation::FastWithoutHandshake));
            }
            Message::Bitfield(bits) => {
                let pieces = Bitfield::from_wire(bits, self.shared.geometry.piece_count())
                    .ok_or(PeerError::Violation(Violation::BitfieldOutOfRange))?;
                Some(match (self.introduced, pieces.is_full()) {
                    // BEP 3 has it as the first message only; aria2 sends another in the place of many
                    // `have`.
                    (true, _) => News::HasTheseToo(pieces),
                    (false, true) => News::HasAll,
                    (false, false) => News::HasThese(pieces),
                })
            }
            Message::HaveAll if self.introduced => {
                self.complete = true;
                Some(News::HasTheseToo(Bitfield::all(self.shared.geometry.piece_count())))
            }
            Message::HaveAll => {
                self.complete = true;
                Some(News::HasAll)
            }
            Message::HaveNone => Some(News::HasThese(Bitfield::none(self.shared.geometry.piece_count()))),
            Message::Have(index) => {
                let piece = self.shared.geometry.piece(index);
                Some(News::Has(piece.ok_or(PeerError::Violation(Violation::HaveOutOfRange))?))
            }
            Message::Choke => Some(News::Choked),
            Message::Unchoke => Some(News::Unchoked),
            Message::Reject(wanted) => self.rejected(wanted)?.map(News::Rejected),
            Message::AllowedFast(index) => self.shared.geometry.piece(index).map(News::AllowedFast),
            Message::Extended(extension::HANDSHAKE, body) => {
                let said = ExtensionHandshake::from_wire(body);
                if let Some(number) = said.as_ref().and_then(|said| said.metadata) {
                    self.demand.takes_metadata(number);
                }
                said.map(News::Extensions)
            }
            Message::Port(port) => Some(News::DhtNode(port)),
            Message::Extended(extension::UT_METADATA, body) => return self.hear_metadata(body),
            Message::Extended(extension::UT_PEX, body) => self.hear_of_others(body),
            Message::Interested => Some(News::Interested(true)),
            Message::NotInterested => Some(News::Interested(false)),
            Message::Request(wanted) => return self.hear_request(wanted),
            Message::Cancel(wanted) => {
                let wake = self.demand.cancel(wanted)?;
                self.serve(wake);
                return Ok(());
            }
            Message::KeepAlive | Message::Suggest(_) | Message::Extended(..) | Message::Unknown(_) => None,
        };
        self.introduced |=
            matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone | Message::Have(_));
        self.news.extend(news);
        Ok(())
    }

    /// Whether this is what aria2 says when it has become complete: once, that it has every piece.
    fn may_complete(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::HaveAll) && !self.complete
    }

    /// A request goes to the outbox at once: what may be had is in the [`Demand`].
    fn hear_request(&mut self, wanted: BlockRequest) -> Result<(), PeerError> {
        if wanted.length > LONGEST_REQUEST {
            return Err(PeerError::Violation(Violation::LongRequest));
        }
        let piece = self.shared.geometry.part(wanted.index, wanted.begin, wanted.length);
        let piece = piece.ok_or(PeerError::Violation(Violation::RequestOutOfRange))?;
        let wake = self.demand.ask(piece, wanted)?;
        self.serve(wake);
        Ok(())
    }

    /// A request for metadata. Whatever else is said of it, nobody asked for.
    fn hear_metadata(&mut self, body: &[u8]) -> Result<(), PeerError> {
        let Some(MetadataMessage::Request(piece)) = MetadataMessage::from_wire(body) else { return Ok(()) };
        let length = self.shared.metadata_piece(piece).and_then(|bytes| u32::try_from(bytes.len()).ok());
        let pieces = self.shared.metadata().len().div_ceil(metadata::PIECE as usize);
        let wake = self.demand.ask_metadata(piece, length, u32::try_from(pieces).unwrap_or(u32::MAX))?;
        self.serve(wake);
        Ok(())
    }

    /// What it says of others, where we want to hear that and it does not say too much.
    fn hear_of_others(&mut self, body: &[u8]) -> Option<News> {
        let now = Instant::now();
        if !self.shared.pex || self.exchanged > now + EXCHANGE * (EARLY_EXCHANGES - 1) {
            return None;
        }
        self.exchanged = self.exchanged.max(now) + EXCHANGE;
        Some(News::Others(PeerExchange::from_wire(body)?.added))
    }

    fn serve(&self, wake: bool) {
        if wake {
            // It fails where the outbox has ended, and the connection with it.
            let _ = self.wake.send(Order::Wake);
        }
    }

    fn hear_block(&mut self, index: u32, begin: u32, data: &[u8]) -> Result<(), PeerError> {
        let block = self.shared.geometry.block(index, begin, data.len());
        let block = block.ok_or(PeerError::Violation(Violation::BlockOutOfRange))?;
        let assembly = match self.ledger.claim(block) {
            Claim::Leased(assembly) => assembly,
            Claim::Late => {
                self.news.push(News::Late(block));
                return Ok(());
            }
            Claim::Never => return Err(PeerError::Violation(Violation::UnaskedBlock)),
        };
        let put = assembly.put(block, data, self.key, &self.shared.buffers);
        self.came(block, Arc::clone(&assembly));
        match put {
            Put::Kept | Put::Duplicate => Ok(()),
            Put::Verified { bytes, convicted } => {
                self.news.push(News::Verified(block.piece, convicted));
                self.verified.push(Write::Piece(block.piece, bytes));
                Ok(())
            }
            Put::Corrupt(suspects) => {
                self.news.push(News::Corrupt(assembly, suspects));
                Ok(())
            }
        }
    }

    /// Notes a block, as part of the span before it where it follows that.
    fn came(&mut self, block: Block, assembly: Arc<Assembly>) {
        match self.news.last_mut() {
            Some(News::Blocks(span, into))
                if Arc::ptr_eq(into, &assembly)
                    && span.first.checked_add(span.count) == Some(block.number) =>
            {
                span.count += 1;
            }
            _ => {
                let span = Span { piece: block.piece, first: block.number, count: 1 };
                self.news.push(News::Blocks(span, assembly));
            }
        }
    }

    fn rejected(&mut self, wanted: BlockRequest) -> Result<Option<Block>, PeerError> {
        let length = usize::try_from(wanted.length).unwrap_or(usize::MAX);
        let block = self.shared.geometry.block(wanted.index, wanted.begin, length);
        let block = block.ok_or(PeerError::Violation(Violation::RejectOutOfRange))?;
        Ok(self.ledger.reject(block).then_some(block))
    }

    /// Tells what was heard, and then gives the verified pieces to the writer: what it says of them must not
    /// come before our news of who sent them. Where the disk is behind, this waits for it.
    fn report(&mut self) -> Result<(), PeerError> {
        if self.news.is_empty() {
            return Ok(());
        }
        // Also where no block comes that would look for its lease, the leases must not pile up.
        self.ledger.take_in();
        let news = std::mem::take(&mut self.news);
        let told = self.send(Event::Heard(self.key, news));
        for write in self.verified.drain(..) {
            self.shared.writer.send(write).map_err(|_| PeerError::HungUp(HangUp::WriterEnded))?;
        }
        told
    }

    fn send(&self, event: Event) -> Result<(), PeerError> {
        self.shared.events.send(event).map_err(|_| PeerError::HungUp(HangUp::RunEnded))
    }
}
