//! The node answers what others ask.
//!
//! Pure. Whoever asks may have written another's address on the packet. So nothing is kept of it but what
//! `rates` counts, it comes into the table only once it has answered a query of ours, and until then an
//! answer, and the query with it, have fewer than three times the bytes of the question.

use super::addresses::Contact;
use super::id::NodeId;
use super::node::{Node, Output};
use super::packet::{Ask, Body, PROTOCOL_ERROR, Packet, Query, Response, UNKNOWN_METHOD, VERSION};
use super::table::BUCKET_SIZE;
use crate::address::IpFamily;
use crate::metainfo::InfoHash;
use std::net::SocketAddr;

/// Bytes of the longest packet that we send (BEP 32, "maximum packet size").
const LONGEST_ANSWER: usize = 1_024;

/// Bytes for each byte of a question that are too many.
const TOO_MANY_TIMES: usize = 3;
/// Bytes of our ping, at most.
const PING: usize = 70;

impl Node {
    /// Answers a query of so many bytes.
    pub(super) fn answer(&mut self, query: &Query<'_>, packet: &Packet<'_>, length: usize, from: SocketAddr) {
        // Under our own name nobody but ourselves asks, or one that wants us to believe so.
        if self.read_only || query.id == self.id || !self.callers.may_ask(from.ip(), self.now) {
            return;
        }
        // In a flood an answer that is not sent is not worked out either.
        if !self.answers.has(LONGEST_ANSWER as f32, self.now) {
            return;
        }
        let token;
        let body = match query.ask {
            Ask::Ping => Body::Response(Response::bare(self.id)),
            Ask::FindNode(target) => Body::Response(self.closest(query, target)),
            Ask::GetPeers(info_hash) => {
                token = self.tokens.give(from.ip(), self.now);
                Body::Response(Response {
                    values: self.announced.peers(info_hash, self.now, &mut self.random),
                    token: Some(&token),
                    ..self.closest(query, NodeId(info_hash.0))
                })
            }
            Ask::AnnouncePeer { info_hash, port, token } => {
                if self.tokens.accepts(token, from.ip(), self.now) {
                    self.remember(info_hash, SocketAddr::new(from.ip(), port.unwrap_or(from.port())), from);
                    Body::Response(Response::bare(self.id))
                } else {
                    Body::Error(PROTOCOL_ERROR)
                }
            }
            Ask::Malformed => Body::Error(PROTOCOL_ERROR),
            Ask::Unknown => Body::Error(UNKNOWN_METHOD),
        };
        let proven = self.callers.is_proven(from.ip(), self.now);
        let contact = Contact { id: query.id, address: from };
        let is_new =
            !packet.read_only && !self.table.asked(contact, self.now) && self.table.wants(contact, self.now);
        let room = (length * TOO_MANY_TIMES - 1).saturating_sub(if is_new { PING } else { 0 });
        let most = if proven { LONGEST_ANSWER } else { room.min(LONGEST_ANSWER) };
        let transaction = packet.transaction;
        let answer = Packet { transaction, body, read_only: false, external: Some(from), version: VERSION };
        if let Some(packet) = cut(answer, most)
            && self.answers.take(packet.len() as f32, self.now)
        {
            self.outputs.push_back(Output::Send { to: from, packet });
        }
        if is_new {
            self.introduce(from);
        }
    }

    /// The closest nodes that we know, where nodes of our family are wanted. The other family's table
    /// belongs to another node, with a thread of its own; who wants its nodes asks it there (BEP 32 calls
    /// the two networks independent).
    fn closest(&self, query: &Query<'_>, target: NodeId) -> Response<'static> {
        let mut response = Response::bare(self.id);
        if query.want.is_none_or(|want| want.has(self.family)) {
            response.nodes = self.table.closest(target, BUCKET_SIZE, true, self.now);
        }
        response
    }

    /// Keeps an announce whose token is good, which also proves the address.
    pub(super) fn remember(&mut self, info_hash: InfoHash, peer: SocketAddr, from: SocketAddr) {
        self.callers.proved(from.ip(), self.now);
        self.announced.add(info_hash, peer, self.now);
        self.found(info_hash, vec![peer]);
    }
}

/// The packet in at most so many bytes: peers get half of what there is at most, nodes the rest. `None` where
/// even the least is too much.
fn cut(mut packet: Packet<'_>, most: usize) -> Option<Vec<u8>> {
    if let Body::Response(response) = &mut packet.body {
        let family = if response.values.first().is_some_and(SocketAddr::is_ipv6) {
            IpFamily::V6
        } else {
            IpFamily::V4
        };
        // With its length, which has one digit or two, and a colon.
        response.values.truncate(most / 3 / (family.compact_length() + 3));
    }
    loop {
        let bytes = packet.to_wire();
        let excess = bytes.len().saturating_sub(most);
        if excess == 0 {
            return Some(bytes);
        }
        let Body::Response(response) = &mut packet.body else { return None };
        let node = response.nodes.last().map(|node| if node.address.is_ipv4() { 26 } else { 38 });
        match node {
            Some(node) => {
                let kept = response.nodes.len().saturating_sub(excess.div_ceil(node));
                response.nodes.truncate(kept);
            }
            None => response.values.pop().map(drop)?,
        }
    }
}
