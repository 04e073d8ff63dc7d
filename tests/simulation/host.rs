//! What every host of a simulated world can be told, and what it can have done.
//!
//! A host never touches the world: it answers with a list of actions, which the world carries out. So a host
//! can be tested and exchanged by itself, and the world decides in which order things happen.

use crate::message::Segment;
use femtotorrent::message::{PeerError, PeerKey};
use femtotorrent::piece::{Block, PieceIndex};
use femtotorrent::strategy::{Approach, Supply};
use femtotorrent::wire::PeerId;
use std::net::SocketAddr;
use std::time::Instant;

/// One end of a connection: which host, and how that host calls the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct End {
    pub host: usize,
    pub key: PeerKey,
}

/// What a host has done.
#[derive(Debug)]
pub enum Action {
    /// Begin a connection to this address.
    Dial(PeerKey, SocketAddr),
    /// Send messages that hold no block.
    Send(PeerKey, Segment),
    /// There are blocks to send: [`Host::next_block`] knows them.
    Upload(PeerKey),
    /// End a connection.
    Close(PeerKey),
    /// Write a verified piece to the disk.
    Write(PieceIndex),
    /// Say when everything is written.
    FinishWriting,
    /// Begin to ask the trackers.
    AskTrackers,
    /// Tell them how well the host is supplied with peers.
    Supply(Supply),
    /// The host has everything that it wanted.
    Complete,
    /// The run of this host has ended.
    Ended,
}

/// A host of the simulated world: a real coordinator, or a scripted peer.
pub trait Host {
    /// It is switched on. Again after it was switched off, with what it had on its disk.
    fn start(&mut self, now: Instant) -> Vec<Action>;

    /// It is switched off. The world closes its connections.
    fn stop(&mut self);

    /// A peer connects to it. The key of the connection, unless it turns the peer away. The handshakes are
    /// exchanged: it may introduce itself.
    fn incoming(&mut self, from: SocketAddr, peer_id: PeerId, now: Instant)
    -> (Option<PeerKey>, Vec<Action>);

    /// A peer says this.
    fn hear(&mut self, key: PeerKey, said: Segment, now: Instant) -> Vec<Action>;

    /// A connection that it began has come about. How it begins there; `None` if it lets go of it.
    fn begin(&mut self, key: PeerKey, now: Instant) -> (Option<Approach>, Vec<Action>);

    /// A connection that it began did not come about, or ended before the peer's handshake.
    fn unreachable(&mut self, key: PeerKey, why: PeerError, now: Instant) -> Vec<Action>;

    /// The next block to send to a peer. It is being sent from now on.
    fn next_block(&mut self, key: PeerKey, now: Instant) -> Option<Block>;

    /// Whether the bytes of the block that it sends next are right. Only scripted peers lie.
    fn tells_the_truth(&mut self, _: PeerKey, _: Block) -> bool {
        true
    }

    /// The block has left the host.
    fn block_sent(&mut self, key: PeerKey, bytes: u32);

    /// The most pieces of a stream that it had in memory at once.
    fn most_held(&self) -> usize {
        0
    }

    /// How many answers of a web server were cut off.
    fn cuts(&self) -> u32 {
        0
    }

    /// How many pieces were wrong.
    fn failures(&self) -> u32 {
        0
    }

    /// How many connections a leecher has hung up on because of wrong data, by the address of the other end.
    fn banned(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    /// On how many connections requests wait to be served.
    fn waiting(&self) -> usize;

    /// How many blocks it has asked for that have neither come nor been rejected nor canceled.
    fn owed(&self) -> usize;

    /// When [`Host::wake`] is to be called at the latest.
    fn next_timer(&self) -> Option<Instant>;

    /// A timer is due.
    fn wake(&mut self, now: Instant) -> Vec<Action>;

    /// The tracker names these peers.
    fn found(&mut self, addresses: Vec<SocketAddr>, now: Instant) -> Vec<Action>;

    /// A piece is on the disk. False where it was there already.
    fn stored(&mut self, piece: PieceIndex, now: Instant) -> (bool, Vec<Action>);

    /// Everything is on the disk.
    fn writer_ended(&mut self, now: Instant) -> Vec<Action>;
}
