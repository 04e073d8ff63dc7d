//! From orders to frames: what each order of the coordinator looks like on the wire.

use super::Outbox;
use crate::address::of_a_host;
use crate::message::{Greeting, Order};
use crate::peer::CLIENT;
use crate::peer::requests::MAX_REQUESTS;
use crate::piece::{Bitfield, Block, PieceIndex};
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::MetadataMessage;
use crate::wire::{BlockRequest, HashRequest, Message};
use std::time::Instant;

impl Outbox {
    /// Writes what the order asks for.
    pub(in crate::peer) fn write_order(&mut self, order: Order, frames: &mut Vec<u8>) {
        match order {
            #[cfg(test)]
            Order::Pex(crate::peer::tests::PANICS, _) => panic!("a panic that a test wants"),
            Order::Introduce { pieces, greeting, upload_only } => {
                self.write_introduction(&pieces, greeting, upload_only, frames);
                self.withhold(&pieces, Instant::now());
            }
            Order::UploadOnly(greeting) => self.write_extension_handshake(greeting, true, frames),
            Order::Interested(true) => Message::Interested.write_to(frames),
            Order::Interested(false) => Message::NotInterested.write_to(frames),
            Order::Request(spans) => {
                for block in spans.into_iter().flat_map(|span| span.blocks()) {
                    Message::Request(self.request(block)).write_to(frames);
                }
            }
            Order::Cancel(blocks) => {
                blocks.into_iter().for_each(|block| Message::Cancel(self.request(block)).write_to(frames));
            }
            // A peer is asked block by block.
            Order::Ahead(_) | Order::ReadOn => {}
            Order::Have(piece) => {
                self.is_told(piece);
                Message::Have(piece.get()).write_to(frames);
            }
            Order::Unchoke => {
                self.requests.unchoke();
                Message::Unchoke.write_to(frames);
            }
            Order::Choke => {
                // The choke comes first on the wire, then a reject for each request (BEP 6).
                Message::Choke.write_to(frames);
                self.requests.choke();
            }
            Order::AllowFast(pieces) => self.allow_fast(pieces, frames),
            Order::Pex(message_id, peers) => {
                self.explain("ut_pex", 1, || "who came and went since it was told last (BEP 11)".to_owned());
                Message::Extended(message_id, &peers.to_wire()).write_to(frames);
            }
        }
    }

    /// The first messages: which pieces we have, and what we can do.
    fn write_introduction(
        &self,
        pieces: &Bitfield,
        greeting: Greeting,
        upload_only: bool,
        frames: &mut Vec<u8>,
    ) {
        let first = || "what we have: it comes first or not at all (BEP 3)".to_owned();
        match pieces.count() {
            _ if !self.may_send_bitfield => {
                let later = || "we had nothing when we said what we have".to_owned();
                self.explain("have", pieces.count() as usize, later);
                let pieces = pieces.iter(self.context.geometry);
                pieces.for_each(|piece| Message::Have(piece.get()).write_to(frames));
            }
            0 if greeting.fast => {
                self.explain("have none", 1, first);
                Message::HaveNone.write_to(frames);
            }
            0 => {}
            _ if greeting.fast && pieces.is_full() => {
                self.explain("have all", 1, first);
                Message::HaveAll.write_to(frames);
            }
            _ => {
                self.explain("bitfield", 1, first);
                Message::Bitfield(&pieces.to_wire()).write_to(frames);
            }
        }
        self.write_extension_handshake(greeting, upload_only, frames);
        if let Some(port @ 1..) = self.context.dht_port(self.address).filter(|_| greeting.dht) {
            self.explain("port", 1, || "its handshake says that it speaks DHT (BEP 5)".to_owned());
            Message::Port(port).write_to(frames);
        }
    }

    fn write_extension_handshake(&self, greeting: Greeting, upload_only: bool, frames: &mut Vec<u8>) {
        if greeting.extensions {
            let ours = ExtensionHandshake {
                client: Some(CLIENT.to_owned()),
                request_queue: u32::try_from(MAX_REQUESTS).ok(),
                port: self.context.ports.seen_from(self.address.ip()),
                your_address: of_a_host(self.address.ip()),
                upload_only: upload_only.then_some(true),
                prefers_encryption: self.context.encryption.is_preferred().then_some(true),
                metadata: Some(extension::UT_METADATA),
                pex: self.context.pex.then_some(extension::UT_PEX),
                dont_have: Some(extension::LT_DONTHAVE),
                metadata_size: Some(self.context.metadata().len() as u64).filter(|size| *size > 0),
            };
            let why = if upload_only {
                "we download nothing (any more), and its handshake says that it speaks extensions (BEP 10)"
            } else {
                "its handshake says that it speaks extensions (BEP 10)"
            };
            self.explain("extensions", 1, || why.to_owned());
            Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(frames);
        }
    }

    fn allow_fast(&self, pieces: Vec<PieceIndex>, frames: &mut Vec<u8>) {
        let why = || "it has few pieces: with this one it can begin to trade (BEP 6)".to_owned();
        self.explain("allowed fast", pieces.len(), why);
        pieces.iter().for_each(|piece| Message::AllowedFast(piece.get()).write_to(frames));
        let bytes = pieces.iter().map(|piece| u64::from(self.context.geometry.length(*piece)));
        // Twice their length, since a block may have to be requested again.
        let bytes = bytes.sum::<u64>().saturating_mul(2);
        self.requests.allow_fast(pieces, bytes);
    }

    /// Writes a reject for each request that is to have one.
    pub(super) fn write_rejects(&self, frames: &mut Vec<u8>) {
        for (request, why) in self.requests.take_rejects() {
            self.explain("reject", 1, || why.to_string());
            Message::Reject(request).write_to(frames);
        }
        if let Some((message_id, pieces)) = self.requests.take_metadata_rejects() {
            let why = || "we do not have it, or it asked too often".to_owned();
            self.explain("ut_metadata", pieces.len(), why);
            for piece in pieces {
                Message::Extended(message_id, &MetadataMessage::Reject(piece).to_wire()).write_to(frames);
            }
        }
    }

    /// Writes a piece of the metadata, which was there when it was requested.
    pub(super) fn write_metadata(&self, message_id: u8, piece: u32, frames: &mut Vec<u8>) {
        let total_size = Some(self.context.metadata().len() as u64);
        let data = self.context.metadata_piece(piece);
        let data = data.map(|bytes| MetadataMessage::Data { piece, total_size, bytes });
        let answer = data.unwrap_or(MetadataMessage::Reject(piece));
        self.explain("ut_metadata", 1, || "it asked for it (BEP 9)".to_owned());
        Message::Extended(message_id, &answer.to_wire()).write_to(frames);
    }

    /// Writes the hashes that the peer has asked for, or that it does not get them.
    pub(super) fn write_hashes(&self, request: HashRequest, is_served: bool, frames: &mut Vec<u8>) {
        let HashRequest { pieces_root, range } = request;
        let nodes = is_served.then(|| self.context.metainfo.nodes(&pieces_root, range)).flatten();
        match nodes {
            Some(nodes) => {
                self.explain("hashes", 1, || "it asked for them (BEP 52)".to_owned());
                Message::Hashes(request, nodes.as_flattened()).write_to(frames);
            }
            None => {
                let why = || "we do not have them, or it asked too often".to_owned();
                self.explain("hash reject", 1, why);
                Message::HashReject(request).write_to(frames);
            }
        }
    }

    fn request(&self, block: Block) -> BlockRequest {
        let geometry = self.context.geometry;
        let (begin, length) = (geometry.begin(block), geometry.block_length(block));
        BlockRequest { index: block.piece.get(), begin, length }
    }
}
