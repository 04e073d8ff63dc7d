//! What the packets of UDP trackers mean (BEP 15), in words. Pure.
//!
//! Each packet stands for itself here: nobody remembers which request had which transaction ID. What a packet says of its
//! kind is believed, since it is only shown.

use crate::metainfo::InfoHash;
use crate::net::tap::Direction;
use crate::text::printable;
use std::net::SocketAddr;

/// The name and the meaning of a packet to or from the tracker at this address.
pub(super) fn words(direction: Direction, tracker: SocketAddr, packet: &[u8]) -> (String, String) {
    let read = match direction {
        Direction::Out => asked(packet),
        Direction::In => answered(tracker, packet),
    };
    let (name, meaning) = read.unwrap_or(("?", "it is shorter than a packet of its kind".to_owned()));
    (format!("udp {name}"), meaning)
}

fn asked(packet: &[u8]) -> Option<(&'static str, String)> {
    let (connection, rest) = packet.split_first_chunk::<8>()?;
    let (action, rest) = number(rest)?;
    let (transaction, rest) = number(rest)?;
    let connection = u64::from_be_bytes(*connection);
    let under = format!("transaction {transaction:08x}, connection {connection:016x}");
    Some(match action {
        0 => ("connect", format!("which connection ID may I use? transaction {transaction:08x}")),
        1 => {
            let (info_hash, rest) = rest.split_first_chunk()?;
            let (_peer_id, rest) = rest.split_first_chunk::<20>()?;
            let (_downloaded, rest) = rest.split_first_chunk::<8>()?;
            let (left, rest) = rest.split_first_chunk()?;
            let (_uploaded, rest) = rest.split_first_chunk::<8>()?;
            let (event, rest) = number(rest)?;
            let (_address, rest) = number(rest)?;
            let (_key, rest) = number(rest)?;
            let (wanted, rest) = number(rest)?;
            let port = u16::from_be_bytes(*rest.first_chunk()?);
            let event = match event {
                0 => "again",
                1 => "completed",
                2 => "started",
                3 => "stopped",
                _ => "an event that BEP 15 does not have",
            };
            let (info_hash, left) = (InfoHash(*info_hash), u64::from_be_bytes(*left));
            let said = format!("{event}; {info_hash}; {left} bytes left; port {port}; {wanted} peers wanted");
            ("announce", format!("{said}; {under}"))
        }
        2 => {
            let info_hash = InfoHash(*rest.first_chunk()?);
            ("scrape", format!("how many have {info_hash}? {under}"))
        }
        _ => ("?", format!("action {action}, which BEP 15 does not have")),
    })
}

fn answered(tracker: SocketAddr, packet: &[u8]) -> Option<(&'static str, String)> {
    let (action, rest) = number(packet)?;
    let (transaction, rest) = number(rest)?;
    let answers = format!("answers transaction {transaction:08x}");
    Some(match action {
        0 => {
            let connection = u64::from_be_bytes(*rest.first_chunk()?);
            ("connect", format!("use connection {connection:016x} for a minute; {answers}"))
        }
        1 => {
            let (interval, rest) = number(rest)?;
            let (others, rest) = number(rest)?;
            let (seeds, peers) = number(rest)?;
            let count = peers.len() / if tracker.is_ipv4() { 6 } else { 18 };
            let known = format!("it knows {seeds} seeds and {others} other peers");
            ("announce", format!("{count} peers; ask again in {interval} s; {known}; {answers}"))
        }
        2 => {
            let (seeds, rest) = number(rest)?;
            let (completed, rest) = number(rest)?;
            let (others, _) = number(rest)?;
            let known =
                format!("{seeds} seeds, {others} other peers, {completed} downloads that were completed");
            ("scrape", format!("{known}; {answers}"))
        }
        3 => ("error", format!("\"{}\"; {answers}", printable(&String::from_utf8_lossy(rest)))),
        _ => ("?", format!("action {action}, which BEP 15 does not have")),
    })
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}
