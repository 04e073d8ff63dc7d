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
/// since that is how other clients read it. `has_folder` says that it is one of several files.
pub fn of_file(seed: &str, file: &File, has_folder: bool) -> Option<String> {
    let mut address = seed.split('#').next().unwrap_or_default().to_owned();
    if has_folder && !address.ends_with('/') {
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

/// Whether the files of a torrent are in a folder. Then the path of each begins with its name.
pub fn has_folder(metainfo: &Metainfo) -> bool {
    metainfo.files.len() > 1 || metainfo.files.iter().any(|file| file.path.iter().count() > 1)
}

/// Whether it is an address that we can ask: one of HTTP, with or without TLS.
pub fn is_of_the_web(address: &str) -> bool {
    let (scheme, ..) = site(address);
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// The host in an address, as far as it is fit for the name of a thread.
pub fn host(address: &str) -> String {
    authority(address).chars().filter(char::is_ascii_graphic).take(64).collect()
}

/// The scheme, the host and the port in an address, as far as it has them.
pub fn site(address: &str) -> (&str, &str, Option<u16>) {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    let authority = authority(address);
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (scheme, host, port.parse().ok()),
        _ => (scheme, authority, None),
    }
}

/// The host and the port, as they stand there.
fn authority(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::path::Path;

    fn address(seed: &str, path: &[u8], has_folder: bool) -> Option<String> {
        let path = Path::new(OsStr::from_bytes(path)).to_path_buf().into();
        of_file(seed, &File { path, offset: 0, length: 1, padding: false }, has_folder)
    }

    #[test]
    fn a_single_file_is_at_the_address_or_below_it_where_that_is_a_folder() {
        let single = |seed| address(seed, b"a b.iso", false).unwrap();
        assert_eq!(single("http://h/x.iso"), "http://h/x.iso");
        assert_eq!(single("http://h/x/"), "http://h/x/a%20b.iso");
        assert_eq!(single("http://h"), "http://h");
        assert_eq!(single("http://me:it@h:81/x.iso?a=b#c"), "http://me:it@h:81/x.iso?a=b");
        assert_eq!(single("http://h/get?file=x/"), "http://h/get?file=x/a%20b.iso");
    }

    #[test]
    fn the_files_of_a_folder_are_below_its_name() {
        for seed in ["http://h/pub", "http://h/pub/", "http://h/pub#x"] {
            assert_eq!(address(seed, b"t/a/b", true).as_deref(), Some("http://h/pub/t/a/b"));
        }
    }

    #[test]
    fn names_are_sent_as_the_bytes_that_the_torrent_has() {
        for (name, encoded) in [
            (
                "#1 100%?&=+;:@!$'()*,.txt".as_bytes(),
                "%231%20100%25%3F%26%3D%2B%3B%3A%40%21%24%27%28%29%2A%2C.txt",
            ),
            ("\u{fc}".as_bytes(), "%C3%BC"),
            (b"\xfc\xff", "%FC%FF"),
            (b"a\\b", "a%5Cb"),
            (b"%41", "%2541"),
            (b"a-b_c.d~e", "a-b_c.d~e"),
            (b"\r\nHost: x", "%0D%0AHost%3A%20x"),
        ] {
            assert_eq!(address("http://h/", name, false), Some(format!("http://h/{encoded}")));
        }
    }

    #[test]
    fn an_address_that_is_longer_than_servers_take_is_none() {
        assert_eq!(address("http://h/", &[b' '; 255].repeat(10), false), None);
        assert_eq!(address(&format!("http://h/{}", "x".repeat(8000)), b"a", false), None);
    }

    #[test]
    fn a_thread_is_named_after_the_host_whatever_the_address_is() {
        for (address, expected) in [
            ("http://me:secret@h.example:80/x@y", "h.example:80"),
            ("h\0x y\u{e9}", "hxy"),
            ("http://[::1]:81?x", "[::1]:81"),
            ("", ""),
        ] {
            assert_eq!(host(address), expected);
        }
        assert_eq!(host(&"x".repeat(1000)).len(), 64);
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_perhaps_a_port() {
        for (address, expected) in [
            ("http://me:secret@h.example:80/x@y:1", ("http", "h.example", Some(80))),
            ("https://h.example", ("https", "h.example", None)),
            ("http://[::1]:81?x", ("http", "[::1]", Some(81))),
            ("http://[::1]/", ("http", "[::1]", None)),
            ("h:x", ("", "h", None)),
        ] {
            assert_eq!(site(address), expected);
        }
    }
}
