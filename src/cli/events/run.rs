//! Events about the whole: the start, the torrents and what becomes of them, errors.

use super::line::Line;
use super::progress::Totals;
use crate::cli::exit::Exit;
use crate::cli::json;
use crate::metainfo::InfoHash;
use crate::swarm::RunEnd;
use std::path::Path;
use std::time::Duration;

/// A torrent, and what the user named it by.
pub(super) struct NamedTorrent {
    pub(super) info_hash: InfoHash,
    pub(super) name: String,
    /// Without secrets.
    pub(super) source: String,
}

/// How a torrent ended.
pub(super) struct Finished {
    /// `None` if by an error.
    pub(super) end: Option<RunEnd>,
    pub(super) exit: Exit,
    pub(super) error: Option<String>,
    /// What is there, and what this run did. `None` if it ended before that was known.
    pub(super) run: Option<Totals>,
    /// Since it began.
    pub(super) time: Duration,
}

pub(super) fn start(line: &mut Line<'_>, command: &str) {
    line.number("format", json::FORMAT);
    line.seconds("time", Duration::ZERO);
    line.word("version", env!("CARGO_PKG_VERSION"));
    line.word("command", command);
}

pub(super) fn error(line: &mut Line<'_>, source: Option<&str>, exit: Exit, sentence: &str) {
    if let Some(source) = source {
        line.text("source", source);
    }
    line.number("exit_code", exit.0.into());
    line.text("sentence", sentence);
}

/// What became of the program of the user (`--on-complete`).
pub(super) fn hook(line: &mut Line<'_>, program: &Path, failure: Option<&str>) {
    line.word("state", if failure.is_some() { "failed" } else { "done" });
    line.text("program", &program.to_string_lossy());
    if let Some(failure) = failure {
        line.text("sentence", failure);
    }
}

pub(super) fn finished(line: &mut Line<'_>, finished: &Finished, path: Option<&Path>) {
    let Finished { end, exit, error, run, time } = finished;
    let outcome = match end {
        Some(RunEnd::Done | RunEnd::ReaderGone) => "done",
        Some(RunEnd::Stopped) => "stopped",
        Some(RunEnd::TimedOut) => "timed-out",
        Some(RunEnd::WriterFailed) | None => "failed",
    };
    line.word("outcome", outcome);
    line.number("exit_code", exit.0.into());
    if let Some(error) = error {
        line.text("sentence", error);
    }
    if let Some(path) = path {
        line.path(path);
    }
    if let Some(run) = run {
        run.write(line);
    }
    line.seconds("seconds", *time);
}
