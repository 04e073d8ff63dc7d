//! The user name and the password in a web address: what a server gets of them ("Basic", RFC 7617), and what is
//! shown of such an address.
//!
//! Pure. In an address they are percent-encoded, because a password may contain any character; the server gets them as
//! they are.

use crate::metainfo::percent_decoded;
use std::fmt::Write;

/// The digits of Base64 (RFC 4648, section 4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters of the longest part of a path that counts as a word. Keys have 16 and more.
const LONGEST_WORD: usize = 15;

/// The address without a user name and password, and the value of the header `Authorization` if it has them.
pub fn split(address: &str) -> (String, Option<String>) {
    let none = || (address.to_owned(), None);
    let Some((scheme, rest)) = address.split_once("://") else { return none() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((given, host)) = authority.rsplit_once('@') else { return none() };
    let (user, password) = given.split_once(':').unwrap_or((given, ""));
    let mut plain = percent_decoded(user);
    plain.push(b':');
    plain.extend(percent_decoded(password));
    (format!("{scheme}://{host}{path}"), Some(format!("Basic {}", base64(&plain))))
}

/// The address without what may be a password: its user name and password, its query, and the long parts of its
/// path, which are keys on many sites. Messages are posted in public. It is not made fit to print.
pub fn without_secrets(address: &str) -> String {
    let (address, _) = split(address);
    let (site, rest) = match address.find("://") {
        Some(at) => address.split_at(
            at + 3
                + address
                    .get(at + 3..)
                    .and_then(|rest| rest.find(['/', '?', '#']))
                    .unwrap_or(address.len() - at - 3),
        ),
        None => ("", address.as_str()),
    };
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let shown = |part: &str| match part.chars().nth(LONGEST_WORD) {
        Some(_) if !part.ends_with(".torrent") => part.chars().take(2).chain(['…']).collect(),
        _ => part.to_owned(),
    };
    let path: Vec<String> = path.split('/').map(shown).collect();
    format!("{site}{}{}", path.join("/"), if query.is_empty() { "" } else { "?…" })
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift & 63) as usize).filter(|_| place <= three.len());
            // Writing to a String does not fail.
            let _ = text.write_char(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

/// The bytes that this text in Base64 stands for, up to the first character that is none of its digits.
pub fn base64_decoded(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.iter().map_while(|byte| DIGITS.iter().position(|digit| digit == byte)) {
        bits = (bits << 6 | digit as u32) & 0xfff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_the_standard_has_it() {
        for (plain, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), expected);
            assert_eq!(base64_decoded(expected.as_bytes()), plain.as_bytes());
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
        assert_eq!(base64_decoded(b"+//+ rest"), [0xfb, 0xff, 0xfe]);
    }

    #[test]
    fn what_is_shown_of_an_address_has_no_password_in_it() {
        for (address, shown) in [
            ("http://me:secret@host:80/x.torrent", "http://host:80/x.torrent"),
            ("https://host/a-long-name-of-a-system.torrent", "https://host/a-long-name-of-a-system.torrent"),
            ("https://host/rss/0123456789abcdef/x.torrent?key=secret", "https://host/rss/01…/x.torrent?…"),
            ("https://host?secret", "https://host?…"),
            ("http://host/a#secret", "http://host/a?…"),
            ("wss://host/announce/0123456789abcdef0", "wss://host/announce/01…"),
            ("file.torrent", "file.torrent"),
            ("://", "://"),
        ] {
            assert_eq!(without_secrets(address), shown);
        }
    }

    #[test]
    fn what_is_percent_encoded_is_sent_as_it_is() {
        let basic = |plain: &str| Some(format!("Basic {}", base64(plain.as_bytes())));
        for (address, stripped, plain) in [
            ("http://me:pa%40ss@host/announce", "http://host/announce", Some("me:pa@ss")),
            ("https://me:p@ss@host:80?x=@y", "https://host:80?x=@y", Some("me:p@ss")),
            ("http://me%3Atoo:a:b@[::1]:80/", "http://[::1]:80/", Some("me:too:a:b")),
            ("http://me@host", "http://host", Some("me:")),
            ("http://me:%4:%zz%@host/", "http://host/", Some("me:%4:%zz%")),
            ("http://host/a@b", "http://host/a@b", None),
            ("http://host?a@b", "http://host?a@b", None),
            ("me:pass@host", "me:pass@host", None),
        ] {
            assert_eq!(split(address), (stripped.to_owned(), plain.and_then(basic)), "{address}");
        }
    }
}
