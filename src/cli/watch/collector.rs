//! Collects what the live view shows of the torrents of one command.
//!
//! The main thread tells it each [`Progress`] of each run, as it tells the bars. The view takes a [`Scene`] whenever it
//! draws: that is what was told last, and it asks the run for the next. So a run does something for the view only as
//! often as it draws, and nothing while it is closed; and if the view takes nothing, no run waits.
//!
//! What goes over the wire, and the log, belong to the whole process. They are collected while the view is open, with
//! bounds; of the log, what is `info` before that too. To find the words of each message of a fast download costs more
//! than all the rest of the view: so while much comes, messages are collected only where they are shown.

use super::files::{FileList, Files};
use super::log_ring;
use super::scene::{PeerSight, Scene, Stage};
use super::wire_ring::WireRing;
use crate::message::{PeerKey, PeerState, Snapshot};
use crate::metainfo::InfoHash;
use crate::net::tap::Tap;
use crate::session::{Progress, SearchSight, Stop, TorrentSight};
use crate::text::{printable, reason};
use log::{LevelFilter, debug};
use std::sync::Arc;
use std::time::Instant;

/// Where messages are not shown, they are collected while less comes and goes than this, in bytes a second...
const LITTLE: f64 = 1024.0 * 1024.0;
/// ...and no longer from this on.
const MUCH: f64 = 4.0 * LITTLE;

/// What is known of all torrents.
pub struct Collector {
    torrents: Vec<Watched>,
    is_open: bool,
    wire: WireRing,
    /// The peer whose history is shown.
    in_full: Option<PeerKey>,
    /// The messages of all peers are shown.
    shows_wire: bool,
}

/// What is known of one of them.
#[derive(Default)]
struct Watched {
    name: String,
    stage: Stage,
    snapshot: Snapshot,
    /// How its run is asked for what is shown.
    stop: Option<Arc<Stop>>,
    seen: Seen,
    files: Option<Arc<FileList>>,
}

/// What its run has given last.
#[derive(Default)]
enum Seen {
    #[default]
    Nothing,
    Search(Arc<SearchSight>),
    Torrent(Arc<TorrentSight>),
}

impl Collector {
    /// Of torrents with these names, none of which runs yet. It is closed. What is said to peers, trackers and nodes is
    /// seen at `tap`.
    pub fn new(names: &[String], tap: Tap) -> Collector {
        log_ring::keep(LevelFilter::Info);
        let watched = |name: &String| Watched { name: printable(name), ..Watched::default() };
        Collector {
            torrents: names.iter().map(watched).collect(),
            is_open: false,
            wire: WireRing::new(tap, Instant::now()),
            in_full: None,
            shows_wire: false,
        }
    }

    /// How many torrents there are.
    pub fn count(&self) -> usize {
        self.torrents.len()
    }

    /// The turn of a torrent begins, and its run hears wishes here.
    pub fn begins(&mut self, number: usize, stop: &Arc<Stop>) {
        if let Some(torrent) = self.torrents.get_mut(number) {
            (torrent.stop, torrent.stage) = (Some(Arc::clone(stop)), Stage::Waits);
        }
    }

    /// A torrent is over, or waits for its next turn.
    pub fn ends(&mut self, number: usize, is_over: bool) {
        if let Some(torrent) = self.torrents.get_mut(number) {
            torrent.stop = None;
            torrent.stage = if is_over { Stage::Ended } else { Stage::Waits };
            torrent.seen = Seen::Nothing;
        }
    }

    /// A run has told this. While the view is closed, only a name is kept of it.
    pub fn hears(&mut self, number: usize, progress: &Progress) {
        let is_open = self.is_open;
        let Some(torrent) = self.torrents.get_mut(number) else { return };
        match progress {
            Progress::Named(name) | Progress::GoesOnAs(name) => torrent.name = printable(name),
            _ if is_open => {
                torrent.hears(progress);
                self.collect_wire();
            }
            _ => {}
        }
    }

    /// The view opens.
    pub fn open(&mut self) {
        if self.is_open {
            return;
        }
        self.is_open = true;
        log_ring::keep(LevelFilter::Debug);
        self.collect_wire();
    }

    /// The view closes. What was collected for it is dropped.
    pub fn close(&mut self) {
        (self.is_open, self.in_full, self.shows_wire) = (false, None, false);
        log_ring::keep(LevelFilter::Info);
        self.collect_wire();
        self.wire.clear();
        for torrent in &mut self.torrents {
            (torrent.seen, torrent.files) = (Seen::Nothing, None);
        }
    }

    /// What is shown from now on: the messages of all peers, or not; and the peer whose history is in the scenes.
    pub fn show(&mut self, wire: bool, peer: Option<PeerKey>) {
        (self.shows_wire, self.in_full) = (wire, peer);
        self.collect_wire();
    }

    /// Begins or ends to collect messages.
    fn collect_wire(&mut self) {
        let rate: f64 = self.torrents.iter().map(Watched::rate).sum();
        let most = if self.wire.collects() { MUCH } else { LITTLE };
        let wanted = self.is_open && (self.shows_wire || self.in_full.is_some() || rate < most);
        if let Err(error) = self.wire.collect(wanted) {
            debug!("no messages are shown: no thread for them: {}", reason(&error));
        }
    }

    /// What is known of a torrent now. Its run is asked for more, which is there within a quarter of a second. Empty
    /// for a number that no torrent has.
    pub fn scene(&self, number: usize) -> Scene {
        let Some(torrent) = self.torrents.get(number) else { return Scene::default() };
        if let Some(stop) = torrent.stop.as_ref().filter(|_| self.is_open) {
            stop.look();
        }
        let mut scene = torrent.scene();
        scene.log = log_ring::last();
        if self.shows_wire {
            scene.wire = self.wire.last(torrent.info_hash());
        }
        let shown = scene.peers.iter_mut().find(|peer| Some(peer.state.record.key) == self.in_full);
        shown.into_iter().for_each(|peer| peer.history = self.wire.history(&peer.state.name));
        scene
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        log_ring::keep(LevelFilter::Off);
    }
}

impl Watched {
    /// Payload bytes a second, both ways.
    fn rate(&self) -> f64 {
        self.snapshot.rate + self.snapshot.up_rate
    }

    fn hears(&mut self, progress: &Progress) {
        match progress {
            Progress::Metadata(state) => self.stage = Stage::Metadata(state.clone()),
            Progress::WaitsForCheck => self.stage = Stage::WaitsForCheck,
            Progress::Checking(done, total) => self.stage = Stage::Checking(*done, *total),
            Progress::Running(snapshot) => {
                (self.stage, self.snapshot) = (Stage::Runs, snapshot.clone());
            }
            Progress::SearchSight(sight) => self.seen = Seen::Search(Arc::clone(sight)),
            Progress::Sight(sight) => {
                let is_known =
                    self.files.as_ref().is_some_and(|files| Arc::ptr_eq(&files.metainfo, &sight.metainfo));
                if !is_known {
                    let list = FileList::new(Arc::clone(&sight.metainfo), sight.selection.clone());
                    self.files = Some(Arc::new(list));
                }
                (self.stage, self.snapshot) = (Stage::Runs, sight.sight.snapshot.clone());
                self.seen = Seen::Torrent(Arc::clone(sight));
            }
            _ => {}
        }
    }

    /// Which torrent it is, once that is known.
    fn info_hash(&self) -> Option<InfoHash> {
        self.files.as_ref().map(|files| files.metainfo.info_hash)
    }

    fn scene(&self) -> Scene {
        let peers = |peers: &[PeerState]| {
            let peer = |state: &PeerState| PeerSight { state: state.clone(), history: Vec::new() };
            peers.iter().map(peer).collect()
        };
        let scene = Scene {
            name: self.name.clone(),
            stage: self.stage.clone(),
            snapshot: self.snapshot.clone(),
            ..Scene::default()
        };
        match &self.seen {
            Seen::Nothing => scene,
            Seen::Search(seen) => Scene { peers: peers(&seen.peers), sources: seen.sources.clone(), ..scene },
            Seen::Torrent(seen) => Scene {
                peers: peers(&seen.sight.peers),
                pieces: seen.sight.pieces.clone(),
                sources: seen.sight.sources.clone(),
                files: self.files.as_ref().map(|files| Files::of(files, seen)).unwrap_or_default(),
                ..scene
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MetadataState, PieceSight, Sight, SourceSight};
    use crate::metainfo::Metainfo;
    use crate::piece::Bitfield;

    /// A torrent of these files, in pieces of four bytes.
    fn metainfo(lengths: &[(&str, u64)]) -> Arc<Metainfo> {
        let total: u64 = lengths.iter().map(|(_, length)| length).sum();
        let file = |(name, length): &(&str, u64)| {
            let attr = if name.starts_with('.') { "4:attr1:p" } else { "" };
            format!("d{attr}6:lengthi{length}e4:pathl{}:{name}ee", name.len())
        };
        let files: String = lengths.iter().map(file).collect();
        let pieces = total.div_ceil(4) * 20;
        let head = format!("d4:infod5:filesl{files}e4:name1:t12:piece lengthi4e6:pieces{pieces}:");
        let digests = vec![0; pieces as usize];
        Arc::new(Metainfo::parse([head.as_bytes(), &digests, b"ee"].concat()).unwrap())
    }

    fn sight(metainfo: &Arc<Metainfo>, stored: &[u32]) -> Progress {
        let geometry = metainfo.geometry;
        let mut bits = Bitfield::none(geometry.piece_count());
        stored.iter().for_each(|piece| assert!(bits.insert(geometry.piece(*piece).unwrap())));
        let sight = Sight {
            snapshot: Snapshot { done: 7, ..Snapshot::default() },
            peers: Vec::new(),
            pieces: PieceSight { count: geometry.piece_count(), ..PieceSight::default() },
            stored: bits,
            sources: Vec::new(),
        };
        let metainfo = Arc::clone(metainfo);
        Progress::Sight(Arc::new(TorrentSight { sight, metainfo, selection: None }))
    }

    fn collector() -> (Collector, Arc<Stop>) {
        let names = ["one".to_owned(), "two\x1b[2J\u{202e}".to_owned()];
        let (mut collector, stop) = (Collector::new(&names, Tap::switch()), Arc::<Stop>::default());
        collector.begins(0, &stop);
        (collector, stop)
    }

    #[test]
    fn a_closed_view_keeps_names_and_asks_for_nothing() {
        let (mut collector, stop) = collector();
        collector.hears(0, &Progress::Named("new\u{202e}".to_owned()));
        collector.hears(0, &sight(&metainfo(&[("a", 9)]), &[0]));
        let scene = collector.scene(0);
        assert_eq!((scene.name.as_str(), scene.files.len(), scene.snapshot.done), ("new\u{fffd}", 0, 0));
        assert!(!stop.is_looked_at() && !collector.wire.collects());
        assert_eq!(collector.scene(1).name, "two\u{fffd}[2J\u{fffd}");
        assert!(collector.scene(7).name.is_empty());
    }

    #[test]
    fn each_scene_of_an_open_view_asks_once_for_the_next_and_of_the_one_torrent_that_is_shown() {
        let (mut collector, stop) = collector();
        let other = Arc::<Stop>::default();
        collector.begins(1, &other);
        collector.open();
        assert!(collector.wire.collects());
        let _ = collector.scene(0);
        assert!(stop.is_looked_at() && !other.is_looked_at());
        collector.hears(0, &sight(&metainfo(&[("a", 9)]), &[0]));
        let scene = collector.scene(0);
        assert!(matches!(scene.stage, Stage::Runs));
        assert_eq!((scene.snapshot.done, scene.pieces.count, scene.files.len()), (7, 3, 1));
        assert_eq!(collector.scene(1).files.len(), 0);
        collector.close();
        assert!(!collector.wire.collects());
        assert_eq!(collector.scene(0).files.len(), 0, "nothing is kept");
        collector.open();
        collector.ends(0, true);
        assert!(matches!(collector.scene(0).stage, Stage::Ended));
    }

    #[test]
    fn messages_of_a_fast_download_are_collected_only_while_they_are_shown() {
        let (mut collector, _) = collector();
        let running = |rate| Progress::Running(Snapshot { rate, ..Snapshot::default() });
        collector.hears(0, &running(9.0 * LITTLE));
        collector.open();
        assert!(collector.wire.collects(), "nothing is known of its rate");
        for (rate, collects) in [(2.0, true), (9.0, false), (2.0, false), (0.5, true), (5.0, false)] {
            collector.hears(0, &running(rate * LITTLE));
            assert_eq!(collector.wire.collects(), collects, "{rate}");
        }
        for (wire, peer) in [(true, None), (false, Some(PeerKey(1)))] {
            collector.show(wire, peer);
            assert!(collector.wire.collects());
            collector.show(false, None);
            assert!(!collector.wire.collects());
        }
        collector.show(true, None);
        collector.close();
        assert!(!collector.wire.collects());
    }

    #[test]
    fn before_its_metadata_a_magnet_shows_what_is_known() {
        let (mut collector, _) = collector();
        collector.open();
        let state = MetadataState { peers: 3, ..MetadataState::default() };
        collector.hears(0, &Progress::Metadata(state));
        let source = SourceSight {
            kind: "LAN",
            name: "a".to_owned(),
            last: "b".to_owned(),
            is_trouble: false,
            next: None,
        };
        let search = SearchSight { peers: Vec::new(), sources: vec![source] };
        collector.hears(0, &Progress::SearchSight(Arc::new(search)));
        let scene = collector.scene(0);
        assert!(matches!(scene.stage, Stage::Metadata(MetadataState { peers: 3, .. })));
        assert_eq!((scene.sources.len(), scene.pieces.count, scene.files.len()), (1, 0, 0));
    }

    #[test]
    fn the_files_are_worked_out_from_the_pieces_and_padding_is_none() {
        let (mut collector, _) = collector();
        collector.open();
        let files = [("a", 3), ("b\x1b", 6), (".pad", 3), ("c", 0), ("d", 5)];
        // Pieces 0: aaab, 1: bbbb, 2: b..., 3: dddd, 4: d.
        let torrent = metainfo(&files);
        let done =
            |collector: &Collector| collector.scene(0).files.iter().map(|file| file.done).collect::<Vec<_>>();
        for (stored, expected) in [
            (&[][..], [0, 0, 0, 0]),
            (&[0], [3, 1, 0, 0]),
            (&[1, 4], [0, 4, 0, 1]),
            (&[2, 3], [0, 1, 0, 4]),
            (&[0, 1, 2, 3, 4], [3, 6, 0, 5]),
        ] {
            collector.hears(0, &sight(&torrent, stored));
            assert_eq!(done(&collector), expected, "{stored:?}");
        }
        let scene = collector.scene(0);
        assert_eq!((scene.files.len(), scene.files.get(4).is_none()), (4, true));
        let file = scene.files.get(1).unwrap();
        assert_eq!((file.path.as_str(), file.length, file.selected), ("t/b\u{fffd}", 6, true));
    }

    #[test]
    fn a_hundred_thousand_files_are_listed_once_and_not_for_each_look() {
        let (mut collector, _) = collector();
        collector.open();
        let names: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
        let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let torrent = metainfo(&files);
        collector.hears(0, &sight(&torrent, &[0]));
        let list = |collector: &Collector| collector.torrents[0].files.clone().unwrap();
        let first = list(&collector);
        (0..100).for_each(|_| {
            collector.hears(0, &sight(&torrent, &[1]));
            let scene = collector.scene(0);
            assert!(scene.files.get(4).unwrap().done == 1 && scene.files.len() == 100_000);
        });
        assert!(Arc::ptr_eq(&first, &list(&collector)));
    }
}
