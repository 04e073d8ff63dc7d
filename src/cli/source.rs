//! Reads a torrent from a file, standard input (`-`), a web address, or a magnet link.
//!
//! Runs on the main thread before any other thread is started. It never reads more bytes than a real torrent
//! can have, and never waits for a web server without a deadline.

use super::source_name;
use crate::metainfo::{Magnet, MagnetError, Metainfo, MetainfoError};
use crate::net::{BindAddress, basic_auth, http, http_body};
use crate::session::Torrent;
use crate::text::{excerpt, printable, size};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes that are read from a file or from standard input. Enough for over three million pieces.
pub const FILE_LIMIT: u64 = 64 << 20;

/// The most bytes that are read from a web server, after decompression.
pub const WEB_LIMIT: u64 = 10 << 20;

/// How long connecting to a web server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the whole transfer may take, redirects included.
const GLOBAL_TIMEOUT: Duration = Duration::from_secs(60);

/// The most redirects that are followed.
const MAX_REDIRECTS: u32 = 10;

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
    Missing(&'static str),
    /// There is a file, and it cannot be opened.
    Unopenable(String),
    /// The web server could not be reached, or did not deliver the file.
    Network(String),
    /// Reading failed.
    Broken(io::Error),
    /// There are more bytes than this limit.
    TooLarge(u64),
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
            SourceFault::Torrent(error) if error.is_not_bencode() => 25,
            SourceFault::Torrent(_) | SourceFault::TooLarge(_) => 26,
            SourceFault::Magnet(_) => 27,
            SourceFault::NoTorrent => 28,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source.as_str() {
            "-" => "standard input".to_owned(),
            // Messages are posted in public, so they have no password in them.
            other => excerpt(&basic_auth::split(other).0, 300),
        };
        match &self.fault {
            SourceFault::Missing(reason) => write!(out, "cannot find {source}: {reason}"),
            SourceFault::Unopenable(reason) => write!(out, "cannot open {source}: {reason}"),
            SourceFault::Network(reason) => write!(out, "cannot fetch {source}: {}", excerpt(reason, 300)),
            SourceFault::Broken(error) => write!(out, "cannot read {source}: {error}"),
            SourceFault::TooLarge(limit) => {
                write!(
                    out,
                    "{source} is larger than {}, and no torrent is that large (name the .torrent file, not its payload)",
                    size(*limit)
                )
            }
            SourceFault::Torrent(error) => write!(out, "{source}: {}", printable(&error.to_string())),
            SourceFault::Magnet(error) => write!(out, "{source}: {}", printable(&error.to_string())),
            SourceFault::NoTorrent => write!(
                out,
                "{source} is a magnet link, and the torrent itself is needed (save it to a file: show MAGNET --save FILE)"
            ),
        }
    }
}

impl std::error::Error for SourceError {}

/// Reads and checks the torrent that `source` names: the path of a file, `-`, or an `http://` or
/// `https://` address. A connection to a web server leaves from `bind_address`.
///
/// # Errors
///
/// The bytes cannot be read, are too many, or are not a torrent.
pub fn load(source: &str, bind_address: BindAddress) -> Result<Metainfo, SourceError> {
    let fail = |fault| SourceError { source: source.to_owned(), fault };
    Metainfo::parse(read(source, bind_address)?).map_err(|error| fail(SourceFault::Torrent(error)))
}

/// Reads the torrent or the magnet that `source` names. `source` is one of those that [`load`] takes, a
/// magnet link, or a bare info-hash of 40 hex digits if no file has that name. The file or the answer of the
/// web server may also contain a link or an info-hash instead of a torrent.
///
/// # Errors
///
/// As [`load`], or the magnet link cannot be used.
pub fn torrent(source: &str, bind_address: BindAddress) -> Result<Torrent, SourceError> {
    let fail = |fault| SourceError { source: source.to_owned(), fault };
    let magnet = |text: &str| {
        let magnet = Magnet::parse(text).map_err(|error| fail(SourceFault::Magnet(error)))?;
        Ok(Torrent::Magnet(Arc::new(magnet)))
    };
    if is_magnet(source) {
        return magnet(source);
    }
    let bytes = read(source, bind_address)?;
    match std::str::from_utf8(&bytes).ok().filter(|text| Magnet::is_one(text)) {
        Some(text) => magnet(text),
        None => Metainfo::parse(bytes)
            .map(|metainfo| Torrent::Whole(Arc::new(metainfo)))
            .map_err(|error| fail(SourceFault::Torrent(error))),
    }
}

fn is_magnet(source: &str) -> bool {
    Magnet::is_one(source) && !Path::new(source).exists()
}

/// Reads the bytes that `source` names: at most [`FILE_LIMIT`], or [`WEB_LIMIT`] from the web. A connection
/// to a web server leaves from `bind_address`.
///
/// # Errors
///
/// The bytes cannot be read, or are too many.
pub fn read(source: &str, bind_address: BindAddress) -> Result<Vec<u8>, SourceError> {
    let starts_with =
        |scheme: &str| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let bytes = if source == "-" {
        bounded(io::stdin().lock(), 0, FILE_LIMIT)
    } else if starts_with("http://") || starts_with("https://") {
        fetch(source, bind_address)
    } else if is_magnet(source) {
        Err(SourceFault::NoTorrent)
    } else {
        open(source).and_then(|(file, length)| bounded(file, length, FILE_LIMIT))
    };
    bytes.map_err(|fault| SourceError { source: source.to_owned(), fault })
}

/// Opens a file. Returns it with its length as the file system reports it.
fn open(path: &str) -> Result<(File, u64), SourceFault> {
    let unopenable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => SourceFault::Missing("no such file (check the path)"),
        ErrorKind::PermissionDenied => {
            SourceFault::Unopenable("permission denied (check who may read it)".to_owned())
        }
        _ => SourceFault::Unopenable(error.to_string()),
    };
    let path = source_name::path(path).map_err(|fault| SourceFault::Unopenable(fault.to_owned()))?;
    let file = File::open(path).map_err(unopenable)?;
    let metadata = file.metadata().map_err(SourceFault::Broken)?;
    match metadata.is_dir() {
        true => Err(SourceFault::Unopenable("it is a folder (name a .torrent file)".to_owned())),
        false => Ok((file, metadata.len())),
    }
}

/// Reads everything, but refuses more than `limit` bytes. Room for `expected` bytes is reserved first.
fn bounded(source: impl Read, expected: u64, limit: u64) -> Result<Vec<u8>, SourceFault> {
    if expected > limit {
        return Err(SourceFault::TooLarge(limit));
    }
    let mut bytes = Vec::new();
    // One byte more than expected, so that the read that finds the end needs no larger buffer.
    bytes.reserve_exact(usize::try_from(expected.saturating_add(1)).unwrap_or_default());
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(SourceFault::Broken)?;
    match bytes.len() as u64 > limit {
        true => Err(SourceFault::TooLarge(limit)),
        false => Ok(bytes),
    }
}

/// Fetches a file from the web. The limit counts the decompressed bytes, so that a small answer cannot
/// become a huge one.
fn fetch(address: &str, bind_address: BindAddress) -> Result<Vec<u8>, SourceFault> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(GLOBAL_TIMEOUT))
        .max_redirects(MAX_REDIRECTS)
        .user_agent(concat!("femtotorrent/", env!("CARGO_PKG_VERSION")))
        .accept_encoding(http_body::ENCODINGS)
        .build();
    let (address, authorization) = basic_auth::split(address);
    let mut request = http::agent(config, bind_address).get(address);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let mut answer = request.call().map_err(in_our_words)?;
    bounded(http_body::reader(&mut answer, 2 * WEB_LIMIT), 0, WEB_LIMIT).map_err(|fault| match fault {
        SourceFault::Broken(error) => SourceFault::Network(format!("the transfer broke off: {error}")),
        other => other,
    })
}

fn in_our_words(error: ureq::Error) -> SourceFault {
    match error {
        ureq::Error::StatusCode(404 | 410) => {
            SourceFault::Missing("the server has no such file (check the address)")
        }
        ureq::Error::StatusCode(status) => {
            SourceFault::Network(format!("the server answered with status {status}"))
        }
        ureq::Error::HostNotFound => {
            SourceFault::Network("there is no such host (check the address)".to_owned())
        }
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            SourceFault::Network(format!("no connection in {} s", CONNECT_TIMEOUT.as_secs()))
        }
        ureq::Error::Timeout(_) => {
            SourceFault::Network(format!("not complete in {} s", GLOBAL_TIMEOUT.as_secs()))
        }
        ureq::Error::TooManyRedirects => SourceFault::Network(format!("more than {MAX_REDIRECTS} redirects")),
        ureq::Error::Io(error) => SourceFault::Network(error.to_string()),
        other => SourceFault::Network(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    /// A web server on loopback that gives one of these answers to each connection.
    fn serve(answers: Vec<Vec<u8>>) -> (String, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    request.push(byte[0]);
                }
                // A client that has read enough closes the connection, so this may fail.
                let _ = stream.write_all(&answer);
            }
        });
        (address, server)
    }

    fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn a_torrent_comes_over_http_through_redirects() {
        let moved = answer("302 Found", "location: /b\r\n", b"");
        let (address, server) = serve(vec![moved, answer("200 OK", "", b"d4:spam4:eggse")]);
        assert_eq!(read(&address, BindAddress::any()).unwrap(), b"d4:spam4:eggse");
        server.join().unwrap();
    }

    #[test]
    fn an_error_status_of_a_web_server_has_an_exit_code() {
        for (status, code) in [("404 Not Found", 3), ("410 Gone", 3), ("403 Forbidden", 6), ("500 Oops", 6)] {
            let (address, server) = serve(vec![answer(status, "", b"")]);
            let error = read(&format!("{address}/x.torrent"), BindAddress::any()).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains("/x.torrent"), "{error}");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let (address, server) = serve(vec![answer("404 Not Found", "", b"")]);
        let error = read(&address.replace("http://", "http://me:pa%40ss@"), BindAddress::any()).unwrap_err();
        assert!(error.to_string().contains(&address) && !error.to_string().contains("pa%40ss"), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        let body = vec![b'x'; WEB_LIMIT as usize + 1];
        let (address, server) = serve(vec![answer("200 OK", "", &body)]);
        let error = read(&address, BindAddress::any()).unwrap_err();
        assert_eq!(error.exit_code(), 26);
        assert!(error.to_string().contains("larger than 10 MiB"), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn an_answer_that_breaks_off_is_a_network_error() {
        let mut short = answer("200 OK", "", b"0123456789");
        short.truncate(short.len() - 5);
        let (address, server) = serve(vec![short]);
        assert_eq!(read(&address, BindAddress::any()).unwrap_err().exit_code(), 6);
        server.join().unwrap();
        assert_eq!(read(&address, BindAddress::any()).unwrap_err().exit_code(), 6, "no server listens");
        assert_eq!(read("http://", BindAddress::any()).unwrap_err().exit_code(), 6);
    }

    #[test]
    fn a_file_that_cannot_be_read_has_an_exit_code() {
        let missing = read("no/such/file.torrent", BindAddress::any()).unwrap_err();
        assert_eq!(missing.exit_code(), 3);
        assert_eq!(missing.to_string(), "cannot find no/such/file.torrent: no such file (check the path)");
        let folder = read(env!("CARGO_MANIFEST_DIR"), BindAddress::any()).unwrap_err();
        assert_eq!(folder.exit_code(), 15);
        assert!(folder.to_string().contains("is a folder"), "{folder}");
        assert_eq!(read("magnet:?xt=urn:btih:0", BindAddress::any()).unwrap_err().exit_code(), 28);
        let bad = torrent("magnet:?xt=urn:btih:0", BindAddress::any()).unwrap_err();
        assert_eq!(bad.exit_code(), 27, "{bad}");
    }

    #[test]
    fn no_more_than_the_limit_is_read() {
        assert_eq!(bounded(&b"12345"[..], 0, 5).unwrap(), b"12345");
        assert!(matches!(bounded(&b"123456"[..], 0, 5), Err(SourceFault::TooLarge(5))));
        assert!(matches!(bounded(io::empty(), u64::MAX, 5), Err(SourceFault::TooLarge(5))));
        assert!(matches!(bounded(io::repeat(0), 0, 5), Err(SourceFault::TooLarge(5))));
    }

    #[test]
    fn bytes_that_are_not_a_torrent_have_an_exit_code() {
        let not_bencode =
            load(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), BindAddress::any()).unwrap_err();
        assert_eq!(not_bencode.exit_code(), 25);
        assert!(not_bencode.to_string().contains("Cargo.toml: not a torrent"), "{not_bencode}");
        let (address, server) = serve(vec![answer("200 OK", "", b"d4:spam4:eggse")]);
        assert_eq!(load(&address, BindAddress::any()).unwrap_err().exit_code(), 26);
        server.join().unwrap();
    }
}
