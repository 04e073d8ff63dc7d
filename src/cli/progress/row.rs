//! The part of the screen that belongs to one torrent: what it does now, and the sentences about it.

mod disk;

pub(super) use disk::PATIENCE;

use super::super::terminal::{self, say};
use super::Style;
use super::ending::{Account, Sentence, no_metadata, sentence};
use super::figures::{counted, percent};
use super::pace::Pace;
use super::peer_table;
use super::view::View;
use crate::message::{MetadataState, PeerState, RunPhase, Snapshot, Stall};
use crate::session::Outcome;
use crate::storage::Shortage;
use crate::text::{grouped, printable, shown, size};
use std::mem::{Discriminant, discriminant};
use std::path::Path;
use std::time::{Duration, Instant};

/// A search for the metadata that ends within this is not worth a line.
const SHORT_SEARCH: Duration = Duration::from_secs(1);

/// One torrent on the screen.
pub(super) struct TorrentRow {
    style: Style,
    name: String,
    /// Where the payload is, fit to print.
    place: Option<String>,
    /// How many of the files are downloaded, if not all.
    selected: Option<(usize, usize)>,
    /// Files of it have changed, and were not read.
    is_unread: bool,
    view: View,
    /// When its turn began, or the check of what was there was over.
    started: Instant,
    /// The bytes that were there then.
    found: Option<u64>,
    progress: LastProgress,
    /// What was said, where there is no terminal.
    pace: Pace,
    /// The kind of the stall that was there last, and whether its reason was known.
    stall: Option<(Discriminant<Stall>, bool)>,
    /// Whether there were peers, and uploads, when a line said so.
    seeding: (bool, bool),
}

/// When something came last.
struct LastProgress {
    counted: u64,
    at: Instant,
    /// For how long nothing had come in the turns before.
    before: Duration,
    /// For how long nothing had come when that was looked at.
    idle: Duration,
}

impl LastProgress {
    fn count(&mut self, counted: u64, now: Instant) {
        if counted != self.counted {
            (self.counted, self.at, self.before) = (counted, now, Duration::ZERO);
        }
        self.idle = self.before.saturating_add(now.saturating_duration_since(self.at));
    }
}

impl TorrentRow {
    pub(super) fn new(style: Style, name: &str, now: Instant) -> TorrentRow {
        TorrentRow {
            style,
            name: printable(name),
            place: None,
            selected: None,
            is_unread: false,
            view: View::Waiting(disk::STARTING),
            started: now,
            found: None,
            progress: LastProgress { counted: 0, at: now, before: Duration::ZERO, idle: Duration::ZERO },
            pace: Pace::new(now),
            stall: None,
            seeding: (false, false),
        }
    }

    /// Shows the name that the metadata of a magnet gives to the torrent.
    pub(super) fn rename(&mut self, name: &str) {
        self.name = printable(name);
        // What it is, how large, and where it goes is news.
        self.pace = Pace::new(Instant::now());
    }

    /// The payload is there, or is to be.
    pub(super) fn place(&mut self, path: &Path) {
        self.place = Some(shown(path));
    }

    /// Whether it is a download that runs, of which something is kept when it is stopped.
    pub(super) fn keeps(&self) -> bool {
        let is_download =
            matches!(&self.view, View::Running(snapshot) if snapshot.phase != RunPhase::Seeding);
        is_download && self.place.is_some()
    }

    /// The check is over, and so many bytes are there.
    pub(super) fn found(&mut self, bytes: u64, now: Instant) {
        (self.found, self.started) = (Some(bytes), now);
    }

    /// So many of its files are downloaded.
    pub(super) fn selected(&mut self, files: usize, of: usize) {
        self.selected = Some((files, of));
    }

    /// Files of it have changed, and were not read.
    pub(super) fn unread(&mut self) {
        self.is_unread = true;
    }

    /// The turn of this torrent begins.
    pub(super) fn begins(&mut self, now: Instant) {
        self.started = now;
        (self.progress.at, self.progress.before) = (now, self.progress.idle);
        self.view = View::Waiting(disk::STARTING);
    }

    /// Shows what the torrent waits for.
    pub(super) fn waits(&mut self, what: &'static str) {
        self.view = View::Waiting(what);
    }

    /// The name, fit to print.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Its run is over.
    pub(super) fn close(&mut self) {
        self.view = View::Over;
    }

    /// Says that the torrent waited when everything was ended.
    pub(super) fn cancelled(&mut self) -> String {
        self.close();
        format!("{}: stopped while it waited for its turn", self.name)
    }

    /// Shows how far the check of the existing files is.
    pub(super) fn checking(&mut self, done: u64, total: u64, now: Instant) {
        self.view = View::Checking(done, total);
        self.progress.at = now;
        if self.style == Style::Lines && self.pace.is_due(percent(done, total), now) {
            self.say_state();
        }
    }

    /// Shows the search for the metadata of a magnet.
    pub(super) fn metadata(&mut self, state: MetadataState, now: Instant) {
        self.progress.count(state.pieces.0.into(), now);
        self.view = View::Metadata(state);
        if self.style != Style::Lines || now.saturating_duration_since(self.started) < SHORT_SEARCH {
            return;
        }
        let trouble = self.view.trouble();
        let begins = self.pace.begins(0, now);
        if self.pace.hears(trouble.as_deref(), false, now) || begins {
            self.say_state();
        }
    }

    /// Shows a run.
    pub(super) fn running(&mut self, snapshot: Snapshot, now: Instant) {
        self.progress.count(snapshot.received.saturating_sub(snapshot.wasted), now);
        let kind = snapshot.stall.as_ref().map(|stall| (discriminant(stall), stall.has_reason()));
        let is_new_kind = kind != std::mem::replace(&mut self.stall, kind);
        self.view = View::Running(Box::new(snapshot.clone()));
        if self.style != Style::Lines {
            return;
        }
        if snapshot.phase == RunPhase::Seeding {
            let state = (snapshot.peers > 0, snapshot.uploaded > 0);
            if self.pace.is_due_again(state != self.seeding, now) {
                self.seeding = state;
                self.say_state();
            }
            return;
        }
        let done = percent(snapshot.done, snapshot.total);
        if self.pace.begins(done, now) {
            say(&self.beginning(&snapshot));
        }
        let trouble = self.view.trouble();
        if self.pace.hears(trouble.as_deref(), is_new_kind, now) || self.pace.is_due(done, now) {
            self.say_state();
        }
    }

    /// Shows how it stands and its peers, for which the user has asked.
    pub(super) fn peers(&mut self, snapshot: Snapshot, peers: &[PeerState]) {
        self.view = View::Running(Box::new(snapshot));
        self.say_all();
        let columns = if terminal::is_terminal() { terminal::screen().0 } else { usize::MAX };
        peer_table::lines(peers, columns).iter().for_each(|line| say(line));
    }

    /// Says everything that is known of it, for the user has asked.
    pub(super) fn say_all(&self) {
        let mut text = self.state();
        if let View::Running(snapshot) = &self.view {
            let seeds = match snapshot.seeds {
                0 => String::new(),
                seeds => format!("; {}", counted(seeds, "seed")),
            };
            text.push_str(&format!(
                "{seeds}; in this run {} downloaded, {} of no use, {} uploaded",
                size(snapshot.received),
                size(snapshot.wasted),
                size(snapshot.uploaded)
            ));
        }
        say(&text);
    }

    /// The notice that an earlier run has given it another name.
    pub(super) fn goes_on_as(&mut self, name: &str) -> String {
        let was = self.name.clone();
        self.rename(name);
        format!("{was}: an earlier run named it {}, and this one keeps that name", self.name)
    }

    /// The warning that the disk has too little free space.
    pub(super) fn disk_too_small(&self, shortage: &Shortage) -> String {
        let shortage = printable(&shortage.to_string());
        format!("{}: {shortage}: the disk will be full before the end (free some space in time)", self.name)
    }

    /// The notice that seeding begins, with `pieces` of the `of` pieces that there should be.
    pub(super) fn seeding_begins(&self, port: Option<u16>, pieces: u32, of: u32) -> String {
        let listening = match port {
            Some(port) => format!("listening on port {port}"),
            None => "peers cannot connect to us".to_owned(),
        };
        let text = format!("{}: seeding, {listening}", self.name);
        if pieces >= of {
            return text;
        }
        let (pieces, of) = (grouped(pieces.into()), grouped(of.into()));
        format!("{text}; we have {pieces} of {of} pieces (`verify` lists the missing ones)")
    }

    /// How the run ended.
    pub(super) fn ended(&mut self, outcome: &Outcome, now: Instant) -> Sentence {
        let account = Account {
            name: self.name.clone(),
            place: self.place.clone(),
            files: self.files(),
            is_unread: self.is_unread,
            found: self.found,
            seconds: now.saturating_duration_since(self.started).as_secs_f64(),
            idle_seconds: self.idle_seconds(),
            metadata_trouble: self.metadata_trouble(),
        };
        self.close();
        sentence(&account, outcome)
    }

    /// Why the metadata of a magnet did not arrive.
    pub(super) fn no_metadata(&self) -> String {
        no_metadata(self.idle_seconds(), self.metadata_trouble().as_deref())
    }

    fn metadata_trouble(&self) -> Option<String> {
        match &self.view {
            View::Metadata(state) if state.trouble.is_none() && state.known == 0 && state.peers == 0 => {
                Some("no peer was found".to_owned())
            }
            View::Metadata(state) => state.trouble.as_deref().map(printable),
            _ => None,
        }
    }

    fn idle_seconds(&self) -> u64 {
        self.progress.idle.as_secs_f64().round() as u64
    }

    /// How many files it is about, if not all.
    fn files(&self) -> String {
        let words = |(files, of): (usize, usize)| {
            let (files, of) = (grouped(files as u64), grouped(of as u64));
            format!("{files} of {of} files, ")
        };
        self.selected.map(words).unwrap_or_default()
    }

    /// The first line where there is no terminal: what it is, how large, and where it goes.
    fn beginning(&self, snapshot: &Snapshot) -> String {
        let (total, files) = (size(snapshot.total), self.files());
        // Not what is done: when this is said, some of that has come in this run.
        let there = match self.found {
            None | Some(0) => String::new(),
            Some(found) => format!(", {} of it already there", size(found)),
        };
        let place = self.place.as_ref().map(|place| format!(", into {place}")).unwrap_or_default();
        format!("{}: downloading {files}{total}{place}{there}", self.name)
    }

    fn say_state(&self) {
        say(&self.state());
    }

    fn state(&self) -> String {
        let trouble = self.view.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        format!("{}: {}{trouble}", self.name, self.view.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torrent_that_waits_says_so_until_its_turn_begins() {
        let mut row = TorrentRow::new(Style::Bars, "one", Instant::now());
        for what in ["waiting for its turn", "waiting to be checked"] {
            row.waits(what);
            assert_eq!(row.view().line("one").fit(3, 80), format!("one  {what}"));
        }
        row.begins(Instant::now());
        assert_eq!(row.view().line("one").fit(3, 80), "one  starting");
        assert_eq!(row.cancelled(), "one: stopped while it waited for its turn");
    }

    #[test]
    fn what_is_already_there_is_what_was_found_and_not_what_has_come_since() {
        let now = Instant::now();
        let mut row = TorrentRow::new(Style::Bars, "one", now);
        row.place(Path::new("d/one"));
        let came = Snapshot { done: 60 << 10, total: 90 << 10, ..Snapshot::default() };
        row.found(0, now);
        assert_eq!(row.beginning(&came), "one: downloading 90 KiB, into d/one");
        row.found(30 << 10, now);
        row.selected(2, 5);
        let expected = "one: downloading 2 of 5 files, 90 KiB, into d/one, 30 KiB of it already there";
        assert_eq!(row.beginning(&came), expected);
    }

    #[test]
    fn only_of_a_download_something_is_kept_when_it_is_stopped() {
        let now = Instant::now();
        let mut row = TorrentRow::new(Style::Bars, "one", now);
        row.running(Snapshot::default(), now);
        assert!(!row.keeps(), "it goes to standard output");
        row.place(Path::new("one"));
        assert!(row.keeps());
        row.checking(1, 2, now);
        assert!(!row.keeps(), "a seed checks, too");
        row.running(Snapshot { phase: RunPhase::Seeding, ..Snapshot::default() }, now);
        assert!(!row.keeps());
    }

    #[test]
    fn how_long_nothing_came_counts_over_all_turns_and_not_the_time_between_them() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut row = TorrentRow::new(Style::Bars, "one", start);
        let came = |received| Snapshot { received, total: 10, ..Snapshot::default() };
        row.begins(start);
        row.running(came(5), at(10));
        row.running(came(5), at(30));
        assert_eq!(row.progress.idle, Duration::from_secs(20));
        row.waits("waiting for its turn");
        row.begins(at(1000));
        row.running(came(5), at(1005));
        assert_eq!(row.progress.idle, Duration::from_secs(25));
        row.running(came(6), at(1006));
        assert_eq!(row.progress.idle, Duration::ZERO);
    }
}
