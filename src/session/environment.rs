//! The world around the coordinator of a run: workers, writer, sources of peers, screen. It carries out what
//! the coordinator decides, on the coordinator's thread, so nothing here may wait.

use super::peer_sources::PeerSources;
use super::{Completion, MemoryAccount, Progress, RunContext, TorrentSight};
use crate::message::{HandedOver, Incoming, Notice, PeerKey, PeerState, RunPhase, Sight, Snapshot, Write};
use crate::metainfo::{File, Metainfo};
use crate::net::PeerStream;
use crate::net::tap::Seen;
use crate::peer::{self, Caller, Worker};
use crate::piece::{Assembly, Bitfield, PieceDigest, PieceIndex};
use crate::storage::Selection;
use crate::strategy::{Interruption, MemoryClaim, Opening, Supply};
use crate::swarm::Environment;
use crate::tracker::Counts;
use crate::web_seed::{self, WebSeed};
use log::info;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// The environment of the coordinator in a run.
pub(super) struct RunEnvironment<'a> {
    pub run: RunContext<'a>,
    pub metainfo: &'a Metainfo,
    pub shared: Arc<peer::TorrentContext>,
    pub memory: MemoryAccount,
    pub caller: Caller,
    pub sources: &'a PeerSources,
    /// The files that are downloaded, if not all.
    pub selection: Option<Arc<Selection>>,
    /// What to show when the download is complete and the run goes on as a seed.
    pub seeding: Progress,
    /// The same when it is complete. `None` if it was at the start.
    pub completion: Option<Completion>,
}

impl RunEnvironment<'_> {
    fn counted(&self, worker: Worker) -> Worker {
        worker.counted(self.run.network.connections.add())
    }
}

impl Environment for RunEnvironment<'_> {
    fn has_room(&self, connected: usize) -> bool {
        self.run.network.connections.has_room(connected)
    }

    fn half_open(&self) -> usize {
        self.run.network.connector.half_open()
    }

    fn claim_memory(&mut self, claim: MemoryClaim) -> u64 {
        self.memory.claim(claim)
    }

    fn is_memory_wanted(&self) -> bool {
        self.memory.is_wanted()
    }

    fn connect(&mut self, key: PeerKey, address: SocketAddr) -> io::Result<()> {
        self.caller.connect(key, address)
    }

    fn speaks_utp(&mut self, address: SocketAddr) {
        self.run.network.connector.speaks_utp(address);
    }

    fn closed_early(&mut self, address: SocketAddr) {
        self.run.network.connector.closed_early(address);
    }

    fn fell_silent(&mut self, address: SocketAddr) {
        self.run.network.connector.fell_silent(address);
    }

    fn explain_connecting(&self, address: SocketAddr, why: &dyn Fn() -> String) {
        self.run.network.tap.tell(|| Seen::Connecting(address, why()));
    }

    fn greet(
        &mut self,
        key: PeerKey,
        address: SocketAddr,
        stream: PeerStream,
        opening: Opening,
    ) -> io::Result<Worker> {
        Worker::greet(&self.shared, key, address, stream, opening).map(|worker| self.counted(worker))
    }

    fn accept(&mut self, key: PeerKey, incoming: Incoming) -> io::Result<Worker> {
        self.run.network.arrivals.came(incoming.address.ip());
        Worker::accept(&self.shared, key, incoming).map(|worker| self.counted(worker))
    }

    fn resume(&mut self, key: PeerKey, handed_over: HandedOver) -> io::Result<Worker> {
        if handed_over.incoming {
            self.run.network.arrivals.came(handed_over.address.ip());
        }
        Worker::go_on(&self.shared, key, handed_over).map(|worker| self.counted(worker))
    }

    fn start_web_seed(&mut self, key: PeerKey, seed: WebSeed) -> io::Result<Worker> {
        // It takes an open file, as a peer does.
        let worker = web_seed::start(&self.shared, key, seed, self.run.network.outlet());
        worker.map(|worker| self.counted(worker))
    }

    fn pieces_of_file(&self, number: usize) -> Range<u32> {
        self.metainfo
            .files
            .get(number)
            .map_or(0..0, |file| pieces_of(file, self.metainfo.geometry.piece_length()))
    }

    fn piece_digest(&self, piece: PieceIndex) -> PieceDigest {
        self.metainfo.piece_digest(piece.get()).unwrap_or_default()
    }

    fn abandon(&mut self, assembly: &Assembly) {
        assembly.abandon(&self.shared.buffers);
    }

    fn served_pieces(&self) -> Bitfield {
        let none = || Bitfield::none(self.shared.geometry.piece_count());
        self.shared.served_pieces.as_ref().map_or_else(none, |served_pieces| served_pieces.offered())
    }

    fn close_idle_files(&mut self) {
        self.shared.served_pieces.iter().for_each(|served_pieces| served_pieces.close_idle());
    }

    fn is_writer_behind(&self) -> bool {
        self.shared.writer.is_full()
    }

    fn finish_writing(&mut self) -> bool {
        // The writer has stored every piece, so its channel has room.
        self.shared.writer.try_send(Write::Finish).is_ok()
    }

    fn show(&mut self, snapshot: Snapshot) {
        self.sources.set(counts(&snapshot));
        let seeds = snapshot.phase == RunPhase::Seeding;
        (self.run.show)(Progress::Running(snapshot));
        if let Some(news) = self.run.network.reach_news() {
            match seeds {
                true => (self.run.show)(Progress::Reach(news)),
                false => info!("{news}"),
            }
        }
    }

    fn is_watched(&self) -> bool {
        self.run.door.is_open()
    }

    fn tell(&mut self, notice: Notice) {
        self.run.door.tell(|| notice);
    }

    fn is_stopped(&self) -> bool {
        self.run.stop.is_asked()
    }

    fn wants_peers(&mut self) -> bool {
        self.run.stop.takes_peers()
    }

    fn show_peers(&mut self, snapshot: Snapshot, peers: Vec<PeerState>) {
        (self.run.show)(Progress::Peers(Box::new(snapshot), peers));
    }

    fn wants_sight(&mut self) -> bool {
        self.run.stop.takes_sight()
    }

    fn show_sight(&mut self, mut sight: Sight) {
        let mut sources = self.sources.sights(Instant::now());
        sources.append(&mut sight.sources);
        sight.sources = sources;
        let metainfo = Arc::clone(&self.shared.metainfo);
        let selection = self.selection.clone();
        (self.run.show)(Progress::Sight(Arc::new(TorrentSight { sight, metainfo, selection })));
    }

    fn supply(&mut self, supply: Supply) {
        self.sources.supply(supply);
    }

    fn search_trouble(&self, now: Instant) -> Option<String> {
        self.sources.trouble(now)
    }

    fn look_around(&mut self, now: Instant) -> Option<Interruption> {
        self.sources.look_around(now)
    }

    fn refuse_connections(&mut self, from: IpAddr) {
        if let Some(listener) = &self.run.network.listener {
            listener.refuse(from);
        }
    }

    fn came_in_vain(&mut self, from: IpAddr, told: u32) {
        if let Some(listener) = &self.run.network.listener {
            listener.came_in_vain(from, told);
        }
    }

    fn met_ourselves(&mut self, address: SocketAddr) {
        self.run.network.connector.met_ourselves(address);
    }

    fn dht_node(&mut self, address: SocketAddr) {
        if !self.metainfo.private {
            self.run.network.look_for_node(address);
        }
    }

    fn completed(&mut self, snapshot: Snapshot) {
        self.sources.set(counts(&snapshot));
        // For trackers a download is complete when every file is, not when the selected ones are.
        if snapshot.left == 0 {
            self.sources.completed();
        }
        self.completion
            .take()
            .into_iter()
            .for_each(|completion| (self.run.show)(Progress::Completed(completion)));
        (self.run.show)(self.seeding.clone());
        self.run.door.tell(|| Notice::Seeding { port: self.run.network.ports.listening() });
        self.run.network.reach().into_iter().for_each(|reach| (self.run.show)(Progress::Reach(reach)));
    }
}

/// What we tell trackers about a run in this state. What came twice, or was wrong, does not count as downloaded: many
/// trackers charge their users for it.
pub(super) fn counts(snapshot: &Snapshot) -> Counts {
    let downloaded = snapshot.received.saturating_sub(snapshot.wasted);
    Counts { uploaded: snapshot.uploaded, downloaded, left: snapshot.left }
}

/// The numbers of the pieces that have bytes of this file.
fn pieces_of(file: &File, piece_length: u32) -> Range<u32> {
    let length = u64::from(piece_length.max(1));
    let end = file.offset.saturating_add(file.length).div_ceil(length);
    let number = |piece| u32::try_from(piece).unwrap_or(u32::MAX);
    if file.length == 0 { 0..0 } else { number(file.offset / length)..number(end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_do_not_hear_of_what_was_of_no_use() {
        let snapshot = Snapshot { received: 100, wasted: 30, uploaded: 7, left: 5, ..Snapshot::default() };
        assert_eq!(counts(&snapshot), Counts { uploaded: 7, downloaded: 70, left: 5 });
    }
}
