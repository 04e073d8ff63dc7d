use super::*;
use crate::metainfo::trackers::{MAX_ADDRESSES, MAX_TRACKERS};

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
        format!("magnet:///?xt=urn:btih:{HEX}"),
        format!("magnet://?xt=urn:btih:{HEX}"),
        format!("magnet:/?xt=urn:btih:{HEX}"),
        format!("magnet:?xt=urn:btih:{HEX}/"),
        format!("magnet:?xt=urn:btih:%20{HEX}%20&dn="),
        format!("magnet:?xt=urn:btih:{HEX}%22%3E"),
        format!("magnet:?xt=urn:btih:{HEX}'"),
        format!("magnet:?xt=urn:btih:bad&xt=urn:btih:{HEX}"),
        format!("magnet:?xt=urn:btih:bad&xt=urn:btih:{HEX}&xt=urn:btih:worse"),
        format!("magnet:?xt=urn:btih:&amp;xt=urn:btih:{BASE32}"),
        BASE32.to_owned(),
        format!("magnet:?dn=&#38;xt=urn:btih:{HEX}"),
        format!("magnet:?dn=&#038;xt=urn:btih:{HEX}"),
        format!("magnet:?dn=&#x26;xt=urn:btih:{HEX}"),
        format!("magnet:?dn=&amp;amp;xt=urn:btih:{HEX}"),
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
    for text in ["magnet:", "magnet:?", "magnet:?dn=x", "magnet:?xt=urn:sha1:x", "magnet:?xt", "magnet:?xt=é"]
    {
        assert_eq!(fault(text), MagnetError::NoInfoHash, "{text}");
    }
    for (hash, length) in [("", 0), (&HEX[1..], 39), (&BASE32[1..], 31)] {
        assert_eq!(fault(&format!("magnet:?xt=urn:btih:{hash}")), MagnetError::BadInfoHash(length));
    }
    let last = |text: &str, letter: &str| format!("magnet:?xt=urn:btih:{}{letter}", &text[1..]);
    assert_eq!(fault("magnet:?xt=urn:btih:bad&xt=urn:btih:worse"), MagnetError::BadInfoHash(3), "the first");
    assert_eq!(fault(&last(HEX, "g")), MagnetError::BadInfoHash(40));
    assert_eq!(fault(&last(HEX, "é")), MagnetError::BadInfoHash(40));
    assert_eq!(fault(&last(HEX, "+")), MagnetError::BadInfoHash(40));
    assert_eq!(fault(&last(BASE32, "1")), MagnetError::BadInfoHash(32));
    assert_eq!(fault(&last(BASE32, "8")), MagnetError::BadInfoHash(32));
    for hash in [format!("1220{HEX}"), "12".repeat(34), format!("1220{}g", &"ab".repeat(32)[1..])] {
        assert_eq!(fault(&format!("magnet:?xt=urn:btmh:{hash}")), MagnetError::BadInfoHashV2, "{hash}");
    }
    assert_eq!(fault(&format!("magnet:?{}", "x".repeat(MAX_LINK_BYTES))), MagnetError::TooLong);
}

#[test]
fn names_and_addresses_are_decoded_and_kept_once() {
    let magnet = parse(
        "&dn=The+%C5%BDlu%C5%A5+%2B+100%&dn=other&tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&tr.1=http://u.example/?k=v\
         &amp;tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&#38;tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&#x26;tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&tr=&tr=%ff&tr=a%0ab&ws=http%3A%2F%2Fw.example%2F&kt=unknown",
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
    let many: Vec<_> = (0..=values::MAX_RANGES).map(|number| number.to_string()).collect();
    assert_eq!(parse(&format!("&so={}", many.join(","))), Err(MagnetError::BadSelection));
}

#[test]
fn how_much_is_kept_is_bounded() {
    let parameters =
        |name: &str| -> String { (0..2_000).map(|number| format!("&{name}=h{number}:1")).collect() };
    let magnet = parse(&(parameters("tr") + &parameters("x.pe"))).unwrap();
    assert_eq!((magnet.trackers.len(), magnet.peers.len()), (MAX_TRACKERS, MAX_ADDRESSES));
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

#[test]
fn a_link_of_version_two_has_a_longer_hash() {
    let hex = "Ab".repeat(32);
    let hash = InfoHashV2([0xab; 32]);
    for text in [format!("magnet:?xt=urn:btmh:1220{hex}&dn=x"), hex.clone(), format!("1220{hex}")] {
        let magnet = Magnet::parse(&text).unwrap();
        assert_eq!((magnet.info_hash, magnet.info_hash_v2), (InfoHash([0xab; 20]), Some(hash)));
        assert!(Magnet::is_one(&text));
    }
    let hybrid = parse(&format!("&xt=urn:btmh:1220{hex}")).unwrap();
    assert_eq!(hybrid.info_hash_v2, None, "a hybrid one is read as version 1");
    let broken = Magnet::parse(&format!("magnet:?xt=urn:btih:bad&xt=urn:btmh:1220{hex}")).unwrap();
    assert_eq!(broken.info_hash_v2, Some(hash));
}

#[test]
fn metadata_is_known_by_the_hash_of_the_link() {
    let info = b"d4:name1:xe";
    let (one, two) = (InfoHash::of(std::iter::once(&info[..])), InfoHashV2::of(std::iter::once(&info[..])));
    let version = |text: &str, info: &[u8]| Magnet::parse(text).unwrap().called().version_of(info.chunks(3));
    assert_eq!(version(&one.to_string(), info), Some(Version::One));
    assert_eq!(version(&two.to_string(), info), Some(Version::Two));
    assert_eq!(version(&two.to_string()[..40], info), Some(Version::Two), "as the DHT has it");
    let close = format!("{}{}", &two.to_string()[..40], "0".repeat(24));
    assert_eq!(version(&close, info), None, "the whole hash counts");
    assert_eq!(version(&one.to_string(), b"d4:name1:ye"), None);
}
