//! `show`: prints what a torrent says, for people or for programs.
//!
//! Runs on the main thread. It uses the network only to fetch the torrent itself (the metadata of a magnet
//! comes from peers) and, if the user wants that, to ask its trackers. Text from the torrent is printed
//! without its control characters.

use super::arguments::ShowArguments;
use super::create::output::Output;
use super::each::{Shape, each};
use super::exit::{CommandFailure, Exit};
use super::json;
use super::network_options::NetworkOptions;
use super::printed::printed;
use super::progress::Style;
use super::resources::{Purpose, Resources};
use super::runs;
use super::scraped::Scraped;
use super::source;
use super::terminal;
use super::utc::utc;
use crate::metainfo::{About, File, Magnet, Metainfo};
use crate::net::Outlet;
use crate::session::Torrent;
use crate::text::{grouped, printable, shown, size};
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// The option that names the file for the torrent.
const SAVE: &str = "--save";

/// Shows the torrents on `out`, as JSON or as text. With `--scrape` it adds the counts of the trackers, and
/// with `--save` it writes the torrent to a file.
///
/// It is no error if the reader of `out` closes early, as `head` does.
///
/// # Errors
///
/// There is one torrent, and it cannot be read or is invalid, or `out` or the file cannot be written, or no tracker
/// answers.
pub fn run(arguments: &ShowArguments, out: &mut impl Write) -> Result<Exit, CommandFailure> {
    let sources = arguments.sources.sources()?;
    if let Some(path) = &arguments.save {
        if sources.len() > 1 {
            let text = "--save writes one torrent, and several are named (show them one by one)";
            return Err((Exit::BAD_OPTION, text.to_owned()));
        }
        Output::named_by(SAVE, path).check(false)?;
    }
    let outlet = arguments.network.outlet()?;
    let shape = if arguments.json { Shape::Json } else { Shape::Text };
    each(&sources, shape, out, &mut |source, out| show(arguments, source, &outlet, out))
}

/// Shows one of them.
fn show(
    arguments: &ShowArguments,
    source: &str,
    outlet: &Outlet,
    out: &mut impl Write,
) -> Result<Exit, CommandFailure> {
    let torrent = source::torrent(source, outlet);
    let torrent = torrent.map_err(|error| (Exit(error.exit_code()), error.to_string()))?;
    let by_link = torrent.selected().to_vec();
    let torrent = match torrent {
        Torrent::Whole(metainfo) => metainfo,
        Torrent::Magnet(magnet) => fetch(arguments, outlet.clone(), &magnet)?,
    };
    if let Some(path) = &arguments.save {
        let output = Output::named_by(SAVE, path);
        output.write(torrent.bytes(), false)?;
        if output.is_standard_output() {
            return Ok(Exit::DONE);
        }
    }
    let selected = arguments.selection.choice().selected(&torrent.files, &by_link);
    let selected = selected.map_err(|error| (Exit::BAD_OPTION, error.to_string()))?;
    let NetworkOptions { no_trackers, trackers, .. } = &arguments.network;
    let scraped = arguments.scrape.then(|| Scraped::ask(&torrent, !no_trackers, trackers, outlet));
    let shown = Shown { torrent: &torrent, selected, scraped: scraped.as_ref() };
    printed(shown.write(arguments.json, out))?;
    match scraped.and_then(|scraped| scraped.trouble()) {
        Some(trouble) => {
            // No error that would be printed as JSON, since the torrent is there already.
            terminal::say_error(trouble);
            Ok(Exit::NETWORK)
        }
        None => Ok(Exit::DONE),
    }
}

/// Fetches the metadata of a magnet from its peers.
fn fetch(
    arguments: &ShowArguments,
    outlet: Outlet,
    magnet: &Arc<Magnet>,
) -> Result<Arc<Metainfo>, CommandFailure> {
    let options = &arguments.network;
    let resources = Resources::find(&[], 0, Purpose::Download)?;
    let network = options.open(outlet, true, [None, None], &resources)?;
    let style = if arguments.verbose > 0 { Style::Lines } else { Style::of(arguments.quiet) };
    let timeout = arguments.timeout.map(Duration::from_secs);
    let sources = options.sources(options.port.is_some(), false);
    runs::fetch(magnet, &sources, timeout, &network, style)
}

/// Writes what the torrent says on `out`, as JSON or as text.
///
/// # Errors
///
/// `out` cannot be written.
pub fn print(torrent: &Metainfo, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    Shown { torrent, selected: None, scraped: None }.write(as_json, out)
}

/// What is shown.
struct Shown<'a> {
    torrent: &'a Metainfo,
    /// The files that are selected, if these are not all.
    selected: Option<Vec<bool>>,
    scraped: Option<&'a Scraped<'a>>,
}

impl Shown<'_> {
    fn write(&self, as_json: bool, out: &mut impl Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        match as_json {
            true => self.write_json(&mut out)?,
            false => self.write_text(&mut out)?,
        }
        out.flush()
    }

    /// The files that a download creates, with their numbers, and whether they are selected.
    fn files(&self) -> impl Iterator<Item = (usize, &File, bool)> {
        let files = self.torrent.files.iter().enumerate().filter(|(_, file)| !file.padding);
        let has = |number| self.selected.as_ref().is_none_or(|all| all.get(number).is_some_and(|one| *one));
        files.map(move |(number, file)| (number, file, has(number)))
    }

    /// Bytes of the payload that are in no file.
    fn padding(&self) -> u64 {
        let files = self.torrent.files.iter().filter(|file| !file.padding).map(|file| file.length);
        self.torrent.geometry.total_size().saturating_sub(files.sum())
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let Shown { torrent, selected, scraped } = self;
        let is_in_trouble = scraped.is_some_and(|scraped| scraped.trouble().is_some());
        let exit = if is_in_trouble { Exit::NETWORK } else { Exit::DONE };
        let file = |(number, file, is_selected): (usize, &File, bool)| {
            let mut value = json!({"index": number, "length": file.length});
            if let (Some(_), Some(entries)) = (selected, value.as_object_mut()) {
                entries.insert("selected".to_owned(), json!(is_selected));
            }
            json::with_path(&file.path, value)
        };
        let files: Vec<Value> = self.files().map(file).collect();
        let mut value = json!({
            "format": json::FORMAT,
            "exit_code": exit.0,
            "name": torrent.name,
            "info_hash": torrent.info_hash.to_string(),
            "piece_length": torrent.geometry.piece_length(),
            "pieces": torrent.geometry.piece_count(),
            "total_size": torrent.geometry.total_size(),
            "private": torrent.private,
            "trackers": torrent.trackers,
            "web_seeds": torrent.web_seeds,
            "files": files,
        });
        if let Some(entries) = value.as_object_mut() {
            let About { comment, creator, date } = torrent.about();
            let place = torrent.info_place();
            let optional = [
                ("info_hash_v2", torrent.whole_info_hash_v2().map(|hash| Value::from(hash.to_string()))),
                ("padding_size", Some(self.padding()).filter(|padding| *padding > 0).map(Value::from)),
                ("scrape", scraped.map(Scraped::json)),
                ("magnet", torrent.magnet().map(Value::from)),
                ("comment", comment.map(Value::from)),
                ("created_by", creator.map(Value::from)),
                ("creation_date", date.map(Value::from)),
                ("created", date.and_then(utc).map(Value::from)),
                ("info_range", Some(json!([place.start, place.end.saturating_sub(1)]))),
            ];
            let there = optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            there.for_each(|(key, value)| _ = entries.insert(key, value));
        }
        json::write(out, &value)
    }

    /// What the torrent says about itself, and how to name it and to find it in its file.
    fn write_about(&self, out: &mut impl Write) -> io::Result<()> {
        let About { comment, creator, date } = self.torrent.about();
        if let Some(comment) = comment {
            line(out, "Comment", printable(&comment))?;
        }
        let date = date.map(|date| utc(date).unwrap_or_else(|| format!("{date} s after 1970")));
        let by = creator.map(|creator| format!("by {}", printable(&creator)));
        if date.is_some() || by.is_some() {
            let words: Vec<String> = [date, by].into_iter().flatten().collect();
            line(out, "Created", words.join(" "))?;
        }
        if let Some(magnet) = self.torrent.magnet() {
            line(out, "Magnet", magnet)?;
        }
        let place = self.torrent.info_place();
        line(out, "Info value", format_args!("bytes {}-{}", place.start, place.end.saturating_sub(1)))
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let Shown { torrent, .. } = self;
        line(out, "Name", printable(&torrent.name))?;
        match torrent.info_hash_v2 {
            Some(hash) => line(out, "Info-hash", format_args!("{hash} (version 2)"))?,
            None => line(out, "Info-hash", torrent.info_hash)?,
        }
        if let Some(hash) = torrent.other_info_hash() {
            line(
                out,
                "",
                format_args!("{hash} (version 2 of this hybrid torrent, which is read as version 1)"),
            )?;
        }
        match self.padding() {
            0 => line(out, "Size", exact(torrent.geometry.total_size()))?,
            padding => {
                let files = exact(torrent.geometry.total_size().saturating_sub(padding));
                line(out, "Size", format_args!("{files} and {} of padding", size(padding)))?;
            }
        }
        let pieces = grouped(torrent.geometry.piece_count().into());
        line(out, "Pieces", format_args!("{pieces} of {}", size(torrent.geometry.piece_length().into())))?;
        line(
            out,
            "Private",
            if torrent.private { "yes, only its own trackers may be asked for peers" } else { "no" },
        )?;
        self.write_sources(out)?;
        if torrent.symlinks > 0 {
            line(out, "Left out", format_args!("{} (symbolic links are never made)", torrent.symlinks))?;
        }
        self.write_about(out)?;
        self.write_files(out)
    }

    /// Where peers and blocks come from.
    fn write_sources(&self, out: &mut impl Write) -> io::Result<()> {
        let Shown { torrent, scraped, .. } = self;
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
        Ok(())
    }

    /// How many files there are and, one in each line, which.
    fn write_files(&self, out: &mut impl Write) -> io::Result<()> {
        let selected = self.selected.is_some();
        let count = grouped(self.files().count() as u64);
        if selected {
            let chosen = || self.files().filter(|(_, _, is_selected)| *is_selected);
            let bytes = chosen().map(|(_, file, _)| file.length).sum();
            let chosen = match chosen().count() as u64 {
                1 => "1 is".to_owned(),
                chosen => format!("{} are", grouped(chosen)),
            };
            line(out, "Files", format_args!("{count}, of which {chosen} selected (*): {}", exact(bytes)))?;
        } else {
            line(out, "Files", count)?;
        }
        for (number, file, is_selected) in self.files() {
            let mark = if selected && is_selected { '*' } else { ' ' };
            writeln!(out, "{number:>7}{mark}{:>17}  {}", grouped(file.length), shown(&file.path))?;
        }
        Ok(())
    }
}

/// Bytes, rounded and to the byte.
fn exact(bytes: u64) -> String {
    format!("{} ({} bytes)", size(bytes), grouped(bytes))
}

/// One line of the text form: the label in a column of its own, then the value.
fn line(out: &mut impl Write, label: &str, value: impl fmt::Display) -> io::Result<()> {
    writeln!(out, "{label:<13}{value}")
}
