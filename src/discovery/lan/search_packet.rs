//! The packet in which a host announces which torrents it has (BEP 14): text, in the manner of HTTP.
//!
//! Pure. Any host on the local network may send such a packet, so nothing in it is trusted to be well-formed.

use crate::metainfo::InfoHash;
use std::net::SocketAddr;

/// The most info-hashes in a packet that we write. With them it has fewer than 1,400 bytes, which every link
/// takes in one piece. More are not read either.
pub const MAX_HASHES: usize = 24;

const FIRST_LINE: &[u8] = b"BT-SEARCH * HTTP/1.1";

/// The contents of such a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPacket<'a> {
    /// The port on which the sender accepts connections. Never zero.
    pub port: u16,
    /// The torrents that it has, no more than [`MAX_HASHES`].
    pub info_hashes: Vec<InfoHash>,
    /// By this the sender recognizes its own packets. Empty if there is none.
    pub cookie: &'a [u8],
}

impl<'a> SearchPacket<'a> {
    /// Reads a packet. `None` if these bytes are none, or it has no port or no info-hash.
    ///
    /// Unknown lines are ignored, and so are info-hashes that do not have 40 digits: BEP 14 says nothing of
    /// SHA-256, but programs write those info-hashes too.
    pub fn from_wire(packet: &'a [u8]) -> Option<SearchPacket<'a>> {
        let mut lines = packet.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let (mut port, mut info_hashes, mut cookie) = (None, Vec::new(), &b""[..]);
        loop {
            // An empty line must follow. Without one the packet was cut.
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let value = value.get(1..)?.trim_ascii();
            if name.eq_ignore_ascii_case(b"port") {
                port = Some(std::str::from_utf8(value).ok()?.parse().ok()?);
            } else if name.eq_ignore_ascii_case(b"cookie") {
                cookie = value;
            } else if name.eq_ignore_ascii_case(b"infohash")
                && info_hashes.len() < MAX_HASHES
                && let Some(info_hash) = InfoHash::from_hex(value)
                && !info_hashes.contains(&info_hash)
            {
                info_hashes.push(info_hash);
            }
        }
        let port = port.filter(|port| *port != 0)?;
        (!info_hashes.is_empty()).then_some(SearchPacket { port, info_hashes, cookie })
    }

    /// Writes a packet for this group: the torrents, of which the first [`MAX_HASHES`] fit, and the port that
    /// peers connect to.
    pub fn to_wire(group: SocketAddr, port: u16, info_hashes: &[InfoHash], cookie: &str) -> Vec<u8> {
        let mut packet = FIRST_LINE.to_vec();
        packet.extend(format!("\r\nHost: {group}\r\nPort: {port}\r\n").bytes());
        for info_hash in info_hashes.iter().take(MAX_HASHES) {
            packet.extend(format!("Infohash: {info_hash}\r\n").bytes());
        }
        packet.extend(format!("cookie: {cookie}\r\n\r\n\r\n").bytes());
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "239.192.152.143:6771";

    fn ours(info_hashes: &[InfoHash]) -> Vec<u8> {
        SearchPacket::to_wire(GROUP.parse().unwrap(), 6881, info_hashes, "1f")
    }

    #[test]
    fn a_packet_is_written_as_the_bep_has_it() {
        let expected = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
            Infohash: 00ff0000000000000000000000000000000000a1\r\ncookie: 1f\r\n\r\n\r\n";
        let mut info_hash = [0; 20];
        (info_hash[1], info_hash[19]) = (0xff, 0xa1);
        assert_eq!(String::from_utf8(ours(&[InfoHash(info_hash)])).unwrap(), expected);
        let six =
            SearchPacket::to_wire("[ff15::efc0:988f]:6771".parse().unwrap(), 1, &[InfoHash(info_hash)], "0");
        assert!(String::from_utf8(six).unwrap().contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"));
    }

    #[test]
    fn what_is_written_is_read_again_and_fits_a_packet() {
        let many: Vec<InfoHash> = (0..99).map(|number| InfoHash([number; 20])).collect();
        let packet = ours(&many);
        assert!(packet.len() < 1400);
        let read = SearchPacket::from_wire(&packet).unwrap();
        assert_eq!(read, SearchPacket { port: 6881, info_hashes: many[..MAX_HASHES].into(), cookie: b"1f" });
    }

    #[test]
    fn other_programs_write_it_in_their_own_way() {
        let theirs = format!(
            "BT-SEARCH * HTTP/1.1\nhost:x\nPORT:  7 \nInfoHash:{0}\nInfohash: {1}\nInfohash: {0}\nX\n\n",
            "AB".repeat(20),
            "0".repeat(64)
        );
        let read = SearchPacket::from_wire(theirs.as_bytes()).unwrap();
        assert_eq!(read, SearchPacket { port: 7, info_hashes: vec![InfoHash([0xab; 20])], cookie: b"" });
    }

    #[test]
    fn a_packet_without_a_port_or_a_torrent_is_none() {
        let good = String::from_utf8(ours(&[InfoHash([9; 20])])).unwrap();
        for (from, to) in [
            ("6881", "0"),
            ("6881", "65536"),
            ("6881", "-1"),
            ("6881", ""),
            ("Port", "Part"),
            ("0909", "09"),
            ("0909", "0x09"),
            ("0909", "+9+9"),
            ("BT-SEARCH", "M-SEARCH"),
            ("1.1", "1.1 and more"),
        ] {
            assert_eq!(SearchPacket::from_wire(good.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_breaks_the_reader() {
        let whole = ours(&[InfoHash([9; 20]), InfoHash([10; 20])]);
        for end in 0..whole.len() - 4 {
            assert_eq!(SearchPacket::from_wire(&whole[..end]), None, "cut at {end}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some(packet) = SearchPacket::from_wire(&bytes) {
                assert!(packet.port != 0 && !packet.info_hashes.is_empty());
            }
        }
    }
}
