//! A web server that has the files of the torrent (BEP 19), together with the thread that asks it: blocks that follow
//! one another are one request over HTTP, which goes on as far as the thread was told, and the next request goes out
//! when the answer to the one before has come. So between two requests the line is idle for a round trip. An answer
//! cannot be made shorter: where its bytes are of no more use it is cut off, and what is on its way is lost.

use crate::host::{Action, Host};
use crate::message::{Message, Segment};
use femtotorrent::message::{PeerError, PeerKey, WebSeedFailure};
use femtotorrent::piece::{Block, Geometry, PieceIndex};
use femtotorrent::strategy::Approach;
use femtotorrent::wire::PeerId;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// An answer waits so long for orders.
const ORDER_DEADLINE: Duration = Duration::from_secs(2);
/// So many bytes that are not wanted are read and dropped, where others follow.
const MAX_SKIPPED: u64 = 1024 * 1024;

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
    cuts: u32,
}

/// One client of it.
#[derive(Default)]
struct Client {
    queue: VecDeque<Block>,
    /// What remains of the current answer, or of the one that is asked for, in bytes of the payload.
    answer: Range<u64>,
    ahead: Range<u32>,
    /// Since when nothing is wanted of an answer that is not at its end.
    idle_since: Option<Instant>,
    /// When the answer to the current request begins to come.
    answers_at: Option<Instant>,
    is_new: bool,
}

impl WebServer {
    pub fn new(geometry: Geometry, round_trip: Duration, manners: WebManners) -> WebServer {
        WebServer { geometry, round_trip, manners, clients: BTreeMap::new(), last_key: 0, failed: 0, cuts: 0 }
    }
}

impl Client {
    /// The bytes of the payload that a request brings which begins with the next block.
    fn request(&self, geometry: &Geometry) -> Option<Range<u64>> {
        let next = *self.queue.front()?;
        let mut bytes = stretch(geometry, next);
        for block in self.queue.iter().skip(1).map(|block| stretch(geometry, *block)) {
            if block.start != bytes.end {
                break;
            }
            bytes.end = block.end;
        }
        if self.ahead.contains(&next.piece.get()) {
            let end = geometry.piece(self.ahead.end).map_or(geometry.total_size(), |it| geometry.offset(it));
            bytes.end = bytes.end.max(end);
        }
        Some(bytes)
    }

    /// Whether the current answer is cut off, as it is of no more use.
    fn cuts(&mut self, geometry: &Geometry, now: Instant) -> bool {
        if self.answer.is_empty() || self.answers_at.is_some() {
            return false;
        }
        let waited = self.idle_since.take().map(|since| now.saturating_duration_since(since));
        let next =
            self.queue.front().map(|next| geometry.offset(next.piece) + u64::from(geometry.begin(*next)));
        let near = self.answer.start..self.answer.end.min(self.answer.start + MAX_SKIPPED);
        let is_cut = waited.is_some_and(|waited| waited > ORDER_DEADLINE)
            || next.is_some_and(|next| !near.contains(&next));
        if is_cut {
            self.answer = 0..0;
        }
        is_cut
    }
}

/// Where a block is in the payload, in bytes.
fn stretch(geometry: &Geometry, block: Block) -> Range<u64> {
    let start = geometry.offset(block.piece) + u64::from(geometry.begin(block));
    start..start + u64::from(geometry.block_length(block))
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
                Message::Ahead(pieces) => client.ahead = pieces,
                Message::Close => {
                    self.cuts += u32::from(!client.answer.is_empty() && client.answers_at.is_none());
                    self.clients.remove(&key);
                }
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
        let client = self.clients.get_mut(&key).filter(|_| !self.manners.silent)?;
        self.cuts += u32::from(client.cuts(&self.geometry, now));
        let Some(next) = client.queue.front().copied() else {
            client.idle_since = Some(now).filter(|_| !client.answer.is_empty());
            return None;
        };
        let hesitation = Duration::from_secs(self.manners.hesitates);
        let wait = self.round_trip + if client.is_new { hesitation } else { Duration::ZERO };
        if client.answer.is_empty() {
            client.answer = client.request(&self.geometry)?;
            client.answers_at = Some(now + wait);
        }
        if client.answers_at.is_some() {
            return None;
        }
        client.is_new = false;
        client.answer.start = stretch(&self.geometry, next).end.min(client.answer.end);
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

    fn cuts(&self) -> u32 {
        self.cuts
    }

    fn next_timer(&self) -> Option<Instant> {
        self.clients.values().filter_map(|client| client.answers_at).min()
    }

    fn wake(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for (key, client) in &mut self.clients {
            if client.answers_at.is_some_and(|at| at <= now) {
                client.answers_at = None;
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
