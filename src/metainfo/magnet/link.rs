//! Writes a magnet link (BEP 9, "magnet URI format"), which [`Magnet::parse`](super::Magnet::parse) reads.

use super::MAX_LINK_BYTES;
use crate::metainfo::{InfoHash, InfoHashV2};
use std::fmt::Write;

/// The link to this torrent. Addresses for which there is no room in a link are left out.
pub fn link<'a>(
    info_hash: InfoHash,
    info_hash_v2: Option<InfoHashV2>,
    name: &str,
    trackers: impl Iterator<Item = &'a String>,
    web_seeds: &'a [String],
) -> String {
    let mut link = match info_hash_v2 {
        // The hash is a SHA-256 of 32 bytes, as multihash writes it.
        Some(hash) => format!("magnet:?xt=urn:btmh:1220{hash}"),
        None => format!("magnet:?xt=urn:btih:{info_hash}"),
    };
    let trackers = trackers.map(|tracker| ("tr", tracker.as_str()));
    let web_seeds = web_seeds.iter().map(|seed| ("ws", seed.as_str()));
    for (key, value) in [("dn", name)].into_iter().chain(trackers).chain(web_seeds) {
        let before = link.len();
        let _ = write!(link, "&{key}=");
        escape(&mut link, value);
        if link.len() > MAX_LINK_BYTES {
            link.truncate(before);
        }
    }
    link
}

/// Appends the value with an escape for every byte that means something in a link or to a shell (RFC 3986, section 2.3).
fn escape(link: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            link.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(link, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::Magnet;

    #[test]
    fn only_letters_and_digits_stand_for_themselves() {
        let link = link(InfoHash([7; 20]), None, "a b/\u{e9}", [String::from("udp://t:1/?x=&y")].iter(), &[]);
        let hash = "07".repeat(20);
        assert_eq!(
            link,
            format!("magnet:?xt=urn:btih:{hash}&dn=a%20b%2F%C3%A9&tr=udp%3A%2F%2Ft%3A1%2F%3Fx%3D%26y")
        );
    }

    #[test]
    fn a_link_is_never_longer_than_one_that_is_read() {
        let long = vec![format!("http://{}/", "x".repeat(30_000)); 4];
        let link = link(InfoHash([7; 20]), None, &"n".repeat(MAX_LINK_BYTES), long.iter(), &long);
        assert_eq!(Magnet::parse(&link).unwrap().trackers.len(), 1, "the same address counts once");
        assert!((60_000..=MAX_LINK_BYTES).contains(&link.len()));
    }
}
