//! A whole worker, both halves, over a connection in memory.

mod endings;
mod floods;
mod lost_pieces;

use super::*;
use crate::message::{Event, Greeting, InboxSlot, News, PeerError, Violation, Write};
use crate::metainfo::Metainfo;
use crate::net::Throttle;
use crate::piece::{Assembly, BLOCK_LENGTH, Bitfield, BufferPool, Span};
use crate::storage::{Check, Payload, ServedPieces, digests_of};
use crate::strategy::{Encryption, Security};
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::MetadataMessage;
use crate::wire::{BlockRequest, FrameLimits, HANDSHAKE_LENGTH, Handshake, Message, PeerId};
use crossbeam_channel::bounded;
use sha1::{Digest, Sha1};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(20);
const KEY: PeerKey = PeerKey(7);
/// A message of this type makes the reading half panic, and PEX under this message id the writing half.
pub const PANICS: u8 = 199;
const PIECE_LENGTH: u32 = 2 * BLOCK_LENGTH;
const PIECES: u32 = 2;

/// A torrent of two pieces of two blocks, which is in a folder.
struct Torrent {
    context: Arc<TorrentContext>,
    payload: Vec<u8>,
    inbox: Receiver<Event>,
    writes: Receiver<Write>,
    folder: PathBuf,
}

/// The peer's end of the connection.
struct Peer {
    stream: PeerStream,
    buffer: ReadBuffer,
}

impl Torrent {
    fn new() -> Torrent {
        Torrent::of(PIECES, PIECE_LENGTH)
    }

    fn of(pieces: u32, piece_length: u32) -> Torrent {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("femtotorrent-worker-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let payload: Vec<u8> = (0..pieces * piece_length).map(|number| (number % 253) as u8).collect();
        std::fs::write(folder.join("payload.bin"), &payload).unwrap();
        let digests: Vec<u8> = payload.chunks(piece_length as usize).flat_map(Sha1::digest).collect();
        let head = format!(
            "d4:infod6:lengthi{}e4:name11:payload.bin12:piece lengthi{piece_length}e6:pieces{}:",
            payload.len(),
            digests.len()
        );
        let metainfo = Arc::new(Metainfo::parse([head.as_bytes(), &digests, b"ee"].concat()).unwrap());
        let geometry = metainfo.geometry;
        let served = Payload {
            name: &metainfo.name,
            output_name: None,
            info_hash: metainfo.info_hash,
            files: &metainfo.files,
            geometry,
            digests: &digests_of(&metainfo),
            selection: None,
            cache: None,
        };
        let served_pieces = ServedPieces::open(&folder, &served, 4, Check::Changed, &|_, _| true).unwrap();
        let ((events, inbox), (writer, writes)) = (bounded(100), bounded(100));
        let context = TorrentContext {
            peer_id: PeerId([1; 20]),
            metainfo: Arc::clone(&metainfo),
            pex: true,
            geometry,
            events,
            writer,
            buffers: Arc::new(BufferPool::new(1 << 20)),
            read_memory: Arc::default(),
            down: Arc::new(Throttle::unlimited()),
            up: Arc::new(Throttle::unlimited()),
            served_pieces: Some(served_pieces),
            encryption: Encryption::default(),
            ports: Default::default(),
            dht_ports: [None; 2],
            alive: bounded(0).0,
        };
        Torrent { context: Arc::new(context), payload, inbox, writes, folder }
    }

    /// A worker for a peer that speaks the Fast and the extension protocol, greeted but not introduced to.
    fn worker(&self) -> (Worker, Peer, Greeting) {
        self.worker_over(PeerStream::in_memory())
    }

    fn worker_over(&self, (ours, theirs): (PeerStream, PeerStream)) -> (Worker, Peer, Greeting) {
        let handshake = Handshake::ours(self.context.metainfo.info_hash, PeerId([2; 20]), false);
        let incoming = Incoming { address: address(), stream: ours, handshake, slot: InboxSlot::default() };
        let worker = Worker::accept(&self.context, KEY, incoming).unwrap();
        theirs.wait_at_most(DEADLINE).unwrap();
        let mut answer = [0; HANDSHAKE_LENGTH];
        theirs.read_exact_by(&mut answer, Instant::now() + DEADLINE).unwrap();
        assert_eq!(Handshake::from_wire(&answer).unwrap().peer_id, self.context.peer_id);
        let Event::Greeted(KEY, greeting) = self.event() else { panic!("not greeted") };
        (worker, Peer { stream: theirs, buffer: ReadBuffer::new(Arc::default()) }, greeting)
    }

    /// The same, and both sides have introduced themselves: we have everything.
    fn introduced_worker(&self) -> (Worker, Peer) {
        let (worker, mut peer, greeting) = self.worker();
        worker.order(self.introduction(greeting));
        peer.hears(&Message::HaveAll);
        peer.hears_extension_handshake();
        (worker, peer)
    }

    fn introduction(&self, greeting: Greeting) -> Order {
        let pieces = Arc::new(self.context.served_pieces.as_ref().unwrap().offered());
        Order::Introduce { pieces, greeting, upload_only: false }
    }

    fn event(&self) -> Event {
        self.inbox.recv_timeout(DEADLINE).unwrap()
    }

    fn news(&self) -> Vec<News> {
        match self.event() {
            Event::Heard(KEY, report) => report.news,
            other => panic!("{other:?}"),
        }
    }

    fn gone(&self) -> PeerError {
        match self.event() {
            Event::Gone(KEY, why) => why,
            other => panic!("{other:?}"),
        }
    }

    fn block(&self, index: u32, begin: u32) -> &[u8] {
        let start = (index * PIECE_LENGTH + begin) as usize;
        &self.payload[start..start + BLOCK_LENGTH as usize]
    }

    /// Waits until no thread of a worker is left.
    fn no_thread_is_left(&self) {
        let deadline = Instant::now() + DEADLINE;
        while Arc::strong_count(&self.context) > 1 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }
}

impl Drop for Torrent {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Peer {
    /// Sends these messages at once.
    fn says(&self, messages: &[Message<'_>]) {
        let mut frames = Vec::new();
        messages.iter().for_each(|message| message.write_to(&mut frames));
        self.stream.write_all(&frames).unwrap();
    }

    /// The same where we may hang up in the middle.
    fn tries_to_say(&self, message: &Message<'_>) {
        let mut frame = Vec::new();
        message.write_to(&mut frame);
        let _ = self.stream.write_all(&frame);
    }

    fn next(&mut self) -> Vec<u8> {
        let limits = FrameLimits::for_pieces(PIECES);
        loop {
            if let Some(message) = self.buffer.next(&limits).unwrap() {
                let mut frame = Vec::new();
                message.write_to(&mut frame);
                return frame;
            }
            self.buffer.fill(&self.stream, &Throttle::unlimited()).unwrap();
        }
    }

    fn hears(&mut self, message: &Message<'_>) {
        let mut expected = Vec::new();
        message.write_to(&mut expected);
        assert!(self.next() == expected, "{message:?} is not what came");
    }

    fn hears_extension_handshake(&mut self) -> ExtensionHandshake {
        let frame = self.next();
        // Its length, the id of extension messages, the id of the handshake.
        assert_eq!(frame[4..6], [20, extension::HANDSHAKE]);
        ExtensionHandshake::from_wire(&frame[6..]).unwrap()
    }

    fn expect_disconnect(mut self) {
        let end = loop {
            if let Err(end) = self.buffer.fill(&self.stream, &Throttle::unlimited()) {
                break end;
            }
        };
        assert!(matches!(end, PeerError::Closed), "{end}");
    }
}

fn address() -> SocketAddr {
    ([192, 0, 2, 1], 6881).into()
}

fn request(index: u32, begin: u32) -> BlockRequest {
    BlockRequest { index, begin, length: BLOCK_LENGTH }
}

#[test]
fn what_one_read_brings_is_one_report() {
    let torrent = Torrent::new();
    let (_worker, peer, greeting) = torrent.worker();
    assert!(greeting.fast && greeting.extensions && !greeting.dht);
    peer.says(&[Message::Bitfield(&[0x80]), Message::KeepAlive, Message::Unchoke, Message::Have(1)]);
    let news = torrent.news();
    assert!(
        matches!(&news[..], [News::Bitfield(pieces), News::Unchoked, News::Have(piece)]
            if pieces.count() == 1 && piece.get() == 1),
        "{news:?}"
    );
}

#[test]
fn a_leased_piece_is_requested_received_verified_and_given_to_the_writer() {
    let torrent = Torrent::new();
    let (worker, mut peer) = torrent.introduced_worker();
    let (geometry, metainfo) = (torrent.context.geometry, &torrent.context.metainfo);
    let piece = geometry.piece(1).unwrap();
    let digest = metainfo.piece_digest(1).unwrap();
    let assembly = Arc::new(Assembly::new(&geometry, piece, digest, Vec::new()));
    let span = Span { piece, first: 0, count: 2 };
    worker.lease(Lease { assembly, span });
    worker.order(Order::Interested(true));
    worker.order(Order::Request(vec![span]));
    peer.hears(&Message::Interested);
    for begin in [0, BLOCK_LENGTH] {
        peer.hears(&Message::Request(request(1, begin)));
    }
    let blocks =
        [0, BLOCK_LENGTH].map(|begin| Message::Piece { index: 1, begin, data: torrent.block(1, begin) });
    peer.says(&blocks);
    let mut news = torrent.news();
    if news.len() < 2 {
        // The two blocks came with two reads.
        news.extend(torrent.news());
    }
    assert!(matches!(news.first(), Some(News::Blocks(..))), "{news:?}");
    assert!(matches!(news.last(), Some(News::Verified(verified, _)) if *verified == piece), "{news:?}");
    let Write::Piece(written, bytes) = torrent.writes.recv_timeout(DEADLINE).unwrap() else { panic!() };
    assert_eq!(written, piece);
    assert!(bytes == torrent.payload[PIECE_LENGTH as usize..]);
}

#[test]
fn a_request_wakes_the_outbox_which_sends_the_block() {
    let torrent = Torrent::new();
    let (worker, mut peer) = torrent.introduced_worker();
    worker.order(Order::Unchoke);
    peer.hears(&Message::Unchoke);
    for (index, begin) in [(0, 0), (1, BLOCK_LENGTH)] {
        peer.says(&[Message::Request(request(index, begin))]);
        peer.hears(&Message::Piece { index, begin, data: torrent.block(index, begin) });
    }
    let deadline = Instant::now() + DEADLINE;
    let mut sent = 0;
    while sent < u64::from(2 * BLOCK_LENGTH) {
        assert!(Instant::now() < deadline);
        sent += worker.account().sent;
    }
    worker.order(Order::Choke);
    peer.hears(&Message::Choke);
    peer.says(&[Message::Request(request(0, 0))]);
    peer.hears(&Message::Reject(request(0, 0)));
}

#[test]
fn metadata_is_given_to_a_choked_peer() {
    let torrent = Torrent::new();
    let (_worker, mut peer) = torrent.introduced_worker();
    let theirs = ExtensionHandshake { metadata: Some(3), ..ExtensionHandshake::default() };
    let ask = MetadataMessage::Request(0).to_wire();
    peer.says(&[
        Message::Extended(extension::HANDSHAKE, &theirs.to_wire()),
        Message::Extended(extension::UT_METADATA, &ask),
    ]);
    let bytes = torrent.context.metainfo.info_bytes();
    let data = MetadataMessage::Data { piece: 0, total_size: Some(bytes.len() as u64), bytes };
    peer.hears(&Message::Extended(3, &data.to_wire()));
    assert!(matches!(&torrent.news()[..], [News::ExtensionHandshake(_)]));
}

#[test]
fn a_peer_may_take_a_piece_back_under_the_id_that_we_offer() {
    let torrent = Torrent::new();
    let (worker, mut peer, greeting) = torrent.worker();
    worker.order(torrent.introduction(greeting));
    peer.hears(&Message::HaveAll);
    assert_eq!(peer.hears_extension_handshake().dont_have, Some(extension::LT_DONTHAVE));
    let takes_back = |payload| Message::Extended(extension::LT_DONTHAVE, payload);
    // Of another length it means nothing to us.
    peer.says(&[takes_back(&[0, 0, 1]), takes_back(&[0, 0, 0, 1])]);
    match torrent.news().as_slice() {
        [News::DontHave(piece)] => assert_eq!(piece.get(), 1),
        other => panic!("{other:?}"),
    }
    peer.says(&[takes_back(&[255; 4])]);
    assert!(matches!(torrent.gone(), PeerError::Violation(Violation::HaveOutOfRange)));
}

#[test]
fn a_connection_that_was_handed_over_goes_on_with_what_was_received_before() {
    let torrent = Torrent::new();
    let (stream, theirs) = PeerStream::in_memory();
    let mut heard = Vec::new();
    Message::HaveAll.write_to(&mut heard);
    let greeting = Greeting {
        peer_id: PeerId([2; 20]),
        fast: true,
        extensions: false,
        dht: false,
        encryption: Security::default(),
        is_utp: false,
    };
    let handed = HandedOver { address: address(), incoming: false, stream, greeting, heard };
    let worker = Worker::go_on(&torrent.context, KEY, handed).unwrap();
    assert!(matches!(torrent.event(), Event::Greeted(KEY, _)));
    assert!(matches!(&torrent.news()[..], [News::HaveAll]));
    // The peer was told that we have nothing, so a bitfield may not come any more.
    worker.order(torrent.introduction(greeting));
    let mut peer = Peer { stream: theirs, buffer: ReadBuffer::new(Arc::default()) };
    peer.hears(&Message::Have(0));
    peer.hears(&Message::Have(1));
}

#[test]
fn a_peer_that_breaks_the_rules_is_disconnected_with_the_reason() {
    let block = || Message::Piece { index: 0, begin: 0, data: &[0; 16384] };
    let cases = [
        ((0..33).map(|_| block()).collect(), Violation::UnaskedBlocks),
        (vec![Message::Have(2)], Violation::HaveOutOfRange),
        (vec![Message::HaveNone, Message::HaveNone], Violation::SecondBitfield),
        (vec![Message::Request(request(2, 0))], Violation::RequestOutOfRange),
        (vec![Message::Request(BlockRequest { length: 1 << 20, ..request(0, 0) })], Violation::LongRequest),
        (vec![Message::Reject(request(2, 0))], Violation::RejectOutOfRange),
    ];
    let torrent = Torrent::new();
    for (messages, expected) in cases {
        let (_worker, peer) = torrent.introduced_worker();
        peer.says(&messages);
        peer.expect_disconnect();
        let end = loop {
            match torrent.event() {
                Event::Heard(..) => {}
                Event::Gone(KEY, why) => break why,
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(end, PeerError::Violation(violation) if violation == expected), "{end:?}");
    }
    torrent.no_thread_is_left();
}
