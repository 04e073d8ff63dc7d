//! At which address a web server has a file of a torrent (BEP 19, "HTTP/FTP seeding").
//!
//! Pure. Names are percent-encoded as RFC 3986 (section 2) says, from the bytes that the torrent has and not from the
//! names that its files get here: those of a server are as old as the torrent.

use crate::metainfo::{File, Metainfo};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Bytes of the longest address. Few servers take more, and a torrent's path may have three times as many.
const MAX_BYTES: usize = 7 * 1024;

/// The address of a file at this web seed. `None` if it is longer than servers take.
///
/// An address that ends with a slash is that of the folder that the payload is in: the torrent's name follows. So it
/// is for a torrent of several files, with or without the slash. What is behind a question mark is no exception,
/// since that is how other clients read it.
pub fn of_file(seed: &str, metainfo: &Metainfo, file: &File) -> Option<String> {
    let mut address = seed.split('#').next().unwrap_or_default().to_owned();
    let is_folder = metainfo.files.len() > 1 || file.path.iter().count() > 1;
    if is_folder && !address.ends_with('/') {
        address.push('/');
    }
    if address.ends_with('/') {
        for (number, element) in file.path.iter().enumerate() {
            if number > 0 {
                address.push('/');
            }
            encode(element.as_bytes(), &mut address);
        }
    }
    (address.len() <= MAX_BYTES).then_some(address)
}

/// Whether it is an address that we can ask: one of HTTP, with or without TLS.
pub fn is_of_the_web(address: &str) -> bool {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// The host in an address, as far as it is fit for the name of a thread.
pub fn host(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.chars().filter(char::is_ascii_graphic).take(64).collect()
}

fn encode(bytes: &[u8], into: &mut String) {
    for byte in bytes {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(*byte))
            }
            // Writing to a String does not fail.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}
