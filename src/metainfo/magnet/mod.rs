//! Magnet links: which torrent, and where to ask for the rest of it (BEP 9, "magnet URI format").
//!
//! Pure. A stranger wrote the link. A part of it that is of no use is left out. A part that decides what
//! would be downloaded (the info-hash, the selection of files) must be readable, or the link is refused.
//! The texts may have any character in them: the code that prints the name makes it printable.

mod link;
mod values;

pub use link::link;

use super::trackers::{MAX_ADDRESSES, MAX_TRACKERS};
use super::{InfoHash, InfoHashV2, Version, percent_decoded};
use crate::bencode::Item;
use std::fmt;
use std::ops::RangeInclusive;
use values::{SHA256, Topic, address, info_hash, is_peer, keep, kind, select, topic};

/// Bytes in the longest link that is read. One with 1,000 trackers has some 50 KiB.
const MAX_LINK_BYTES: usize = 64 * 1024;

/// What a magnet link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// Which torrent (`xt`). Of version 2, the first part of its info-hash.
    pub info_hash: InfoHash,
    /// All of that, where the link has no info-hash of version 1 (BEP 52).
    pub info_hash_v2: Option<InfoHashV2>,
    /// The name that the link gives it (`dn`): any text, neither printable nor safe as a path.
    pub name: Option<String>,
    /// Announce addresses (`tr`), 200 at most.
    pub trackers: Vec<String>,
    /// Web seeds (`ws`, BEP 19), 200 at most.
    pub web_seeds: Vec<String>,
    /// Peers (`x.pe`), 200 at most: `NAME:PORT`, `1.2.3.4:PORT` or `[2001:db8::1]:PORT`.
    pub peers: Vec<String>,
    /// The numbers of the files to download, from 0, in the order of the link (`so`, BEP 53). A range is
    /// never empty, but may be beyond the last file. No range means all files.
    pub selected: Vec<RangeInclusive<u32>>,
}

/// What a torrent is called before it is there.
#[derive(Clone, Copy, Debug)]
pub struct Called {
    info_hash: InfoHash,
    info_hash_v2: Option<InfoHashV2>,
}

impl From<InfoHash> for Called {
    fn from(info_hash: InfoHash) -> Called {
        Called { info_hash, info_hash_v2: None }
    }
}

impl Called {
    /// In which version this `info` value, which comes in these parts, has this name. A short info-hash may be the
    /// first part of one of version 2: so it is known in the DHT.
    pub fn version_of<'a>(&self, info: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Version> {
        let of_version_two = InfoHashV2::of(info.clone());
        let is_two = match self.info_hash_v2 {
            Some(hash) => hash == of_version_two,
            None => self.info_hash == of_version_two.truncated(),
        };
        let is_one = self.info_hash_v2.is_none() && self.info_hash == InfoHash::of(info);
        is_one.then_some(Version::One).or(is_two.then_some(Version::Two))
    }
}

/// Why a text is not a magnet link that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MagnetError {
    /// It is something else.
    NotAMagnet,
    /// It is longer than a link can be.
    TooLong,
    /// Nothing in it says which torrent.
    NoInfoHash,
    /// The text in the place of the info-hash is not one. It has this many characters.
    BadInfoHash(usize),
    /// The text in the place of the info-hash of version 2 is not one.
    BadInfoHashV2,
    /// The selection of files cannot be read, or has too many parts.
    BadSelection,
}

impl Magnet {
    /// Whether the text is meant as a magnet link: it begins with `magnet:`, or is a bare info-hash, exactly 40 hex digits
    /// or 32 characters of base32, or the 64 hex digits of version 2, with or without `1220` in front. A file may have
    /// such a name too; the caller looks for one first.
    pub fn is_one(text: &str) -> bool {
        let text = text.trim();
        after_the_scheme(text).is_some() || Magnet::bare(text).is_some()
    }

    /// Reads a magnet link or a bare info-hash.
    ///
    /// # Errors
    ///
    /// The first fault that leaves open what to download.
    pub fn parse(text: &str) -> Result<Magnet, MagnetError> {
        let text = text.trim();
        if text.len() > MAX_LINK_BYTES {
            return Err(MagnetError::TooLong);
        }
        let Some(parameters) = after_the_scheme(text) else {
            return Magnet::bare(text).ok_or(MagnetError::NotAMagnet);
        };
        let (mut found, mut of_version_two) = (None, None);
        let mut magnet = Magnet::of(InfoHash([0; 20]));
        // Some pages write `magnet:///?`.
        for parameter in parameters.trim_start_matches(['/', '?']).split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match kind(name).as_str() {
                "xt" => match topic(value) {
                    Some(Topic::VersionOne(hash)) => found = Some(better(found, hash)),
                    Some(Topic::VersionTwo(hash)) => of_version_two = Some(better(of_version_two, hash)),
                    None => {}
                },
                "dn" if magnet.name.is_none() => {
                    let name = percent_decoded(&value.replace('+', " "));
                    magnet.name =
                        Some(String::from_utf8_lossy(&name).into_owned()).filter(|name| !name.is_empty());
                }
                // In an address a plus sign is itself: no address has a space in it.
                "tr" => keep(&mut magnet.trackers, MAX_TRACKERS, address(value)),
                "ws" => keep(&mut magnet.web_seeds, MAX_ADDRESSES, address(value)),
                "x.pe" => keep(&mut magnet.peers, MAX_ADDRESSES, address(value).filter(|peer| is_peer(peer))),
                "so" => select(&mut magnet.selected, value)?,
                _ => {}
            }
        }
        // A hybrid one is read as version 1.
        match (found, of_version_two) {
            (Some(Ok(hash)), _) => magnet.info_hash = hash,
            (_, Some(Ok(hash))) => magnet.is_of_version_two(hash),
            (Some(Err(fault)), _) | (None, Some(Err(fault))) => return Err(fault),
            (None, None) => return Err(MagnetError::NoInfoHash),
        }
        Ok(magnet)
    }

    /// What it calls the torrent.
    pub fn called(&self) -> Called {
        Called { info_hash: self.info_hash, info_hash_v2: self.info_hash_v2 }
    }

    fn is_of_version_two(&mut self, hash: InfoHashV2) {
        (self.info_hash, self.info_hash_v2) = (hash.truncated(), Some(hash));
    }

    /// The `.torrent` file that the link refers to, as bencode: what the link says, around the `info` value
    /// that peers have sent, and the layers that belong to it, by their roots in order (version 2).
    pub fn torrent(&self, info: &[u8], layers: Vec<([u8; 32], Vec<u8>)>) -> Vec<u8> {
        let text = |text: &String| Item::from(text.as_str());
        let tiers = self.trackers.iter().map(|tracker| Item::list([text(tracker)]));
        let before = [
            self.trackers.first().map(|first| ("announce", text(first))),
            (self.trackers.len() > 1).then(|| ("announce-list", Item::list(tiers))),
        ];
        let before = Item::dictionary(before.into_iter().flatten()).encode();
        let seeds = Item::list(self.web_seeds.iter().map(text));
        let layers: Vec<_> = layers.into_iter().map(|(root, digests)| (root, Item::from(digests))).collect();
        let after = [
            (!layers.is_empty()).then(|| ("piece layers", Item::dictionary(layers))),
            (!self.web_seeds.is_empty()).then_some(("url-list", seeds)),
        ];
        let after = Item::dictionary(after.into_iter().flatten()).encode();
        // The `info` value is not encoded again: its hash must stay what it is.
        let before = before.strip_suffix(b"e").unwrap_or_default();
        let after = after.strip_prefix(b"d").unwrap_or_default();
        [before, b"4:info", info, after].concat()
    }

    /// An info-hash without a link around it.
    fn bare(text: &str) -> Option<Magnet> {
        let of_version_two = || {
            let mut magnet = Magnet::of(InfoHash([0; 20]));
            // Some programs write what kind of hash it is in front, as links do.
            let digits = text.strip_prefix(SHA256).filter(|digits| digits.len() == 64).unwrap_or(text);
            magnet.is_of_version_two(InfoHashV2::from_hex(digits.as_bytes())?);
            Some(magnet)
        };
        info_hash(text).map(Magnet::of).or_else(of_version_two)
    }

    /// A magnet link that has an info-hash and nothing else.
    fn of(info_hash: InfoHash) -> Magnet {
        let (trackers, web_seeds, peers) = (Vec::new(), Vec::new(), Vec::new());
        Magnet { info_hash, info_hash_v2: None, name: None, trackers, web_seeds, peers, selected: Vec::new() }
    }
}

/// The first good one counts, and without one the first fault.
fn better<Hash>(
    known: Option<Result<Hash, MagnetError>>,
    other: Result<Hash, MagnetError>,
) -> Result<Hash, MagnetError> {
    match (known, other) {
        (None | Some(Err(_)), Ok(good)) => Ok(good),
        (Some(known), _) => known,
        (None, fault) => fault,
    }
}

fn after_the_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("magnet:".len())?;
    scheme.eq_ignore_ascii_case("magnet:").then_some(rest)
}

impl fmt::Display for MagnetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            MagnetError::NotAMagnet => {
                "not a magnet link: it does not begin with 'magnet:' and is not 40 or 64 hex digits"
            }
            MagnetError::TooLong => "bad magnet link: longer than 65,536 bytes (remove some trackers)",
            MagnetError::NoInfoHash => {
                "bad magnet link: it has no 'xt=urn:btih:' nor 'xt=urn:btmh:' with the info-hash (put quotes around \
                 the link, or the shell cuts it at the first '&')"
            }
            MagnetError::BadInfoHash(length) => {
                return write!(
                    out,
                    "bad magnet link: its info-hash of {length} characters is neither 40 hex digits nor 32 \
                     characters of base32 (copy the whole link)"
                );
            }
            MagnetError::BadInfoHashV2 => {
                "bad magnet link: its info-hash of version 2 is not 1220 and 64 hex digits (copy the whole link)"
            }
            MagnetError::BadSelection => {
                "bad magnet link: 'so' is not a list of file numbers such as 0,2,4-6 (without it, all files are \
                 downloaded)"
            }
        })
    }
}

impl std::error::Error for MagnetError {}

#[cfg(test)]
mod tests;
