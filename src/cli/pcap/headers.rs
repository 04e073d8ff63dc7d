//! The headers of packets that never were: IP (RFC 791, RFC 8200), TCP (RFC 9293) and UDP (RFC 768). Pure.

use crate::address::canonical;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of TCP in one packet at most: the largest round number for which both versions of IP have a length.
pub(super) const MOST_IN_A_SEGMENT: usize = 65_000;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// How many routers a packet may pass.
const HOPS: u8 = 64;
/// A window of 1 GiB: nobody waits for an acknowledgement here, and readers shall not wonder why.
const WINDOW: u16 = u16::MAX;
const WINDOW_SCALE: u8 = 14;

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const SYN: Flags = Flags(0x02);
    pub(super) const SYN_ACK: Flags = Flags(0x12);
    pub(super) const ACK: Flags = Flags(0x10);
    pub(super) const PSH_ACK: Flags = Flags(0x18);
    pub(super) const FIN_ACK: Flags = Flags(0x11);

    fn has_syn(self) -> bool {
        self.0 & Flags::SYN.0 != 0
    }
}

/// From where to where. Both are of one version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    from: SocketAddr,
    to: SocketAddr,
}

impl Ends {
    /// From our end to another. Where ours is not known, or is of the other version of IP, as behind a proxy, it is the
    /// unspecified address.
    pub(super) fn new(ours: Option<SocketAddr>, theirs: SocketAddr) -> Ends {
        let (ours, to) = (ours.map(canonical), canonical(theirs));
        let unknown: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let port = ours.map_or(0, |ours| ours.port());
        let from = ours.filter(|ours| ours.is_ipv4() == to.is_ipv4()).unwrap_or((unknown, port).into());
        Ends { from, to }
    }

    /// The other way.
    pub(super) fn reversed(self) -> Ends {
        Ends { from: self.to, to: self.from }
    }
}

/// The headers of this segment.
pub(super) fn tcp(ends: Ends, [seq, ack]: [u32; 2], flags: Flags, payload: &[u8]) -> Vec<u8> {
    let options: &[u8] = &if flags.has_syn() {
        let [high, low] = (MOST_IN_A_SEGMENT as u16).to_be_bytes();
        // The maximum segment size, no operation, the window scale.
        [2, 4, high, low, 1, 3, 3, WINDOW_SCALE]
    } else {
        [0; 8]
    };
    let options = if flags.has_syn() { options } else { &[] };
    let length = 20 + options.len();
    let (mut packet, sum) = ip(ends, TCP, length.saturating_add(payload.len()));
    let start = packet.len();
    packet.extend(ends.from.port().to_be_bytes());
    packet.extend(ends.to.port().to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend(ack.to_be_bytes());
    packet.extend([(length as u8 / 4) << 4, flags.0]);
    packet.extend(WINDOW.to_be_bytes());
    // The checksum, and no urgent bytes.
    packet.extend([0; 4]);
    packet.extend_from_slice(options);
    let sum = sum + sum_of(packet.get(start..).unwrap_or_default()) + sum_of(payload);
    if let Some(checksum) = packet.get_mut(start + 16..start + 18) {
        checksum.copy_from_slice(&(!folded(sum)).to_be_bytes());
    }
    packet
}

/// The headers of this datagram.
pub(super) fn udp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let length = payload.len().saturating_add(8);
    let (mut packet, sum) = ip(ends, UDP, length);
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let words = [ends.from.port(), ends.to.port(), length];
    words.iter().for_each(|word| packet.extend(word.to_be_bytes()));
    let sum = words.iter().fold(sum, |sum, word| sum + u64::from(*word)) + sum_of(payload);
    // Zero means that there is none.
    let checksum = Some(!folded(sum)).filter(|sum| *sum != 0).unwrap_or(u16::MAX);
    packet.extend(checksum.to_be_bytes());
    packet
}

/// The IP header in front of so many bytes of this protocol, and the sum of the pseudo-header.
fn ip(ends: Ends, protocol: u8, length: usize) -> (Vec<u8>, u64) {
    let mut packet = Vec::with_capacity(68);
    let addresses = match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = u16::try_from(length.saturating_add(20)).unwrap_or(u16::MAX).to_be_bytes();
            // Version and length; no identification, as it is not to be cut into fragments.
            packet.extend([0x45, 0, total[0], total[1], 0, 0, 0x40, 0, HOPS, protocol]);
            let addresses = [from.octets(), to.octets()].concat();
            let checksum = !folded(sum_of(&packet) + sum_of(&addresses));
            packet.extend(checksum.to_be_bytes());
            addresses
        }
        (from, to) => {
            let octets = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            packet.extend([protocol, HOPS]);
            [octets(from), octets(to)].concat()
        }
    };
    packet.extend_from_slice(&addresses);
    let sum = sum_of(&addresses) + u64::from(protocol) + length as u64;
    (packet, sum)
}

/// A sum of the words of 16 bits of what is no longer than a packet (RFC 1071), to be [folded] in the end. Words of 64 bits
/// are added, in the order of this machine, since a sum that is folded has its bytes in the order of the words.
fn sum_of(bytes: &[u8]) -> u64 {
    let (lines, rest) = bytes.as_chunks::<64>();
    let mut last = [0; 64];
    last.iter_mut().zip(rest).for_each(|(byte, given)| *byte = *given);
    let mut sum = 0_u128;
    for line in lines.iter().chain([&last]) {
        // Written out, as it is done for each byte of a capture, and the program is optimised for size.
        if let [a, b, c, d, e, f, g, h] = line.as_chunks::<8>().0 {
            let word = |bytes: &[u8; 8]| u128::from(u64::from_ne_bytes(*bytes));
            sum += word(a) + word(b) + word(c) + word(d) + word(e) + word(f) + word(g) + word(h);
        }
    }
    let (high, low) = ((sum >> 64) as u64, sum as u64);
    u64::from(u16::from_be(folded(high + (low >> 32) + (low & 0xffff_ffff))))
}

fn folded(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
