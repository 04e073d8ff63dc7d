//! One peer, as the coordinator knows it.

use crate::message::Greeting;
use crate::peer::Worker;
use crate::piece::{Bitfield, PieceIndex};
use crate::strategy::{PeerPieces, PexHistory, Pipeline, Rate, Security, Standing, Trust};
use crate::wire::PeerId;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A web seed may be silent for so long.
const SERVER_SILENCE: Duration = Duration::from_secs(20);
/// For how many peers a web seed counts where memory for requests is shared out.
const WEB_SEED_PARTS: u32 = 4;

/// One connection, from its first byte to its end.
#[derive(Debug)]
pub struct Peer {
    /// The address of the other end.
    pub address: SocketAddr,
    /// What it is.
    pub kind: PeerKind,
    /// The address that we can connect to, if it is known.
    pub dial: Option<SocketAddr>,
    /// Other addresses that lead to it and count as connected.
    pub also_at: Vec<SocketAddr>,
    /// Our end of its worker.
    pub worker: Worker,
    /// When the connection was made.
    pub since: Instant,
    /// What its handshake said; `None` before it came.
    pub greeting: Option<Greeting>,
    /// It has said something about its pieces, or about what it wants or gives.
    pub has_spoken: bool,
    /// We have hung up, and its worker has not reported its end yet.
    pub leaving: bool,
    /// Which pieces it has.
    pub pieces: PeerPieces,
    /// Of how many it has told us one by one, or taken them back.
    pub told_pieces: u32,
    /// How many of them we want and do not have.
    pub wanted: u32,
    /// What BEP 3 calls the state of the connection.
    pub flags: Flags,
    /// How it does as a source of blocks.
    pub download: Download,
    /// How it does as a receiver of blocks.
    pub upload: Upload,
    /// What its other messages said.
    pub messages: Messages,
}

/// What is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A peer that we have connected to.
    Outgoing,
    /// A peer that has connected to us.
    Incoming,
    /// No peer but a web seed at this host (BEP 19). It has no address of a peer, and is not greeted.
    WebSeed(String),
}

/// The flags of a connection (BEP 3). The fourth of them, `am_choking`, is kept by the choker, which alone
/// decides it.
#[derive(Debug)]
pub struct Flags {
    /// We told it that we are interested.
    pub am_interested: bool,
    /// It answers none of our requests.
    pub peer_choking: bool,
    /// When that changed, or the connection was made.
    pub choking_since: Instant,
    /// It is interested in what we have.
    pub peer_interested: bool,
    /// It downloads nothing (any more), whatever it lacks (BEP 21).
    pub upload_only: bool,
}

/// A peer as a source of blocks. What it owes us is in the table of requests.
#[derive(Debug)]
pub struct Download {
    /// How many requests may be on their way to it.
    pub pipeline: Pipeline,
    /// How fast it sends blocks.
    pub rate: Rate,
    /// When it last sent a block, or was sent a request while it owed us nothing; before that, by as much as
    /// it was silent until it choked us.
    pub last_block: Instant,
    /// What its chokes say about it.
    pub standing: Standing,
    /// What its pieces say about it.
    pub trust: Trust,
    /// How many times in a row it snubbed us: it owed us blocks and sent none.
    pub snubs: u32,
    /// How many requests in a row it rejected.
    pub rejections: u32,
    /// It could take more requests than we had for it.
    pub starving: bool,
    /// It could take more requests than we had use for: much faster peers send the rest sooner.
    pub left_out: bool,
    /// Its rate at the last tick before it stopped sending, in bytes a second: how fast it is while it sends.
    pub pace: f64,
    /// How fast its first blocks came from when they were asked for, in bytes a second. Zero once there are more.
    pub first_pace: f64,
    /// It was silent, and what it owed was taken back or taken over. Until it sends a block its silence goes
    /// on, and it takes nothing over itself. Otherwise silent peers would pass the last blocks around among
    /// themselves.
    pub overtaken: bool,
    /// It has sent at least one block.
    pub useful: bool,
    /// The host was suspended or is in another network: by then it has to say something.
    pub must_speak_by: Option<Instant>,
    /// Pieces that it has sent alone and wrong. It is asked for them again when nothing else is left to ask it for.
    pub kept_for_last: Vec<PieceIndex>,
    /// Its allowed-fast set: pieces that it sends even while it chokes us (BEP 6).
    pub allowed_fast: Vec<PieceIndex>,
    /// What it has sent so far.
    pub total: Received,
}

/// Payload bytes that came from a peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// All.
    pub bytes: u64,
    /// Those that had come already, or came too late.
    pub wasted: u64,
}

/// A peer as a receiver of blocks.
#[derive(Debug)]
pub struct Upload {
    /// How fast it is sent blocks.
    pub rate: Rate,
    /// Payload bytes that it was sent.
    pub total: u64,
    /// When it was last sent a block.
    pub last_sent: Instant,
    /// When it last made use of its slot: it asked for a block, or was sent one.
    pub asked_at: Option<Instant>,
    /// When it was last looked whether it does.
    pub counted_at: Instant,
    /// How long after the connection was made it first said that it is interested.
    pub interested_after: Option<Duration>,
    /// Pieces that it will be told of when it has read what it was sent before.
    pub(super) untold: Vec<PieceIndex>,
    /// It was told that we have no piece, before its connection came to the swarm.
    pub(super) told_of_none: bool,
}

/// What a peer said that is not about blocks.
#[derive(Debug)]
pub struct Messages {
    /// The message id that it gave to PEX, if it accepts PEX messages (BEP 11).
    pub pex_id: Option<u8>,
    /// Which peers it was told of.
    pub pex_history: PexHistory,
    /// It has told us the port of its DHT node.
    pub named_dht_node: bool,
    /// It says that it prefers encrypted connections.
    pub prefers_encryption: bool,
    /// The port at which it says that it listens.
    pub listens_at: Option<u16>,
    /// What it calls its program.
    pub client: Option<Box<str>>,
}

/// What a peer may be asked for.
#[derive(Clone, Copy, Debug)]
pub enum Restriction<'a> {
    /// Every piece that it has.
    Has(&'a PeerPieces),
    /// It chokes us, so only the pieces that it has of its allowed-fast set.
    AllowedFast(&'a PeerPieces, &'a [PieceIndex]),
}

impl Restriction<'_> {
    /// Whether the peer may be asked for this piece.
    pub fn allows(&self, piece: PieceIndex) -> bool {
        match self {
            Restriction::Has(pieces) => pieces.has(piece),
            Restriction::AllowedFast(pieces, allowed) => allowed.contains(&piece) && pieces.has(piece),
        }
    }
}

impl Download {
    /// Whether it is not asked for anything now, for its chokes.
    pub fn rests(&self, now: Instant) -> bool {
        self.standing.rests(now)
    }
}

impl Peer {
    /// A peer that we connect to, whose worker is just starting.
    pub fn outgoing(address: SocketAddr, worker: Worker, now: Instant) -> Peer {
        Peer { dial: Some(address), kind: PeerKind::Outgoing, ..Peer::incoming(address, worker, now) }
    }

    /// The same, with a connection over which the metadata came.
    #[must_use]
    pub fn going_on(mut self) -> Peer {
        self.upload.told_of_none = true;
        self
    }

    /// A peer that has connected to us, whose worker is just starting.
    pub fn incoming(address: SocketAddr, worker: Worker, now: Instant) -> Peer {
        Peer {
            address,
            kind: PeerKind::Incoming,
            dial: None,
            also_at: Vec::new(),
            worker,
            since: now,
            greeting: None,
            has_spoken: false,
            leaving: false,
            pieces: PeerPieces::Some(Bitfield::none(0)),
            told_pieces: 0,
            wanted: 0,
            // How every connection begins (BEP 3).
            flags: Flags {
                am_interested: false,
                peer_choking: true,
                choking_since: now,
                peer_interested: false,
                upload_only: false,
            },
            download: Download {
                pipeline: Pipeline::new(now),
                rate: Rate::new(now),
                last_block: now,
                standing: Standing::new(now),
                trust: Trust::default(),
                snubs: 0,
                rejections: 0,
                starving: false,
                left_out: false,
                pace: 0.0,
                first_pace: 0.0,
                overtaken: false,
                useful: false,
                must_speak_by: None,
                kept_for_last: Vec::new(),
                allowed_fast: Vec::new(),
                total: Received::default(),
            },
            upload: Upload {
                rate: Rate::new(now),
                total: 0,
                last_sent: now,
                asked_at: None,
                counted_at: now,
                interested_after: None,
                untold: Vec::new(),
                told_of_none: false,
            },
            messages: Messages {
                pex_id: None,
                pex_history: PexHistory::new(now),
                named_dht_node: false,
                prefers_encryption: false,
                listens_at: None,
                client: None,
            },
        }
    }

    /// A web seed at this host, whose worker is just starting. It has these pieces, of which we lack so many that we
    /// want, and answers every request.
    pub fn web_seed(host: String, worker: Worker, pieces: PeerPieces, wanted: u32, now: Instant) -> Peer {
        let mut peer = Peer::incoming(SocketAddr::from(([0, 0, 0, 0], 0)), worker, now);
        peer.kind = PeerKind::WebSeed(host);
        (peer.pieces, peer.wanted) = (pieces, wanted);
        (peer.flags.peer_choking, peer.flags.upload_only) = (false, true);
        peer.download.pipeline = Pipeline::of_runs(now);
        peer
    }

    /// Whether it has connected to us.
    pub fn is_incoming(&self) -> bool {
        self.kind == PeerKind::Incoming
    }

    /// Whether it is a web seed.
    pub fn is_web_seed(&self) -> bool {
        matches!(self.kind, PeerKind::WebSeed(_))
    }

    /// What it is called in a log.
    pub fn name(&self) -> String {
        match &self.kind {
            PeerKind::WebSeed(host) => format!("the web seed {host}"),
            PeerKind::Outgoing | PeerKind::Incoming => self.address.to_string(),
        }
    }

    /// For how many peers it counts where memory for requests is shared out. A web seed has a round trip without a
    /// byte between two requests, so it needs more on its way than a peer of the same rate.
    pub fn memory_parts(&self) -> u32 {
        if self.is_web_seed() { WEB_SEED_PARTS } else { 1 }
    }

    /// A shorter silence of it is no sign that something is wrong. A server may take seconds to connect, to redirect us
    /// or to find the file, and a request that is given up has to wait for all that once more.
    pub fn shortest_silence(&self) -> Duration {
        if self.is_web_seed() { SERVER_SILENCE } else { Duration::ZERO }
    }

    /// Whether it is known which pieces it has: a peer has to greet us before it can say so.
    pub fn is_introduced(&self) -> bool {
        self.greeting.is_some() || self.is_web_seed()
    }

    /// The pieces for which it counts as a partial peer. A server has the same ones for everybody, and does not leave
    /// the swarm, so it says nothing about rarity.
    pub fn partial_pieces(&self) -> Option<&Bitfield> {
        match &self.pieces {
            PeerPieces::Some(pieces) if !self.is_web_seed() => Some(pieces),
            PeerPieces::Some(_) | PeerPieces::All => None,
        }
    }

    /// Whether the handshakes were exchanged and the connection is to go on.
    pub fn is_connected(&self) -> bool {
        self.greeting.is_some() && !self.leaving
    }

    /// Its peer ID, once its handshake came.
    pub fn peer_id(&self) -> Option<PeerId> {
        self.greeting.map(|greeting| greeting.peer_id)
    }

    /// Whether it would rather be connected to encrypted: the connection is, or it says so.
    pub fn prefers_encryption(&self) -> bool {
        let is_encrypted = self.greeting.is_some_and(|greeting| greeting.encryption != Security::Plain);
        is_encrypted || self.messages.prefers_encryption
    }

    /// Whether its connection goes over uTP.
    pub fn is_utp(&self) -> bool {
        self.greeting.is_some_and(|greeting| greeting.is_utp)
    }

    /// The address that we can connect to, or else the one that it has connected from.
    pub fn best_address(&self) -> SocketAddr {
        self.dial.unwrap_or(self.address)
    }

    /// Whether it will never ask us for anything.
    pub fn wants_nothing(&self) -> bool {
        self.flags.upload_only || self.is_seed()
    }

    /// Whether it has every piece.
    pub fn is_seed(&self) -> bool {
        match &self.pieces {
            PeerPieces::All => true,
            PeerPieces::Some(pieces) => pieces.length() > 0 && pieces.is_full(),
        }
    }

    /// What it may be asked for now. `None` if nothing.
    pub fn may_be_asked(&self) -> Option<Restriction<'_>> {
        let allowed = &self.download.allowed_fast;
        if self.wanted == 0 {
            None
        } else if !self.flags.peer_choking {
            Some(Restriction::Has(&self.pieces))
        } else {
            (!allowed.is_empty()).then_some(Restriction::AllowedFast(&self.pieces, allowed))
        }
    }

    /// When a block last went either way.
    pub fn last_transfer(&self) -> Instant {
        self.download.last_block.max(self.upload.last_sent)
    }
}
