//! A web server that has the files of the torrent (BEP 19), together with the thread that asks it: blocks that follow
//! one another are one request over HTTP, and the next request goes out when the answer to the one before has come. So
//! between two requests the line is idle for a round trip.

use crate::host::{Action, Host};
use crate::message::{Message, Segment};
use femtotorrent::message::{PeerError, PeerKey, WebSeedFailure};
use femtotorrent::piece::{Block, Geometry, PieceIndex};
use femtotorrent::strategy::Approach;
use femtotorrent::wire::PeerId;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How a web server behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebManners {
    /// So many connections get an error and no block.
    pub fails: u32,
    /// It answers after so many seconds only: it looks for the file.
    pub hesitates: u64,
    /// It takes requests and never sends anything.
    pub silent: bool,
    /// Its bytes are wrong.
    pub lies: bool,
}

/// The server.
pub struct WebServer {
    geometry: Geometry,
    round_trip: Duration,
    manners: WebManners,
    clients: BTreeMap<PeerKey, Client>,
    last_key: u32,
    failed: u32,
}

/// One client of it.
#[derive(Default)]
struct Client {
    queue: VecDeque<Block>,
    last: Option<Block>,
    /// When the answer to the current request begins to come.
    answers_at: Option<Instant>,
    answers: bool,
    is_new: bool,
}

impl WebServer {
    pub fn new(geometry: Geometry, round_trip: Duration, manners: WebManners) -> WebServer {
        WebServer { geometry, round_trip, manners, clients: BTreeMap::new(), last_key: 0, failed: 0 }
    }

    fn follows(&self, last: Block, next: Block) -> bool {
        let is_last_of_piece = last.number + 1 == self.geometry.block_count(last.piece);
        match is_last_of_piece {
            true => next.number == 0 && next.piece.get() == last.piece.get() + 1,
            false => next.piece == last.piece && next.number == last.number + 1,
        }
    }
}

impl Host for WebServer {
    fn start(&mut self, _: Instant) -> Vec<Action> {
        Vec::new()
    }

    fn stop(&mut self) {
        self.clients.clear();
    }

    fn incoming(&mut self, _: SocketAddr, _: PeerId, _: Instant) -> (Option<PeerKey>, Vec<Action>) {
        self.last_key += 1;
        let key = PeerKey(self.last_key);
        if self.failed < self.manners.fails {
            self.failed += 1;
            let failure = Message::Failure(WebSeedFailure::Failed("it answers 500".to_owned()));
            return (Some(key), vec![Action::Send(key, vec![failure])]);
        }
        self.clients.insert(key, Client { is_new: true, ..Client::default() });
        (Some(key), vec![Action::Send(key, vec![Message::Ready])])
    }

    fn hear(&mut self, key: PeerKey, said: Segment, _: Instant) -> Vec<Action> {
        for message in said {
            let Some(client) = self.clients.get_mut(&key) else { continue };
            match message {
                Message::Request(block) => client.queue.push_back(block),
                Message::Cancel(block) => client.queue.retain(|waiting| *waiting != block),
                Message::Close => _ = self.clients.remove(&key),
                other => panic!("a web server hears {other:?}"),
            }
        }
        vec![Action::Upload(key)]
    }

    fn begin(&mut self, _: PeerKey, _: Instant) -> (Option<Approach>, Vec<Action>) {
        (None, Vec::new())
    }

    fn unreachable(&mut self, _: PeerKey, _: PeerError, _: Instant) -> Vec<Action> {
        Vec::new()
    }

    fn next_block(&mut self, key: PeerKey, now: Instant) -> Option<Block> {
        let client = self.clients.get(&key).filter(|_| !self.manners.silent)?;
        let next = *client.queue.front()?;
        let goes_on = client.last.is_some_and(|last| self.follows(last, next));
        let hesitation = Duration::from_secs(self.manners.hesitates);
        let wait = self.round_trip + if client.is_new { hesitation } else { Duration::ZERO };
        let client = self.clients.get_mut(&key)?;
        if !goes_on && !client.answers {
            client.answers_at.get_or_insert(now + wait);
            return None;
        }
        (client.answers, client.last, client.is_new) = (false, Some(next), false);
        client.queue.pop_front()
    }

    fn tells_the_truth(&mut self, _: PeerKey, _: Block) -> bool {
        !self.manners.lies
    }

    fn block_sent(&mut self, _: PeerKey, _: u32) {}

    fn waiting(&self) -> usize {
        self.clients.values().filter(|client| !client.queue.is_empty()).count()
    }

    fn owed(&self) -> usize {
        0
    }

    fn next_timer(&self) -> Option<Instant> {
        self.clients.values().filter_map(|client| client.answers_at).min()
    }

    fn wake(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for (key, client) in &mut self.clients {
            if client.answers_at.is_some_and(|at| at <= now) {
                (client.answers_at, client.answers) = (None, true);
                actions.push(Action::Upload(*key));
            }
        }
        actions
    }

    fn found(&mut self, _: Vec<SocketAddr>, _: Instant) -> Vec<Action> {
        Vec::new()
    }

    fn stored(&mut self, _: PieceIndex, _: Instant) -> (bool, Vec<Action>) {
        (false, Vec::new())
    }

    fn writer_ended(&mut self, _: Instant) -> Vec<Action> {
        Vec::new()
    }
}
