//! `verify`: reports which files and pieces of a torrent are on the disk and correct, and changes nothing.
//!
//! Runs on the main thread; the hashing has threads of its own (`storage/hashing.rs`). The report goes to
//! standard output, the progress to standard error.

use super::each::{Shape, each};
use super::exit::{CommandFailure, Exit};
use super::folder_options::PayloadOption;
use super::help::headings::{NETWORK, OUTPUT};
use super::json;
use super::meter::Meter;
use super::naming_options::NameOption;
use super::network_options::authorities;
use super::printed::printed;
use super::progress::Style;
use super::proxy_options::ProxyOptions;
use super::selection_options::SelectionOptions;
use super::signals::interrupts;
use super::source;
use super::source_list::SourceOptions;
use super::terminal::{say, sentence};
use crate::metainfo::{File, Metainfo};
use crate::net::Outlet;
use crate::net::proxy::Proxies;
use crate::piece::{Bitfield, Geometry, PieceIndex};
use crate::storage::{self, Examined, ExaminedFile, FileState, Payload, Selection, StorageError};
use crate::text::{grouped, printable, shown};
use clap::{Args, ValueHint};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// The most files of the payload that are open at once.
const OPEN_FILES: usize = 32;
/// The most runs of pieces that the text form lists. No person would read more.
const RUNS_IN_TEXT: usize = 100;
/// The most runs of pieces that the JSON form lists.
const RUNS_IN_JSON: usize = 100_000;

#[derive(Args, Debug)]
#[command(mut_args(SourceOptions::without_links))]
pub struct VerifyArguments {
    #[command(flatten)]
    pub sources: SourceOptions,
    #[command(flatten)]
    pub payload: PayloadOption,
    #[command(flatten)]
    pub name: NameOption,
    /// Also trust the certificate authorities in this file (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = NETWORK)]
    pub ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub proxy: ProxyOptions,
    /// Print JSON
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Print only errors (and JSON); the exit code is the result
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
    #[command(flatten)]
    pub selection: SelectionOptions,
}

/// Verifies the payloads, and reports on `out` the state of each file and which pieces are bad.
///
/// # Errors
///
/// There is one torrent, and it or its payload cannot be read.
pub fn run(arguments: &VerifyArguments, out: &mut impl Write) -> Result<Exit, CommandFailure> {
    let authorities = authorities(arguments.ca_file.as_deref())?;
    let sources = arguments.sources.sources()?;
    let is_from_web = sources.iter().any(|source| source::is_web(&source.name));
    let proxies = if is_from_web { arguments.proxy.proxies()? } else { Proxies::None };
    let outlet = Outlet { authorities, proxies, ..Outlet::default() };
    let shape = match (arguments.json, arguments.quiet) {
        (true, _) => Shape::Json,
        (false, true) => Shape::Nothing,
        (false, false) => Shape::Text,
    };
    each(&sources, shape, out, &mut |source, out| verify(arguments, source, &outlet, out))
}

/// Verifies one of them.
fn verify(
    arguments: &VerifyArguments,
    source: &str,
    outlet: &Outlet,
    out: &mut impl Write,
) -> Result<Exit, CommandFailure> {
    let torrent = source::load(source, outlet);
    let torrent = torrent.map_err(|error| (Exit(error.exit_code()), error.to_string()))?;
    let torrent = Arc::new(torrent);
    let geometry = torrent.geometry;
    let selected = arguments.selection.choice().selected(&torrent.files, &[]);
    let selected = selected.map_err(|error| (Exit::BAD_OPTION, error.to_string()))?;
    let selection = selected.and_then(|selected| Selection::of(selected, &torrent.files, geometry));
    let examined = examine(arguments, &torrent, geometry, selection.as_ref())?;
    let report = Report { torrent: &torrent, examined: &examined, selection: selection.as_ref(), geometry };
    let exit = report.exit();
    if arguments.quiet && !arguments.json {
        return Ok(exit);
    }
    let mut out = io::BufWriter::new(out);
    let written = if arguments.json { report.write_json(&mut out) } else { report.write_text(&mut out) };
    printed(written.and_then(|()| out.flush()))?;
    if !arguments.quiet && report.count(FileState::Missing) == report.files().count() {
        let (dir, name) = (shown(&arguments.payload.dir), printable(&torrent.name));
        say(&format!("no file of the torrent is in {dir} (name the folder that contains {name} with -d)"));
    }
    Ok(exit)
}

fn examine(
    arguments: &VerifyArguments,
    torrent: &Arc<Metainfo>,
    geometry: Geometry,
    selection: Option<&Selection>,
) -> Result<Examined, CommandFailure> {
    let digests = storage::digests_of(torrent);
    let payload = Payload {
        name: &torrent.name,
        output_name: arguments.name.output_name.as_deref(),
        info_hash: torrent.info_hash,
        files: &torrent.files,
        geometry,
        digests: &digests,
        selection,
        cache: None,
    };
    let meter = Meter::new(Style::of(arguments.quiet), &torrent.name, "checked", interrupts());
    let watch = |done, total| meter.tell(done, total);
    let examined = storage::examine(&arguments.payload.dir, &payload, OPEN_FILES, &watch);
    meter.close();
    examined.map_err(failure)
}

fn failure(error: StorageError) -> CommandFailure {
    (Exit(error.exit_code()), printable(&error.to_string()))
}

/// Writes the result as text or as JSON.
struct Report<'a> {
    torrent: &'a Metainfo,
    examined: &'a Examined,
    /// The files that are looked at, if these are not all.
    selection: Option<&'a Selection>,
    geometry: Geometry,
}

impl Report<'_> {
    /// The files that a download creates, with the state of each.
    fn files(&self) -> impl Iterator<Item = (&File, &ExaminedFile)> {
        let is_selected = |number| self.selection.is_none_or(|selection| selection.has(number));
        let files = self.torrent.files.iter().zip(&self.examined.files).enumerate();
        let files = files.filter(move |(number, _)| is_selected(*number)).map(|(_, file)| file);
        files.filter(|(_, file)| file.state != FileState::Padding)
    }

    /// Whether all of them are good.
    fn is_good(&self) -> bool {
        match self.selection {
            None => self.examined.is_good(),
            Some(_) => self.files().all(|(_, file)| file.state == FileState::Good),
        }
    }

    fn exit(&self) -> Exit {
        if self.is_good() { Exit::DONE } else { Exit::NOT_VERIFIED }
    }

    /// How many pieces they are in.
    fn piece_count(&self) -> u32 {
        self.selection.map_or(self.geometry.piece_count(), |selection| selection.pieces().count())
    }

    fn count(&self, state: FileState) -> usize {
        self.files().filter(|(_, file)| file.state == state).count()
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for (file, found) in self.files() {
            let path = shown(&found.path);
            let length = found.length.unwrap_or(0);
            let verify = format!("{} of {} pieces verify", found.good_pieces, found.pieces);
            let more = match found.state {
                FileState::Long => format!(" ({} of {} bytes)", grouped(length), grouped(file.length)),
                // A file that is downloaded reaches to its last piece, and has holes before it.
                FileState::Short => {
                    format!(" ({verify}; it ends at {} of {} bytes)", grouped(length), grouped(file.length))
                }
                FileState::Bad | FileState::Unfinished => format!(" ({verify})"),
                FileState::Unproven => " (shares a piece with a file that is not good)".to_owned(),
                FileState::Good | FileState::Missing | FileState::Padding => String::new(),
            };
            writeln!(out, "{:<12}{path}{more}", word(found.state))?;
        }
        let missing = self.missing();
        for (label, pieces) in [("bad pieces", &self.examined.bad), ("missing pieces", &missing)] {
            if pieces.count() > 0 {
                writeln!(out, "{label}: {}", self.in_words(pieces))?;
            }
        }
        let (files, good) = (self.files().count() as u64, self.count(FileState::Good) as u64);
        let (pieces, verified) = (self.piece_count(), self.examined.good.count());
        let (which_files, are) = match (good, files) {
            (_, 1) => ("file", "is"),
            (1, _) => ("files", "is"),
            _ => ("files", "are"),
        };
        let (which_pieces, verify) = match (verified, pieces) {
            (_, 1) => ("piece", "verifies"),
            (1, _) => ("pieces", "verifies"),
            _ => ("pieces", "verify"),
        };
        let (good, files, verified, pieces) =
            (grouped(good), grouped(files), grouped(verified.into()), grouped(pieces.into()));
        let all = format!(
            "{good} of {files} {which_files} {are} good, {verified} of {pieces} {which_pieces} {verify}"
        );
        writeln!(out, "{}", sentence(&all))
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let file = |(file, found): (&File, &ExaminedFile)| {
            let value = json!({
                "state": word(found.state),
                "length": file.length,
                "found": found.length,
                "pieces": found.pieces,
                "good_pieces": found.good_pieces,
            });
            json::with_path(&found.path, value)
        };
        let mut value = json!({
            "format": json::FORMAT,
            "exit_code": self.exit().0,
            "name": self.torrent.name,
            "info_hash": self.torrent.info_hash.to_string(),
            "good": self.is_good(),
            "pieces": self.piece_count(),
            "good_pieces": self.examined.good.count(),
            "bad_pieces": self.examined.bad.count(),
            "bad_ranges": self.ranges(&self.examined.bad),
            "missing_ranges": self.ranges(&self.missing()),
            "files": self.files().map(file).collect::<Vec<Value>>(),
        });
        if let (Some(entries), Some(hash)) = (value.as_object_mut(), self.torrent.whole_info_hash_v2()) {
            entries.insert("info_hash_v2".to_owned(), json!(hash.to_string()));
        }
        json::write(out, &value)
    }

    /// The pieces that are neither good nor bad.
    fn missing(&self) -> Bitfield {
        let Examined { good, bad, .. } = self.examined;
        let mut missing = Bitfield::none(self.geometry.piece_count());
        let is_looked_at = |piece: &_| self.selection.is_none_or(|selection| selection.pieces().has(*piece));
        let pieces = self.geometry.pieces().filter(is_looked_at);
        for piece in pieces.filter(|piece| !good.has(*piece) && !bad.has(*piece)) {
            missing.insert(piece);
        }
        missing
    }

    /// The pieces as `3, 7-12`. If there are too many runs, it ends with the number of pieces left out.
    fn in_words(&self, pieces: &Bitfield) -> String {
        let mut listed = 0;
        let mut text = Vec::new();
        for (first, last) in runs(pieces, self.geometry).take(RUNS_IN_TEXT) {
            listed += u64::from(last - first) + 1;
            text.push(if first == last { first.to_string() } else { format!("{first}-{last}") });
        }
        match u64::from(pieces.count()).saturating_sub(listed) {
            0 => text.join(", "),
            more => format!("{} and {} more", text.join(", "), grouped(more)),
        }
    }

    /// The first and the last piece of each run.
    fn ranges(&self, pieces: &Bitfield) -> Vec<[u32; 2]> {
        runs(pieces, self.geometry).take(RUNS_IN_JSON).map(|(first, last)| [first, last]).collect()
    }
}

fn word(state: FileState) -> &'static str {
    match state {
        FileState::Good => "good",
        FileState::Missing => "missing",
        FileState::Short | FileState::Unfinished => "incomplete",
        FileState::Long => "too long",
        FileState::Bad => "bad",
        FileState::Unproven => "unproven",
        FileState::Padding => "padding",
    }
}

/// The runs of consecutive pieces in the set, each as its first and its last number.
fn runs(pieces: &Bitfield, geometry: Geometry) -> impl Iterator<Item = (u32, u32)> {
    let mut numbers = pieces.iter(geometry).map(PieceIndex::get).peekable();
    std::iter::from_fn(move || {
        let first = numbers.next()?;
        let mut last = first;
        while let Some(next) = numbers.next_if(|next| Some(*next) == last.checked_add(1)) {
            last = next;
        }
        Some((first, last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_listed_in_runs() {
        let cut = Geometry::new(200, 1).unwrap();
        let mut set = Bitfield::none(200);
        for number in [0, 1, 2, 7, 63, 64, 199] {
            set.insert(cut.piece(number).unwrap());
        }
        assert_eq!(runs(&set, cut).collect::<Vec<_>>(), [(0, 2), (7, 7), (63, 64), (199, 199)]);
        assert_eq!(runs(&Bitfield::none(200), cut).count(), 0);
        assert_eq!(runs(&Bitfield::all(200), cut).collect::<Vec<_>>(), [(0, 199)]);
    }
}
