//! What a user types, or a file manager hands over, to name a torrent.
//!
//! It is text from here on. A path that is not UTF-8 becomes a `file:` address, in which every byte can be
//! written; such an address may also come from outside (RFC 8089).

use crate::metainfo::percent_decoded;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const SCHEME: &str = "file:";

/// Parses the argument that names a torrent.
pub fn source_name() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|name: OsString| match name.is_empty() {
        true => Err("there is nothing in it (is a variable of the shell not set?)"),
        false => Ok(in_text(&name)),
    })
}

/// The name as text. Blanks around it are left out, and what people copy before an info-hash, unless there is a
/// file with just this name.
pub fn in_text(name: &OsStr) -> String {
    match name.to_str() {
        Some(text) if text.trim().is_empty() || Path::new(text).exists() => text.to_owned(),
        Some(text) => without_start(text.trim()).to_owned(),
        None => {
            let mut address = SCHEME.to_owned();
            for byte in name.as_bytes() {
                match byte {
                    b'/' | b'-' | b'.' | b'_' => address.push(char::from(*byte)),
                    other if other.is_ascii_alphanumeric() => address.push(char::from(*other)),
                    other => drop(write!(address, "%{other:02X}")),
                }
            }
            address
        }
    }
}

/// An info-hash without what people copy in front of it.
fn without_start(text: &str) -> &str {
    let rest = text.strip_prefix("0x").or_else(|| text.strip_prefix("urn:btih:"));
    rest.filter(|digits| is_like_an_info_hash(digits)).unwrap_or(text)
}

/// The path of the file that this text names: a path or a `file:` address.
///
/// # Errors
///
/// The address is that of another host, or of another kind.
pub fn path(source: &str) -> Result<PathBuf, &'static str> {
    let scheme = source.get(..SCHEME.len()).filter(|start| start.eq_ignore_ascii_case(SCHEME));
    let rest = scheme.and_then(|_| source.get(SCHEME.len()..)).filter(|_| !Path::new(source).exists());
    let Some(rest) = rest else {
        return match source.split_once("://") {
            Some((scheme, _)) if is_a_scheme(scheme) && !Path::new(source).exists() => Err(
                "torrents come from http, https and file addresses and magnet links (fetch it yourself first)",
            ),
            _ => Ok(source.into()),
        };
    };
    let path = match rest.strip_prefix("//").map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len()))) {
        None => rest,
        Some((host, path)) if host.is_empty() || host.eq_ignore_ascii_case("localhost") => path,
        Some(_) => return Err("it is a file of another host (copy it here)"),
    };
    Ok(OsString::from_vec(percent_decoded(path)).into())
}

/// Whether an address may begin with this and `:` (RFC 3986, section 3.1).
fn is_a_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Whether this is long enough for an info-hash and has only its characters: perhaps too few or too many hexadecimal
/// digits, or 32 characters of base32.
pub fn is_like_an_info_hash(word: &str) -> bool {
    let is_base32 = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
    (word.len() >= 30 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || (word.len() == 32 && word.bytes().all(is_base32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_file_survives_as_text() {
        for name in [&b"x.torrent"[..], b"caf\xe9 %41.torrent", b"/a b/\xff", b"-\x80"] {
            let text = in_text(OsStr::from_bytes(name));
            assert_eq!(path(&text).unwrap().as_os_str().as_bytes(), name, "{text}");
        }
    }

    #[test]
    fn addresses_of_files_and_blanks_around_are_taken() {
        for (typed, expected) in [
            ("file:///srv/a%20b%E9.torrent", &b"/srv/a b\xe9.torrent"[..]),
            (" FILE://localhost/x\n", b"/x"),
            ("file:/x", b"/x"),
            ("\tx.torrent ", b"x.torrent"),
            ("file:///100%", b"/100%"),
            ("file:///%2", b"/%2"),
        ] {
            assert_eq!(
                path(&in_text(OsStr::new(typed))).unwrap().as_os_str().as_bytes(),
                expected,
                "{typed}"
            );
        }
        assert!(path("file://elsewhere/x").is_err());
        for address in ["ftp://a/x.torrent", "udp://a:1/announce", "sftp+x://a"] {
            assert!(path(address).unwrap_err().contains("http"), "{address}");
        }
        assert_eq!(path("a/b://c"), Ok("a/b://c".into()));
        assert_eq!(in_text(OsStr::new(" magnet:?x ")), "magnet:?x");
        assert_eq!(in_text(OsStr::new(" ")), " ");
    }

    #[test]
    fn an_info_hash_is_taken_as_people_copy_it() {
        let digits = "00112233445566778899aabbccddeeff00112233";
        for start in ["", "0x", "urn:btih:"] {
            assert_eq!(in_text(OsStr::new(&format!("{start}{digits}"))), digits);
            let of_version_two = format!("{digits}{}", &digits[..24]);
            assert_eq!(in_text(OsStr::new(&format!("{start}{of_version_two}"))), of_version_two);
        }
        for other in ["0x00112233", "a b.torrent", "magnet:?xt=urn:btih:0&dn=a b"] {
            assert_eq!(in_text(OsStr::new(other)), other);
        }
    }
}
