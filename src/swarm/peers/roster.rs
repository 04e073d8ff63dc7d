//! The peers of one torrent: what each has, what it was asked for, how it does.

use crate::message::{Greeting, HangUp, Order, PeerKey};
use crate::peer::Worker;
use crate::piece::{Bitfield, Block, PieceIndex};
use crate::strategy::{PeerPieces, PexHistory, Pipeline, Rate};
use crate::wire::PeerId;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Orders that a peer may leave unread. A connection takes in thousands before its outbox waits.
const MAX_ORDERS: usize = 2000;
/// Pieces of which a peer that reads slowly was not told yet.
const MAX_UNTOLD: usize = 64 * 1024;

/// One connection, from the attempt to the farewell.
#[derive(Debug)]
pub struct Peer {
    /// Where the other end of the connection is.
    pub address: SocketAddr,
    /// It has connected to us.
    pub incoming: bool,
    /// Where it can be connected to, if that is known.
    pub dial: Option<SocketAddr>,
    /// Our end of its worker.
    pub worker: Worker,
    /// When the attempt began.
    pub since: Instant,
    /// What its handshake said; `None` while there was none.
    pub greeting: Option<Greeting>,
    /// Which pieces it has.
    pub has: PeerPieces,
    /// How many of them we do not have.
    pub wanted: u32,
    /// We told it that we are interested.
    pub interested: bool,
    /// It answers our requests.
    pub unchoked: bool,
    /// Pieces that it sends even while it chokes us (BEP 6).
    pub allowed_fast: Vec<PieceIndex>,
    /// What it was asked for, the oldest in front.
    pub in_flight: VecDeque<Block>,
    /// How many requests it gets.
    pub pipeline: Pipeline,
    /// When it last sent a block, or was asked again after it had been owing nothing.
    pub last_block: Instant,
    /// How many times in a row it was asked and sent nothing.
    pub snubs: u32,
    /// How many requests in a row it refused.
    pub refusals: u32,
    /// How many bitfields it sent that said nothing new.
    pub idle_bitfields: u32,
    /// It could take more requests than there was to ask for.
    pub starving: bool,
    /// It told us of its node of the DHT.
    pub named_dht_node: bool,
    /// It sent a block once.
    pub useful: bool,
    /// We have hung up, and its farewell is on its way to us.
    pub leaving: bool,
    /// Pieces of which it is told when it has read what it was told before.
    pub untold: Vec<PieceIndex>,
    /// When it was sent a block last.
    pub last_taken: Instant,
    /// It is interested in what we have.
    pub wants_ours: bool,
    /// It downloads nothing (any more), whatever it lacks (BEP 21).
    pub upload_only: bool,
    /// The number that it gave to messages about other peers, where it wants any (BEP 11).
    pub pex: Option<u8>,
    /// What it was told of them.
    pub gossip: PexHistory,
    /// How fast it sends blocks.
    pub gives: Rate,
    /// How fast it is sent blocks.
    pub takes: Rate,
}

/// What a peer may be asked for.
#[derive(Clone, Copy, Debug)]
pub enum Restriction<'a> {
    /// Whatever it has.
    Has(&'a PeerPieces),
    /// Of what it has, the pieces that it sends while it chokes us.
    AllowedFast(&'a PeerPieces, &'a [PieceIndex]),
}

impl Restriction<'_> {
    /// Whether the peer may be asked for this piece.
    pub fn allows(&self, piece: PieceIndex) -> bool {
        match self {
            Restriction::Has(has) => has.has(piece),
            Restriction::AllowedFast(has, allowed) => allowed.contains(&piece) && has.has(piece),
        }
    }
}

impl Peer {
    /// A peer that we connect to, whose worker is just starting.
    pub fn outgoing(address: SocketAddr, worker: Worker, now: Instant) -> Peer {
        Peer { dial: Some(address), incoming: false, ..Peer::incoming(address, worker, now) }
    }

    /// A peer that has connected to us, whose worker is just starting.
    pub fn incoming(address: SocketAddr, worker: Worker, now: Instant) -> Peer {
        Peer {
            address,
            incoming: true,
            dial: None,
            worker,
            since: now,
            greeting: None,
            has: PeerPieces::Some(Bitfield::none(0)),
            wanted: 0,
            interested: false,
            unchoked: false,
            allowed_fast: Vec::new(),
            in_flight: VecDeque::new(),
            pipeline: Pipeline::new(now),
            last_block: now,
            snubs: 0,
            refusals: 0,
            idle_bitfields: 0,
            starving: false,
            named_dht_node: false,
            useful: false,
            leaving: false,
            untold: Vec::new(),
            last_taken: now,
            wants_ours: false,
            upload_only: false,
            pex: None,
            gossip: PexHistory::new(now),
            gives: Rate::new(now),
            takes: Rate::new(now),
        }
    }

    /// How it calls itself, once it has said so.
    pub fn peer_id(&self) -> Option<PeerId> {
        self.greeting.map(|greeting| greeting.peer_id)
    }

    /// Whether it will never ask us for anything.
    pub fn wants_nothing(&self) -> bool {
        self.upload_only || self.is_seed()
    }

    /// What it may be asked for now; `None` where it may be asked for nothing.
    pub fn may_be_asked(&self) -> Option<Restriction<'_>> {
        if self.wanted == 0 {
            None
        } else if self.unchoked {
            Some(Restriction::Has(&self.has))
        } else {
            (!self.allowed_fast.is_empty()).then_some(Restriction::AllowedFast(&self.has, &self.allowed_fast))
        }
    }

    /// Whether it could be asked for more, so far as its own pipeline goes.
    pub fn is_hungry(&self) -> bool {
        self.starving || self.in_flight.is_empty()
    }

    /// Whether it has every piece.
    pub fn is_seed(&self) -> bool {
        match &self.has {
            PeerPieces::All => true,
            PeerPieces::Some(pieces) => pieces.length() > 0 && pieces.is_full(),
        }
    }

    /// Strikes a block from what it was asked for. False where it was not (any more).
    pub fn strike(&mut self, block: Block) -> bool {
        if self.in_flight.front() == Some(&block) {
            self.in_flight.pop_front();
            return true;
        }
        match self.in_flight.iter().position(|other| *other == block) {
            Some(at) => self.in_flight.remove(at).is_some(),
            None => false,
        }
    }

    /// Gives its outbox an order, and hangs up where the peer leaves too many unread.
    pub fn order(&self, order: Order) {
        if self.worker.order(order) > MAX_ORDERS {
            self.worker.hang_up(HangUp::DoesNotRead);
        }
    }

    /// Tells it that we have this piece, now or, where it is slow to read, when it has read the rest: a
    /// piece that waits takes four bytes, an order many times that.
    pub fn tell_of(&mut self, piece: PieceIndex) {
        if self.untold.is_empty() && self.worker.backlog() < MAX_ORDERS / 4 {
            self.order(Order::Have(piece));
        } else if self.untold.len() < MAX_UNTOLD {
            self.untold.push(piece);
        } else {
            self.worker.hang_up(HangUp::DoesNotRead);
        }
    }

    /// Tells it of what it was not told of yet, where it has read the rest.
    pub fn catch_up(&mut self) {
        if !self.untold.is_empty() && self.worker.backlog() == 0 {
            for piece in self.untold.drain(..self.untold.len().min(MAX_ORDERS / 4)) {
                // Fewer than are too many.
                self.worker.order(Order::Have(piece));
            }
        }
    }
}

/// The peers of one torrent.
#[derive(Debug)]
pub struct Roster {
    peers: HashMap<PeerKey, Peer>,
    next: u32,
}

impl Roster {
    /// An empty roster, whose first number comes after this one.
    pub fn after(last: PeerKey) -> Roster {
        Roster { peers: HashMap::new(), next: last.0 }
    }

    /// A number for the next connection.
    pub fn next_key(&mut self) -> PeerKey {
        self.next = self.next.wrapping_add(1);
        PeerKey(self.next)
    }

    /// Adds a connection.
    pub fn add(&mut self, key: PeerKey, peer: Peer) {
        self.peers.insert(key, peer);
    }

    /// Takes a connection out.
    pub fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        self.peers.remove(&key)
    }

    /// Takes every connection out, and so ends them.
    pub fn clear(&mut self) {
        self.peers.clear();
    }

    /// This connection.
    pub fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.peers.get(&key)
    }

    /// This connection, to change it.
    pub fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.peers.get_mut(&key)
    }

    /// Every connection and every attempt at one.
    pub fn all(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.peers.iter().map(|(key, peer)| (*key, peer))
    }

    /// Every connection and every attempt at one, to change them.
    pub fn all_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut Peer)> {
        self.peers.iter_mut().map(|(key, peer)| (*key, peer))
    }

    /// The peers that were greeted and are here.
    pub fn greeted(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.all().filter(|(_, peer)| peer.greeting.is_some() && !peer.leaving)
    }

    /// How many connections came in, and how many of them from this address.
    pub fn incoming(&self, from: IpAddr) -> (usize, usize) {
        let incoming = || self.peers.values().filter(|peer| peer.incoming);
        (incoming().count(), incoming().filter(|peer| peer.address.ip() == from).count())
    }

    /// How many connections and attempts there are.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// How many of them are attempts.
    pub fn half_open(&self) -> usize {
        self.peers.values().filter(|peer| peer.greeting.is_none()).count()
    }
}
