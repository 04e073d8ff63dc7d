//! The coordinator, told any story: peers that come, talk, lie, fall silent and go, in any order and at any time.
//!
//! What a worker cannot report is not told: nobody talks before the greeting or after the end, and blocks come for
//! leases only. Everything else may happen. The coordinator must not panic nor wake up without end, must ask a peer
//! only for what it has and may be asked for, and must end when it is told to.

#![no_main]

use femtotorrent::message::{
    Event, Greeting, HandedOver, HangUp, InboxSlot, Incoming, KnownPeers, News, Order, PeerError, PeerKey,
    Snapshot, TrackerReport, WebSeedFailure,
};
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::PeerStream;
use femtotorrent::peer::{DetachedWorker, Worker};
use femtotorrent::piece::{
    Assembly, Bitfield, Block, BufferPool, Geometry, PieceDigest, PieceIndex, Put, Span,
};
use femtotorrent::strategy::{
    Encryption, Interruption, OnWordOf, Opening, PieceOrder, Security, Source, Supply,
};
use femtotorrent::swarm::{
    Coordinator, Environment, InitialState, Limits, RunEnd, SeedGoals, Settings, UploadPolicy, WantedPieces,
};
use femtotorrent::web_seed::WebSeed;
use femtotorrent::wire::extension::ExtensionHandshake;
use femtotorrent::wire::{BlockRequest, Handshake, PeerId};
use femtotorrent_fuzz::{Choices, Ground, PIECE_LENGTH, PIECES};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const INFO_HASH: InfoHash = InfoHash([7; 20]);
/// Turns in one wait. The longest wait has a thousand ticks.
const MOST_TURNS: u32 = 20_000;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let mut scene = Scene::begin(&mut choices);
    while !choices.is_over() && scene.ended.is_none() {
        scene.step(&mut choices);
        scene.carry_out();
    }
    if scene.ended.is_none() {
        scene.tell(Event::Stop);
    }
    assert!(scene.ended.is_some(), "told to stop, it goes on");
});

/// What the coordinator has had done, and what it sees.
struct Outside {
    /// Workers that were started since the last look.
    started: Vec<(PeerKey, DetachedWorker)>,
    /// Which of the workers ask web seeds.
    web_seeds: Vec<PeerKey>,
    attempts: Vec<(PeerKey, SocketAddr)>,
    served: Bitfield,
    finish_told: bool,
    stopped: bool,
    no_threads: bool,
    no_room: bool,
    writer_is_behind: bool,
    interruption: Option<Interruption>,
}

struct World(Rc<RefCell<Outside>>);

impl World {
    fn worker(&self, key: PeerKey) -> io::Result<Worker> {
        let mut outside = self.0.borrow_mut();
        if outside.no_threads {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (worker, other_end) = Worker::detached();
        outside.started.push((key, other_end));
        Ok(worker)
    }
}

impl Environment for World {
    fn has_room(&self, _: usize) -> bool {
        !self.0.borrow().no_room
    }

    fn connect(&mut self, key: PeerKey, address: SocketAddr) -> io::Result<()> {
        let mut outside = self.0.borrow_mut();
        if outside.no_threads {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        outside.attempts.push((key, address));
        Ok(())
    }

    fn greet(&mut self, key: PeerKey, _: SocketAddr, _: PeerStream, _: Opening) -> io::Result<Worker> {
        self.worker(key)
    }

    fn accept(&mut self, key: PeerKey, _: Incoming) -> io::Result<Worker> {
        self.worker(key)
    }

    fn resume(&mut self, key: PeerKey, _: HandedOver) -> io::Result<Worker> {
        self.worker(key)
    }

    fn start_web_seed(&mut self, key: PeerKey, _: WebSeed) -> io::Result<Worker> {
        let worker = self.worker(key)?;
        self.0.borrow_mut().web_seeds.push(key);
        Ok(worker)
    }

    /// Two pieces belong to two files.
    fn pieces_of_file(&self, number: usize) -> Range<u32> {
        let first = (number as u32).saturating_mul(3);
        first..first.saturating_add(4)
    }

    fn piece_digest(&self, piece: PieceIndex) -> PieceDigest {
        Ground::get().digest(piece)
    }

    fn abandon(&mut self, assembly: &Assembly) {
        assembly.abandon(&BufferPool::new(0));
    }

    fn served_pieces(&self) -> Bitfield {
        self.0.borrow().served.clone()
    }

    fn is_writer_behind(&self) -> bool {
        self.0.borrow().writer_is_behind
    }

    fn finish_writing(&mut self) -> bool {
        let mut outside = self.0.borrow_mut();
        outside.finish_told |= !outside.writer_is_behind;
        !outside.writer_is_behind
    }

    fn show(&mut self, _: Snapshot) {}

    fn is_stopped(&self) -> bool {
        self.0.borrow().stopped
    }

    fn supply(&mut self, _: Supply) {}

    fn look_around(&mut self, _: Instant) -> Option<Interruption> {
        self.0.borrow_mut().interruption.take()
    }

    fn dht_node(&mut self, _: SocketAddr) {}

    fn completed(&mut self, _: Snapshot) {}
}

/// A worker with its peer, as played here.
struct Peer {
    worker: DetachedWorker,
    is_web_seed: bool,
    greeted: bool,
    introduced: bool,
    /// What it says that it has.
    has: Bitfield,
    chokes: bool,
    allowed: BTreeSet<PieceIndex>,
    /// Blocks that it was leased and asked for, and has not sent.
    owes: Vec<(Block, Arc<Assembly>)>,
    leases: Vec<(Block, Arc<Assembly>)>,
}

struct Scene {
    coordinator: Coordinator<'static>,
    outside: Rc<RefCell<Outside>>,
    geometry: Geometry,
    now: Instant,
    peers: BTreeMap<PeerKey, Peer>,
    wanted: Bitfield,
    verified: Vec<PieceIndex>,
    stored: Bitfield,
    is_stream: bool,
    limits: Limits,
    buffers: BufferPool,
    ended: Option<RunEnd>,
}

impl Scene {
    fn begin(choices: &mut Choices<'_>) -> Scene {
        let ground = Ground::get();
        let geometry = ground.geometry;
        let (stored, wanted) = (some_pieces(choices), some_pieces(choices));
        let stored = if choices.coin() { stored } else { Bitfield::none(PIECES) };
        let (wanted, wants) = match choices.below(4) {
            // Whatever is there already counts as wanted.
            0 => {
                let mut all = wanted.clone();
                stored.iter(geometry).for_each(|piece| _ = all.insert(piece));
                (all.clone(), WantedPieces::Only(all))
            }
            1 => (stored.clone(), WantedPieces::Nothing),
            _ => (Bitfield::all(PIECES), WantedPieces::All),
        };
        let outside = Rc::new(RefCell::new(Outside {
            started: Vec::new(),
            web_seeds: Vec::new(),
            attempts: Vec::new(),
            served: stored.clone(),
            finish_told: false,
            stopped: false,
            no_threads: false,
            no_room: false,
            writer_is_behind: false,
            interruption: None,
        }));
        let goals =
            SeedGoals { ratio: choices.coin().then_some(1.5), time: choices.coin().then(|| choices.wait()) };
        let uploads = UploadPolicy {
            limit: choices.coin().then(|| u64::from(choices.number()) * 1000),
            seeding: choices.coin().then_some(goals),
            super_seeding: choices.coin(),
        };
        let limits = Limits {
            max_peers: 1 + choices.below(8) as usize,
            memory: u64::from(PIECE_LENGTH) * u64::from(1 + choices.below(3)),
            timeout: choices.coin().then(|| choices.wait()),
            idle_before: std::time::Duration::ZERO,
        };
        let settings = Settings {
            geometry,
            info_hash: INFO_HASH,
            peer_id: PeerId([1; 20]),
            port: choices.coin().then_some(6881),
            pex: choices.coin(),
            encryption: [Encryption::Off, Encryption::Allow, Encryption::Prefer, Encryption::Require]
                [choices.below(4) as usize],
            download_limit: choices.coin().then(|| 1 + u64::from(choices.number())),
            limits,
            uploads,
        };
        let web_seed = |number| WebSeed {
            address: format!("http://{number}.example/"),
            word: OnWordOf::Torrent,
            proxy: None,
        };
        // No choice of its own, so that the stories that were kept stay what they are.
        let count = if wanted.count() % 4 == 3 { 2 } else { 0 };
        let web_seeds = (0..count).map(web_seed).collect();
        // Nor here: what leaves is not kept.
        let is_stream = stored.count() == 0 && wanted.count() % 3 == 2;
        let known_peers = KnownPeers::default();
        let state = InitialState {
            stored: stored.clone(),
            wanted: wants,
            order: PieceOrder { is_stream, ..PieceOrder::default() },
            known_peers,
            web_seeds,
        };
        let environment = Box::new(World(Rc::clone(&outside)));
        let (random, now) = (fastrand::Rng::with_seed(1), Instant::now());
        Scene {
            coordinator: Coordinator::new(settings, state, environment, random, now),
            outside,
            geometry,
            now,
            peers: BTreeMap::new(),
            wanted,
            verified: Vec::new(),
            stored,
            is_stream,
            limits,
            buffers: BufferPool::new(2),
            ended: None,
        }
    }

    fn tell(&mut self, event: Event) {
        if self.ended.is_none() {
            self.ended = self.coordinator.turn(Some(event), self.now);
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 20 {
            0 => {
                let source = source(choices);
                let addresses = (0..choices.below(6)).map(|_| address(choices)).collect();
                self.tell(if choices.below(8) == 0 {
                    Event::Named(addresses)
                } else {
                    Event::Found(source, addresses)
                });
            }
            1 | 2 => self.attempted(choices),
            3 => {
                let handshake = Handshake::ours(INFO_HASH, PeerId([choices.byte(); 20]), choices.coin());
                let (stream, slot) = (PeerStream::in_memory().0, InboxSlot::default());
                self.tell(Event::Incoming(Incoming { address: address(choices), stream, handshake, slot }));
            }
            4 | 5 => self.greet(choices),
            6..=9 => self.talk(choices),
            10..=12 => self.deliver(choices),
            13 => self.gone(choices),
            14 => self.store(choices),
            15 | 16 => self.wait(choices.wait()),
            17 => self.request(choices),
            18 => self.change_the_world(choices),
            _ => self.something_rare(choices),
        }
    }

    fn key(&self, choices: &mut Choices<'_>) -> Option<PeerKey> {
        let number = choices.below(self.peers.len().max(1) as u32) as usize;
        self.peers.keys().nth(number).copied()
    }

    fn attempted(&mut self, choices: &mut Choices<'_>) {
        let open = self.outside.borrow().attempts.len();
        if open == 0 {
            return;
        }
        let at = choices.below(open as u32) as usize;
        let (key, address) = self.outside.borrow_mut().attempts.swap_remove(at);
        let outcome = if choices.coin() { Ok(PeerStream::in_memory().0) } else { Err(reason(choices)) };
        self.tell(Event::Attempted(key, address, outcome));
    }

    fn greet(&mut self, choices: &mut Choices<'_>) {
        let Some((key, peer)) = self.peers.iter_mut().find(|(_, peer)| !peer.greeted && !peer.is_web_seed)
        else {
            return;
        };
        peer.greeted = true;
        let event = Event::Greeted(*key, greeting(choices));
        self.tell(event);
    }

    /// A few things that a peer says at once.
    fn talk(&mut self, choices: &mut Choices<'_>) {
        let Some(key) = self.key(choices) else { return };
        let Some(mut peer) = self.peers.remove(&key) else { return };
        let count = if peer.greeted && !peer.is_web_seed { 1 + choices.below(4) } else { 0 };
        let news: Vec<News> = (0..count).map(|_| self.news(&mut peer, choices)).collect();
        self.peers.insert(key, peer);
        if !news.is_empty() {
            self.tell(Event::Heard(key, news.into_iter().collect()));
        }
    }

    fn news(&self, peer: &mut Peer, choices: &mut Choices<'_>) -> News {
        let piece = self.piece(choices);
        let block = Block { piece, number: choices.below(self.geometry.block_count(piece)) };
        match choices.below(14) {
            0 => {
                peer.chokes = true;
                News::Choked
            }
            1 | 2 => {
                peer.chokes = false;
                News::Unchoked
            }
            3 => News::Interested(choices.coin()),
            4 => {
                peer.introduced = true;
                peer.has.insert(piece);
                News::Have(piece)
            }
            5 | 6 => {
                let pieces = some_pieces(choices);
                pieces.iter(self.geometry).for_each(|piece| _ = peer.has.insert(piece));
                if std::mem::replace(&mut peer.introduced, true) {
                    return News::AnotherBitfield(pieces);
                }
                if pieces.is_full() { News::HaveAll } else { News::Bitfield(pieces) }
            }
            7 => {
                peer.allowed.insert(piece);
                News::AllowedFast(piece)
            }
            8 => News::ExtensionHandshake(ExtensionHandshake {
                request_queue: choices.coin().then(|| choices.number()),
                port: choices.coin().then(|| choices.number() as u16),
                your_address: choices.coin().then(|| address(choices).ip()),
                upload_only: choices.coin().then(|| choices.coin()),
                prefers_encryption: choices.coin().then(|| choices.coin()),
                pex: choices.coin().then(|| choices.byte()),
                ..ExtensionHandshake::default()
            }),
            9 => News::DhtPort(choices.number() as u16),
            10 => News::Pex((0..choices.below(4)).map(|_| (address(choices), choices.byte())).collect()),
            11 => News::LateBlock(block),
            // What it says in the same breath may come before.
            12 => News::DontHave(piece),
            13 => News::ReadsOn,
            _ => {
                // It rejects what it owes, if it owes something.
                let rejected = peer.owes.pop().map_or(block, |(block, _)| block);
                News::Rejected(rejected)
            }
        }
    }

    /// Blocks that a peer owes come, good ones or bad ones.
    fn deliver(&mut self, choices: &mut Choices<'_>) {
        let Some(key) = self.key(choices) else { return };
        let (count, bad) = (1 + choices.below(4), choices.below(8) == 0);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let mut news = Vec::new();
        for _ in 0..count.min(peer.owes.len() as u32) {
            let at = choices.below(peer.owes.len() as u32) as usize;
            let (block, assembly) = peer.owes.swap_remove(at);
            let begin = self.geometry.begin(block) as usize;
            let length = self.geometry.block_length(block) as usize;
            let mut bytes = Ground::get().piece(block.piece)[begin..begin + length].to_vec();
            bytes[0] ^= u8::from(bad);
            let put = assembly.put(block, &bytes, key, &self.buffers);
            if matches!(put, Put::Useless) {
                news.push(News::LateBlock(block));
                continue;
            }
            let span = Span { piece: block.piece, first: block.number, count: 1 };
            news.push(News::Blocks(span, Arc::clone(&assembly)));
            match put {
                Put::Kept | Put::Useless => {}
                Put::Verified { convicted, .. } => {
                    assert!(
                        !self.verified.contains(&block.piece) && !self.stored.has(block.piece),
                        "fetched twice"
                    );
                    self.verified.push(block.piece);
                    news.push(News::Verified(block.piece, convicted));
                }
                Put::Corrupt(suspects) => news.push(News::Corrupt(assembly, suspects)),
            }
        }
        if !news.is_empty() {
            self.tell(Event::Heard(key, news.into_iter().collect()));
        }
    }

    fn gone(&mut self, choices: &mut Choices<'_>) {
        let Some(key) = self.key(choices) else { return };
        let is_web_seed = self.peers.get(&key).is_some_and(|peer| peer.is_web_seed);
        let reason = if is_web_seed { failure(choices) } else { reason(choices) };
        self.peers.remove(&key);
        self.tell(Event::Gone(key, reason));
    }

    /// The writer has written some pieces.
    fn store(&mut self, choices: &mut Choices<'_>) {
        let count = (1 + choices.below(3) as usize).min(self.verified.len());
        let pieces: Vec<PieceIndex> = self.verified.drain(..count).collect();
        for piece in &pieces {
            assert!(self.stored.insert(*piece));
            if !self.is_stream {
                self.outside.borrow_mut().served.insert(*piece);
            }
        }
        if !pieces.is_empty() {
            self.tell(Event::Stored(pieces));
        }
    }

    /// Time passes, and every timer on the way goes off.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        while self.ended.is_none() && self.coordinator.next_timer() <= end {
            turns += 1;
            assert!(turns < MOST_TURNS, "it wakes up without end");
            self.now = self.now.max(self.coordinator.next_timer());
            self.ended = self.coordinator.turn(None, self.now);
            self.carry_out();
        }
        self.now = end;
    }

    /// A peer asks for a block, and its outbox sends what it may.
    fn request(&mut self, choices: &mut Choices<'_>) {
        let (key, piece) = (self.key(choices), self.piece(choices));
        let Some(peer) = key.and_then(|key| self.peers.get(&key)) else { return };
        let requests = peer.worker.requests();
        let request = BlockRequest { index: piece.get(), begin: 0, length: 16 * 1024 };
        let _ = requests.request(piece, request);
        if choices.coin()
            && let Some(next) = requests.next(u32::MAX, self.now)
        {
            requests.sent(next.length());
        }
    }

    fn change_the_world(&mut self, choices: &mut Choices<'_>) {
        let mut outside = self.outside.borrow_mut();
        match choices.below(7) {
            0 => outside.no_threads = choices.coin(),
            1 => outside.no_room = choices.coin(),
            2 => outside.writer_is_behind = choices.coin(),
            3 => outside.interruption = Some(Interruption::Slept(choices.wait())),
            4 => outside.interruption = Some(Interruption::NewNetwork),
            5 => outside.interruption = Some(Interruption::Stopped(choices.wait())),
            // A file was changed, and what it held is served no more.
            _ => _ = outside.served.remove(self.piece(choices)),
        }
    }

    fn something_rare(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0 if self.outside.borrow().finish_told => self.tell(Event::WriterEnded { finished: true }),
            1 if choices.below(8) == 0 => self.tell(Event::WriterEnded { finished: false }),
            2 if choices.below(8) == 0 => self.outside.borrow_mut().stopped = true,
            3 | 4 => {
                let (address, greeting) = (address(choices), greeting(choices));
                let (incoming, stream, heard) = (choices.coin(), PeerStream::in_memory().0, Vec::new());
                self.tell(Event::HandedOver(HandedOver { address, incoming, stream, greeting, heard }));
            }
            _ => {
                let outcome = if choices.coin() { Ok(choices.byte().into()) } else { Err("no".to_owned()) };
                let external_ip = choices.coin().then(|| address(choices).ip());
                self.tell(Event::Tracker(TrackerReport { url: "t".to_owned(), outcome, external_ip }));
            }
        }
    }

    /// Looks at what was ordered, and does what an outbox does.
    fn carry_out(&mut self) {
        let started: Vec<_> = self.outside.borrow_mut().started.drain(..).collect();
        for (key, worker) in started {
            let is_web_seed = self.outside.borrow().web_seeds.contains(&key);
            let peer = Peer {
                worker,
                is_web_seed,
                greeted: is_web_seed,
                introduced: is_web_seed,
                has: if is_web_seed { Bitfield::all(PIECES) } else { Bitfield::none(PIECES) },
                chokes: !is_web_seed,
                allowed: BTreeSet::new(),
                owes: Vec::new(),
                leases: Vec::new(),
            };
            assert!(self.peers.insert(key, peer).is_none(), "a key twice");
        }
        for peer in self.peers.values_mut() {
            for lease in peer.worker.leases.try_iter() {
                assert_eq!(lease.span.piece, lease.assembly.piece());
                peer.leases.extend(lease.span.blocks().map(|block| (block, Arc::clone(&lease.assembly))));
            }
            let orders: Vec<Order> = peer.worker.orders().collect();
            for order in orders {
                let is_for_servers =
                    matches!(order, Order::Request(_) | Order::Ahead(_) | Order::ReadOn | Order::Cancel(_));
                assert!(is_for_servers || !peer.is_web_seed, "a web seed is told {order:?}");
                match order {
                    Order::Request(spans) => spans.iter().flat_map(|span| span.blocks()).for_each(|block| {
                        let leased = peer.leases.iter().position(|(leased, _)| *leased == block);
                        let lease = peer.leases.swap_remove(leased.expect("a request without a lease"));
                        assert!(peer.has.has(block.piece), "it was asked for what it does not have");
                        assert!(
                            !peer.chokes || peer.allowed.contains(&block.piece),
                            "it was asked while it chokes"
                        );
                        assert!(self.wanted.has(block.piece), "nobody wants {block:?}");
                        assert!(!self.stored.has(block.piece) && !self.verified.contains(&block.piece));
                        peer.owes.push(lease);
                    }),
                    Order::Ahead(pieces) => {
                        assert!(pieces.end <= self.geometry.piece_count());
                        let mut pieces = pieces.filter_map(|number| self.geometry.piece(number));
                        assert!(pieces.all(|piece| self.wanted.has(piece) && peer.has.has(piece)));
                    }
                    Order::Have(piece) => {
                        assert!(self.stored.has(piece) && !self.is_stream, "we do not have {piece:?}");
                    }
                    Order::Introduce { pieces, .. } => {
                        assert!(
                            peer.greeted && pieces.iter(self.geometry).all(|piece| self.stored.has(piece))
                        );
                    }
                    Order::Unchoke => peer.worker.requests().unchoke(),
                    Order::Choke => peer.worker.requests().choke(),
                    Order::AllowFast(pieces) => peer.worker.requests().allow_fast(pieces, 1 << 20),
                    _ => {}
                }
            }
        }
        let peers = self.peers.values().filter(|peer| !peer.is_web_seed);
        let connected = peers.filter(|peer| peer.worker.hung_up().is_none()).count();
        assert!(
            connected <= self.limits.max_peers,
            "{connected} peers, {} are the most",
            self.limits.max_peers
        );
        assert!(
            self.open_bytes() <= self.limits.memory.max(PIECE_LENGTH.into()),
            "{} bytes are open",
            self.open_bytes()
        );
        if self.ended == Some(RunEnd::Done) {
            assert!(
                self.wanted.iter(self.geometry).all(|piece| self.stored.has(piece)),
                "done, but it is not"
            );
        }
    }

    /// Bytes of the pieces that are open or on their way to the disk, as far as blocks of them are owed.
    fn open_bytes(&self) -> u64 {
        let owed = self.peers.values().flat_map(|peer| &peer.owes);
        let open = owed.filter(|(_, assembly)| !assembly.is_done()).map(|(block, _)| block.piece);
        let pieces: BTreeSet<PieceIndex> = open.chain(self.verified.iter().copied()).collect();
        pieces.iter().map(|piece| u64::from(self.geometry.length(*piece))).sum()
    }

    fn piece(&self, choices: &mut Choices<'_>) -> PieceIndex {
        self.geometry.piece(choices.below(PIECES)).expect("one of the pieces")
    }
}

fn some_pieces(choices: &mut Choices<'_>) -> Bitfield {
    let mut pieces = Bitfield::none(PIECES);
    let bits = choices.byte();
    for piece in Ground::get().geometry.pieces().filter(|piece| bits >> piece.get() & 1 == 1) {
        pieces.insert(piece);
    }
    pieces
}

fn greeting(choices: &mut Choices<'_>) -> Greeting {
    let bits = choices.byte();
    let bit = |number: u8| bits >> number & 1 == 1;
    Greeting {
        peer_id: PeerId([choices.byte() % 8; 20]),
        fast: bit(0),
        extensions: bit(1),
        dht: bit(2),
        encryption: Security::default(),
        is_utp: bit(3),
    }
}

fn address(choices: &mut Choices<'_>) -> SocketAddr {
    let host = choices.byte();
    let ip: IpAddr = match choices.below(4) {
        0 => [127, 0, 0, 1].into(),
        1 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)].into(),
        2 => [203, host, 113, 1].into(),
        _ => [203, 0, 113, host % 16].into(),
    };
    SocketAddr::new(ip, if choices.coin() { 6881 } else { choices.number() as u16 })
}

fn source(choices: &mut Choices<'_>) -> Source {
    match choices.below(6) {
        0 => Source::User,
        1 => Source::Tracker,
        2 => Source::Dht,
        3 => Source::Lan,
        4 => Source::Magnet,
        _ => Source::Pex(address(choices).ip()),
    }
}

fn failure(choices: &mut Choices<'_>) -> PeerError {
    PeerError::WebSeed(match choices.below(6) {
        0 => WebSeedFailure::NoFile(choices.below(8) as usize),
        1 => WebSeedFailure::Busy(choices.coin().then(|| choices.wait())),
        2 => WebSeedFailure::Refused("a loop".to_owned()),
        3 => return PeerError::HungUp(HangUp::Released),
        4 => WebSeedFailure::WholeFilesOnly,
        _ => WebSeedFailure::Failed("500".to_owned()),
    })
}

fn reason(choices: &mut Choices<'_>) -> PeerError {
    match choices.below(7) {
        0 => PeerError::Closed,
        1 => PeerError::OtherTorrent,
        2 => PeerError::Ourselves,
        3 => PeerError::HungUp(HangUp::DoesNotRead),
        4 => PeerError::Lost(io::ErrorKind::ConnectionReset.into()),
        5 => PeerError::NoThread(io::ErrorKind::WouldBlock.into()),
        _ => PeerError::Connect(io::ErrorKind::ConnectionRefused.into()),
    }
}
