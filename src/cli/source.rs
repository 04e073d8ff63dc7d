//! Reads a torrent from a file, standard input (`-`), a web address, or a magnet link.
//!
//! Runs on the main thread before any other thread is started. It never reads more bytes than a real torrent
//! can have, and never waits for a web server without a deadline.

use super::foreground::is_in_background;
use super::nearest_file::nearest_file;
use super::source_name;
use crate::metainfo::{MAX_PIECES, MAX_TORRENT_BYTES, Magnet, MagnetError, Metainfo, MetainfoError};
use crate::net::http::{Awaited, Errand, WebClient, WebError};
use crate::net::{Outlet, basic_auth};
use crate::session::Torrent;
use crate::strategy::{OnWordOf, Question};
use crate::text::{excerpt, grouped, printable, reason, size};
use crate::tracker::USER_AGENT;
use log::warn;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long connecting to a web server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the whole transfer may take, redirects included.
const GLOBAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a line that may name a torrent.
const MOST_IN_LINE: usize = 4096;

/// Why a torrent could not be read.
#[derive(Debug)]
pub struct SourceError {
    /// What the user asked for.
    source: String,
    fault: SourceFault,
}

#[derive(Debug)]
enum SourceFault {
    /// There is no such file.
    Missing(String),
    /// There is a file, and it cannot be opened.
    Unopenable(String),
    /// The web server could not be reached, or did not deliver the file.
    Network(String),
    /// This build cannot fetch from such an address.
    NoTls(WebError),
    /// Reading failed.
    Broken(io::Error),
    /// There are more bytes than [`MAX_TORRENT_BYTES`]: so many, where a file has them.
    TooLarge(Option<u64>),
    /// The bytes are not a torrent but this, fit to print.
    Other(String),
    /// The bytes are not a torrent.
    Torrent(MetainfoError),
    /// The magnet link cannot be used.
    Magnet(MagnetError),
    /// The source is a magnet link, and a torrent is needed.
    NoTorrent,
}

impl SourceError {
    /// The exit code of the program. It follows aria2's numbers.
    pub fn exit_code(&self) -> u8 {
        match &self.fault {
            SourceFault::Missing(_) => 3,
            SourceFault::Network(_) => 6,
            SourceFault::Unopenable(_) => 15,
            SourceFault::Broken(_) => 17,
            SourceFault::Other(_) => 25,
            SourceFault::Torrent(error) if error.is_not_bencode() => 25,
            SourceFault::Torrent(_) | SourceFault::TooLarge(_) => 26,
            SourceFault::Magnet(_) => 27,
            SourceFault::NoTls(_) | SourceFault::NoTorrent => 28,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = shown(&self.source);
        match &self.fault {
            SourceFault::Missing(reason) => write!(out, "cannot find {source}: {reason}"),
            SourceFault::Unopenable(reason) => write!(out, "cannot open {source}: {reason}"),
            SourceFault::Network(reason) => write!(out, "cannot fetch {source}: {}", excerpt(reason, 300)),
            SourceFault::NoTls(error) => write!(out, "cannot fetch {source}: {error}"),
            SourceFault::Broken(error) => write!(out, "cannot read {source}: {}", reason(error)),
            SourceFault::TooLarge(bytes) => {
                let (most, pieces) = (size(MAX_TORRENT_BYTES), grouped(MAX_PIECES.into()));
                match bytes {
                    Some(bytes) => write!(out, "{source} has {}, and {most} is the most", size(*bytes))?,
                    None => write!(out, "{source} has more than {most}, the most")?,
                }
                write!(
                    out,
                    " that is read of a torrent, with at most {pieces} pieces (name the .torrent file, not its \
                     payload; if it is one, ask its maker for larger pieces)"
                )
            }
            SourceFault::Other(what) => write!(out, "{source}: not a .torrent file: {what}"),
            SourceFault::Torrent(error) => {
                let what = if error.is_not_bencode() { "not a .torrent file: " } else { "" };
                write!(out, "{source}: {what}{}", printable(&error.to_string()))
            }
            SourceFault::Magnet(error) => write!(out, "{source}: {}", printable(&error.to_string())),
            SourceFault::NoTorrent => write!(
                out,
                "{source} is a magnet link, and the torrent itself is needed (save it to a file: show MAGNET --save FILE)"
            ),
        }
    }
}

impl std::error::Error for SourceError {}

/// What the user asked for, as it is shown. Messages are posted in public, so there is no password in it: not in
/// a web address, and not in the trackers of a magnet link.
pub fn shown(source: &str) -> String {
    let public = match source {
        "-" => "standard input".to_owned(),
        link if starts_with(link, "magnet:") => {
            let parameters = link.split_once('?').map_or("", |(_, parameters)| parameters);
            let (hash, rest): (Vec<&str>, Vec<&str>) =
                parameters.split('&').partition(|parameter| starts_with(parameter, "xt="));
            format!("magnet:?{}{}", hash.join("&"), if rest.is_empty() { "" } else { "…" })
        }
        web if web.contains("://") => basic_auth::without_secrets(web),
        file => file.to_owned(),
    };
    excerpt(&public, 300)
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start))
}

/// Whether this is fetched from the web.
pub fn is_web(source: &str) -> bool {
    starts_with(source, "http://") || starts_with(source, "https://")
}

/// The whole path of the file that is read, if it is one.
pub fn file(source: &str) -> Option<PathBuf> {
    let is_file = source != "-" && !is_web(source) && !is_magnet(source);
    is_file.then(|| std::path::absolute(source_name::path(source).ok()?).ok()).flatten()
}

/// Reads and checks the torrent that `source` names: the path of a file, `-`, or an `http://` or
/// `https://` address, to which `outlet` is the way.
///
/// # Errors
///
/// The bytes cannot be read, are too many, or are not a torrent.
pub fn load(source: &str, outlet: &Outlet) -> Result<Metainfo, SourceError> {
    let fail = |fault| SourceError { source: source.to_owned(), fault };
    let bytes = read(source, outlet)?;
    if as_magnet(&bytes).is_some() {
        return Err(fail(SourceFault::NoTorrent));
    }
    parsed(bytes).map_err(fail)
}

/// Reads the torrent or the magnet that `source` names. `source` is one of those that [`load`] takes, a
/// magnet link, or a bare info-hash of 40 hex digits if no file has that name. The file or the answer of the
/// web server may also contain a link or an info-hash instead of a torrent, and the server may redirect to one.
///
/// # Errors
///
/// As [`load`], or the magnet link cannot be used.
pub fn torrent(source: &str, outlet: &Outlet) -> Result<Torrent, SourceError> {
    let fail = |fault| SourceError { source: source.to_owned(), fault };
    let magnet = |text: &str| {
        let magnet = Magnet::parse(text).map_err(|error| fail(SourceFault::Magnet(error)))?;
        if let Some(warning) = cut_short(text, &magnet, is_in_background) {
            warn!("{warning}");
        }
        Ok(Torrent::Magnet(Arc::new(magnet)))
    };
    if is_magnet(source) {
        return magnet(source);
    }
    let bytes = read(source, outlet)?;
    match as_magnet(&bytes) {
        Some(text) => magnet(text),
        None => parsed(bytes).map(|metainfo| Torrent::Whole(Arc::new(metainfo))).map_err(fail),
    }
}

/// The torrent that these bytes are.
fn parsed(bytes: Vec<u8>) -> Result<Metainfo, SourceFault> {
    match bytes.trim_ascii_start().first() {
        None => Err(SourceFault::Other("it is empty".to_owned())),
        Some(b'<') => {
            let what = "it is a web page (save the .torrent file itself with a browser)";
            Err(SourceFault::Other(what.to_owned()))
        }
        Some(0x1f) => Err(SourceFault::Other("it is compressed (gunzip it first)".to_owned())),
        Some(_) if is_list(&bytes) => {
            Err(SourceFault::Other("it is a list of torrents (give it with -i)".to_owned()))
        }
        // Every torrent is a dictionary.
        Some(byte) if *byte != b'd' => {
            Err(SourceFault::Other(format!("it begins with '{}'", beginning(&bytes))))
        }
        Some(_) => Metainfo::parse(bytes).map_err(SourceFault::Torrent),
    }
}

/// Whether the first line of these bytes that says something names a torrent.
fn is_list(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut said = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    said.next().is_some_and(|line| {
        let is_named = line.ends_with(b".torrent") || line.starts_with(b"magnet:?");
        is_named && line.len() < MOST_IN_LINE && !line.iter().any(u8::is_ascii_control)
    })
}

/// How these bytes begin, fit to print.
fn beginning(bytes: &[u8]) -> String {
    const CHARACTERS: usize = 20;
    let line = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let start = line.get(..4 * CHARACTERS).unwrap_or(line);
    excerpt(String::from_utf8_lossy(start).trim_end(), CHARACTERS)
}

/// What to say of a link that names nobody to ask, where the shell has put us into the background: it does that at an
/// `&`, and takes the rest of the link for another command.
fn cut_short(text: &str, magnet: &Magnet, is_in_background: impl Fn() -> bool) -> Option<String> {
    let names_nobody = magnet.trackers.is_empty() && magnet.peers.is_empty() && !text.contains("xs=");
    let is_a_link = starts_with(text.trim_start(), "magnet:") && names_nobody;
    (is_a_link && is_in_background()).then(|| {
        let link = shown(text);
        format!("{link}: is this all of the link? The shell cuts it at the first '&' (put quotes around it)")
    })
}

/// The magnet link or the info-hash that these bytes are, if they are one.
fn as_magnet(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| Magnet::is_one(text))
}

fn is_magnet(source: &str) -> bool {
    Magnet::is_one(source) && !Path::new(source).exists()
}

/// Reads the bytes that `source` names, at most [`MAX_TORRENT_BYTES`], which from the web are counted after
/// decompression. `outlet` is the way to the web.
///
/// # Errors
///
/// The bytes cannot be read, or are too many.
pub fn read(source: &str, outlet: &Outlet) -> Result<Vec<u8>, SourceError> {
    let bytes = if source == "-" {
        bounded(io::stdin().lock(), 0, MAX_TORRENT_BYTES)
    } else if is_web(source) {
        fetch(source, outlet)
    } else if is_magnet(source) {
        Err(SourceFault::NoTorrent)
    } else {
        open(source).and_then(|(file, length)| bounded(file, length, MAX_TORRENT_BYTES))
    };
    bytes.map_err(|fault| SourceError { source: source.to_owned(), fault })
}

/// Opens a file. Returns it with its length as the file system reports it.
fn open(path: &str) -> Result<(File, u64), SourceFault> {
    let unopenable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => SourceFault::Missing(missing(path)),
        ErrorKind::PermissionDenied => {
            SourceFault::Unopenable("permission denied (check who may read it)".to_owned())
        }
        _ => SourceFault::Unopenable(reason(&error)),
    };
    let file = source_name::path(path).map_err(|fault| SourceFault::Unopenable(fault.to_owned()))?;
    let file = File::open(file).map_err(unopenable)?;
    let metadata = file.metadata().map_err(SourceFault::Broken)?;
    match metadata.is_dir() {
        true => {
            let folder = shown(path);
            let way_out = format!("make a torrent of it first: femtotorrent create {folder}");
            Err(SourceFault::Unopenable(format!("it is a folder ({way_out})")))
        }
        false => Ok((file, metadata.len())),
    }
}

/// Why there is no such file. It may have been meant as an info-hash.
fn missing(path: &str) -> String {
    match path.len() {
        digits if source_name::is_like_an_info_hash(path) => {
            format!("an info-hash has 40 hex digits, or 64 in version 2, and this has {digits}")
        }
        _ => match nearest_file(path) {
            Some(near) => format!("no such file (did you mean {}?)", shown(&near)),
            None if is_like_an_address(path) => "no such file (is https:// missing?)".to_owned(),
            None => "no such file (check the path)".to_owned(),
        },
    }
}

/// Whether this begins as an address of the web does behind its `//`, with the name of a host and no folder.
fn is_like_an_address(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(host, _)| !host.starts_with('.') && host.contains('.') && !Path::new(host).exists())
}

/// Reads everything, but refuses more than `limit` bytes. Room for `expected` bytes is reserved first.
fn bounded(source: impl Read, expected: u64, limit: u64) -> Result<Vec<u8>, SourceFault> {
    if expected > limit {
        return Err(SourceFault::TooLarge(Some(expected)));
    }
    let mut bytes = Vec::new();
    // One byte more than expected, so that the read that finds the end needs no larger buffer.
    bytes.reserve_exact(usize::try_from(expected.saturating_add(1)).unwrap_or_default());
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(SourceFault::Broken)?;
    match bytes.len() as u64 > limit {
        true => Err(SourceFault::TooLarge(None)),
        false => Ok(bytes),
    }
}

/// Fetches a file from the web. A redirect to a magnet link counts as a file with that link in it.
fn fetch(address: &str, outlet: &Outlet) -> Result<Vec<u8>, SourceFault> {
    let client = WebClient::new(outlet.clone(), USER_AGENT, CONNECT_TIMEOUT);
    let errand = Errand { word: OnWordOf::User, question: Question::Web, within: GLOBAL_TIMEOUT };
    let mut answer = match client.get(address, errand) {
        Err(WebError::Magnet(link)) => return Ok(link.into_bytes()),
        answer => answer.map_err(in_our_words)?,
    };
    match answer.status() {
        200..=299 => {}
        404 | 410 => {
            return Err(SourceFault::Missing("the server has no such file (check the address)".to_owned()));
        }
        status => {
            let way_out = if matches!(status, 401 | 403) { " (save it with a browser)" } else { "" };
            return Err(SourceFault::Network(format!("the server answered with status {status}{way_out}")));
        }
    }
    match answer.read(MAX_TORRENT_BYTES).map_err(in_our_words)? {
        (bytes, None) => Ok(bytes),
        (_, Some(error)) => Err(SourceFault::Network(format!("the transfer broke off: {error}"))),
    }
}

fn in_our_words(error: WebError) -> SourceFault {
    match error {
        WebError::NoTls => SourceFault::NoTls(error),
        WebError::TooLarge => SourceFault::TooLarge(None),
        WebError::TimedOut(Awaited::Name | Awaited::Connection) => {
            SourceFault::Network(format!("no connection in {} s", CONNECT_TIMEOUT.as_secs()))
        }
        WebError::TimedOut(Awaited::Answer) => {
            SourceFault::Network(format!("not complete in {} s", GLOBAL_TIMEOUT.as_secs()))
        }
        other => SourceFault::Network(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
