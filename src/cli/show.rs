//! `show`: what a torrent says, for people or for programs.
//!
//! Runs on the main thread and touches no network but to fetch the torrent itself (of a magnet, its
//! metadata, from peers) and to ask its trackers, where the user wants that. What comes from the torrent is
//! printed without its control characters.

use super::arguments::Show;
use super::create::output;
use super::exit::Exit;
use super::network_options::Finding;
use super::progress::Style;
use super::runs::{self, Failure};
use super::scraped::Scraped;
use super::source;
use crate::metainfo::{File, Magnet, Metainfo};
use crate::session::Torrent;
use crate::text::{grouped, printable, size};
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Shows a torrent on `out`, as JSON or as text, with what its trackers say of it where that is asked for,
/// and saves it where that is.
///
/// A reader that closes its end early, as `head` does, is no error.
///
/// # Errors
///
/// The torrent cannot be had or is none, `out` or the file cannot be written, or no tracker answers.
pub fn run(arguments: &Show, out: &mut impl Write) -> Result<Exit, Failure> {
    if let Some(path) = &arguments.save {
        output::check(path, false).map_err(|failure| other_name(path, failure))?;
    }
    let bind_address = arguments.finding.bind_address()?;
    let torrent = source::torrent(&arguments.torrent, bind_address)
        .map_err(|error| (Exit(error.exit_code()), error.to_string()))?;
    let torrent = match torrent {
        Torrent::Whole(metainfo) => metainfo,
        Torrent::Magnet(magnet) => fetch(arguments, &magnet)?,
    };
    if let Some(path) = &arguments.save {
        output::write(path, torrent.bytes(), false).map_err(|failure| other_name(path, failure))?;
    }
    let Finding { no_trackers, trackers, .. } = &arguments.finding;
    let scraped = arguments.scrape.then(|| Scraped::ask(&torrent, !no_trackers, trackers, bind_address));
    match write(&torrent, arguments.json, scraped.as_ref(), out) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err((Exit::IO, format!("cannot write the output: {error}")))
        }
        _ => match scraped.and_then(|scraped| scraped.trouble()) {
            Some(trouble) => Err((Exit::NETWORK, trouble.to_owned())),
            None => Ok(Exit::DONE),
        },
    }
}

/// What is said of a file that is there has the way out that this command has.
fn other_name(path: &Path, failure: Failure) -> Failure {
    match failure {
        (Exit::EXISTS, _) => {
            let path = printable(&path.display().to_string());
            (Exit::EXISTS, format!("{path} exists (choose another name with --save)"))
        }
        other => other,
    }
}

/// Asks the peers of a magnet what it holds.
fn fetch(arguments: &Show, magnet: &Arc<Magnet>) -> Result<Arc<Metainfo>, Failure> {
    let finding = &arguments.finding;
    let network = finding.network(finding.bind_address()?, true, [None, None])?;
    let style = if arguments.verbose > 0 { Style::Lines } else { Style::of(arguments.quiet) };
    let timeout = arguments.timeout.map(Duration::from_secs);
    let sources = finding.sources(finding.port.is_some(), false);
    runs::fetch(magnet, &sources, timeout, &network, style)
}

/// Writes what the torrent says on `out`, as JSON or as text.
///
/// # Errors
///
/// What `out` says.
pub fn print(torrent: &Metainfo, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    write(torrent, as_json, None, out)
}

fn write(
    torrent: &Metainfo,
    as_json: bool,
    scraped: Option<&Scraped>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let write = if as_json { write_json } else { write_text };
    write(torrent, scraped, &mut out).and_then(|()| out.flush())
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
