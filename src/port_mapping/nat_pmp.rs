//! The packets of NAT-PMP (RFC 6886), which older gateways speak where newer ones speak PCP, at the same port.
//!
//! Pure. A packet has a dozen bytes and no nonce: that it comes from the gateway's address and port, and is about our
//! port, is all that there is to check. IPv4 only.

use super::Transport;
use std::net::Ipv4Addr;

/// The version of the protocol, which is the first byte of each packet.
pub const VERSION: u8 = 0;
/// Asks for the gateway's address outside (section 3.2).
pub const ADDRESS_REQUEST: [u8; 2] = [VERSION, 0];
/// In the byte of the opcode: this is an answer.
const IS_ANSWER: u8 = 128;
/// The code of success.
pub const SUCCESS: u16 = 0;
/// The gateway does not speak this version (section 3.5).
pub const UNSUPPORTED_VERSION: u16 = 1;

/// A request to open a port, to keep it open, or to close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// The protocol of the port.
    pub transport: Transport,
    /// Our port.
    pub internal: u16,
    /// The port outside that we would like; zero if we close ours.
    pub external: u16,
    /// For how many seconds; zero closes the port.
    pub lifetime: u32,
}

/// An answer of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatPmpAnswer {
    /// Zero, or why it refuses.
    pub result: u16,
    /// For how many seconds the gateway has known what it knows.
    pub epoch: u32,
    /// What it is about.
    pub about: About,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The address outside. `None` if it refuses, or has none.
    Address(Option<Ipv4Addr>),
    /// A port.
    Map {
        /// From the request.
        transport: Transport,
        /// From the request.
        internal: u16,
        /// The port outside.
        external: u16,
        /// For how many seconds it is open.
        lifetime: u32,
    },
    /// Something that it does not understand: a refusal has eight bytes, whatever was asked.
    Unknown,
}

impl MapRequest {
    /// The packet (section 3.3).
    pub fn to_wire(&self) -> [u8; 12] {
        let opcode = opcode(self.transport);
        let [i0, i1] = self.internal.to_be_bytes();
        let [x0, x1] = self.external.to_be_bytes();
        let [l0, l1, l2, l3] = self.lifetime.to_be_bytes();
        [VERSION, opcode, 0, 0, i0, i1, x0, x1, l0, l1, l2, l3]
    }
}

impl NatPmpAnswer {
    /// Reads a packet. `None` if it is no answer of version 0.
    pub fn from_wire(packet: &[u8]) -> Option<NatPmpAnswer> {
        let (header, body) = packet.split_first_chunk::<8>()?;
        let [version, opcode, r0, r1, e0, e1, e2, e3] = *header;
        if version != VERSION || opcode < IS_ANSWER {
            return None;
        }
        let result = u16::from_be_bytes([r0, r1]);
        let about = match opcode.checked_sub(IS_ANSWER)? {
            0 => About::Address(match body.first_chunk::<4>() {
                Some(ip) => Some(Ipv4Addr::from(*ip)).filter(|ip| result == SUCCESS && !ip.is_unspecified()),
                None if result != SUCCESS => None,
                None => return None,
            }),
            code @ (1 | 2) => match body.first_chunk::<8>() {
                Some([i0, i1, x0, x1, l0, l1, l2, l3]) => About::Map {
                    transport: if code == 1 { Transport::Udp } else { Transport::Tcp },
                    internal: u16::from_be_bytes([*i0, *i1]),
                    external: u16::from_be_bytes([*x0, *x1]),
                    lifetime: u32::from_be_bytes([*l0, *l1, *l2, *l3]),
                },
                None if result != SUCCESS => About::Unknown,
                None => return None,
            },
            _ => About::Unknown,
        };
        Some(NatPmpAnswer { result, epoch: u32::from_be_bytes([e0, e1, e2, e3]), about })
    }
}

fn opcode(transport: Transport) -> u8 {
    match transport {
        Transport::Udp => 1,
        Transport::Tcp => 2,
    }
}

/// Why a gateway refuses, in words (section 3.5).
pub fn reason(result: u16) -> &'static str {
    match result {
        1 => "unsupported version",
        2 => "not allowed",
        3 => "no external address",
        4 => "out of resources",
        5 => "not supported",
        _ => "no reason given",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_twelve_bytes_and_udp_comes_before_tcp() {
        let udp = MapRequest { transport: Transport::Udp, internal: 6881, external: 7000, lifetime: 3600 };
        assert_eq!(udp.to_wire(), [0, 1, 0, 0, 0x1a, 0xe1, 0x1b, 0x58, 0, 0, 0x0e, 0x10]);
        assert_eq!(MapRequest { transport: Transport::Tcp, ..udp }.to_wire()[..2], [0, 2]);
    }

    #[test]
    fn answers_are_read() {
        let address = NatPmpAnswer::from_wire(&[0, 128, 0, 0, 0, 0, 0, 9, 5, 6, 7, 8]).unwrap();
        assert_eq!(
            address,
            NatPmpAnswer { result: 0, epoch: 9, about: About::Address(Some([5, 6, 7, 8].into())) }
        );
        let map = [0, 130, 0, 0, 0, 0, 0, 9, 0x1a, 0xe1, 0x1b, 0x58, 0, 0, 0x0e, 0x10];
        let about = About::Map { transport: Transport::Tcp, internal: 6881, external: 7000, lifetime: 3600 };
        assert_eq!(NatPmpAnswer::from_wire(&map), Some(NatPmpAnswer { result: 0, epoch: 9, about }));
        let refused = NatPmpAnswer::from_wire(&[0, 129, 0, 2, 0, 0, 0, 9]).unwrap();
        assert_eq!(refused, NatPmpAnswer { result: 2, epoch: 9, about: About::Unknown });
    }

    #[test]
    fn what_is_cut_foreign_or_a_request_is_no_answer() {
        let map = [0, 130, 0, 0, 0, 0, 0, 9, 0x1a, 0xe1, 0x1b, 0x58, 0, 0, 0x0e, 0x10];
        for length in 0..map.len() {
            assert_eq!(NatPmpAnswer::from_wire(&map[..length]), None, "{length}");
        }
        assert_eq!(NatPmpAnswer::from_wire(&[0, 128, 0, 0, 0, 0, 0, 9, 5, 6, 7]), None);
        assert_eq!(NatPmpAnswer::from_wire(&[2, 130, 0, 0, 0, 0, 0, 9]), None);
        assert_eq!(NatPmpAnswer::from_wire(&[0, 2, 0, 1, 0, 0, 0, 9]), None);
    }
}
