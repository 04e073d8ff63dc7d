//! What UDP packets mean, in words: those of the DHT, of trackers, of gateways and of the local network. Pure.

use super::line::Line;
use super::{gateway_packets, tracker_packets};
use crate::discovery::dht::packet::{Body, Method, Packet};
use crate::discovery::lan::SearchPacket;
use crate::metainfo::InfoHash;
use crate::net::tap::{Direction, Protocol};
use crate::text::printable;
use std::net::SocketAddr;

/// The most torrents that are named.
const MOST_NAMED: usize = 4;

/// The line of a packet to or from this address.
pub(super) fn line(protocol: Protocol, direction: Direction, address: SocketAddr, bytes: &[u8]) -> Line {
    let (message, meaning) = match protocol {
        Protocol::Dht => dht(bytes),
        Protocol::Tracker => tracker_packets::words(direction, address, bytes),
        Protocol::Gateway => gateway_packets::words(direction, bytes),
        Protocol::Ssdp => ("upnp search".to_owned(), ssdp(bytes)),
        Protocol::Lan => ("lan search".to_owned(), lan(bytes)),
    };
    let mut line = Line::event(address.to_string(), &message, meaning);
    line.direction = Some(direction);
    match protocol {
        // Its first bytes are numbers. Elsewhere they are text, which means more in words.
        Protocol::Tracker | Protocol::Gateway => {
            line.is_packet = true;
            line.keep(bytes, bytes.len() as u64);
        }
        Protocol::Dht | Protocol::Lan | Protocol::Ssdp => line.length = bytes.len() as u64,
    }
    line
}

/// A packet to or from a node.
fn dht(bytes: &[u8]) -> (String, String) {
    let Some(packet) = Packet::from_wire(bytes) else {
        return ("dht ?".to_owned(), format!("{} bytes that are no packet of the DHT", bytes.len()));
    };
    match packet.body {
        Body::Query(query) => {
            (format!("dht {}", query.method.name()).trim_end().to_owned(), asked(query.method))
        }
        Body::Response(response) => {
            let token = if response.token.is_some() { ", a token" } else { "" };
            let (peers, nodes) = (response.values.len(), response.nodes.len());
            ("dht answer".to_owned(), format!("{peers} peers, {nodes} nodes{token}"))
        }
        Body::Error(code) => ("dht error".to_owned(), format!("no answer, for the reason {code}")),
    }
}

/// A question for devices, or what one answers: what is looked for, and where the device describes itself.
fn ssdp(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let header = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| printable(value.trim()))
    };
    match (header("location"), header("st")) {
        (Some(place), _) => format!("I am described at {place}"),
        (None, Some(what)) => format!("who is {what}?"),
        (None, None) => "it cannot be read".to_owned(),
    }
}

/// An announce to the local network.
fn lan(bytes: &[u8]) -> String {
    let Some(packet) = SearchPacket::from_wire(bytes) else {
        return "it cannot be read".to_owned();
    };
    let named = packet.info_hashes.iter().take(MOST_NAMED).map(InfoHash::to_string);
    let more = if packet.info_hashes.len() > MOST_NAMED { ", ..." } else { "" };
    format!("at port {} is a peer of {}{more}", packet.port, named.collect::<Vec<_>>().join(", "))
}

fn asked(method: Method<'_>) -> String {
    match method {
        Method::Ping => "are you there?".to_owned(),
        Method::FindNode(target) | Method::SampleInfoHashes(target) => {
            format!("the nodes closest to {}", InfoHash(target.0))
        }
        Method::GetPeers(info_hash) => format!("the peers of {info_hash}"),
        Method::AnnouncePeer { info_hash, port, .. } => match port {
            Some(port) => format!("I am a peer of {info_hash}, at port {port}"),
            None => format!("I am a peer of {info_hash}, at the port of this packet"),
        },
        Method::Malformed => "a query without its arguments".to_owned(),
        Method::Unknown => "a query that we do not know".to_owned(),
    }
}
