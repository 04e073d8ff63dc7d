//! A whole worker, both halves, which a peer feeds any bytes in any split, while leases and orders come at any moment.
//!
//! It must not panic, must report the end and then end, all its threads with it, must take no block that was not
//! leased or is leased once and comes twice, and must hand the writer nothing but what the torrent promises.

#![no_main]

use crossbeam_channel::{Receiver, unbounded};
use femtotorrent::message::{Event, InboxSlot, Incoming, Lease, News, Order, PeerError, PeerKey, Write};
use femtotorrent::net::{PeerStream, Throttle};
use femtotorrent::peer::{TorrentContext, Worker};
use femtotorrent::piece::{Assembly, BLOCK_LENGTH, Block, BufferPool, Span};
use femtotorrent::strategy::Encryption;
use femtotorrent::wire::pex::PeerExchange;
use femtotorrent::wire::{BlockRequest, Handshake, Message, PeerId};
use femtotorrent_fuzz::{Choices, Ground, PIECES, spelled_out};
use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEY: PeerKey = PeerKey(7);
/// The wait for what is sure to come.
const DEADLINE: Duration = Duration::from_secs(60);
/// Room for all that a worker answers to an input.
const PIPE: usize = 1 << 20;
/// News in one report: 64, and one more where a message is two.
const MOST_NEWS: usize = 65;

fuzz_target!(|bytes: &[u8]| {
    let ground = Ground::get();
    let mut choices = Choices::new(bytes);
    let ((events, inbox), (writer, writes)) = (unbounded(), unbounded());
    let up = match choices.below(3) {
        0 => Throttle::limited(0),
        1 => Throttle::limited(1 << 30),
        _ => Throttle::unlimited(),
    };
    let context = Arc::new(TorrentContext {
        peer_id: PeerId([1; 20]),
        metainfo: Arc::clone(&ground.metainfo),
        pex: choices.coin(),
        geometry: ground.geometry,
        events,
        writer,
        buffers: Arc::new(BufferPool::new(2)),
        read_memory: Arc::default(),
        down: Arc::new(Throttle::unlimited()),
        up: Arc::new(up),
        served_pieces: Some(Arc::clone(&ground.served)),
        encryption: Encryption::default(),
        ports: Default::default(),
        dht_ports: [None; 2],
        alive: unbounded().0,
    });
    let (ours, theirs) = PeerStream::in_memory_with(PIPE, DEADLINE);
    let handshake = Handshake::ours(ground.metainfo.info_hash, PeerId([2; 20]), choices.coin());
    let incoming = Incoming {
        address: ([192, 0, 2, 1], 6881).into(),
        stream: ours,
        handshake,
        slot: InboxSlot::default(),
    };
    let worker = Worker::accept(&context, KEY, incoming).expect("a thread");
    let mut scene = Scene::new(worker, theirs, inbox, writes);
    while !choices.is_over() {
        scene.step(&mut choices);
    }
    scene.finish(context);
});

struct Scene {
    ground: &'static Ground,
    worker: Worker,
    /// The peer's end.
    stream: PeerStream,
    /// What the peer has said and not sent.
    unsent: Vec<u8>,
    inbox: Receiver<Event>,
    writes: Receiver<Write>,
    assemblies: Vec<Arc<Assembly>>,
    /// How often each block may still be taken.
    leased: HashMap<Block, u32>,
    greeted: bool,
    gone: bool,
}

impl Scene {
    fn new(worker: Worker, stream: PeerStream, inbox: Receiver<Event>, writes: Receiver<Write>) -> Scene {
        let ground = Ground::get();
        stream.wait_at_most(Duration::ZERO).expect("a wait");
        let assembly =
            |piece| Arc::new(Assembly::new(&ground.geometry, piece, ground.digest(piece), Vec::new()));
        Scene {
            ground,
            worker,
            stream,
            unsent: Vec::new(),
            inbox,
            writes,
            assemblies: ground.geometry.pieces().map(assembly).collect(),
            leased: HashMap::new(),
            greeted: false,
            gone: false,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 16 {
            0 => self.unsent.extend_from_slice(choices.bytes(40)),
            1..=4 => self.say_block(choices),
            5 | 6 => self.say(choices),
            7 => self.say_extended(choices),
            8..=10 => self.lease(choices),
            11 | 12 => self.order(choices),
            13 => self.send(choices.number() as usize),
            14 => self.send(usize::MAX),
            _ => self.look(),
        }
    }

    fn write(&mut self, message: &Message<'_>) {
        message.write_to(&mut self.unsent);
    }

    /// A block of the payload, or one that is wrong in one place.
    fn say_block(&mut self, choices: &mut Choices<'_>) {
        let piece = self.ground.geometry.piece(choices.below(PIECES)).expect("one of the pieces");
        let begin = (choices.below(3) * BLOCK_LENGTH) as usize;
        let bytes = self.ground.piece(piece);
        let block = bytes.get(begin..).unwrap_or_default();
        let mut block = block[..block.len().min(BLOCK_LENGTH as usize)].to_vec();
        match choices.below(8) {
            0 => block.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            1 => block.truncate(choices.number() as usize),
            _ => {}
        }
        self.write(&Message::Piece { index: piece.get(), begin: begin as u32, data: &block });
    }

    fn say(&mut self, choices: &mut Choices<'_>) {
        let request = |choices: &mut Choices<'_>| {
            let length = if choices.coin() { BLOCK_LENGTH } else { choices.number() };
            BlockRequest { index: choices.number(), begin: choices.below(4) * BLOCK_LENGTH / 2, length }
        };
        let message = match choices.below(16) {
            0 => Message::Choke,
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 => Message::Have(choices.number()),
            5 => Message::Bitfield(choices.bytes(1)),
            6 => Message::HaveAll,
            7 => Message::HaveNone,
            8..=10 => Message::Request(request(choices)),
            11 => Message::Cancel(request(choices)),
            12 => Message::Reject(request(choices)),
            13 => Message::AllowedFast(choices.number()),
            14 => Message::Port(choices.number() as u16),
            _ => Message::KeepAlive,
        };
        self.write(&message);
    }

    fn say_extended(&mut self, choices: &mut Choices<'_>) {
        let id = choices.byte() % 5;
        let length = choices.byte().into();
        let body = choices.bytes(length);
        let body = if choices.coin() { body.to_vec() } else { spelled_out(body) };
        self.write(&Message::Extended(id, &body));
    }

    fn lease(&mut self, choices: &mut Choices<'_>) {
        let piece = self.ground.geometry.piece(choices.below(PIECES)).expect("one of the pieces");
        let blocks = self.ground.geometry.block_count(piece);
        let first = choices.below(blocks);
        let span = Span { piece, first, count: 1 + choices.below(blocks - first) };
        let again = choices.below(16) == 0;
        let place = &mut self.assemblies[piece.slot()];
        if again || place.is_done() {
            // Put together anew, as after a piece that was wrong.
            let digest = self.ground.digest(piece);
            *place = Arc::new(Assembly::new(&self.ground.geometry, piece, digest, Vec::new()));
        }
        span.blocks().for_each(|block| *self.leased.entry(block).or_default() += 1);
        let assembly = Arc::clone(&self.assemblies[piece.slot()]);
        self.worker.lease(Lease { assembly, span });
        if choices.coin() {
            self.worker.order(Order::Request(vec![span]));
        }
    }

    fn order(&mut self, choices: &mut Choices<'_>) {
        let piece = self.ground.geometry.piece(choices.below(PIECES)).expect("one of the pieces");
        let order = match choices.below(8) {
            0 => Order::Choke,
            1 | 2 => Order::Unchoke,
            3 => Order::AllowFast(vec![piece]),
            4 => Order::Interested(choices.coin()),
            5 => Order::Cancel(vec![Block { piece, number: choices.below(3) }]),
            6 => Order::Have(piece),
            _ => Order::Pex(choices.byte(), PeerExchange { added: Vec::new(), dropped: Vec::new() }),
        };
        self.worker.order(order);
    }

    /// Sends the next bytes of what was said. It fails where we have hung up.
    fn send(&mut self, most: usize) {
        let rest = self.unsent.split_off(most.min(self.unsent.len()));
        let _ = self.stream.write_all(&std::mem::replace(&mut self.unsent, rest));
    }

    /// Reads what came, and looks at what was reported.
    fn look(&mut self) {
        let mut some = [0; 4096];
        while matches!(self.stream.read(&mut some), Ok(1..)) {}
        while let Ok(event) = self.inbox.try_recv() {
            self.hear(event);
        }
        while let Ok(write) = self.writes.try_recv() {
            let Write::Piece(piece, bytes) = write else { panic!("a worker has the writer finish") };
            assert!(bytes == self.ground.piece(piece), "a piece that is not what the torrent promises");
        }
    }

    fn hear(&mut self, event: Event) {
        assert!(!self.gone, "{event:?} after the end");
        match event {
            Event::Greeted(KEY, greeting) => {
                assert!(!self.greeted, "greeted twice");
                self.greeted = true;
                let pieces = Arc::new(self.ground.served.offered());
                self.worker.order(Order::Introduce { pieces, greeting, upload_only: false });
            }
            Event::Heard(KEY, news) => {
                assert!(
                    self.greeted && !news.news.is_empty() && news.news.len() <= MOST_NEWS,
                    "{} news",
                    news.news.len()
                );
                news.news.into_iter().for_each(|news| self.check(news));
            }
            Event::Gone(KEY, why) => {
                assert!(!matches!(why, PeerError::Panicked));
                let _ = why.to_string();
                self.gone = true;
            }
            other => panic!("{other:?}"),
        }
    }

    fn check(&mut self, news: News) {
        let geometry = self.ground.geometry;
        match news {
            News::Blocks(span, assembly) => {
                assert_eq!(span.piece, assembly.piece());
                for block in span.blocks() {
                    let left = self.leased.get_mut(&block).filter(|left| **left > 0);
                    *left.unwrap_or_else(|| panic!("{block:?} was not leased")) -= 1;
                }
            }
            News::LateBlock(block) | News::Rejected(block) => {
                assert!(block.number < geometry.block_count(block.piece));
            }
            News::Bitfield(pieces) | News::AnotherBitfield(pieces) => assert_eq!(pieces.length(), PIECES),
            _ => {}
        }
    }

    /// The peer leaves. The worker says so and ends.
    fn finish(mut self, context: Arc<TorrentContext>) {
        self.send(usize::MAX);
        self.look();
        let end = Instant::now() + DEADLINE;
        // Its reading half has what came before the end still to hear.
        let Scene { stream, .. } = &self;
        stream.hang_up(femtotorrent::message::HangUp::Released);
        while !self.gone {
            let event = self.inbox.recv_deadline(end).expect("the end is reported");
            self.hear(event);
        }
        self.look();
        drop(self.worker);
        while Arc::strong_count(&context) > 1 {
            assert!(Instant::now() < end, "a thread is left");
            std::thread::yield_now();
        }
    }
}
