//! Magnet links: the name of a torrent and whom to ask for the rest (BEP 9, "magnet URI format").
//!
//! Pure. A link is what a stranger put on a page: a part that is no use is left out, and one that changes
//! what would be downloaded (the info-hash, the selection of files) is refused when it cannot be read. The
//! text is somebody else's and may have any character in it: whoever prints the name makes it printable.

use super::InfoHash;
use super::trackers::{ADDRESSES_LIMIT, usable};
use crate::bencode::Item;
use std::fmt;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

/// Bytes in the longest link that is read. With 200 trackers it has some 10 KiB.
const LONGEST: usize = 64 * 1024;

/// How many ranges of files are kept.
const MAX_RANGES: usize = 2_000;

/// What a magnet link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// Which torrent (`xt`).
    pub info_hash: InfoHash,
    /// What somebody called it (`dn`): any text, neither printable nor safe as a path.
    pub name: Option<String>,
    /// Announce addresses (`tr`), 200 at most.
    pub trackers: Vec<String>,
    /// Web seeds (`ws`, BEP 19), 200 at most.
    pub web_seeds: Vec<String>,
    /// Peers (`x.pe`), 200 at most: `NAME:PORT`, `1.2.3.4:PORT` or `[2001:db8::1]:PORT`.
    pub peers: Vec<String>,
    /// The numbers of the files to download, from 0, in the order of the link (`so`, BEP 53). A range is
    /// never empty, but may be beyond the last file. Without any, all files are meant.
    pub selected: Vec<RangeInclusive<u32>>,
}

/// Why a text is no magnet link that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MagnetError {
    /// It is something else.
    NotAMagnet,
    /// It is longer than a link can be.
    TooLong,
    /// Nothing in it says which torrent.
    NoInfoHash,
    /// What should be an info-hash is none. How many characters it has.
    BadInfoHash(usize),
    /// It names a torrent of version 2 only (BEP 52).
    VersionTwoOnly,
    /// The selection of files cannot be read, or has too many parts.
    BadSelection,
}

impl Magnet {
    /// Whether the text is meant to be a magnet link: it begins with `magnet:`, or is exactly 40 hex
    /// digits, a bare info-hash. A file may have such a name too; the caller looks for that first.
    pub fn is_one(text: &str) -> bool {
        let text = text.trim();
        after_the_scheme(text).is_some() || is_hex(text)
    }

    /// Reads a magnet link or a bare info-hash.
    ///
    /// # Errors
    ///
    /// The first fault because of which nobody could know what to download.
    pub fn parse(text: &str) -> Result<Magnet, MagnetError> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(MagnetError::TooLong);
        }
        let Some(parameters) = after_the_scheme(text) else {
            let bare = if is_hex(text) { decoded_hash(text) } else { None };
            return bare.map(Magnet::of).ok_or(MagnetError::NotAMagnet);
        };
        let mut info_hash = None;
        let mut version_two = false;
        let mut magnet = Magnet::of(InfoHash([0; 20]));
        for parameter in parameters.trim_start_matches('?').split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match kind(name).as_str() {
                "xt" => match topic(value) {
                    Some(Topic::One(hash)) => info_hash = info_hash.or(Some(hash)),
                    Some(Topic::Two) => version_two = true,
                    None => {}
                },
                "dn" if magnet.name.is_none() => {
                    let name = decoded(&value.replace('+', " "));
                    magnet.name =
                        Some(String::from_utf8_lossy(&name).into_owned()).filter(|name| !name.is_empty());
                }
                // In an address a plus sign is itself: no address has a space in it.
                "tr" => keep(&mut magnet.trackers, address(value)),
                "ws" => keep(&mut magnet.web_seeds, address(value)),
                "x.pe" => keep(&mut magnet.peers, address(value).filter(|peer| is_peer(peer))),
                "so" => select(&mut magnet.selected, value)?,
                _ => {}
            }
        }
        magnet.info_hash = match info_hash {
            Some(hash) => hash?,
            None if version_two => return Err(MagnetError::VersionTwoOnly),
            None => return Err(MagnetError::NoInfoHash),
        };
        Ok(magnet)
    }

    /// The `.torrent` file that this magnet stands for, once its `info` value is there, as bencode: what
    /// the magnet says and what the peers had.
    pub fn torrent(&self, info: &[u8]) -> Vec<u8> {
        let text = |text: &String| Item::from(text.as_str());
        let tiers = self.trackers.iter().map(|tracker| Item::list([text(tracker)]));
        let before = [
            self.trackers.first().map(|first| ("announce", text(first))),
            (self.trackers.len() > 1).then(|| ("announce-list", Item::list(tiers))),
        ];
        let before = Item::dictionary(before.into_iter().flatten()).encode();
        let seeds = Item::list(self.web_seeds.iter().map(text));
        let after = (!self.web_seeds.is_empty()).then_some(("url-list", seeds));
        let after = Item::dictionary(after).encode();
        // What is between was received: it is not written anew, so that its hash stays what it is.
        let before = before.strip_suffix(b"e").unwrap_or_default();
        let after = after.strip_prefix(b"d").unwrap_or_default();
        [before, b"4:info", info, after].concat()
    }

    /// A magnet that knows nothing but which torrent.
    fn of(info_hash: InfoHash) -> Magnet {
        let (trackers, web_seeds, peers) = (Vec::new(), Vec::new(), Vec::new());
        Magnet { info_hash, name: None, trackers, web_seeds, peers, selected: Vec::new() }
    }
}

/// What `xt` can name.
enum Topic {
    /// A torrent as in BEP 3.
    One(Result<InfoHash, MagnetError>),
    /// A torrent as in BEP 52, whose hash is another one.
    Two,
}

fn after_the_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("magnet:".len())?;
    scheme.eq_ignore_ascii_case("magnet:").then_some(rest)
}

/// The name of a parameter without the number that tells several of a kind apart (`xt.1`), and without
/// what is left of `&amp;` where the link was copied out of a page's source.
fn kind(name: &str) -> String {
    let name = name.strip_prefix("amp;").unwrap_or(name);
    let numbered =
        name.rsplit_once('.').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    numbered.map_or(name, |(kind, _)| kind).to_ascii_lowercase()
}

fn topic(value: &str) -> Option<Topic> {
    let value = address(value)?;
    let (namespace, hash) = value.split_at_checked("urn:btih:".len())?;
    match namespace.to_ascii_lowercase().as_str() {
        "urn:btih:" => {
            let fault = MagnetError::BadInfoHash(hash.chars().count());
            Some(Topic::One(decoded_hash(hash).ok_or(fault)))
        }
        "urn:btmh:" => Some(Topic::Two),
        _ => None,
    }
}

fn is_hex(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The 160 bits that 40 hex digits or 32 characters of base32 (RFC 4648) stand for.
fn decoded_hash(text: &str) -> Option<InfoHash> {
    let width = if text.len() == 32 { 5 } else { 4 };
    let digit = |character: char| match (width, character.to_digit(36)?) {
        (4, digit @ 0..=15) => Some(digit),
        (5, letter @ 10..) => Some(letter - 10),
        (5, digit @ 2..=7) => Some(digit + 24),
        _ => None,
    };
    let mut hash = [0; 20];
    let mut places = hash.iter_mut();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for character in text.chars() {
        held = (held << width) | digit(character)?;
        bits += width;
        if bits >= 8 {
            bits -= 8;
            *places.next()? = u8::try_from(held >> bits).ok()?;
            held &= (1 << bits) - 1;
        }
    }
    (bits == 0 && places.next().is_none()).then_some(InfoHash(hash))
}

/// The bytes that a value stands for. A percent sign that is no escape stands for itself.
fn decoded(value: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after.split_at_checked(2).filter(|_| first == b'%').and_then(|(digits, after)| {
            let high = char::from(*digits.first()?).to_digit(16)?;
            let low = char::from(*digits.get(1)?).to_digit(16)?;
            Some((u8::try_from(high * 16 + low).ok()?, after))
        });
        let (byte, after) = escape.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn address(value: &str) -> Option<String> {
    usable(&decoded(value))
}

fn keep(list: &mut Vec<String>, address: Option<String>) {
    if let Some(address) = address.filter(|address| list.len() < ADDRESSES_LIMIT && !list.contains(address)) {
        list.push(address);
    }
}

/// Whether this is a host and a port to connect to.
fn is_peer(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good_host = match bracketed {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => {
            let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (1..=253).contains(&host.len()) && host.bytes().all(of_a_name)
        }
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    good_host && digits && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn select(selected: &mut Vec<RangeInclusive<u32>>, value: &str) -> Result<(), MagnetError> {
    let text = decoded(value);
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

impl fmt::Display for MagnetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            MagnetError::NotAMagnet => {
                "not a magnet link: it does not begin with 'magnet:' and is not 40 hex digits"
            }
            MagnetError::TooLong => "bad magnet link: it has more than 65,536 bytes (leave trackers out)",
            MagnetError::NoInfoHash => {
                "bad magnet link: no 'xt=urn:btih:' says which torrent (put quotes around the link, or the \
                 shell cuts it at the first '&')"
            }
            MagnetError::BadInfoHash(length) => {
                return write!(
                    out,
                    "bad magnet link: its info-hash of {length} characters is neither 40 hex digits nor 32 \
                     characters of base32 (copy the whole link)"
                );
            }
            MagnetError::VersionTwoOnly => {
                "a magnet link of a version 2 (BEP 52) torrent, which cannot be downloaded (use one with \
                 'xt=urn:btih:')"
            }
            MagnetError::BadSelection => {
                "bad magnet link: 'so' is no list of file numbers such as 0,2,4-6 (without it, all files are \
                 downloaded)"
            }
        })
    }
}

impl std::error::Error for MagnetError {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
    const BASE32: &str = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK";

    fn parse(parameters: &str) -> Result<Magnet, MagnetError> {
        Magnet::parse(&format!("magnet:?xt=urn:btih:{HEX}{parameters}"))
    }

    #[test]
    fn the_info_hash_comes_in_hex_in_base32_and_bare_in_any_case() {
        let good = parse("").unwrap();
        assert_eq!(good.info_hash.to_string(), HEX);
        for text in [
            HEX.to_owned(),
            HEX.to_uppercase(),
            format!("MAGNET:?xt=URN:BTIH:{}", HEX.to_uppercase()),
            format!("magnet:?xt=urn:btih:{BASE32}"),
            format!(" magnet:?dn=&xt=urn:btih:{}\n", BASE32.to_lowercase()),
            format!("magnet:?xt=urn%3Abtih%3a{HEX}"),
            format!("magnet:?xt.1=urn:sha1:{BASE32}&xt.2=urn:btih:{HEX}&xt.3=urn:btih:{}", "0".repeat(40)),
            format!("magnet:?xt=urn:btmh:1220{HEX}&xt=urn:btih:{HEX}"),
            format!("magnet:xt=urn:btih:{HEX}&&=&tr"),
        ] {
            assert!(Magnet::is_one(&text), "{text}");
            assert_eq!(Magnet::parse(&text).as_ref(), Ok(&good), "{text}");
        }
    }

    #[test]
    fn a_link_without_a_usable_info_hash_is_refused_with_the_reason() {
        let fault = |text: &str| Magnet::parse(text).unwrap_err();
        for text in ["", "magne", "debian.torrent", &HEX[1..], "žžžžžžžžžžžžžžžžžžžž"] {
            assert!(!Magnet::is_one(text), "{text}");
            assert_eq!(fault(text), MagnetError::NotAMagnet, "{text}");
        }
        for text in
            ["magnet:", "magnet:?", "magnet:?dn=x", "magnet:?xt=urn:sha1:x", "magnet:?xt", "magnet:?xt=é"]
        {
            assert_eq!(fault(text), MagnetError::NoInfoHash, "{text}");
        }
        for (hash, length) in [("", 0), (&HEX[1..], 39), (&BASE32[1..], 31)] {
            assert_eq!(fault(&format!("magnet:?xt=urn:btih:{hash}")), MagnetError::BadInfoHash(length));
        }
        let last = |text: &str, letter: &str| format!("magnet:?xt=urn:btih:{}{letter}", &text[1..]);
        assert_eq!(fault(&last(HEX, "g")), MagnetError::BadInfoHash(40));
        assert_eq!(fault(&last(HEX, "é")), MagnetError::BadInfoHash(40));
        assert_eq!(fault(&last(HEX, "+")), MagnetError::BadInfoHash(40));
        assert_eq!(fault(&last(BASE32, "1")), MagnetError::BadInfoHash(32));
        assert_eq!(fault(&last(BASE32, "8")), MagnetError::BadInfoHash(32));
        assert_eq!(fault(&format!("magnet:?xt=urn:btmh:1220{HEX}")), MagnetError::VersionTwoOnly);
        assert_eq!(fault(&format!("magnet:?{}", "x".repeat(LONGEST))), MagnetError::TooLong);
    }

    #[test]
    fn names_and_addresses_are_decoded_and_kept_once() {
        let magnet = parse(
            "&dn=The+%C5%BDlu%C5%A5+%2B+100%&dn=other&tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&tr.1=http://u.example/?k=v\
             &amp;tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&tr=&tr=%ff&tr=a%0ab&ws=http%3A%2F%2Fw.example%2F&kt=unknown",
        )
        .unwrap();
        assert_eq!(magnet.name.as_deref(), Some("The Žluť + 100%"));
        assert_eq!(magnet.trackers, ["udp://t.example:80/a+b", "http://u.example/?k=v"]);
        assert_eq!(magnet.web_seeds, ["http://w.example/"]);
        assert_eq!(parse("&dn=%ff%1b").unwrap().name.as_deref(), Some("\u{fffd}\u{1b}"));
    }

    #[test]
    fn a_peer_is_a_host_and_a_port() {
        let magnet = parse(
            "&x.pe=127.0.0.1:6881&x.pe=peer.example%3A1&x.pe=%5B2001:db8::1%5D:65535&x.pe=127.0.0.1:6881\
             &x.pe=a:0&x.pe=a:65536&x.pe=a:+5&x.pe=a:&x.pe=:5&x.pe=a&x.pe=[a]:5&x.pe=2001:db8::1:5&x.pe=a/b:5\
             &x.pe=[::1:5",
        )
        .unwrap();
        assert_eq!(magnet.peers, ["127.0.0.1:6881", "peer.example:1", "[2001:db8::1]:65535"]);
    }

    #[test]
    fn a_selection_is_a_list_of_numbers_and_ranges() {
        assert_eq!(parse("&so=0,2,%34,6-8&so=4,9").unwrap().selected, [0..=0, 2..=2, 4..=4, 6..=8, 9..=9]);
        assert_eq!(parse("&so=").unwrap().selected, []);
        for bad in ["x", "1-", "-1", "8-6", "1-2-3", "4294967296", "+1", "1;2", "%ff"] {
            assert_eq!(parse(&format!("&so={bad}")), Err(MagnetError::BadSelection), "{bad}");
        }
        let many: Vec<_> = (0..=MAX_RANGES).map(|number| number.to_string()).collect();
        assert_eq!(parse(&format!("&so={}", many.join(","))), Err(MagnetError::BadSelection));
    }

    #[test]
    fn how_much_is_kept_is_bounded() {
        let parameters =
            |name: &str| -> String { (0..2_000).map(|number| format!("&{name}=h{number}:1")).collect() };
        let magnet = parse(&(parameters("tr") + &parameters("x.pe"))).unwrap();
        assert_eq!((magnet.trackers.len(), magnet.peers.len()), (ADDRESSES_LIMIT, ADDRESSES_LIMIT));
    }

    #[test]
    fn no_cut_and_no_flipped_bit_breaks_the_reader() {
        let whole =
            format!("magnet:?xt=urn:btih:{BASE32}&dn=%C5%BD+x&tr=udp%3A%2F%2Fa&x.pe=[::1]:5&so=1-2,%33&ws=é");
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let _ = Magnet::parse(&whole[..end]);
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = Magnet::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| error.to_string());
        }
    }
}
