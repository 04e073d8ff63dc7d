//! Collects what the live view shows of the torrents of one command.
//!
//! The main thread tells it each [`Progress`] of each run, as it tells the bars. The view takes a [`Scene`] whenever it
//! draws: that is what was told last, and it asks the run for the next. So a run does something for the view only as
//! often as it draws, and nothing while it is closed; and if the view takes nothing, no run waits.
//!
//! What goes over the wire, and the log, belong to the whole process. They are collected while the view is open, with
//! bounds; of the log, what is `info` before that too.

use super::files::{FileList, Files};
use super::log_ring;
use super::scene::{PeerSight, Scene, Stage};
use super::wire_ring::WireRing;
use crate::message::{PeerKey, PeerState, Snapshot};
use crate::net::tap::Tap;
use crate::session::{Progress, SearchSight, Stop, TorrentSight};
use crate::text::{printable, reason};
use log::{LevelFilter, warn};
use std::sync::Arc;
use std::time::Instant;

/// What is known of all torrents.
pub struct Collector {
    torrents: Vec<Watched>,
    tap: Tap,
    /// When the program began, or nearly.
    began: Instant,
    is_open: bool,
    /// While it is open, if there was a thread for it.
    wire: Option<WireRing>,
    /// The peer whose history is shown.
    in_full: Option<PeerKey>,
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
            tap,
            began: Instant::now(),
            is_open: false,
            wire: None,
            in_full: None,
        }
    }

    /// How many torrents there are.
    pub fn count(&self) -> usize {
        self.torrents.len()
    }

    /// The name of a torrent. Fit to print.
    pub fn name(&self, number: usize) -> Option<&str> {
        self.torrents.get(number).map(|torrent| torrent.name.as_str())
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
            _ if is_open => torrent.hears(progress),
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
        self.wire = WireRing::open(&self.tap, self.began)
            .inspect_err(|error| warn!("no messages are shown: no thread for them: {}", reason(error)))
            .ok();
    }

    /// The view closes. What was collected for it is dropped.
    pub fn close(&mut self) {
        (self.is_open, self.wire, self.in_full) = (false, None, None);
        log_ring::keep(LevelFilter::Info);
        for torrent in &mut self.torrents {
            (torrent.seen, torrent.files) = (Seen::Nothing, None);
        }
    }

    /// From now on the history of this peer is in the scenes, and that of no other.
    pub fn show_in_full(&mut self, peer: Option<PeerKey>) {
        self.in_full = peer;
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
        if let Some(wire) = &self.wire {
            scene.wire = wire.last();
            let shown = scene.peers.iter_mut().find(|peer| Some(peer.state.record.key) == self.in_full);
            shown.into_iter().for_each(|peer| peer.history = wire.history(&peer.state.name));
        }
        scene
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        log_ring::keep(LevelFilter::Off);
    }
}

impl Watched {
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
