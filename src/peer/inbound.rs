//! The reading half of a worker: from the stream to the assembly.
//!
//! Runs on the thread `peer-ADDRESS`, from the end of the handshakes to the connection's last byte. It blocks
//! on the stream, and on the writer's inbox when the disk is slower than the peer. What a read brought is
//! reported in one event. It never decides what to request and never writes.

use super::TorrentContext;
use super::delivery::Delivery;
use super::message_pace::MessagePace;
use super::message_rules::MessageRules;
use super::outbox::Signal;
use super::read_buffer::ReadBuffer;
use super::requests::PeerRequests;
use crate::message::{Event, HangUp, Lease, News, PeerError, PeerKey, Violation};
use crate::net::PeerStream;
use crate::piece::{Bitfield, Block};
use crate::strategy::TokenBucket;
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::{self, MetadataMessage};
use crate::wire::pex::PeerExchange;
use crate::wire::{BlockRequest, FrameLimits, HashRequest, Message};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of late bitfields that we hear from a peer at once, and in a second: see [`Inbound::has`]. A client
/// sends one in the place of as many `have` messages as would be longer, so it needs far less.
const LATE_BITFIELDS: u32 = 256 * 1024;
const LATE_BITFIELDS_A_SECOND: u32 = 32 * 1024;
/// We accept at most one PEX message from a peer in this time (BEP 11 has a minute)...
const PEX_INTERVAL: Duration = Duration::from_secs(40);
/// ...after the first few, which may come at once.
const EARLY_PEX: u32 = 3;

/// The reading half.
pub struct Inbound {
    context: Arc<TorrentContext>,
    /// What comes of the blocks that it was asked for.
    delivery: Delivery,
    requests: Arc<PeerRequests>,
    /// Wakes the outbox.
    wake: Sender<Signal>,
    rules: MessageRules,
    /// How many messages of each kind it may still send.
    pace: MessagePace,
    /// Whether it is interested, as it said last, where the coordinator has not heard it. A peer may change
    /// its mind ten thousand times in one read.
    interest: Option<bool>,
    /// How often the peer may tell us of other peers.
    pex_limit: TokenBucket,
    /// How many bytes of late bitfields we still hear.
    late_bitfields: TokenBucket,
    /// When the last read ended. One look at the clock is enough for all that it brought.
    read_at: Instant,
}

impl Inbound {
    /// The reading half for a peer that has just been greeted. `fast`: it speaks the Fast extension (BEP 6).
    pub fn new(
        key: PeerKey,
        context: Arc<TorrentContext>,
        leases: Receiver<Lease>,
        requests: Arc<PeerRequests>,
        wake: Sender<Signal>,
        fast: bool,
    ) -> Inbound {
        let now = Instant::now();
        // Of the largest torrents one bitfield is longer than that.
        let pieces = context.geometry.piece_count();
        let burst = LATE_BITFIELDS.max(pieces.div_ceil(4));
        Inbound {
            context,
            delivery: Delivery::new(key, leases),
            requests,
            wake,
            rules: MessageRules::new(fast),
            pace: MessagePace::new(pieces, now),
            interest: None,
            pex_limit: TokenBucket::every(PEX_INTERVAL, EARLY_PEX, now),
            late_bitfields: TokenBucket::with_burst(LATE_BITFIELDS_A_SECOND, burst, now),
            read_at: now,
        }
    }

    /// Handles the frames that were read before, then those that come.
    pub fn listen(&mut self, stream: &PeerStream, frames: Vec<u8>) -> Result<(), PeerError> {
        let limits = FrameLimits::for_pieces(self.context.geometry.piece_count());
        let mut buffer = ReadBuffer::holding(Arc::clone(&self.context.read_memory), frames);
        let down = Arc::clone(&self.context.down);
        loop {
            while let Some(message) = buffer.next(&limits)? {
                self.hear(message)?;
                if self.delivery.has_to_tell() {
                    self.report()?;
                    // What else the last read brought is of no use where the coordinator has had enough.
                    if let Some(why) = stream.hung_up() {
                        return Err(PeerError::HungUp(why));
                    }
                }
            }
            if self.delivery.has_been_served() {
                buffer.may_grow();
            }
            self.report()?;
            buffer.fill(stream, &down)?;
            self.read_at = Instant::now();
        }
    }

    fn hear(&mut self, message: Message<'_>) -> Result<(), PeerError> {
        self.pace.count(&message, self.read_at).map_err(PeerError::Violation)?;
        self.rules.check(&message).map_err(PeerError::Violation)?;
        if let Message::Bitfield(bits) = message
            && self.rules.has_introduced()
            && !self.late_bitfields.take_many(u32::try_from(bits.len()).unwrap_or(u32::MAX), self.read_at)
        {
            return Err(PeerError::HungUp(HangUp::BitfieldFlood));
        }
        if let Message::Have(index) = message {
            // The shortest way for what may come a million times.
            let piece = self.context.geometry.piece(index);
            self.rules.note(&message);
            self.delivery.note_have(piece.ok_or(PeerError::Violation(Violation::HaveOutOfRange))?);
            return Ok(());
        }
        let news = self.news_of(&message).map_err(PeerError::Violation)?;
        self.rules.note(&message);
        match news {
            Some(News::AnotherBitfield(pieces)) => self.delivery.note_late_bitfield(pieces),
            news => self.delivery.note(news),
        }
        Ok(())
    }

    /// Does what a message asks for. Returns what the coordinator has to know of it.
    fn news_of(&mut self, message: &Message<'_>) -> Result<Option<News>, Violation> {
        Ok(match *message {
            #[cfg(test)]
            Message::Unknown(super::tests::PANICS) => panic!("a panic that a test wants"),
            Message::Piece { index, begin, data } => self.block(index, begin, data)?,
            Message::Bitfield(bits) => return self.bitfield(bits).map(Some),
            Message::HaveAll => Some(self.has(Bitfield::all(self.context.geometry.piece_count()))),
            Message::HaveNone => Some(self.has(Bitfield::none(self.context.geometry.piece_count()))),
            Message::Choke => Some(News::Choked),
            Message::Unchoke => Some(News::Unchoked),
            Message::Reject(request) => self.rejected(request)?.map(News::Rejected),
            Message::AllowedFast(index) => self.context.geometry.piece(index).map(News::AllowedFast),
            Message::Interested => self.interest(true),
            Message::NotInterested => self.interest(false),
            Message::Port(port) => Some(News::DhtPort(port)),
            Message::Request(request) => self.requested(request)?,
            Message::Cancel(request) => self.wake_if(self.requests.cancel(request)?),
            Message::Extended(extension::HANDSHAKE, body) => self.extension_handshake(body),
            Message::Extended(extension::UT_METADATA, body) => self.metadata_message(body)?,
            Message::Extended(extension::UT_PEX, body) => self.pex(body),
            Message::Extended(extension::LT_DONTHAVE, body) => self.dont_have(body)?,
            Message::Have(_) | Message::KeepAlive | Message::Suggest(_) | Message::Extended(..) => None,
            Message::HashRequest(request) => self.hash_request(request)?,
            Message::Hashes(..) | Message::HashReject(_) | Message::Unknown(_) => None,
        })
    }

    fn bitfield(&self, bits: &[u8]) -> Result<News, Violation> {
        let pieces = Bitfield::from_peer(bits, self.context.geometry.piece_count());
        Ok(self.has(pieces.ok_or(Violation::BitfieldLength)?))
    }

    /// BEP 3 has a bitfield as the first message only; aria2 sends another in the place of many `have`.
    fn has(&self, pieces: Bitfield) -> News {
        match (self.rules.has_introduced(), pieces.is_full()) {
            (true, _) => News::AnotherBitfield(pieces),
            (false, true) => News::HaveAll,
            (false, false) => News::Bitfield(pieces),
        }
    }

    /// The coordinator hears of it with the report, and only how it was at the end.
    fn interest(&mut self, interested: bool) -> Option<News> {
        self.interest = Some(interested);
        None
    }

    /// A request goes to the outbox at once: whether it is served, the [`PeerRequests`] know.
    fn requested(&mut self, request: BlockRequest) -> Result<Option<News>, Violation> {
        let piece = self.context.geometry.part(request.index, request.begin, request.length);
        let piece = piece.ok_or(Violation::RequestOutOfRange)?;
        let end = request.begin.checked_add(request.length);
        let is_rest = end == Some(self.context.geometry.length(piece));
        self.pace.count_request(request, is_rest, self.read_at)?;
        Ok(self.wake_if(self.requests.request(piece, request)?))
    }

    fn extension_handshake(&self, body: &[u8]) -> Option<News> {
        let handshake = ExtensionHandshake::from_wire(body)?;
        if let Some(message_id) = handshake.metadata {
            self.requests.set_metadata_id(message_id);
        }
        if let Some(message_id) = handshake.dont_have {
            self.requests.set_dont_have_id(message_id);
        }
        Some(News::ExtensionHandshake(handshake))
    }

    /// A request for metadata. The other messages about metadata answer requests that we never make here.
    fn metadata_message(&self, body: &[u8]) -> Result<Option<News>, Violation> {
        let Some(MetadataMessage::Request(piece)) = MetadataMessage::from_wire(body) else { return Ok(None) };
        let length = self.context.metadata_piece(piece).and_then(|bytes| u32::try_from(bytes.len()).ok());
        let pieces = self.context.metadata().len().div_ceil(metadata::PIECE as usize);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        Ok(self.wake_if(self.requests.request_metadata(piece, length, pieces)?))
    }

    /// A request for hashes (BEP 52). The other messages about them answer requests that we never make here.
    fn hash_request(&self, request: HashRequest) -> Result<Option<News>, Violation> {
        let pieces = (!self.context.uploads_nothing()).then(|| self.context.geometry.piece_count());
        Ok(self.wake_if(self.requests.request_hashes(request, pieces)?))
    }

    /// A piece that it takes back (BEP 54). Of another form, it is an extension that we do not know.
    fn dont_have(&self, body: &[u8]) -> Result<Option<News>, Violation> {
        let Some(index) = extension::read_dont_have(body) else { return Ok(None) };
        self.context
            .geometry
            .piece(index)
            .map(|piece| Some(News::DontHave(piece)))
            .ok_or(Violation::HaveOutOfRange)
    }

    /// What it tells of other peers, where we want to hear that and it does not say too much.
    fn pex(&mut self, body: &[u8]) -> Option<News> {
        if !self.context.pex || !self.pex_limit.take(self.read_at) {
            return None;
        }
        Some(News::Pex(PeerExchange::from_wire(body)?.added))
    }

    /// Tells the outbox that the peer's requests have changed, where it has to be told. That is no news for
    /// the coordinator.
    fn wake_if(&self, must_wake: bool) -> Option<News> {
        if must_wake {
            // It fails where the outbox has ended, and the connection with it.
            let _ = self.wake.send(Signal::Requests);
        }
        None
    }

    fn block(&mut self, index: u32, begin: u32, data: &[u8]) -> Result<Option<News>, Violation> {
        let block = self.context.geometry.block(index, begin, data.len());
        let block = block.ok_or(Violation::BlockOutOfRange)?;
        self.delivery.block(&self.context, block, data).map(|()| None)
    }

    fn rejected(&mut self, request: BlockRequest) -> Result<Option<Block>, Violation> {
        let length = usize::try_from(request.length).unwrap_or(usize::MAX);
        let block = self.context.geometry.block(request.index, request.begin, length);
        let block = block.ok_or(Violation::RejectOutOfRange)?;
        if self.delivery.reject(block) {
            return Ok(Some(block));
        }
        self.pace.count_vain_reject(self.read_at).map(|()| None)
    }

    /// Tells the coordinator what was heard.
    pub fn report(&mut self) -> Result<(), PeerError> {
        self.delivery.note(self.interest.take().map(News::Interested));
        self.delivery.report(&self.context)
    }

    /// Tells the coordinator.
    pub fn send(&self, event: Event) -> Result<(), PeerError> {
        self.context.events.send(event).map_err(|_| PeerError::HungUp(HangUp::RunEnded))
    }
}
