//! What the node does for other nodes: it answers their queries.
//!
//! Pure. The sender of a query may have written a victim's address on it, so that our answer goes to the
//! victim. So we keep nothing of the sender but what `rate_limits` counts. The sender comes into the table
//! only once it has answered a query of ours. Until then our answer, together with our own query to it, has
//! fewer than three times the bytes of its query.

use super::{Node, Output};
use crate::address::IpFamily;
use crate::discovery::dht::addresses::{Contact, contact_length};
use crate::discovery::dht::id::NodeId;
use crate::discovery::dht::packet::{
    Body, Method, PROTOCOL_ERROR, Packet, Query, Response, UNKNOWN_METHOD, VERSION,
};
use crate::discovery::dht::peer_store::PeerStore;
use crate::discovery::dht::rate_limits::Callers;
use crate::discovery::dht::samples::Sampler;
use crate::discovery::dht::table::BUCKET_SIZE;
use crate::discovery::dht::tokens::{TOKEN_LENGTH, Tokens};
use crate::metainfo::InfoHash;
use crate::strategy::TokenBucket;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Bytes of answers a second, and at once. A busy node in the world is asked for about this much.
const ANSWER_BYTES: u32 = 12_000;
const ANSWER_BYTES_AT_ONCE: u32 = 100_000;

/// Packets in a second, and at once, that are read although we have asked their senders nothing. That is many times what
/// we have answers for, and to read one takes longer than to receive it.
const UNASKED: u32 = 500;
const UNASKED_AT_ONCE: u32 = 1_000;

/// Bytes of the longest packet that we send (BEP 32, "maximum packet size").
const MAX_ANSWER: usize = 1_024;

/// An answer to an address that is not proven has fewer bytes than this many times those of its query.
const AMPLIFICATION: usize = 3;
/// Bytes of our ping, at most.
const PING: usize = 70;

/// What the node keeps for other nodes, and how much it gives them.
#[derive(Debug)]
pub(super) struct NodeServer {
    callers: Callers,
    tokens: Tokens,
    peer_store: PeerStore,
    sampler: Sampler,
    answer_bytes: TokenBucket,
    unasked: TokenBucket,
}

impl NodeServer {
    /// One that has not been asked anything yet.
    pub fn new(now: Instant) -> NodeServer {
        NodeServer {
            callers: Callers::default(),
            tokens: Tokens::new(now),
            peer_store: PeerStore::default(),
            sampler: Sampler::new(now),
            answer_bytes: TokenBucket::with_burst(ANSWER_BYTES, ANSWER_BYTES_AT_ONCE, now),
            unasked: TokenBucket::with_burst(UNASKED, UNASKED_AT_ONCE, now),
        }
    }

    /// The node at this address answered a query of ours, so the address is its own.
    pub fn address_proved(&mut self, ip: IpAddr, now: Instant) {
        self.callers.proved(ip, now);
    }

    /// Whether a packet is read that answers nothing of ours; counts it.
    pub fn may_be_read(&mut self, now: Instant) -> bool {
        self.unasked.take(now)
    }

    /// Whether a query from this address may be answered; counts it. In a flood we do not work out answers
    /// that would not be sent.
    fn may_answer(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.callers.may_ask(ip, now) && self.answer_bytes.has(MAX_ANSWER as u32, now)
    }

    /// The peers of a torrent that were announced to us.
    pub fn peers(&self, info_hash: InfoHash, now: Instant, random: &mut fastrand::Rng) -> Vec<SocketAddr> {
        self.peer_store.peers(info_hash, now, random)
    }

    /// The token that an announce from this address has to carry.
    fn token(&mut self, ip: IpAddr, now: Instant) -> [u8; TOKEN_LENGTH] {
        self.tokens.give(ip, now)
    }
}

impl Node {
    /// Answers a query whose packet has `length` bytes.
    pub(super) fn answer(&mut self, query: &Query<'_>, packet: &Packet<'_>, length: usize, from: SocketAddr) {
        // Only we ask under our own ID, or a node that wants to be taken for us.
        if self.read_only || query.id == self.id || !self.server.may_answer(from.ip(), self.now) {
            return;
        }
        // Made before the body, which borrows it.
        let token = self.server.token(from.ip(), self.now);
        let body = self.answer_body(query, &token, from);
        let is_proven = self.server.callers.is_proven(from.ip(), self.now);
        let contact = Contact { id: query.id, address: from };
        let is_new = !packet.read_only
            && !self.table.queried_us(contact, self.now)
            && self.table.has_room_for(contact, self.now);
        let ping = if is_new { PING } else { 0 };
        let room = (length * AMPLIFICATION - 1).saturating_sub(ping);
        let most = if is_proven { MAX_ANSWER } else { room.min(MAX_ANSWER) };
        let transaction = packet.transaction;
        let answer = Packet { transaction, body, read_only: false, external: Some(from), version: VERSION };
        if let Some(packet) = shorten(answer, most)
            && self.server.answer_bytes.take_many(packet.len() as u32, self.now)
        {
            self.outputs.push_back(Output::Send { to: from, packet });
        }
        if is_new {
            self.probe(from);
        }
    }

    fn answer_body<'a>(
        &mut self,
        query: &Query<'_>,
        token: &'a [u8; TOKEN_LENGTH],
        from: SocketAddr,
    ) -> Body<'a> {
        match query.method {
            Method::Ping => Body::Response(Response::bare(self.id)),
            Method::FindNode(target) => Body::Response(self.closest(query, target)),
            Method::GetPeers(info_hash) => Body::Response(Response {
                values: self.server.peers(info_hash, self.now, &mut self.random),
                token: Some(token),
                ..self.closest(query, NodeId(info_hash.0))
            }),
            Method::SampleInfoHashes(target) => {
                let NodeServer { sampler, peer_store, .. } = &mut self.server;
                let samples = Some(sampler.sample(peer_store, self.now, &mut self.random));
                Body::Response(Response { samples, ..self.closest(query, target) })
            }
            Method::AnnouncePeer { info_hash, port, token } => {
                if self.server.tokens.accepts(token, from.ip(), self.now) {
                    self.remember(info_hash, SocketAddr::new(from.ip(), port.unwrap_or(from.port())), from);
                    Body::Response(Response::bare(self.id))
                } else {
                    Body::Error(PROTOCOL_ERROR)
                }
            }
            Method::Malformed => Body::Error(PROTOCOL_ERROR),
            Method::Unknown => Body::Error(UNKNOWN_METHOD),
        }
    }

    /// The closest nodes that we know, if nodes of our family are wanted. The other family's table belongs to
    /// another node, with a thread of its own; a node that wants nodes of that family asks it there (BEP 32
    /// calls the two networks independent).
    fn closest(&self, query: &Query<'_>, target: NodeId) -> Response<'static> {
        let mut response = Response::bare(self.id);
        if query.want.is_none_or(|want| want.has(self.family)) {
            response.nodes = self.table.closest(target, BUCKET_SIZE, true, self.now);
        }
        response
    }

    /// Keeps an announce whose token is good, which also proves the address.
    pub(in crate::discovery::dht) fn remember(
        &mut self,
        info_hash: InfoHash,
        peer: SocketAddr,
        from: SocketAddr,
    ) {
        self.server.address_proved(from.ip(), self.now);
        self.server.peer_store.add(info_hash, peer, self.now);
        self.hand_out(info_hash, vec![peer]);
    }
}

/// The packet in at most `most` bytes: peers or samples get at most half of the room, nodes the rest. `None` if even
/// the shortest form has more.
fn shorten(mut packet: Packet<'_>, most: usize) -> Option<Vec<u8>> {
    if let Body::Response(response) = &mut packet.body {
        let family = response.values.first().map_or(IpFamily::V4, |peer| IpFamily::of(peer.ip()));
        // Each peer has its length before it, one digit or two and a colon.
        response.values.truncate(most / 3 / (family.compact_length() + 3));
        if let Some(samples) = &mut response.samples {
            samples.info_hashes.truncate(most / 2 / 20);
        }
    }
    loop {
        let bytes = packet.to_wire();
        let excess = bytes.len().saturating_sub(most);
        if excess == 0 {
            return Some(bytes);
        }
        let Body::Response(response) = &mut packet.body else { return None };
        match response.nodes.last() {
            Some(node) => {
                let each = contact_length(IpFamily::of(node.address.ip()));
                let kept = response.nodes.len().saturating_sub(excess.div_ceil(each));
                response.nodes.truncate(kept);
            }
            None => match &mut response.samples {
                Some(samples) => samples.info_hashes.pop().map(drop)?,
                None => response.values.pop().map(drop)?,
            },
        }
    }
}
