//! What the packets of a gateway mean, PCP (RFC 6887) and its predecessor NAT-PMP (RFC 6886), in words. Pure.
//!
//! The version in the first byte tells which one it is. What a packet says is believed, since it is only shown.

use crate::net::tap::Direction;
use crate::port_mapping::nat_pmp::{self, NatPmpAnswer};
use crate::port_mapping::pcp::{self, PcpAnswer};

/// The name and the meaning of a packet to or from a gateway.
pub(super) fn words(direction: Direction, packet: &[u8]) -> (String, String) {
    let protocol = if packet.first() == Some(&nat_pmp::VERSION) { "nat-pmp" } else { "pcp" };
    let read = match direction {
        Direction::Out => asked(packet),
        Direction::In => answered(packet),
    };
    let (name, meaning) = read.unwrap_or(("?", "it cannot be read".to_owned()));
    (format!("{protocol} {name}"), meaning)
}

fn asked(packet: &[u8]) -> Option<(&'static str, String)> {
    let (version, opcode) = (*packet.first()?, *packet.get(1)?);
    let (protocol, ports, lifetime) = match (version, opcode) {
        (nat_pmp::VERSION, 0) => return Some(("address", "which address have you outside?".to_owned())),
        (nat_pmp::VERSION, 1) => ("UDP", packet.get(4..8)?, packet.get(8..)?),
        (nat_pmp::VERSION, _) => ("TCP", packet.get(4..8)?, packet.get(8..)?),
        _ => (if packet.get(36)? == &17 { "UDP" } else { "TCP" }, packet.get(40..44)?, packet.get(4..)?),
    };
    let [i0, i1, x0, x1] = *ports.first_chunk()?;
    let (internal, external) = (u16::from_be_bytes([i0, i1]), u16::from_be_bytes([x0, x1]));
    let meaning = match u32::from_be_bytes(*lifetime.first_chunk()?) {
        0 => format!("close what leads to our {protocol} port {internal}"),
        seconds => format!("lead {protocol} port {external} outside to our port {internal}, for {seconds} s"),
    };
    Some(("map", meaning))
}

fn answered(packet: &[u8]) -> Option<(&'static str, String)> {
    if let Some(answer) = PcpAnswer::from_wire(packet) {
        let since = format!("it has known what it knows for {} s", answer.epoch);
        let about = match answer.about {
            _ if answer.result != pcp::SUCCESS => refused(pcp::reason(answer.result), answer.result.into()),
            pcp::About::Map { internal, .. } if answer.lifetime == 0 => {
                format!("nothing leads to our port {internal} any more")
            }
            pcp::About::Map { transport, internal, external, address, .. } => {
                let (protocol, seconds) = (transport.name(), answer.lifetime);
                format!("{address}, {protocol} port {external}, leads to our port {internal} for {seconds} s")
            }
            pcp::About::Everything => "its time".to_owned(),
            pcp::About::Other => "of something that we did not ask".to_owned(),
        };
        return Some(("answer", format!("{about}; {since}")));
    }
    let answer = NatPmpAnswer::from_wire(packet)?;
    let since = format!("it has known what it knows for {} s", answer.epoch);
    let about = match answer.about {
        _ if answer.result != nat_pmp::SUCCESS => refused(nat_pmp::reason(answer.result), answer.result),
        nat_pmp::About::Address(Some(address)) => format!("my address outside is {address}"),
        nat_pmp::About::Address(None) => "no address outside".to_owned(),
        nat_pmp::About::Map { internal, lifetime: 0, .. } => {
            format!("nothing leads to our port {internal} any more")
        }
        nat_pmp::About::Map { transport, internal, external, lifetime } => {
            let protocol = transport.name();
            format!("{protocol} port {external} outside leads to our port {internal} for {lifetime} s")
        }
        nat_pmp::About::Unknown => "of something that we did not ask".to_owned(),
    };
    Some(("answer", format!("{about}; {since}")))
}

fn refused(why: &str, code: u16) -> String {
    format!("refused: {why} (error {code})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_mapping::Transport;

    #[test]
    fn questions_to_a_gateway_and_its_answers_are_told_in_words() {
        let (transport, internal, external) = (Transport::Tcp, 6881, 6882);
        let pcp = |lifetime| {
            let client = [192, 0, 2, 5].into();
            pcp::MapRequest { nonce: [9; 12], client, transport, internal, external, lifetime }.to_wire()
        };
        let older =
            nat_pmp::MapRequest { transport: Transport::Udp, internal, external, lifetime: 60 }.to_wire();
        let mut answer = pcp(120).to_vec();
        // An answer to it, after 7 s, with an address.
        answer[1] = 0x81;
        answer[8..12].copy_from_slice(&[0, 0, 0, 7]);
        answer[44..60].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 9]);
        let mut refusal = answer.clone();
        refusal[3] = 2;
        for (direction, packet, name, meaning) in [
            (
                Direction::Out,
                &pcp(120)[..],
                "pcp map",
                "lead TCP port 6882 outside to our port 6881, for 120 s",
            ),
            (Direction::Out, &pcp(0), "pcp map", "close what leads to our TCP port 6881"),
            (Direction::Out, &older, "nat-pmp map", "lead UDP port 6882 outside to our port 6881, for 60 s"),
            (Direction::Out, &nat_pmp::ADDRESS_REQUEST, "nat-pmp address", "which address have you outside?"),
            (
                Direction::In,
                &answer,
                "pcp answer",
                "198.51.100.9, TCP port 6882, leads to our port 6881 for 120 s; it has known what it knows for 7 s",
            ),
            (
                Direction::In,
                &[0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 9],
                "nat-pmp answer",
                "my address outside is 198.51.100.9; it has known what it knows for 9 s",
            ),
            (Direction::In, &[0, 129], "nat-pmp ?", "it cannot be read"),
            (Direction::Out, &[], "pcp ?", "it cannot be read"),
        ] {
            assert_eq!(words(direction, packet), (name.to_owned(), meaning.to_owned()));
        }
        assert!(words(Direction::In, &refusal).1.starts_with("refused: "), "{refusal:?}");
    }
}
