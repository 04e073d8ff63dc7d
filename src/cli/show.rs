//! `show`: what a torrent says, for people or for programs.
//!
//! Runs on the main thread and touches no network but to fetch the torrent itself and to
//! ask its trackers, where the user wants that. What comes from
//! the torrent is printed without its control characters.

use super::scraped::Scraped;
use super::source::{self, SourceError};
use crate::metainfo::{File, Metainfo};
use crate::net::Origin;
use crate::text::{grouped, printable, size};
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Why a torrent could not be shown.
#[derive(Debug)]
pub enum ShowError {
    /// The torrent could not be had or is none.
    Source(SourceError),
    /// The output could not be written.
    Output(io::Error),
    /// No tracker answered, or there is none; the rest was shown.
    NobodyAnswered,
}

impl ShowError {
    /// The exit code of the program, by aria2's numbers.
    pub fn exit_code(&self) -> u8 {
        match self {
            ShowError::Source(error) => error.exit_code(),
            ShowError::Output(_) => 17,
            ShowError::NobodyAnswered => 6,
        }
    }
}

impl fmt::Display for ShowError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShowError::Source(error) => error.fmt(out),
            ShowError::Output(error) => write!(out, "cannot write the output: {error}"),
            ShowError::NobodyAnswered => write!(out, "no tracker of the torrent has answered"),
        }
    }
}

impl std::error::Error for ShowError {}

/// Shows the torrent that `source` names (see [`source::read`]) on `out`, as JSON or as text, with what its
/// trackers say of it where `scrape` asks for that.
///
/// A reader that closes its end early, as `head` does, is no error.
///
/// # Errors
///
/// The torrent cannot be had or is none, `out` fails, or no tracker answers.
pub fn run(source: &str, as_json: bool, scrape: bool, out: &mut impl Write) -> Result<(), ShowError> {
    let torrent = source::load(source, Origin::any()).map_err(ShowError::Source)?;
    let scraped = scrape.then(|| Scraped::ask(&torrent));
    let mut out = io::BufWriter::new(out);
    let write = if as_json { write_json } else { write_text };
    match write(&torrent, scraped.as_ref(), &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ShowError::Output(error)),
        _ if scraped.is_some_and(|scraped| !scraped.has_answers()) => Err(ShowError::NobodyAnswered),
        _ => Ok(()),
    }
}

/// The files that a download makes, with paths that have `/` on every system.
fn visible(torrent: &Metainfo) -> impl Iterator<Item = (String, u64)> {
    let path = |file: &File| {
        let elements: Vec<_> = file.path.iter().map(|element| element.to_string_lossy()).collect();
        elements.join("/")
    };
    torrent.files.iter().filter(|file| !file.padding).map(move |file| (path(file), file.length))
}

fn write_json(torrent: &Metainfo, scraped: Option<&Scraped>, out: &mut impl Write) -> io::Result<()> {
    let files: Vec<Value> =
        visible(torrent).map(|(path, length)| json!({"path": path, "length": length})).collect();
    let mut value = json!({
        "name": torrent.name,
        "info_hash": torrent.info_hash.to_string(),
        "piece_length": torrent.piece_length,
        "pieces": torrent.piece_count(),
        "total_size": torrent.total_size,
        "private": torrent.private,
        "trackers": torrent.trackers,
        "files": files,
    });
    if let (Some(scraped), Some(entries)) = (scraped, value.as_object_mut()) {
        entries.insert("scrape".to_owned(), scraped.json());
    }
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

/// One line of the text form: what it is, in a column of its own, then the value.
fn line(out: &mut impl Write, label: &str, value: impl fmt::Display) -> io::Result<()> {
    writeln!(out, "{label:<13}{value}")
}

fn write_text(torrent: &Metainfo, scraped: Option<&Scraped>, out: &mut impl Write) -> io::Result<()> {
    let exact = |bytes| format!("{} ({} bytes)", size(bytes), grouped(bytes));
    line(out, "Name", printable(&torrent.name))?;
    line(out, "Info-hash", torrent.info_hash)?;
    line(out, "Size", exact(torrent.total_size))?;
    let pieces = grouped(torrent.piece_count().into());
    line(out, "Pieces", format_args!("{pieces} of {}", size(torrent.piece_length.into())))?;
    line(
        out,
        "Private",
        if torrent.private { "yes, only its own trackers may be asked for peers" } else { "no" },
    )?;
    if torrent.trackers.is_empty() {
        line(out, "Trackers", "none")?;
    }
    for (number, tier) in (1_usize..).zip(&torrent.trackers) {
        for (index, tracker) in tier.iter().enumerate() {
            let label = if number == 1 && index == 0 { "Trackers" } else { "" };
            let tier = if index == 0 { format!("tier {number}") } else { String::new() };
            line(out, label, format_args!("{tier:<9}{}", printable(tracker)))?;
        }
    }
    for (index, said) in scraped.iter().flat_map(|scraped| scraped.lines()).enumerate() {
        line(out, if index == 0 { "Scrape" } else { "" }, said)?;
    }
    for (index, seed) in torrent.web_seeds.iter().enumerate() {
        line(out, if index == 0 { "Web seeds" } else { "" }, printable(seed))?;
    }
    for (index, (host, port)) in torrent.nodes.iter().enumerate() {
        line(out, if index == 0 { "DHT nodes" } else { "" }, format_args!("{}:{port}", printable(host)))?;
    }
    if torrent.symlinks > 0 {
        line(out, "Left out", format_args!("{} (symbolic links are never made)", torrent.symlinks))?;
    }
    line(out, "Files", grouped(visible(torrent).count() as u64))?;
    for (path, length) in visible(torrent) {
        writeln!(out, "{:>17}  {}", grouped(length), printable(&path))?;
    }
    Ok(())
}
