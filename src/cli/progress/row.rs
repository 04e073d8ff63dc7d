//! The part of the screen that belongs to one torrent: its bar, and the sentences about its state.

use super::super::terminal::say;
use super::{LINE_INTERVAL, Style};
use crate::message::{MetadataState, RunPhase, Snapshot, Stall};
use crate::session::Outcome;
use crate::storage::Shortage;
use crate::swarm::RunEnd;
use crate::text::{grouped, printable, size};
use indicatif::ProgressBar;
use std::mem::{Discriminant, discriminant};
use std::time::Instant;

/// One torrent on the screen.
pub(super) struct TorrentRow {
    style: Style,
    name: String,
    started: Instant,
    last_line: Instant,
    bar: ProgressBar,
    /// The kind of the last stall that was shown, so that it is not shown twice.
    shown_stall: Option<Discriminant<Stall>>,
    /// The last error while asking for the metadata.
    metadata_error: Option<String>,
    /// How many of the files are downloaded, if not all.
    selected: Option<(usize, usize)>,
}

impl TorrentRow {
    pub(super) fn new(style: Style, name: &str, bar: ProgressBar, now: Instant) -> TorrentRow {
        TorrentRow {
            style,
            name: printable(name),
            started: now,
            last_line: now,
            bar,
            shown_stall: None,
            metadata_error: None,
            selected: None,
        }
    }

    /// Shows the name that the metadata of a magnet gives to the torrent.
    pub(super) fn rename(&mut self, name: &str) {
        self.name = printable(name);
        self.bar.set_prefix(self.name.clone());
    }

    /// So many of its files are downloaded.
    pub(super) fn selected(&mut self, files: usize, of: usize) {
        self.selected = Some((files, of));
    }

    /// The turn of this torrent begins.
    pub(super) fn begins(&mut self) {
        self.started = Instant::now();
        self.bar.set_message("");
    }

    /// Shows what the torrent waits for.
    pub(super) fn waits(&mut self, what: &'static str) {
        if self.is_due() {
            say(&format!("{}: {what}", self.name));
        }
        self.bar.set_message(what);
    }

    /// The name, fit to print.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Removes the bar, and says that the torrent waited when everything was ended.
    pub(super) fn cancelled(&self) -> String {
        format!("{}: stopped while it waited for its turn", self.close())
    }

    /// Shows how far the check of the existing files is.
    pub(super) fn checking(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(format!("checking {} of existing files", size(total)));
        if self.is_due() {
            say(&format!("{}: checked {} of {}", self.name, size(done), size(total)));
        }
    }

    /// Shows the search for the metadata of a magnet.
    pub(super) fn metadata(&mut self, state: &MetadataState) {
        let mut text = match (state.pieces, state.known) {
            ((have, of @ 1..), _) => {
                format!("metadata: {have} of {of} pieces, {}", counted(state.peers))
            }
            (_, 0) => "looking for peers that have the metadata".to_owned(),
            (_, known) => format!("asking for the metadata, {} of {known} known", counted(state.peers)),
        };
        self.metadata_error = state.trouble.as_deref().map(printable);
        if let Some(why) = self.metadata_error.as_ref().filter(|_| state.peers == 0) {
            text = format!("{text} (last error: {why})");
        }
        if self.is_due() {
            say(&format!("{}: {text}", self.name));
        }
        self.bar.set_message(text);
    }

    /// Shows a download.
    pub(super) fn downloading(&mut self, snapshot: &Snapshot) {
        let stall = snapshot.stall.as_ref().map(|stall| printable(&stall.to_string()));
        let kind = snapshot.stall.as_ref().map(discriminant);
        let is_new_stall = kind.is_some() && kind != self.shown_stall;
        self.shown_stall = kind;
        let sources = sources(snapshot.peers, snapshot.web_seeds);
        let mut state = format!("{}/s, {sources}", size(snapshot.rate as u64));
        if snapshot.phase == RunPhase::Finishing {
            state = "writing to the disk".to_owned();
        } else if let Some(left) = time_left(snapshot) {
            state = format!("{state}, {left} left");
        }
        self.bar.set_length(snapshot.total);
        self.bar.set_position(snapshot.done);
        let done = size(snapshot.done);
        self.bar.set_message(format!("{done}, {}", stall.as_deref().unwrap_or(&state)));
        if self.is_due() || (self.style == Style::Lines && is_new_stall) {
            let percent = snapshot.done.saturating_mul(100).checked_div(snapshot.total).unwrap_or(100);
            let total = size(snapshot.total);
            let line = format!("{}: {done} of {total} ({percent} %), {state}", self.name);
            match stall {
                Some(why) => say(&format!("{line}: {why}")),
                None => say(&line),
            }
        }
    }

    /// Shows seeding.
    pub(super) fn seeding(&mut self, snapshot: &Snapshot) {
        let state = format!(
            "seeding {}/s to {} of {}, {} uploaded, ratio {:.2}",
            size(snapshot.up_rate as u64),
            snapshot.served,
            counted(snapshot.peers),
            size(snapshot.uploaded),
            ratio(snapshot)
        );
        self.bar.set_length(snapshot.total);
        self.bar.set_position(snapshot.done);
        if self.is_due() {
            say(&format!("{}: {state}", self.name));
        }
        self.bar.set_message(state);
    }

    /// The warning that the disk has too little free space.
    pub(super) fn disk_too_small(&self, shortage: &Shortage) -> String {
        let (needed, free) = (size(shortage.needed), size(shortage.free));
        format!("{}: the disk has {free} free and the download needs {needed}: it will fill up", self.name)
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

    /// Removes the bar, and says how the run ended.
    pub(super) fn ended(&self, outcome: &Outcome) -> String {
        let (name, snapshot) = (self.close(), &outcome.snapshot);
        match outcome.end {
            RunEnd::Done if snapshot.phase == RunPhase::Seeding => {
                let (uploaded, ratio) = (size(snapshot.uploaded), ratio(snapshot));
                format!("{name}: seeded, {uploaded} uploaded, ratio {ratio:.2}")
            }
            RunEnd::Done if snapshot.received == 0 => {
                format!("{name}: {}complete, nothing to download", self.files())
            }
            RunEnd::Done => {
                let seconds = self.started.elapsed().as_secs_f64().max(0.001);
                let (total, ratio) = (size(snapshot.total), ratio(snapshot));
                let rate = size((snapshot.received as f64 / seconds) as u64);
                format!(
                    "{name}: done, {}{total} in {seconds:.1} s ({rate}/s), ratio {ratio:.2}",
                    self.files()
                )
            }
            RunEnd::Stopped => format!("{name}: stopped; {}", self.kept(snapshot)),
            RunEnd::TimedOut => format!("{name}: no progress for too long; {}", self.kept(snapshot)),
            RunEnd::ReaderGone => {
                let done = size(snapshot.done);
                format!("{name}: whoever reads standard output wants no more ({done} were written)")
            }
            RunEnd::WriterFailed => format!("{name}: the writer failed"),
        }
    }

    /// How many files it is about, if not all.
    fn files(&self) -> String {
        let words = |(files, of): (usize, usize)| {
            let (files, of) = (grouped(files as u64), grouped(of as u64));
            format!("{files} of {of} files, ")
        };
        self.selected.map(words).unwrap_or_default()
    }

    /// Removes the bar, and returns the name.
    pub(super) fn close(&self) -> String {
        self.bar.finish_and_clear();
        self.name.clone()
    }

    /// Why the metadata of a magnet did not arrive.
    pub(super) fn no_metadata(&self) -> String {
        let why = self.metadata_error.as_deref().unwrap_or("no peer was found");
        format!("no peer sent the metadata: {why}")
    }

    /// What the user has of an unfinished download.
    fn kept(&self, snapshot: &Snapshot) -> String {
        if snapshot.total == 0 {
            return self.no_metadata();
        }
        let (done, total) = (size(snapshot.done), size(snapshot.total));
        format!("{done} of {total} are kept; run the same command again to continue")
    }

    /// Whether the next line on a pipe is due.
    fn is_due(&mut self) -> bool {
        let due = self.style == Style::Lines && self.last_line.elapsed() >= LINE_INTERVAL;
        if due {
            self.last_line = Instant::now();
        }
        due
    }
}

fn counted(peers: usize) -> String {
    match peers {
        1 => "1 peer".to_owned(),
        count => format!("{count} peers"),
    }
}

/// Where a download comes from.
fn sources(peers: usize, web_seeds: usize) -> String {
    match web_seeds {
        0 => counted(peers),
        1 => format!("{}, 1 web seed", counted(peers)),
        count => format!("{}, {count} web seeds", counted(peers)),
    }
}

/// The bytes uploaded in this run, as a multiple of the payload.
fn ratio(snapshot: &Snapshot) -> f64 {
    snapshot.uploaded as f64 / snapshot.total.max(1) as f64
}

/// The time that the rest takes at the rate of the last seconds.
fn time_left(snapshot: &Snapshot) -> Option<String> {
    if snapshot.rate < 1.0 {
        return None;
    }
    let seconds = (snapshot.total.saturating_sub(snapshot.done) as f64 / snapshot.rate) as u64;
    Some(match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::progress::bar;

    #[test]
    fn web_seeds_are_counted_beside_the_peers() {
        let all = [(0, 0), (1, 0), (2, 1), (0, 3)].map(|(peers, web_seeds)| sources(peers, web_seeds));
        assert_eq!(all, ["0 peers", "1 peer", "2 peers, 1 web seed", "0 peers, 3 web seeds"]);
    }

    #[test]
    fn a_torrent_that_waits_says_so_until_its_turn_begins() {
        let mut row = TorrentRow::new(Style::Bars, "one", bar("one"), Instant::now());
        for what in ["waiting for its turn", "waiting to be checked"] {
            row.waits(what);
            assert_eq!(row.bar.message(), what);
        }
        row.begins();
        assert_eq!(row.bar.message(), "");
        assert_eq!(row.cancelled(), "one: stopped while it waited for its turn");
    }
}
