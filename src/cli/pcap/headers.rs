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

/// What stands in front of the bytes of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Headers {
    /// Of a segment with this sequence number and this number of what is expected of the other side.
    Tcp(Ends, [u32; 2], Flags),
    /// Of a datagram.
    Udp(Ends),
}

impl Headers {
    /// Writes those in front of these bytes.
    pub(super) fn write(self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Headers::Tcp(ends, numbers, flags) => tcp(ends, numbers, flags, payload, out),
            Headers::Udp(ends) => udp(ends, payload, out),
        }
    }
}

fn tcp(ends: Ends, numbers: [u32; 2], flags: Flags, payload: &[u8], out: &mut Vec<u8>) {
    let [high, low] = (MOST_IN_A_SEGMENT as u16).to_be_bytes();
    // The maximum segment size, no operation, the window scale.
    let options = [2, 4, high, low, 1, 3, 3, WINDOW_SCALE];
    let options = if flags.has_syn() { options.as_slice() } else { &[] };
    let length = 20 + options.len();
    let sum = ip(ends, TCP, length.saturating_add(payload.len()), out);
    let start = out.len();
    out.extend([ends.from.port(), ends.to.port()].map(u16::to_be_bytes).as_flattened());
    out.extend(numbers.map(u32::to_be_bytes).as_flattened());
    out.extend([(length as u8 / 4) << 4, flags.0]);
    out.extend(WINDOW.to_be_bytes());
    // The checksum, and no urgent bytes.
    out.extend([0; 4]);
    out.extend_from_slice(options);
    let sum = sum + sum_of(out.get(start..).unwrap_or_default()) + sum_of(payload);
    if let Some(checksum) = out.get_mut(start + 16..start + 18) {
        checksum.copy_from_slice(&(!folded(sum)).to_be_bytes());
    }
}

fn udp(ends: Ends, payload: &[u8], out: &mut Vec<u8>) {
    let length = payload.len().saturating_add(8);
    let sum = ip(ends, UDP, length, out);
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let words = [ends.from.port(), ends.to.port(), length];
    out.extend(words.map(u16::to_be_bytes).as_flattened());
    let sum = words.iter().fold(sum, |sum, word| sum + u64::from(*word)) + sum_of(payload);
    // Zero means that there is none.
    let checksum = Some(!folded(sum)).filter(|sum| *sum != 0).unwrap_or(u16::MAX);
    out.extend(checksum.to_be_bytes());
}

/// The IP header in front of so many bytes of this protocol. Returns the sum of the pseudo-header.
fn ip(ends: Ends, protocol: u8, length: usize, out: &mut Vec<u8>) -> u64 {
    let addresses = match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [high, low] = u16::try_from(length.saturating_add(20)).unwrap_or(u16::MAX).to_be_bytes();
            let addresses = [from.octets(), to.octets()];
            let addresses = addresses.as_flattened();
            // Version and length; no identification, as it is not to be cut into fragments.
            let start = [0x45, 0, high, low, 0, 0, 0x40, 0, HOPS, protocol];
            let sum = sum_of(addresses);
            out.extend(start);
            out.extend((!folded(sum_of(&start) + sum)).to_be_bytes());
            out.extend_from_slice(addresses);
            sum
        }
        (from, to) => {
            let octets = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let addresses = [octets(from), octets(to)];
            out.extend([0x60, 0, 0, 0]);
            out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            out.extend([protocol, HOPS]);
            out.extend_from_slice(addresses.as_flattened());
            sum_of(addresses.as_flattened())
        }
    };
    addresses + u64::from(protocol) + length as u64
}

/// A sum of the words of 16 bits of what is no longer than a packet (RFC 1071), to be [folded] in the end. Words of 64 bits
/// are added, in the order of this machine, since a sum that is folded has its bytes in the order of the words.
fn sum_of(bytes: &[u8]) -> u64 {
    let (lines, rest) = bytes.as_chunks::<64>();
    let mut last = [0; 64];
    last.get_mut(..rest.len()).into_iter().for_each(|room| room.copy_from_slice(rest));
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
