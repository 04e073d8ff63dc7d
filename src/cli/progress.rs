//! What a user sees of a download: bars on a terminal, a line now and then on a pipe, or nothing.
//!
//! Everything goes to standard error; standard output is for what a program would read.

use super::exit::Exit;
use crate::message::{MetadataState, Snapshot, Stall};
use crate::session::{Outcome, Progress, SessionError};
use crate::swarm::End;
use crate::text::{grouped, printable, size};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

/// On a pipe, so much time between two lines.
pub(super) const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing but errors.
    Quiet,
    /// Lines, for a pipe or a log.
    Lines,
    /// Bars, for a terminal.
    Bars,
}

impl Style {
    /// What suits standard error, for a command that may be told to be quiet.
    pub fn of(quiet: bool) -> Style {
        match quiet {
            true => Style::Quiet,
            false if io::stderr().is_terminal() => Style::Bars,
            false => Style::Lines,
        }
    }
}

/// The screen, with one part for each torrent.
pub struct Screen {
    style: Style,
    bars: MultiProgress,
    parts: Vec<Part>,
    interrupted: bool,
}

struct Part {
    name: String,
    started: Instant,
    last_line: Instant,
    bar: ProgressBar,
    /// The kind of the last stall, so that it is not told twice.
    told: Option<Discriminant<Stall>>,
    /// What went wrong last in asking for the metadata.
    trouble: Option<String>,
}

impl Screen {
    /// A screen for torrents of these names.
    pub fn new(style: Style, names: Vec<String>) -> Screen {
        let target = match style {
            Style::Bars => ProgressDrawTarget::stderr_with_hz(5),
            Style::Quiet | Style::Lines => ProgressDrawTarget::hidden(),
        };
        let bars = MultiProgress::with_draw_target(target);
        let now = Instant::now();
        let part = |name: String| Part {
            name: printable(&name),
            started: now,
            last_line: now,
            bar: bars.add(bar(&name)),
            told: None,
            trouble: None,
        };
        let parts = names.into_iter().map(part).collect();
        Screen { style, bars, parts, interrupted: false }
    }

    /// Shows how a torrent stands.
    pub fn show(&mut self, number: usize, progress: Progress) {
        let Some(part) = self.parts.get_mut(number) else { return };
        match progress {
            Progress::Metadata(state) => part.metadata(self.style, &state),
            Progress::Named(name) => {
                part.name = printable(&name);
                part.bar.set_prefix(part.name.clone());
            }
            Progress::Checking(done, total) => {
                part.bar.set_length(total);
                part.bar.set_position(done);
                part.bar.set_message(format!("checking {} that are there", size(total)));
                if self.style == Style::Lines && part.is_due() {
                    say(&format!("{}: checked {} of {}", part.name, size(done), size(total)));
                }
            }
            Progress::Short(shortage) => {
                let text = format!(
                    "{}: {} are needed and {} are free: the disk will be full before the end",
                    part.name,
                    size(shortage.needed),
                    size(shortage.free)
                );
                self.say(&text);
            }
            Progress::Seeding { port, pieces, of } => {
                let at = port.map_or("peers cannot connect to us".to_owned(), |port| {
                    format!("listening on port {port}")
                });
                let mut text = format!("{}: seeding, {at}", part.name);
                if pieces < of {
                    let (pieces, of) = (grouped(pieces.into()), grouped(of.into()));
                    text = format!("{text}; {pieces} of {of} pieces are there (verify says which are not)");
                }
                self.say(&text);
            }
            Progress::Running(snapshot) if snapshot.seeding => self.seeding(number, &snapshot),
            Progress::Running(snapshot) => self.running(number, &snapshot),
        }
    }

    fn running(&mut self, number: usize, snapshot: &Snapshot) {
        let Some(part) = self.parts.get_mut(number) else { return };
        let stall = snapshot.stall.as_ref().map(|stall| printable(&stall.to_string()));
        let kind = snapshot.stall.as_ref().map(discriminant);
        let is_news = kind.is_some() && kind != part.told;
        part.told = kind;
        let mut state = format!("{}/s, {}", size(snapshot.rate as u64), peers(snapshot));
        if snapshot.finishing {
            state = "writing to the disk".to_owned();
        } else if let Some(left) = time_left(snapshot) {
            state = format!("{state}, {left} left");
        }
        part.bar.set_length(snapshot.total);
        part.bar.set_position(snapshot.done);
        let done = size(snapshot.done);
        part.bar.set_message(format!("{done}, {}", stall.as_deref().unwrap_or(&state)));
        if self.style == Style::Lines && (part.is_due() || is_news) {
            let percent = snapshot.done.saturating_mul(100).checked_div(snapshot.total).unwrap_or(100);
            let (done, total) = (size(snapshot.done), size(snapshot.total));
            let line = format!("{}: {done} of {total} ({percent} %), {state}", part.name);
            match stall {
                Some(why) => say(&format!("{line}: {why}")),
                None => say(&line),
            }
        }
    }

    fn seeding(&mut self, number: usize, snapshot: &Snapshot) {
        let Some(part) = self.parts.get_mut(number) else { return };
        let state = format!(
            "seeding {}/s to {} of {}, {} uploaded, ratio {:.2}",
            size(snapshot.up_rate as u64),
            snapshot.served,
            peers(snapshot),
            size(snapshot.uploaded),
            ratio(snapshot)
        );
        part.bar.set_length(snapshot.total);
        part.bar.set_position(snapshot.done);
        if self.style == Style::Lines && part.is_due() {
            say(&format!("{}: {state}", part.name));
        }
        part.bar.set_message(state);
    }

    /// A torrent came to its end.
    pub fn ended(&mut self, number: usize, outcome: &Outcome) -> Exit {
        let Some(part) = self.parts.get(number) else { return Exit::OTHER };
        part.bar.finish_and_clear();
        let snapshot = &outcome.snapshot;
        let text = match outcome.end {
            End::Done if snapshot.seeding => {
                let (uploaded, ratio) = (size(snapshot.uploaded), ratio(snapshot));
                format!("{}: seeded, {uploaded} uploaded, ratio {ratio:.2}", part.name)
            }
            End::Done if snapshot.received == 0 => format!("{}: complete, everything verified", part.name),
            End::Done => {
                let seconds = part.started.elapsed().as_secs_f64().max(0.001);
                let (total, ratio) = (size(snapshot.total), ratio(snapshot));
                let rate = size((snapshot.received as f64 / seconds) as u64);
                format!("{}: done, {total} in {seconds:.1} s ({rate}/s), ratio {ratio:.2}", part.name)
            }
            End::Stopped => format!("{}: stopped; {}", part.name, kept(part, snapshot)),
            End::TimedOut => format!("{}: nothing moved for too long; {}", part.name, kept(part, snapshot)),
            End::WriterFailed => format!("{}: the writer failed", part.name),
        };
        match outcome.end {
            End::Done | End::Stopped => self.say(&text),
            // Quiet does not hush errors.
            End::TimedOut | End::WriterFailed => self.insist(&text),
        }
        Exit::of(outcome.end)
    }

    /// A torrent failed.
    pub fn failed(&mut self, number: usize, error: &SessionError) -> Exit {
        let name = self.parts.get(number).map(|part| {
            part.bar.finish_and_clear();
            part.name.clone()
        });
        self.insist(&format!(
            "femtotorrent: {}: {}",
            name.unwrap_or_default(),
            printable(&error.to_string())
        ));
        Exit(error.exit_code())
    }

    /// The user wants to end.
    pub fn interrupted(&mut self) {
        if !std::mem::replace(&mut self.interrupted, true) {
            self.say("stopping: what is there is kept");
        }
    }

    /// Why the metadata of a magnet did not come.
    pub fn no_metadata(&self, number: usize) -> String {
        self.parts.get(number).map(Part::no_metadata).unwrap_or_default()
    }

    /// Nothing more is shown.
    pub fn close(&mut self) {
        let _ = self.bars.clear();
    }

    fn say(&self, text: &str) {
        if self.style != Style::Quiet {
            self.insist(text);
        }
    }

    fn insist(&self, text: &str) {
        self.bars.suspend(|| say(text));
    }
}

impl Part {
    /// How the search for what the magnet stands for goes.
    fn metadata(&mut self, style: Style, state: &MetadataState) {
        let mut text = match (state.pieces, state.known) {
            ((have, of @ 1..), _) => {
                format!("metadata: {have} of {of} pieces, {}", counted(state.peers))
            }
            (_, 0) => "looking for peers that have the metadata".to_owned(),
            (_, known) => format!("asking for the metadata, {} of {known} known", counted(state.peers)),
        };
        self.trouble = state.trouble.as_deref().map(printable);
        if let Some(why) = self.trouble.as_ref().filter(|_| state.peers == 0) {
            text = format!("{text} (the last trouble: {why})");
        }
        if style == Style::Lines && self.is_due() {
            say(&format!("{}: {text}", self.name));
        }
        self.bar.set_message(text);
    }

    /// What came to nothing where no metadata came, and why.
    fn no_metadata(&self) -> String {
        let why = self.trouble.as_deref().unwrap_or("nobody has named a peer");
        format!("nobody gave its metadata: {why}")
    }

    fn is_due(&mut self) -> bool {
        let due = self.last_line.elapsed() >= LINE_EVERY;
        if due {
            self.last_line = Instant::now();
        }
        due
    }
}

/// Fits into 80 columns: a name may be cut, the time left may not.
pub(super) fn bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:20!} {percent:>3}% [{bar:12}] {wide_msg}");
    let bar = ProgressBar::no_length().with_prefix(printable(name));
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

pub(super) fn say(text: &str) {
    // Nobody may be reading any more.
    let _ = writeln!(io::stderr(), "{text}");
}

fn peers(snapshot: &Snapshot) -> String {
    counted(snapshot.peers)
}

fn counted(peers: usize) -> String {
    match peers {
        1 => "1 peer".to_owned(),
        count => format!("{count} peers"),
    }
}

/// How many times the payload was uploaded in this run.
fn ratio(snapshot: &Snapshot) -> f64 {
    snapshot.uploaded as f64 / snapshot.total.max(1) as f64
}

fn kept(part: &Part, snapshot: &Snapshot) -> String {
    if snapshot.total == 0 {
        return part.no_metadata();
    }
    format!(
        "{} of {} are kept, the same command goes on from there",
        size(snapshot.done),
        size(snapshot.total)
    )
}

/// At the rate of the last seconds.
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
