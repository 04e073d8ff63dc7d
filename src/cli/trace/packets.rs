//! What the packets of the DHT mean, in words. Pure.

use super::line::Line;
use crate::discovery::dht::packet::{Body, Method, Packet};
use crate::metainfo::InfoHash;
use crate::net::tap::Direction;
use std::net::SocketAddr;

/// A packet to or from a node.
pub(super) fn dht(direction: Direction, node: SocketAddr, bytes: &[u8]) -> Line {
    let (message, meaning) = match Packet::from_wire(bytes) {
        None => ("dht ?".to_owned(), format!("{} bytes that are no packet of the DHT", bytes.len())),
        Some(packet) => match packet.body {
            Body::Query(query) => {
                (format!("dht {}", query.method.name()).trim_end().to_owned(), asked(query.method))
            }
            Body::Response(response) => {
                let token = if response.token.is_some() { ", a token" } else { "" };
                let (peers, nodes) = (response.values.len(), response.nodes.len());
                ("dht answer".to_owned(), format!("{peers} peers, {nodes} nodes{token}"))
            }
            Body::Error(code) => ("dht error".to_owned(), format!("no answer, for the reason {code}")),
        },
    };
    Line {
        direction: Some(direction),
        length: bytes.len() as u64,
        ..Line::event(node.to_string(), &message, meaning)
    }
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
