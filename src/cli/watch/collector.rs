//! Collects what the live view shows of the torrents of one command.
//!
//! The main thread tells it each [`Progress`] of each run, as it tells the bars. The view takes a [`Scene`] whenever it
//! draws: that is what was told last, and it asks the run for the next. So a run does something for the view only as
//! often as it draws, and nothing while it is closed; and if the view takes nothing, no run waits.

use super::files::{FileList, Files};
use super::scene::{PeerSight, Scene, Stage};
use crate::message::{PeerState, Snapshot};
use crate::session::{Progress, SearchSight, Stop, TorrentSight};
use crate::text::printable;
use std::sync::Arc;

/// What is known of all torrents.
#[derive(Default)]
pub struct Collector {
    torrents: Vec<Watched>,
    is_open: bool,
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
    /// Of torrents with these names, none of which runs yet. It is closed.
    pub fn new(names: &[String]) -> Collector {
        let watched = |name: &String| Watched { name: printable(name), ..Watched::default() };
        Collector { torrents: names.iter().map(watched).collect(), is_open: false }
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
        self.is_open = true;
    }

    /// The view closes. What was collected for it is dropped.
    pub fn close(&mut self) {
        self.is_open = false;
        for torrent in &mut self.torrents {
            (torrent.seen, torrent.files) = (Seen::Nothing, None);
        }
    }

    /// What is known of a torrent now. Its run is asked for more, which is there within a quarter of a second. Empty
    /// for a number that no torrent has.
    pub fn scene(&self, number: usize) -> Scene {
        let Some(torrent) = self.torrents.get(number) else { return Scene::default() };
        if let Some(stop) = torrent.stop.as_ref().filter(|_| self.is_open) {
            stop.look();
        }
        torrent.scene()
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
