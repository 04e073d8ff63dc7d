//! A scripted seeder: it has everything, serves whoever is interested, and costs little. Its manners can be bad.

use crate::host::{Action, Host};
use crate::message::{Message, Segment};
use crate::real_host::greeting;
use femtotorrent::message::{Greeting, PeerError, PeerKey};
use femtotorrent::piece::{Bitfield, Block, Geometry, PieceIndex};
use femtotorrent::strategy::Approach;
use femtotorrent::wire::PeerId;
use femtotorrent::wire::extension::ExtensionHandshake;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a scripted seeder behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// It chokes everyone and unchokes everyone by turns, each for this long.
    pub flaps: Option<Duration>,
    /// It does both at once: a choke, and behind it an unchoke, which makes room for new requests.
    pub in_one_breath: bool,
    /// It does not speak BEP 6: what it will not send it forgets, and does not reject.
    pub old: bool,
    /// It forgets one request in this many.
    pub forgets: Option<u32>,
    /// It keeps so many requests of a peer, and forgets what comes beyond without a word.
    pub keeps: Option<usize>,
    /// It hangs up when it is asked for more blocks at a time than this.
    pub hangs_up_beyond: Option<usize>,
    /// It chokes and unchokes whoever asks for blocks of two pieces at a time.
    pub one_piece: bool,
    /// It accepts requests and never sends anything.
    pub silent: bool,
    /// It looks at its requests only this often, and answers then all that have come.
    pub serves_every: Option<Duration>,
    /// It begins to unchoke peers only after this time.
    pub unchokes_after: Option<Duration>,
    /// It greets and then says nothing at all.
    pub mute: bool,
    /// It has nothing, connects to the first host of the scene, says that it is interested, and never asks for anything.
    pub never_asks: bool,
    /// It sends wrong bytes.
    pub lies: Lies,
}

/// Which blocks of a seeder are wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lies {
    #[default]
    None,
    /// All.
    All,
    /// One of this many, always the same ones.
    OneOf(u32),
    /// One of this many, by chance.
    Sometimes(u32),
    /// Each block when it is asked for the first time.
    FirstTime,
    /// All from so many blocks on that it has sent.
    After(u32),
    /// All of the first so many; then it falls silent.
    ThenSilent(u32),
}

/// The seeder.
pub struct Stub {
    geometry: Geometry,
    peer_id: PeerId,
    port: u16,
    manners: Manners,
    peers: BTreeMap<PeerKey, Served>,
    last_key: u32,
    /// Requests that came, from all peers.
    requests: u32,
    /// Blocks that it has sent, and which of them once at least.
    sent: u32,
    sent_once: HashSet<Block>,
    random: fastrand::Rng,
    choking: bool,
    /// When it changes its mind about choking.
    flap: Option<Instant>,
    /// When it looks at its requests.
    serve: Option<Instant>,
}

/// One peer of it.
#[derive(Default)]
struct Served {
    interested: bool,
    queue: VecDeque<Block>,
    /// So many of the queue were looked at, where it looks at them now and then.
    ready: usize,
}

impl Stub {
    /// A seeder that is off.
    pub fn new(geometry: Geometry, peer_id: PeerId, port: u16, manners: Manners) -> Stub {
        Stub {
            geometry,
            peer_id,
            port,
            manners,
            peers: BTreeMap::new(),
            last_key: 0,
            requests: 0,
            sent: 0,
            sent_once: HashSet::new(),
            random: fastrand::Rng::with_seed(port.into()),
            choking: false,
            flap: None,
            serve: None,
        }
    }

    fn asked(&mut self, key: PeerKey, block: Block) -> Option<Message> {
        self.requests += 1;
        let peer = self.peers.get_mut(&key)?;
        if self.choking || !peer.interested {
            return self.rejection(block);
        }
        let forgotten = self.manners.forgets.is_some_and(|among| self.requests.is_multiple_of(among))
            || self.manners.keeps.is_some_and(|most| peer.queue.len() >= most);
        if !forgotten && (!self.manners.silent || self.manners.flaps.is_some()) {
            peer.queue.push_back(block);
        }
        None
    }

    fn canceled(&mut self, key: PeerKey, block: Block) -> Option<Message> {
        let queue = &mut self.peers.get_mut(&key)?.queue;
        let at = queue.iter().position(|waiting| *waiting == block)?;
        queue.remove(at).and_then(|block| self.rejection(block))
    }

    fn rejection(&self, block: Block) -> Option<Message> {
        (!self.manners.old).then_some(Message::Reject(block))
    }
}

impl Host for Stub {
    fn start(&mut self, now: Instant) -> Vec<Action> {
        self.choking = self.manners.unchokes_after.is_some();
        self.flap = self.manners.unchokes_after.or(self.manners.flaps).map(|time| now + time);
        self.serve = self.manners.serves_every.map(|period| now + period);
        self.manners.never_asks.then_some(Action::AskTrackers).into_iter().collect()
    }

    fn stop(&mut self) {
        self.peers.clear();
        (self.flap, self.serve) = (None, None);
    }

    fn incoming(&mut self, from: SocketAddr, _: PeerId, _: Instant) -> (Option<PeerKey>, Vec<Action>) {
        self.last_key += 1;
        let key = PeerKey(self.last_key);
        self.peers.insert(key, Served::default());
        let said = ExtensionHandshake {
            request_queue: Some(500),
            port: Some(self.port),
            your_address: Some(from.ip()),
            ..ExtensionHandshake::default()
        };
        let all = Arc::new(Bitfield::all(self.geometry.piece_count()));
        let greeting = Greeting { fast: !self.manners.old, ..greeting(self.peer_id) };
        let handshake = Message::Handshake(greeting);
        let mut segment = vec![handshake];
        if !self.manners.mute && !self.manners.never_asks {
            segment.extend([Message::Pieces(all), Message::Extensions(said)]);
        }
        (Some(key), vec![Action::Send(key, segment)])
    }

    fn hear(&mut self, key: PeerKey, said: Segment, _: Instant) -> Vec<Action> {
        let mut answer = Vec::new();
        for message in said {
            match message {
                Message::Handshake(_) => answer.push(Message::Interested(true)),
                Message::Interested(interested) => {
                    let Some(peer) = self.peers.get_mut(&key) else { continue };
                    let is_new = interested && !std::mem::replace(&mut peer.interested, interested);
                    peer.interested = interested;
                    answer.extend((is_new && !self.choking).then_some(Message::Unchoke));
                }
                Message::Request(block) => answer.extend(self.asked(key, block)),
                Message::Cancel(block) => answer.extend(self.canceled(key, block)),
                Message::Close => _ = self.peers.remove(&key),
                _ => {}
            }
        }
        let waiting = self.peers.get(&key).map_or(0, |peer| peer.queue.len());
        if self.manners.hangs_up_beyond.is_some_and(|most| waiting > most) {
            self.peers.remove(&key);
            return vec![Action::Close(key)];
        }
        if self.manners.one_piece
            && let Some(peer) = self.peers.get_mut(&key)
            && peer.queue.iter().any(|block| Some(block.piece) != peer.queue.front().map(|first| first.piece))
        {
            let rejected = peer.queue.drain(..).map(Message::Reject).filter(|_| !self.manners.old);
            answer.extend(std::iter::once(Message::Choke).chain(rejected).chain([Message::Unchoke]));
        }
        let answer = (!answer.is_empty()).then_some(Action::Send(key, answer));
        answer.into_iter().chain([Action::Upload(key)]).collect()
    }

    fn begin(&mut self, _: PeerKey, _: Instant) -> (Option<Approach>, Vec<Action>) {
        (None, Vec::new())
    }

    fn unreachable(&mut self, _: PeerKey, _: PeerError, _: Instant) -> Vec<Action> {
        Vec::new()
    }

    fn next_block(&mut self, key: PeerKey, _: Instant) -> Option<Block> {
        let is_done = matches!(self.manners.lies, Lies::ThenSilent(most) if self.sent >= most);
        if self.manners.silent || is_done {
            return None;
        }
        let peer = self.peers.get_mut(&key)?;
        if self.manners.serves_every.is_some() {
            peer.ready = peer.ready.checked_sub(1)?;
        }
        peer.queue.pop_front()
    }

    fn tells_the_truth(&mut self, _: PeerKey, block: Block) -> bool {
        self.sent += 1;
        let is_first = self.sent_once.insert(block);
        match self.manners.lies {
            Lies::None => true,
            Lies::All | Lies::ThenSilent(_) => false,
            Lies::OneOf(among) => block.number % among != among / 2,
            Lies::Sometimes(among) => self.random.u32(..among) > 0,
            Lies::FirstTime => !is_first,
            Lies::After(most) => self.sent <= most,
        }
    }

    fn block_sent(&mut self, _: PeerKey, _: u32) {}

    fn waiting(&self) -> usize {
        self.peers.values().filter(|peer| !peer.queue.is_empty()).count()
    }

    fn owed(&self) -> usize {
        0
    }

    fn next_timer(&self) -> Option<Instant> {
        self.flap.into_iter().chain(self.serve).min()
    }

    fn wake(&mut self, now: Instant) -> Vec<Action> {
        if let (Some(due), Some(period)) = (self.serve, self.manners.serves_every)
            && due <= now
        {
            self.serve = Some(due + period);
            self.peers.values_mut().for_each(|peer| peer.ready = peer.queue.len());
            return self.peers.keys().copied().map(Action::Upload).collect();
        }
        let Some(due) = self.flap.filter(|due| *due <= now) else { return Vec::new() };
        self.flap = self.manners.flaps.map(|period| due + period);
        let Manners { in_one_breath, old, .. } = self.manners;
        self.choking = !self.choking && !in_one_breath;
        let chokes = self.choking || in_one_breath;
        let mut actions = Vec::new();
        for (key, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.interested) {
            let mut segment = Vec::new();
            if chokes {
                let rejected = peer.queue.drain(..).map(Message::Reject);
                segment.push(Message::Choke);
                segment.extend(rejected.filter(|_| !old));
            }
            segment.extend((!self.choking).then_some(Message::Unchoke));
            actions.push(Action::Send(*key, segment));
        }
        actions
    }

    fn found(&mut self, addresses: Vec<SocketAddr>, _: Instant) -> Vec<Action> {
        let first = addresses.into_iter().min().filter(|_| self.manners.never_asks && self.last_key == 0);
        let dial = first.map(|address| {
            self.last_key += 1;
            Action::Dial(PeerKey(self.last_key), address)
        });
        dial.into_iter().collect()
    }

    fn stored(&mut self, _: PieceIndex, _: Instant) -> (bool, Vec<Action>) {
        (false, Vec::new())
    }

    fn writer_ended(&mut self, _: Instant) -> Vec<Action> {
        Vec::new()
    }
}
