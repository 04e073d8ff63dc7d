//! `create`: makes a torrent from a file or a folder.
//!
//! Runs on the main thread; the hashing has threads of its own (`storage/hashing.rs`). Before the first byte
//! is hashed, it checks how a client will read the torrent. Nothing is written before the last byte is
//! hashed.
//!
//! After the hashing each file is looked at a second time. If its length, its time of last change or its
//! number in the file system differs, it has changed meanwhile, and no torrent is made.

mod odd_names;
pub mod output;

use super::exit::{CommandFailure, Exit};
use super::help::headings::{OUTPUT, TORRENT};
use super::json;
use super::meter::Meter;
use super::printed::printed;
use super::progress::Style;
use super::signals::interrupts;
use super::terminal::say;
use super::values::size;
use crate::metainfo::draft::{self, Content, Draft, MIN_DEFAULT_PIECE_LENGTH};
use crate::metainfo::{MAX_PIECES, Metainfo};
use crate::piece::Geometry;
use crate::storage::{self, Gathered, StorageError};
use crate::text::{grouped, is_hidden, is_printable, printable, shown, size as in_words};
use clap::{Args, ValueHint};
use odd_names::odd_names;
use output::{Output, destination};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most payload files that are open at once.
const OPEN_FILES: usize = 32;
/// Bytes in the longest piece that other programs accept.
const MAX_PIECE_LENGTH: u64 = 128 << 20;
/// The most names that are listed. Further ones are only counted.
const MAX_LISTED: usize = 10;

#[derive(Args, Debug)]
pub struct CreateArguments {
    /// The file or folder
    ///
    /// Symbolic links inside it are not followed.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// Tracker URL
    ///
    /// Each option is a new tier; commas put several trackers into one.
    #[arg(long = "tracker", value_name = "URL", value_parser = tier, help_heading = TORRENT)]
    pub trackers: Vec<String>,
    /// Piece length, a power of two from 16K to 128M [default: for about 1500 pieces]
    #[arg(long, value_name = "SIZE", value_parser = piece_length, help_heading = TORRENT)]
    pub piece_length: Option<u64>,
    /// Private: peers only from the torrent's own trackers
    #[arg(long, help_heading = TORRENT)]
    pub private: bool,
    /// Comment to store in the torrent
    #[arg(long, value_name = "TEXT", help_heading = TORRENT)]
    pub comment: Option<String>,
    /// Web seed URL (BEP 19)
    #[arg(long = "web-seed", value_name = "URL", value_parser = web_seed, help_heading = TORRENT)]
    pub web_seeds: Vec<String>,
    /// Write to this file or folder, `-` for stdout [default: NAME.torrent]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub output: Option<PathBuf>,
    /// Write it into this folder
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub dir: Option<PathBuf>,
    /// Replace an existing .torrent
    #[arg(long, help_heading = OUTPUT)]
    pub overwrite: bool,
    /// Creation date: `now` or a Unix time [default: none]
    #[arg(long, value_name = "WHEN", value_parser = date, help_heading = TORRENT)]
    pub date: Option<u64>,
    /// Print JSON instead of the info-hash and the path
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Print only the result and errors
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// Makes the torrent and prints its info-hash and its path. That line alone is on `out`: the magnet link and the next
/// step are for people.
///
/// # Errors
///
/// The payload cannot be read, no torrent can be made from it, or the torrent cannot be written.
pub fn run(arguments: &CreateArguments, out: &mut impl Write) -> Result<Exit, CommandFailure> {
    let style = Style::of(arguments.quiet);
    let name = storage::name(&arguments.path).map_err(in_our_words)?;
    let output = destination(arguments.dir.as_deref(), arguments.output.as_deref(), with_ending(name));
    let output = Output::new(&output);
    if arguments.json && output.is_standard_output() {
        let text = "the torrent and --json cannot both go to standard output (name a file with --output)";
        return Err((Exit::BAD_OPTION, text.to_owned()));
    }
    output.check(arguments.overwrite)?;
    let gathered = storage::gather(&arguments.path, output.path()).map_err(in_our_words)?;
    report_left_out(style, &gathered);
    let draft = draft(arguments, &gathered)?;
    check_before_hashing(style, arguments, &draft)?;

    let meter = Meter::new(style, &in_text(&gathered), "hashed", interrupts());
    let digests = gathered.digests(draft.geometry, OPEN_FILES, &|done, total| meter.tell(done, total));
    meter.close();
    let bytes = draft.encode(digests.map_err(in_our_words)?);
    let made = Metainfo::parse(bytes.clone()).map_err(|error| unusable(arguments, &error))?;
    output.write(&bytes, arguments.overwrite)?;

    if style != Style::Quiet {
        say(&summary(&gathered, draft.geometry, &meter.rate(gathered.total_size())));
    }
    let written = match output.is_standard_output() {
        true => Ok(()),
        false if arguments.json => json::write(out, &result(&made, &gathered, output.path())),
        false => writeln!(out, "{}  {}", made.info_hash, shown(output.path())).and_then(|()| out.flush()),
    };
    if style != Style::Quiet {
        made.magnet().iter().for_each(|magnet| say(&format!("magnet: {magnet}")));
        if let (false, Some(command)) = (output.is_standard_output(), sharing(output.path(), &arguments.path))
        {
            say(&format!("share it: {command}"));
        }
    }
    let is_there =
        |(exit, why)| (exit, format!("{why} (the torrent itself is written to {})", shown(output.path())));
    printed(written).map_err(is_there)?;
    Ok(Exit::DONE)
}

/// The command that seeds the new torrent from where its payload is, as a shell takes it. `None` if a name in it cannot
/// be shown as it is.
fn sharing(torrent: &Path, payload: &Path) -> Option<String> {
    let mut words = vec!["femtotorrent seed".to_owned(), quoted(torrent)?];
    // The folder of `.` and of `x/..` has no name here.
    let whole =
        payload.file_name().map_or_else(|| payload.canonicalize().ok(), |_| Some(payload.to_owned()))?;
    let folder = whole.parent().unwrap_or(&whole);
    if !folder.as_os_str().is_empty() {
        words.extend(["-d".to_owned(), quoted(folder)?]);
    }
    Some(words.join(" "))
}

/// The path as one word for a shell that is no option.
fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str().filter(|text| text.chars().all(is_printable))?;
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%=".contains(letter);
    Some(if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) })
}

/// What was made, for programs.
fn result(made: &Metainfo, gathered: &Gathered, path: &Path) -> Value {
    let value = json!({
        "format": json::FORMAT,
        "exit_code": Exit::DONE.0,
        "info_hash": made.info_hash.to_string(),
        "name": made.name,
        "total_size": made.geometry.total_size(),
        "piece_length": made.geometry.piece_length(),
        "pieces": made.geometry.piece_count(),
        "files": made.files.len(),
        "left_out": gathered.left_out.len(),
    });
    json::with_path(path, value)
}

fn with_ending(mut name: OsString) -> OsString {
    name.push(".torrent");
    name
}

fn in_text(gathered: &Gathered) -> String {
    shown(gathered.name.as_ref())
}

fn draft(arguments: &CreateArguments, gathered: &Gathered) -> Result<Draft, CommandFailure> {
    let total_size = gathered.total_size();
    let piece_length = arguments.piece_length.and_then(|length| u32::try_from(length).ok());
    let piece_length = piece_length.unwrap_or_else(|| draft::piece_length(total_size));
    let geometry =
        Geometry::new(total_size, piece_length).filter(|geometry| geometry.piece_count() <= MAX_PIECES);
    let geometry = geometry.ok_or_else(|| {
        let most = grouped(MAX_PIECES.into());
        let text = format!(
            "the torrent would have more than {most} pieces, and many programs do not read such a one"
        );
        (Exit::BAD_OPTION, format!("{text} (choose a larger --piece-length)"))
    })?;
    let content = if gathered.is_folder {
        Content::Folder(gathered.files().map(|(path, length)| (path.to_owned(), length)).collect())
    } else {
        Content::File(total_size)
    };
    Ok(Draft {
        name: gathered.name.as_bytes().to_vec(),
        content,
        geometry,
        private: arguments.private,
        trackers: arguments
            .trackers
            .iter()
            .map(|tier| tier.split(',').map(str::to_owned).collect())
            .collect(),
        web_seeds: arguments.web_seeds.clone(),
        comment: arguments.comment.clone(),
        date: arguments.date,
    })
}

/// Parses the torrent as it will be, with blank digests, so that its faults show before hours of hashing.
fn check_before_hashing(
    style: Style,
    arguments: &CreateArguments,
    draft: &Draft,
) -> Result<(), CommandFailure> {
    let read = Metainfo::parse(draft.encode_blank()).map_err(|error| unusable(arguments, &error))?;
    if let Some(path) = draft.taken_for_padding(&read).next() {
        let text = "other programs treat a file with this name as padding and never read it (rename it)";
        return Err((Exit::OTHER, format!("cannot make a torrent from {}: {text}", shown(&path))));
    }
    if read.trackers != draft.trackers || read.web_seeds != draft.web_seeds {
        let text = "more than 1,000 trackers or 200 web seeds, or one of them twice (name each once)";
        return Err((Exit::BAD_OPTION, text.to_owned()));
    }
    if style == Style::Quiet {
        return Ok(());
    }
    if let Some(odd) = odd_names(&read) {
        say(&odd);
    }
    if draft.private && draft.trackers.is_empty() {
        say("a private torrent without a tracker has no way to find peers (add one with --tracker)");
    }
    Ok(())
}

fn report_left_out(style: Style, gathered: &Gathered) {
    if style == Style::Quiet {
        return;
    }
    for (path, what) in gathered.left_out.iter().take(MAX_LISTED) {
        say(&format!("{}: left out, it is {what}", shown(path)));
    }
    match gathered.left_out.len().saturating_sub(MAX_LISTED) {
        0 => {}
        more => say(&format!("and {more} more are left out")),
    }
}

fn summary(gathered: &Gathered, geometry: Geometry, rate: &str) -> String {
    let count = |number: u64, one: &str| match number {
        1 => format!("1 {one}"),
        other => format!("{} {one}s", grouped(other)),
    };
    let name = in_text(gathered);
    let files = count(gathered.files().count() as u64, "file");
    let pieces = count(geometry.piece_count().into(), "piece");
    let (total, each) = (in_words(geometry.total_size()), in_words(geometry.piece_length().into()));
    format!("{name}: {files}, {total} in {pieces} of {each}, hashed at {rate}")
}

fn in_our_words(error: StorageError) -> CommandFailure {
    match error {
        StorageError::Cancelled => (Exit::UNFINISHED, "stopped, nothing was written".to_owned()),
        other => (Exit(other.exit_code()), printable(&other.to_string())),
    }
}

fn unusable(arguments: &CreateArguments, error: &crate::metainfo::MetainfoError) -> CommandFailure {
    let path = shown(&arguments.path);
    (Exit::BAD_TORRENT, printable(&format!("cannot make a torrent from {path}: {error}")))
}

fn tier(text: &str) -> Result<String, String> {
    let schemes = ["http", "https", "udp", "ws", "wss"];
    for address in text.split(',') {
        checked(address, &schemes, "https://tracker.example.org/announce")?;
    }
    Ok(text.to_owned())
}

fn web_seed(text: &str) -> Result<String, String> {
    checked(text, &["http", "https", "ftp"], "https://example.org/folder/")
}

/// Checks that this is an address with one of these schemes, and returns it unchanged.
fn checked(address: &str, schemes: &[&str], example: &str) -> Result<String, String> {
    let parts = address.split_once("://").filter(|(scheme, rest)| {
        schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) && !rest.is_empty()
    });
    match parts {
        Some(_) if !address.chars().any(|letter| is_hidden(letter) || letter.is_whitespace()) => {
            Ok(address.to_owned())
        }
        _ => Err(format!("an address is expected, such as {example}")),
    }
}

fn piece_length(text: &str) -> Result<u64, String> {
    let length = size(text).ok().filter(|length| length.is_power_of_two());
    length
        .filter(|length| (MIN_DEFAULT_PIECE_LENGTH.into()..=MAX_PIECE_LENGTH).contains(length))
        .ok_or_else(|| "a power of two from 16K (16 KiB) to 128M is expected, such as 256K or 1M".to_owned())
}

fn date(text: &str) -> Result<u64, String> {
    date_at(text, SystemTime::now())
}

fn date_at(text: &str, now: SystemTime) -> Result<u64, String> {
    if text != "now" {
        return text.parse().map_err(|_| "`now` or seconds since 1970 are expected".to_owned());
    }
    let since = now.duration_since(UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| "the clock of this machine stands before 1970 (give the seconds since then)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_next_step_can_be_pasted_into_a_shell() {
        for (torrent, payload, expected) in [
            ("photos.torrent", "photos", "photos.torrent"),
            ("/tmp/x.torrent", "/srv/x", "/tmp/x.torrent -d /srv"),
            ("a b.torrent", "it's/a b", r"'a b.torrent' -d 'it'\''s'"),
            ("-x.torrent", "./-x", "./-x.torrent -d ."),
            ("$x;.torrent", "$x;", "'$x;.torrent'"),
        ] {
            let command = sharing(Path::new(torrent), Path::new(payload));
            assert_eq!(command, Some(format!("femtotorrent seed {expected}")));
        }
        assert_eq!(sharing(Path::new("\u{1b}.torrent"), Path::new("a")), None);
        assert!(sharing(Path::new("x.torrent"), Path::new(".")).unwrap().contains(" -d /"));
    }

    #[test]
    fn a_clock_before_1970_is_named_as_the_reason() {
        let (second, text) = (Duration::from_secs(1), |result: Result<u64, String>| result.unwrap_err());
        assert_eq!(date_at("now", UNIX_EPOCH + second), Ok(1));
        assert_eq!(date_at("7", UNIX_EPOCH - second), Ok(7));
        assert!(text(date_at("now", UNIX_EPOCH - second)).contains("clock"));
        assert!(text(date_at("-1", UNIX_EPOCH)).contains("seconds since 1970"));
    }
}
