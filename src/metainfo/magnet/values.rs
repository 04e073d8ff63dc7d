//! The values of a magnet link's parameters: percent escapes, info-hashes, addresses, file numbers.

use super::MagnetError;
use crate::metainfo::trackers::usable;
use crate::metainfo::{InfoHash, InfoHashV2, percent_decoded};
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

/// How many ranges of files are kept.
pub(super) const MAX_RANGES: usize = 2_000;

/// What kind of hash follows and its length, as multihash writes them.
pub(super) const SHA256: &str = "1220";

/// What `xt` can name.
pub(super) enum Topic {
    /// A torrent as in BEP 3.
    VersionOne(Result<InfoHash, MagnetError>),
    /// A torrent as in BEP 52, which has a different kind of hash.
    VersionTwo(Result<InfoHashV2, MagnetError>),
}

/// What is left of the spellings of `&` in a page's source, if a link was copied out of one.
const REST_OF_AN_ENTITY: [&str; 5] = ["amp;", "#38;", "#038;", "#x26;", "#X26;"];

/// The name of a parameter without the number that tells several of a kind apart (`xt.1`), and without what
/// is left of `&amp;`, written once or more often over.
pub(super) fn kind(name: &str) -> String {
    let mut name = name;
    while let Some(rest) = REST_OF_AN_ENTITY.iter().find_map(|entity| name.strip_prefix(entity)) {
        name = rest;
    }
    let numbered =
        name.rsplit_once('.').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    numbered.map_or(name, |(kind, _)| kind).to_ascii_lowercase()
}

/// What a value of `xt` names. `None` if it is neither kind of torrent.
pub(super) fn topic(value: &str) -> Option<Topic> {
    let value = address(value)?;
    let (namespace, hash) = value.split_at_checked("urn:btih:".len())?;
    match namespace.to_ascii_lowercase().as_str() {
        "urn:btih:" => {
            let hash = around_trimmed(hash);
            let fault = MagnetError::BadInfoHash(hash.chars().count());
            Some(Topic::VersionOne(info_hash(hash).ok_or(fault)))
        }
        "urn:btmh:" => {
            let digits = around_trimmed(hash).strip_prefix(SHA256);
            let hash = digits.and_then(|digits| InfoHashV2::from_hex(digits.as_bytes()));
            Some(Topic::VersionTwo(hash.ok_or(MagnetError::BadInfoHashV2)))
        }
        _ => None,
    }
}

/// Without what stood around the link where it was copied.
fn around_trimmed(hash: &str) -> &str {
    hash.trim_matches(|around: char| around.is_whitespace() || "/\"'<>".contains(around))
}

/// The info-hash that these 40 hex digits or 32 characters of base32 spell.
pub(super) fn info_hash(text: &str) -> Option<InfoHash> {
    InfoHash::from_hex(text.as_bytes()).or_else(|| from_base32(text.as_bytes()))
}

/// The info-hash that these 32 characters of base32 (RFC 4648) spell, in upper or lower case.
fn from_base32(characters: &[u8]) -> Option<InfoHash> {
    let mut hash = [0; 20];
    if characters.len() * 5 != hash.len() * 8 {
        return None;
    }
    // Eight characters of five bits are five bytes.
    for (group, bytes) in characters.chunks(8).zip(hash.as_chunks_mut::<5>().0) {
        let join = |bits: u64, character: &u8| Some(bits << 5 | base32_digit(*character)?);
        let bits = group.iter().try_fold(0, join)?;
        [_, _, _, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]] = bits.to_be_bytes();
    }
    Some(InfoHash(hash))
}

fn base32_digit(character: u8) -> Option<u64> {
    match character.to_ascii_lowercase() {
        letter @ b'a'..=b'z' => Some(u64::from(letter - b'a')),
        digit @ b'2'..=b'7' => Some(u64::from(digit - b'2') + 26),
        _ => None,
    }
}

/// The value as an address. `None` if it is empty or has a character that no address can have.
pub(super) fn address(value: &str) -> Option<String> {
    usable(&percent_decoded(value))
}

/// Adds an address to a list, unless it is there already or there are so many.
pub(super) fn keep(list: &mut Vec<String>, most: usize, address: Option<String>) {
    if let Some(address) = address.filter(|address| list.len() < most && !list.contains(address)) {
        list.push(address);
    }
}

/// Whether this is a host and a port to connect to.
pub(super) fn is_peer(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bracketed {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => {
            let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (1..=253).contains(&host.len()) && host.bytes().all(of_a_name)
        }
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    is_host && digits && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Adds the file numbers in a value of `so`, such as `0,2,4-6` (BEP 53).
///
/// # Errors
///
/// [`MagnetError::BadSelection`] if a part of it is neither a number nor a range, or there are too many
/// parts.
pub(super) fn select(selected: &mut Vec<RangeInclusive<u32>>, value: &str) -> Result<(), MagnetError> {
    let text = percent_decoded(value);
    let text = str::from_utf8(&text).map_err(|_| MagnetError::BadSelection)?;
    let number = |text: &str| -> Option<u32> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits)
    };
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last && selected.len() < MAX_RANGES => {
                if !selected.contains(&(first..=last)) {
                    selected.push(first..=last);
                }
            }
            _ => return Err(MagnetError::BadSelection),
        }
    }
    Ok(())
}
