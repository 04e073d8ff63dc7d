//! The packets of PCP, the Port Control Protocol (RFC 6887), as far as a client needs them: MAP, which opens a port
//! of the gateway for one of ours, and the announcement that the gateway has forgotten everything.
//!
//! Pure. PCP is NAT-PMP's successor and shares its port, and version 2 is PCP. An address is always 16 bytes; IPv4
//! is written in them as `::ffff:a.b.c.d`. An answer repeats the nonce of the request, so that nobody who cannot
//! read our packets can answer in the gateway's place.

use super::Transport;
use std::net::{IpAddr, Ipv6Addr};

/// The version of the protocol.
pub const VERSION: u8 = 2;
/// Opens a port (section 11).
const MAP: u8 = 1;
/// The gateway tells everyone its time (section 14.1).
const ANNOUNCE: u8 = 0;
/// In the byte of the opcode: this is an answer.
const IS_ANSWER: u8 = 0x80;
/// The length of a header.
const HEADER: usize = 24;
/// The length of a request or an answer of MAP without options.
pub const MAP_LENGTH: usize = 60;
/// The longest packet (section 7).
pub const MAX_LENGTH: usize = 1100;
/// What may be a code of success.
pub const SUCCESS: u8 = 0;

/// What tells our requests from those of others, and the answers to them.
pub type Nonce = [u8; 12];

/// A request to open a port, to keep it open, or to close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// The same for all requests about one port.
    pub nonce: Nonce,
    /// Our address. The gateway refuses a request whose packet comes from another one.
    pub client: IpAddr,
    /// The protocol of the port.
    pub transport: Transport,
    /// Our port.
    pub internal: u16,
    /// The port outside that we would like; zero if any will do.
    pub external: u16,
    /// For how many seconds; zero closes the port.
    pub lifetime: u32,
}

/// An answer of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcpAnswer {
    /// Zero, or why it refuses.
    pub result: u8,
    /// For how many seconds the port is open, or how long it makes no sense to ask again.
    pub lifetime: u32,
    /// For how many seconds the gateway has known what it knows.
    pub epoch: u32,
    /// What it is about.
    pub about: About,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A port.
    Map {
        /// From the request.
        nonce: Nonce,
        /// From the request.
        transport: Transport,
        /// From the request.
        internal: u16,
        /// The port outside.
        external: u16,
        /// The address outside.
        address: IpAddr,
    },
    /// Nothing but the time of the gateway.
    Everything,
    /// Something that we did not ask, or in a version that we do not speak.
    Other,
}

impl MapRequest {
    /// The packet (sections 7.1 and 11.1).
    pub fn to_wire(&self) -> [u8; MAP_LENGTH] {
        let mut packet = Vec::with_capacity(MAP_LENGTH);
        packet.extend([VERSION, MAP, 0, 0]);
        packet.extend(self.lifetime.to_be_bytes());
        packet.extend(sixteen_bytes(self.client));
        packet.extend(self.nonce);
        packet.extend([self.transport.number(), 0, 0, 0]);
        packet.extend(self.internal.to_be_bytes());
        packet.extend(self.external.to_be_bytes());
        let any = if self.client.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        packet.extend(sixteen_bytes(any));
        packet.try_into().unwrap_or([0; MAP_LENGTH])
    }
}

impl PcpAnswer {
    /// Reads a packet. `None` if it is no answer of version 2 (sections 7.2, 7.3 and 11.1).
    pub fn from_wire(packet: &[u8]) -> Option<PcpAnswer> {
        let (header, body) = packet.split_first_chunk::<HEADER>()?;
        let [version, opcode, _, result, l0, l1, l2, l3, e0, e1, e2, e3, ..] = *header;
        if version != VERSION
            || opcode & IS_ANSWER == 0
            || packet.len() > MAX_LENGTH
            || !packet.len().is_multiple_of(4)
        {
            return None;
        }
        let about = match opcode & !IS_ANSWER {
            MAP => map(body)?,
            ANNOUNCE => About::Everything,
            _ => About::Other,
        };
        let [lifetime, epoch] = [[l0, l1, l2, l3], [e0, e1, e2, e3]].map(u32::from_be_bytes);
        Some(PcpAnswer { result, lifetime, epoch, about })
    }
}

fn map(body: &[u8]) -> Option<About> {
    let (nonce, rest) = body.split_first_chunk::<12>()?;
    let (ports, rest) = rest.split_first_chunk::<8>()?;
    let (address, _options) = rest.split_first_chunk::<16>()?;
    let [transport, _, _, _, i0, i1, x0, x1] = *ports;
    Some(About::Map {
        nonce: *nonce,
        transport: Transport::of_number(transport)?,
        internal: u16::from_be_bytes([i0, i1]),
        external: u16::from_be_bytes([x0, x1]),
        address: IpAddr::from(*address).to_canonical(),
    })
}

fn sixteen_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => Ipv6Addr::octets(&ip),
    }
}

/// Why a gateway refuses, in words (section 7.4).
pub fn reason(result: u8) -> &'static str {
    match result {
        1 => "unsupported version",
        2 => "not allowed",
        3 => "malformed request",
        4 | 5 => "not supported",
        6 => "a network failure, such as no external address",
        7 => "out of resources",
        8 => "out of resources for now",
        9 => "unsupported protocol",
        10 => "the quota of ports is used up",
        11 => "the port is not available",
        12 => "another router is in between",
        13 => "too many remote peers",
        _ => "no reason given",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    const NONCE: Nonce = *b"abcdefghijkl";

    #[test]
    fn a_request_is_sixty_bytes_in_the_order_of_the_rfc() {
        let request = MapRequest {
            nonce: NONCE,
            client: [192, 168, 1, 7].into(),
            transport: Transport::Tcp,
            internal: 6881,
            external: 6881,
            lifetime: 3600,
        };
        let expected = bytes(
            "02 01 0000 00000e10 00000000000000000000ffffc0a80107
             6162636465666768696a6b6c 06 000000 1ae1 1ae1 00000000000000000000ffff00000000",
        );
        assert_eq!(request.to_wire()[..], expected);
        let six = MapRequest { client: "2001:db8::7".parse().unwrap(), transport: Transport::Udp, ..request };
        let expected = bytes(
            "02 01 0000 00000e10 20010db8000000000000000000000007
             6162636465666768696a6b6c 11 000000 1ae1 1ae1 00000000000000000000000000000000",
        );
        assert_eq!(six.to_wire()[..], expected);
    }

    const GRANTED: &str = "02 81 00 00 00000e10 00001234 000000000000000000000000
        6162636465666768696a6b6c 06 000000 1ae1 1b58 00000000000000000000ffff05060708";

    #[test]
    fn an_answer_is_read_with_or_without_options() {
        let about = About::Map {
            nonce: NONCE,
            transport: Transport::Tcp,
            internal: 6881,
            external: 7000,
            address: [5, 6, 7, 8].into(),
        };
        let expected = Some(PcpAnswer { result: SUCCESS, lifetime: 3600, epoch: 0x1234, about });
        assert_eq!(PcpAnswer::from_wire(&bytes(GRANTED)), expected);
        assert_eq!(PcpAnswer::from_wire(&bytes(&format!("{GRANTED} 01000004 00000000"))), expected);
        let announced = bytes("02 80 00 00 00000000 00000005 000000000000000000000000");
        let everything = PcpAnswer { result: 0, lifetime: 0, epoch: 5, about: About::Everything };
        assert_eq!(PcpAnswer::from_wire(&announced), Some(everything));
    }

    #[test]
    fn what_is_cut_foreign_too_long_or_a_request_is_no_answer() {
        let good = bytes(GRANTED);
        for length in 0..good.len() {
            assert_eq!(PcpAnswer::from_wire(&good[..length]), None, "{length}");
        }
        for (at, byte) in [(0, 0), (0, 1), (0, 3), (1, 1), (36, 7)] {
            let mut packet = good.clone();
            packet[at] = byte;
            assert_eq!(PcpAnswer::from_wire(&packet), None, "{at}");
        }
        let mut long = good.clone();
        long.resize(MAX_LENGTH, 0);
        assert!(PcpAnswer::from_wire(&long).is_some());
        long.resize(MAX_LENGTH + 4, 0);
        assert_eq!(PcpAnswer::from_wire(&long), None);
        let mut other = good;
        other[1] = 0x82;
        assert_eq!(PcpAnswer::from_wire(&other).map(|answer| answer.about), Some(About::Other));
    }
}
