//! The decisions of the coordinator, one at a time. A coordinator without threads, sockets or a clock gets
//! events, and the test looks at the orders that follow.

mod addresses;
mod bystanders;
mod connections;
mod downloads;
mod encryption;
mod floods;
mod liars;
mod lost_pieces;
mod memory;
mod outside;
mod proxy;
mod rare_first;
mod sight;
mod stalls;
mod streams;
mod supply;
mod table;
mod time;
mod uploads;
mod web_seeds;

use super::*;
use crate::message::{
    Event, Greeting, HandedOver, HangUp, InboxSlot, Incoming, MessageKind, News, Order, PeerError, PeerKey,
    Sight, Snapshot, Stall, Violation,
};
use crate::net::PeerStream;
use crate::net::proxy::Proxies;
use crate::peer::{DetachedWorker, Worker};
use crate::piece::{Assembly, BLOCK_LENGTH, Bitfield, Block, PieceDigest, PieceIndex, Span};
use crate::strategy::{
    Approach, Encryption, Interruption, MemoryClaim, OnWordOf, Opening, PieceOrder, Security, Source, Supply,
};
use crate::web_seed::WebSeed;
use crate::wire::{Handshake, PeerId};
use outside::{Outside, TestEnvironment};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;

/// Our own peer ID. A peer may have a smaller or a greater one.
const OUR_ID: PeerId = PeerId(*b"-FM0100-mmmmmmmmmmmm");

/// The torrent and the settings of a test. A test names those that differ from the default.
struct Scene {
    pieces: u32,
    blocks: u32,
    stored: Vec<u32>,
    wanted: WantedPieces,
    order: PieceOrder,
    max_peers: usize,
    memory: u64,
    download_limit: Option<u64>,
    timeout: Option<Duration>,
    uploads: UploadPolicy,
    encryption: Encryption,
    web_seeds: Vec<&'static str>,
}

impl Default for Scene {
    fn default() -> Scene {
        Scene {
            pieces: 8,
            blocks: 4,
            stored: Vec::new(),
            wanted: WantedPieces::All,
            order: PieceOrder::default(),
            max_peers: 50,
            memory: 32 << 20,
            download_limit: None,
            timeout: None,
            uploads: UploadPolicy::default(),
            encryption: Encryption::default(),
            web_seeds: Vec::new(),
        }
    }
}

impl Scene {
    fn start(self) -> World {
        let piece_length = self.blocks * BLOCK_LENGTH;
        let geometry = Geometry::new(u64::from(piece_length) * u64::from(self.pieces), piece_length).unwrap();
        let mut stored = Bitfield::none(self.pieces);
        self.stored.iter().for_each(|piece| _ = stored.insert(geometry.piece(*piece).unwrap()));
        let outside = Rc::new(RefCell::new(Outside { served: Some(stored.clone()), ..Outside::default() }));
        let settings = Settings {
            geometry,
            info_hash: crate::metainfo::InfoHash([7; 20]),
            peer_id: OUR_ID,
            port: Some(6881),
            pex: true,
            encryption: self.encryption,
            download_limit: self.download_limit,
            limits: Limits {
                max_peers: self.max_peers,
                memory: self.memory,
                timeout: self.timeout,
                idle_before: Duration::ZERO,
            },
            uploads: self.uploads,
        };
        let web_seed =
            |address: &&str| WebSeed::new((*address).to_owned(), OnWordOf::Torrent, &Proxies::None);
        let web_seeds = self.web_seeds.iter().map(web_seed).collect();
        let (wanted, order) = (self.wanted, self.order);
        let state = InitialState { stored, wanted, order, known_peers: KnownPeers::default(), web_seeds };
        let environment = Box::new(TestEnvironment(Rc::clone(&outside)));
        let (random, now) = (fastrand::Rng::with_seed(1), Instant::now());
        let coordinator = Coordinator::new(settings, state, environment, random, now);
        World { coordinator, outside, now, geometry }
    }
}

/// A coordinator, the outside that it sees, and the clock.
struct World {
    coordinator: Coordinator<'static>,
    outside: Rc<RefCell<Outside>>,
    now: Instant,
    geometry: Geometry,
}

impl World {
    fn tell(&mut self, event: Event) -> Option<RunEnd> {
        self.coordinator.turn(Some(event), self.now)
    }

    /// Turns the clock forward. Every timer on the way goes off.
    fn wait(&mut self, time: Duration) -> Option<RunEnd> {
        let end = self.now + time;
        while self.coordinator.next_timer() <= end {
            self.now = self.now.max(self.coordinator.next_timer());
            let ended = self.coordinator.turn(None, self.now);
            if ended.is_some() {
                return ended;
            }
        }
        self.now = end;
        None
    }

    fn hear(&mut self, key: PeerKey, news: impl IntoIterator<Item = News>) {
        self.tell(Event::Heard(key, news.into_iter().collect()));
    }

    /// Connects to this address; the peer greets with this ID.
    fn dial(&mut self, address: SocketAddr, id: u8) -> PeerKey {
        self.tell(Event::Found(Source::Tracker, vec![address]));
        assert_eq!(self.outside.borrow().dialed.last(), Some(&address), "it was not dialed");
        let key = self.answer(address);
        self.tell(Event::Greeted(key, greeting(id)));
        key
    }

    /// Nobody answers at the address that was dialed.
    fn refuse(&mut self, address: SocketAddr) {
        self.fail(address, PeerError::Closed);
    }

    /// The attempt at the address that was dialed fails for this reason.
    fn fail(&mut self, address: SocketAddr, why: PeerError) {
        let key = self.outside.borrow().attempts[&address];
        self.tell(Event::Attempted(key, address, Err(why)));
    }

    /// The address that was dialed answers, and a connection comes about.
    fn answer(&mut self, address: SocketAddr) -> PeerKey {
        let key = self.outside.borrow().attempts[&address];
        let (stream, _) = PeerStream::in_memory();
        self.tell(Event::Attempted(key, address, Ok(stream)));
        key
    }

    /// A peer connects to us from this address. `None` if we do not accept it.
    fn arrive(&mut self, address: SocketAddr) -> Option<PeerKey> {
        let before = self.coordinator.roster.len();
        let handshake = Handshake::ours(self.coordinator.settings.info_hash, PeerId([0; 20]), false);
        let (stream, _) = PeerStream::in_memory();
        self.tell(Event::Incoming(Incoming { address, stream, handshake, slot: InboxSlot::default() }));
        let last = self.coordinator.roster.all().last().map(|(key, _)| key);
        last.filter(|_| self.coordinator.roster.len() > before)
    }

    /// A seed that we are connected to and that answers our requests. It has proved itself.
    fn seed(&mut self, host: u8) -> PeerKey {
        let key = self.dial(address(host), host);
        if let Some(peer) = self.coordinator.roster.get_mut(key) {
            peer.download.trust.proved();
        }
        self.hear(key, [News::HaveAll, News::Unchoked]);
        key
    }

    /// A seed of which nothing is known.
    fn newcomer(&mut self, host: u8) -> PeerKey {
        let key = self.dial(address(host), host);
        self.hear(key, [News::HaveAll, News::Unchoked]);
        key
    }

    fn piece(&self, number: u32) -> PieceIndex {
        self.geometry.piece(number).unwrap()
    }

    fn bitfield(&self, pieces: &[u32]) -> Bitfield {
        let mut bits = Bitfield::none(self.geometry.piece_count());
        pieces.iter().for_each(|piece| assert!(bits.insert(self.piece(*piece))));
        bits
    }

    /// The orders to a peer since the last call.
    fn orders(&self, key: PeerKey) -> Vec<Order> {
        self.outside.borrow().workers[&key].orders().collect()
    }

    /// The blocks that were requested of a peer since the last call.
    fn requests(&self, key: PeerKey) -> Vec<Span> {
        let spans = |order| if let Order::Request(spans) = order { spans } else { Vec::new() };
        self.orders(key).into_iter().flat_map(spans).collect()
    }

    /// Why we hung up on a peer, if we did.
    fn hung_up(&self, key: PeerKey) -> Option<HangUp> {
        self.outside.borrow().workers[&key].hung_up()
    }

    fn owed(&self, key: PeerKey) -> Vec<Block> {
        self.coordinator.requests.owed_by(key).collect()
    }

    /// The peer sends the blocks that it owes us, at most `most`.
    fn deliver(&mut self, key: PeerKey, most: usize) {
        for block in self.owed(key).into_iter().take(most) {
            let assembly = self.coordinator.requests.assembly(block.piece).unwrap();
            let span = Span { piece: block.piece, first: block.number, count: 1 };
            self.hear(key, [News::Blocks(span, assembly)]);
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.coordinator.snapshot(self.now)
    }

    fn gone(&mut self, key: PeerKey, why: PeerError) {
        self.tell(Event::Gone(key, why));
    }
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, host], 6881))
}

fn greeting(id: u8) -> Greeting {
    Greeting {
        peer_id: PeerId([id; 20]),
        fast: true,
        extensions: true,
        dht: false,
        encryption: Security::default(),
        is_utp: false,
    }
}

const SECOND: Duration = Duration::from_secs(1);
