//! The interface between the coordinator and everything outside of it.
//!
//! The coordinator decides and touches nothing: no socket, no file, no clock, no thread. For all that it
//! needs done, this trait has a method. In a run the session implements it; in tests and in simulated swarms
//! a plain struct does, and the coordinator cannot tell the difference.

use crate::message::{HandedOver, Incoming, Notice, PeerKey, PeerState, Sight, Snapshot};
use crate::net::PeerStream;
use crate::peer::{MAX_HALF_OPEN, Worker};
use crate::piece::{Assembly, Bitfield, PieceDigest, PieceIndex};
use crate::strategy::{Interruption, MemoryClaim, Opening, Supply};
use crate::web_seed::WebSeed;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Instant;

/// What the coordinator can have done by others. No method may wait.
pub trait Environment {
    /// Whether the process may have another connection to a peer, for a torrent that has this many. All of its
    /// torrents share that limit.
    fn has_room(&self, _connected: usize) -> bool {
        true
    }

    /// How many connections the process may have begun and not yet made.
    fn half_open(&self) -> usize {
        MAX_HALF_OPEN
    }

    /// Claims memory for pieces, of what all torrents of the process share. Returns how many bytes this torrent may
    /// have in memory from now on. If it is less than a piece and none is in memory,
    /// [`Event::MemoryFree`](crate::message::Event::MemoryFree) tells when there is more.
    fn claim_memory(&mut self, claim: MemoryClaim) -> u64 {
        claim.wanted
    }

    /// Whether another torrent waits for memory.
    fn is_memory_wanted(&self) -> bool {
        false
    }

    /// Has a connection to this address made. What comes of it is told by
    /// [`Event::Attempted`](crate::message::Event::Attempted).
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    fn connect(&mut self, key: PeerKey, address: SocketAddr) -> io::Result<()>;

    /// The peer at this address speaks uTP, or is said to.
    fn speaks_utp(&mut self, _address: SocketAddr) {}

    /// A peer to which we had connected at this address closed the connection before a word of its own, plain or
    /// encrypted.
    fn closed_early(&mut self, _address: SocketAddr) {}

    /// A connection to this address came about, and then nothing more came.
    fn fell_silent(&mut self, _address: SocketAddr) {}

    /// Tells whoever sees what goes over the network why we try to connect to this address.
    fn explain_connecting(&self, _address: SocketAddr, _why: &dyn Fn() -> String) {}

    /// Starts a worker for a peer that we have connected to.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    fn greet(
        &mut self,
        key: PeerKey,
        address: SocketAddr,
        stream: PeerStream,
        opening: Opening,
    ) -> io::Result<Worker>;

    /// Starts a worker for a peer that has connected to us.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    fn accept(&mut self, key: PeerKey, incoming: Incoming) -> io::Result<Worker>;

    /// Starts a worker for a connection that was handed over by the search for the metadata.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    fn resume(&mut self, key: PeerKey, handed_over: HandedOver) -> io::Result<Worker>;

    /// Starts a worker for a web seed.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    fn start_web_seed(&mut self, key: PeerKey, seed: WebSeed) -> io::Result<Worker>;

    /// The numbers of the pieces that have bytes of a file, which is counted from 0.
    fn pieces_of_file(&self, _number: usize) -> Range<u32> {
        0..u32::MAX
    }

    /// The SHA-1 that a piece must have.
    fn piece_digest(&self, piece: PieceIndex) -> PieceDigest;

    /// Frees the memory of a piece that is given up.
    fn abandon(&mut self, assembly: &Assembly);

    /// Drops what a convicted peer has sent of an open piece: see [`Assembly::refuse`].
    fn refuse(&mut self, assembly: &Assembly, sender: PeerKey) -> Vec<u32> {
        assembly.refuse(sender)
    }

    /// The pieces that can be uploaded: they are on disk and nothing has changed them since.
    fn served_pieces(&self) -> Bitfield;

    /// Closes the files from which nothing was sent to a peer since the last call.
    fn close_idle_files(&mut self) {}

    /// Whether workers have to wait for the disk before they can go on.
    fn is_writer_behind(&self) -> bool;

    /// Tells the writer to bring everything to the disk and to end. False if it cannot be told now.
    fn finish_writing(&mut self) -> bool;

    /// Shows how the run stands.
    fn show(&mut self, snapshot: Snapshot);

    /// Whether somebody wants to hear what happens. Otherwise no notice need be made.
    fn is_watched(&self) -> bool {
        false
    }

    /// Tells whoever watches what has happened.
    fn tell(&mut self, _notice: Notice) {}

    /// Whether the user wants to end.
    fn is_stopped(&self) -> bool;

    /// Whether the user has asked for the table of the peers since the last call.
    fn wants_peers(&mut self) -> bool {
        false
    }

    /// Shows the table of the peers, and how the run stands.
    fn show_peers(&mut self, _snapshot: Snapshot, _peers: Vec<PeerState>) {}

    /// Whether the live view has asked for what it shows since the last call.
    fn wants_sight(&mut self) -> bool {
        false
    }

    /// Gives it that.
    fn show_sight(&mut self, _sight: Sight) {}

    /// Tells the sources of peers how well we are supplied with them, which decides when they are asked again.
    fn supply(&mut self, supply: Supply);

    /// What the sources of peers wait for or lack, in words, as far as no event has told it.
    fn search_trouble(&self, _now: Instant) -> Option<String> {
        None
    }

    /// Whether the host was suspended or has another address since the last call. If so, the sources of peers
    /// have been asked anew.
    fn look_around(&mut self, now: Instant) -> Option<Interruption>;

    /// For some time no connection from this network is to be accepted: a peer there has flooded us.
    fn refuse_connections(&mut self, _from: IpAddr) {}

    /// A peer that came in from here has left and was of no use to either side. Whoever comes so again and again
    /// is to be let in less often. It has told us of so many pieces one by one.
    fn came_in_vain(&mut self, _from: IpAddr, _told: u32) {}

    /// This address turned out to be ourselves.
    fn met_ourselves(&mut self, _address: SocketAddr) {}

    /// A peer says that its DHT node has this address (BEP 5).
    fn dht_node(&mut self, address: SocketAddr);

    /// Tells the trackers that the download is complete.
    fn completed(&mut self, snapshot: Snapshot);
}
