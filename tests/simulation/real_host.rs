//! A host that runs a real coordinator. Its workers, which are threads in a real run, are played here: orders
//! become messages, and messages become news.
//!
//! Of a worker, too, whatever decides something is real: the ledger that knows which blocks were asked for, and
//! the `PeerRequests` that know which requests are served, rejected or too many.

use crate::connection::{Connection, wire};
use crate::environment::{Noted, NotingEnvironment};
use crate::host::{Action, Host};
use crate::message::{Message, Segment};
use crate::stream::Stream;
use femtotorrent::message::{
    Event, Greeting, HangUp, InboxSlot, Incoming, KnownPeers, News, PeerError, PeerKey, Wait, WebSeedFailure,
};
use femtotorrent::net::PeerStream;
use femtotorrent::peer::{BlockClaim, MAX_HALF_OPEN, NextUpload};
use femtotorrent::piece::{Bitfield, Block, Geometry, PieceIndex};
use femtotorrent::strategy::{Approach, AttemptQueue, OnWordOf, PieceOrder, Security, Source};
use femtotorrent::swarm::{Coordinator, InitialState, Settings, WantedPieces};
use femtotorrent::web_seed::WebSeed;
use femtotorrent::wire::{Handshake, PeerId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// More keys than a coordinator uses until its host is switched off.
const KEYS_OF_A_LIFE: u32 = 1_000_000;

/// A host with a real coordinator.
pub struct RealHost {
    settings: Settings,
    random: fastrand::Rng,
    noted: Rc<RefCell<Noted>>,
    order: PieceOrder,
    /// What waits to be written out, if the payload is.
    stream: Stream,
    /// None while the host is off, and when its run has ended.
    coordinator: Option<Coordinator<'static>>,
    /// What the connector would do: the attempts to connect, and the addresses of those that are open.
    queue: AttemptQueue<(), (PeerKey, SocketAddr), PeerKey>,
    attempts: BTreeMap<PeerKey, SocketAddr>,
    connections: BTreeMap<PeerKey, Connection>,
    was_complete: bool,
    /// The peers that it hung up on because they sent wrong data.
    banned: Vec<SocketAddr>,
    /// The addresses of the web servers that its torrent names.
    web_seeds: Vec<SocketAddr>,
    /// Where the keys of the next life begin, so that no connection has the key of an earlier one.
    last_key: PeerKey,
}

impl RealHost {
    /// A host that is off and has these pieces on its disk.
    pub fn new(
        settings: Settings,
        stored: Bitfield,
        order: PieceOrder,
        web_seeds: Vec<SocketAddr>,
        random: fastrand::Rng,
    ) -> RealHost {
        RealHost {
            settings,
            random,
            was_complete: stored.is_full(),
            banned: Vec::new(),
            noted: Rc::new(RefCell::new(Noted::new(stored, order.is_stream))),
            stream: Stream::new(settings.geometry),
            order,
            coordinator: None,
            queue: AttemptQueue::new(MAX_HALF_OPEN),
            attempts: BTreeMap::new(),
            connections: BTreeMap::new(),
            web_seeds,
            last_key: PeerKey(0),
        }
    }

    fn geometry(&self) -> Geometry {
        self.settings.geometry
    }

    /// One turn of the coordinator, and what it had done. A connection that it ended leads to further turns.
    fn turn(&mut self, event: Option<Event>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Some(coordinator) = &mut self.coordinator else { break };
            if coordinator.turn(event, now).is_some() {
                self.coordinator = None;
                actions.push(Action::Ended);
            }
            self.carry_out(&mut actions, now);
            for (key, why) in self.pass_on_orders(&mut actions) {
                events.push(Some(Event::Gone(key, why)));
            }
        }
        actions
    }

    fn carry_out(&mut self, actions: &mut Vec<Action>, now: Instant) {
        let noted = &mut *self.noted.borrow_mut();
        for (key, address, worker) in noted.asked.drain(..) {
            let address = address_of(&address);
            self.connections.insert(key, Connection { is_ready: false, ..Connection::new(address, worker) });
            actions.push(Action::Dial(key, address));
        }
        noted.dialed.drain(..).for_each(|attempt| self.queue.offer((), attempt));
        while let Some((_, (key, address))) = self.queue.next_to_begin() {
            self.queue.begun((), key, now);
            self.attempts.insert(key, address);
            actions.push(Action::Dial(key, address));
        }
        if std::mem::take(&mut noted.finish_writing) {
            actions.push(Action::FinishWriting);
        }
        actions.extend(noted.supply.take().map(Action::Supply));
        if !self.was_complete && noted.stored.is_full() {
            self.was_complete = true;
            actions.push(Action::Complete);
        }
    }

    /// Has orders sent and connections closed. Those that the coordinator has ended, and why.
    fn pass_on_orders(&mut self, actions: &mut Vec<Action>) -> Vec<(PeerKey, PeerError)> {
        let mut gone = Vec::new();
        for (key, connection) in &mut self.connections {
            if let Some(why) = connection.worker.hung_up() {
                self.banned.extend((why == HangUp::WrongData).then_some(connection.address));
                actions.push(Action::Close(*key));
                gone.push((*key, PeerError::HungUp(why)));
                continue;
            }
            if !connection.is_ready {
                continue;
            }
            let segment = connection.written(&self.settings);
            if !segment.is_empty() {
                actions.push(Action::Send(*key, segment));
            }
        }
        gone.iter().for_each(|(key, _)| _ = self.connections.remove(key));
        gone
    }

    /// What the inbound half would make of a message.
    fn translate(&mut self, key: PeerKey, message: Message, news: &mut Vec<News>) -> Result<(), PeerError> {
        let geometry = self.geometry();
        let Some(connection) = self.connections.get_mut(&key) else { return Ok(()) };
        let requests = connection.worker.requests();
        let said = match message {
            Message::Pieces(pieces) if pieces.is_full() => Some(News::HaveAll),
            Message::Pieces(pieces) => Some(News::Bitfield((*pieces).clone())),
            Message::Extensions(said) => Some(News::ExtensionHandshake(said)),
            Message::Choke => {
                if !connection.fast {
                    // It forgets them all, and says so with this one message.
                    connection.owed.clear();
                }
                Some(News::Choked)
            }
            Message::Unchoke => Some(News::Unchoked),
            Message::Interested(interested) => Some(News::Interested(interested)),
            Message::Have(piece) => Some(News::Have(piece)),
            Message::AllowedFast(piece) => Some(News::AllowedFast(piece)),
            Message::Others(others) => Some(News::Pex(others)),
            Message::Reject(block) => {
                connection.owed.remove(&block);
                connection.ledger.reject(block).then_some(News::Rejected(block))
            }
            Message::Request(block) => {
                let asked = requests.request(block.piece, wire(geometry, block));
                asked.map(|_| None).map_err(PeerError::Violation)?
            }
            Message::Cancel(block) => {
                let canceled = requests.cancel(wire(geometry, block));
                canceled.map(|_| None).map_err(PeerError::Violation)?
            }
            Message::Block(block, right) => {
                connection.owed.remove(&block);
                match connection.ledger.claim(block) {
                    BlockClaim::Leased(assembly) => {
                        news.extend(
                            self.noted.borrow_mut().pieces.put(geometry, block, &assembly, key, right),
                        );
                    }
                    BlockClaim::Late => news.push(News::LateBlock(block)),
                    BlockClaim::Unasked | BlockClaim::Flood => {
                        panic!("{block:?} came from {key:?} and was never asked for")
                    }
                }
                None
            }
            Message::Ready => {
                connection.is_ready = true;
                None
            }
            Message::Failure(why) => return Err(PeerError::WebSeed(why)),
            Message::Handshake(_) | Message::Close | Message::Ahead(_) => None,
        };
        news.extend(said);
        Ok(())
    }

    /// What the outbox would do when the inbound half wakes it.
    fn serve(&self, key: PeerKey, actions: &mut Vec<Action>) {
        let Some(connection) = self.connections.get(&key) else { return };
        let rejects = connection.rejects(self.geometry());
        if !rejects.is_empty() {
            actions.push(Action::Send(key, rejects));
        }
        if connection.worker.requests().pending().next_length.is_some() {
            actions.push(Action::Upload(key));
        }
    }

    /// A connection that it began has come about.
    fn connected(&mut self, key: PeerKey, now: Instant) -> Vec<Action> {
        let Some(address) = self.attempts.remove(&key) else { return Vec::new() };
        self.queue.take(|open| *open == key);
        let mut actions = self.turn(Some(Event::Attempted(key, address, Ok(no_stream()))), now);
        match self.noted.borrow_mut().started.take() {
            Some((key, worker)) => _ = self.connections.insert(key, Connection::new(address, worker)),
            None => actions.push(Action::Close(key)),
        }
        actions
    }

    /// A connection that it began has not come about.
    fn not_connected(&mut self, key: PeerKey, why: PeerError, now: Instant) -> Vec<Action> {
        let Some(address) = self.attempts.remove(&key) else { return Vec::new() };
        self.queue.take(|open| *open == key);
        self.turn(Some(Event::Attempted(key, address, Err(why))), now)
    }

    fn greeted(&mut self, key: PeerKey, greeting: Greeting, now: Instant) -> Vec<Action> {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.fast = greeting.fast;
            connection.worker.requests().set_fast(greeting.fast);
        }
        self.turn(Some(Event::Greeted(key, greeting)), now)
    }

    fn gone(&mut self, key: PeerKey, why: PeerError, now: Instant) -> Vec<Action> {
        match self.connections.remove(&key) {
            Some(_) => self.turn(Some(Event::Gone(key, why)), now),
            None => Vec::new(),
        }
    }
}

impl Host for RealHost {
    fn start(&mut self, now: Instant) -> Vec<Action> {
        let stored = self.noted.borrow().stored.clone();
        let wanted = if stored.is_full() { WantedPieces::Nothing } else { WantedPieces::All };
        let known_peers = KnownPeers { last_key: self.last_key, ..KnownPeers::default() };
        self.last_key.0 += KEYS_OF_A_LIFE;
        let on_word = |address: &SocketAddr| WebSeed {
            address: format!("http://{address}/"),
            word: OnWordOf::Torrent,
            proxy: None,
        };
        let web_seeds = self.web_seeds.iter().map(on_word).collect();
        let state = InitialState { stored, wanted, order: self.order.clone(), known_peers, web_seeds };
        let environment = Box::new(NotingEnvironment(Rc::clone(&self.noted)));
        let coordinator = Coordinator::new(self.settings, state, environment, self.random.fork(), now);
        self.coordinator = Some(coordinator);
        let mut actions = vec![Action::AskTrackers];
        self.carry_out(&mut actions, now);
        actions
    }

    fn stop(&mut self) {
        self.coordinator = None;
        self.queue.leave(());
        self.attempts.clear();
        self.connections.clear();
        let stored = self.noted.borrow().stored.clone();
        *self.noted.borrow_mut() = Noted::new(stored, self.order.is_stream);
    }

    fn incoming(
        &mut self,
        from: SocketAddr,
        peer_id: PeerId,
        now: Instant,
    ) -> (Option<PeerKey>, Vec<Action>) {
        let handshake = Handshake::ours(self.settings.info_hash, peer_id, false);
        let (stream, slot) = (no_stream(), InboxSlot::default());
        let incoming = Incoming { address: from, stream, handshake, slot };
        let mut actions = self.turn(Some(Event::Incoming(incoming)), now);
        let Some((key, worker)) = self.noted.borrow_mut().started.take() else { return (None, actions) };
        self.connections.insert(key, Connection::new(from, worker));
        actions.push(Action::Send(key, vec![Message::Handshake(greeting(self.settings.peer_id))]));
        actions.extend(self.greeted(key, greeting(peer_id), now));
        (Some(key), actions)
    }

    fn hear(&mut self, key: PeerKey, said: Segment, now: Instant) -> Vec<Action> {
        let (mut news, mut end, mut actions) = (Vec::new(), None, Vec::new());
        let is_ready = said.iter().any(|message| matches!(message, Message::Ready));
        for message in said {
            match message {
                Message::Handshake(greeting) => {
                    actions.extend(self.connected(key, now));
                    actions.extend(self.greeted(key, greeting, now));
                }
                Message::Close => end = Some(PeerError::Closed),
                message => end = end.or(self.translate(key, message, &mut news).err()),
            }
        }
        let verified = |news: &News| if let News::Verified(piece, _) = news { Some(*piece) } else { None };
        let verified: Vec<PieceIndex> = news.iter().filter_map(verified).collect();
        if !news.is_empty() {
            actions.extend(self.turn(Some(Event::Heard(key, news.into_iter().collect())), now));
        }
        let written = if self.order.is_stream { self.stream.verified(verified) } else { verified };
        actions.extend(written.into_iter().map(Action::Write));
        self.stream.held(self.noted.borrow().pieces.begun());
        if is_ready {
            actions.extend(self.turn(None, now));
        }
        self.serve(key, &mut actions);
        if let Some(why) = end {
            if !matches!(why, PeerError::Closed) {
                actions.push(Action::Close(key));
            }
            actions.extend(self.gone(key, why, now));
        }
        actions
    }

    fn begin(&mut self, key: PeerKey, now: Instant) -> (Option<Approach>, Vec<Action>) {
        let actions = self.connected(key, now);
        (self.noted.borrow_mut().began.take(), actions)
    }

    fn unreachable(&mut self, key: PeerKey, why: PeerError, now: Instant) -> Vec<Action> {
        let Some(connection) = self.connections.get(&key) else { return self.not_connected(key, why, now) };
        let is_web_seed = self.web_seeds.contains(&connection.address);
        let failed = |why: PeerError| PeerError::WebSeed(WebSeedFailure::Failed(why.to_string()));
        self.gone(key, if is_web_seed { failed(why) } else { why }, now)
    }

    fn next_block(&mut self, key: PeerKey, now: Instant) -> Option<Block> {
        match self.connections.get(&key)?.worker.requests().next(u32::MAX, now)? {
            NextUpload::Block(_, wanted) => {
                self.geometry().block(wanted.index, wanted.begin, wanted.length as usize)
            }
            NextUpload::Metadata { .. } | NextUpload::Hashes { .. } => None,
        }
    }

    fn block_sent(&mut self, key: PeerKey, bytes: u32) {
        if let Some(connection) = self.connections.get(&key) {
            connection.worker.requests().sent(bytes);
        }
    }

    fn most_held(&self) -> usize {
        self.stream.most_held
    }

    fn failures(&self) -> u32 {
        self.noted.borrow().pieces.failures
    }

    fn banned(&self) -> Vec<SocketAddr> {
        self.banned.clone()
    }

    fn waiting(&self) -> usize {
        let waits = |connection: &&Connection| connection.worker.requests().pending().next_length.is_some();
        self.connections.values().filter(waits).count()
    }

    fn owed(&self) -> usize {
        self.connections.values().map(|connection| connection.owed.len()).sum()
    }

    fn next_timer(&self) -> Option<Instant> {
        let next = self.coordinator.as_ref()?.next_timer();
        Some(self.queue.next_overdue().map_or(next, |due| due.min(next)))
    }

    fn wake(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((_, key)) = self.queue.overdue(now) {
            actions.push(Action::Close(key));
            actions.extend(self.not_connected(key, PeerError::TimedOut(Wait::Connection), now));
        }
        actions.extend(self.turn(None, now));
        actions
    }

    fn found(&mut self, addresses: Vec<SocketAddr>, now: Instant) -> Vec<Action> {
        self.turn(Some(Event::Found(Source::Tracker, addresses)), now)
    }

    fn stored(&mut self, piece: PieceIndex, now: Instant) -> (bool, Vec<Action>) {
        self.stream.left();
        let new = self.noted.borrow_mut().stored.insert(piece);
        (new, self.turn(Some(Event::Stored(vec![piece])), now))
    }

    fn writer_ended(&mut self, now: Instant) -> Vec<Action> {
        self.turn(Some(Event::WriterEnded { finished: true }), now)
    }
}

/// The address of a web server, in one of ours.
fn address_of(text: &str) -> SocketAddr {
    let inner = text.trim_start_matches("http://").trim_end_matches('/');
    inner.parse().expect("an address as it was written above")
}

/// A stream that no one reads or writes: what is said here does not pass it.
fn no_stream() -> PeerStream {
    PeerStream::in_memory_with(0, Duration::ZERO).0
}

/// What both handshakes say here: everything but the DHT.
pub fn greeting(peer_id: PeerId) -> Greeting {
    Greeting {
        peer_id,
        fast: true,
        extensions: true,
        dht: false,
        encryption: Security::default(),
        is_utp: false,
    }
}
