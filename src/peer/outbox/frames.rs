//! From orders to frames: what each order of the coordinator looks like on the wire.

use super::Outbox;
use crate::address::of_a_host;
use crate::message::{Greeting, Order};
use crate::peer::CLIENT;
use crate::peer::requests::MAX_REQUESTS;
use crate::piece::{Bitfield, Block, PieceIndex};
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::metadata::MetadataMessage;
use crate::wire::{BlockRequest, Message};

impl Outbox {
    /// Writes what the order asks for.
    pub(super) fn write_order(&self, order: Order, frames: &mut Vec<u8>) {
        match order {
            #[cfg(test)]
            Order::Pex(crate::peer::tests::PANICS, _) => panic!("a panic that a test wants"),
            Order::Introduce { pieces, greeting, upload_only } => {
                self.write_introduction(&pieces, greeting, upload_only, frames);
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
            Order::Have(piece) => Message::Have(piece.get()).write_to(frames),
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
        match pieces.count() {
            _ if !self.may_send_bitfield => {
                let pieces = pieces.iter(self.context.geometry);
                pieces.for_each(|piece| Message::Have(piece.get()).write_to(frames));
            }
            0 if greeting.fast => Message::HaveNone.write_to(frames),
            0 => {}
            _ if greeting.fast && pieces.is_full() => Message::HaveAll.write_to(frames),
            _ => Message::Bitfield(&pieces.to_wire()).write_to(frames),
        }
        self.write_extension_handshake(greeting, upload_only, frames);
        if let Some(port @ 1..) = self.context.dht_port(self.address).filter(|_| greeting.dht) {
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
                upload_only,
                prefers_encryption: self.context.encryption.is_preferred(),
                metadata: Some(extension::UT_METADATA),
                pex: self.context.pex.then_some(extension::UT_PEX),
                dont_have: Some(extension::LT_DONTHAVE),
                metadata_size: Some(self.context.metadata().len() as u64).filter(|size| *size > 0),
            };
            Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(frames);
        }
    }

    fn allow_fast(&self, pieces: Vec<PieceIndex>, frames: &mut Vec<u8>) {
        pieces.iter().for_each(|piece| Message::AllowedFast(piece.get()).write_to(frames));
        let bytes = pieces.iter().map(|piece| u64::from(self.context.geometry.length(*piece)));
        // Twice their length, since a block may have to be requested again.
        let bytes = bytes.sum::<u64>().saturating_mul(2);
        self.requests.allow_fast(pieces, bytes);
    }

    /// Writes a reject for each request that is to have one.
    pub(super) fn write_rejects(&self, frames: &mut Vec<u8>) {
        for request in self.requests.take_rejects() {
            Message::Reject(request).write_to(frames);
        }
        if let Some((message_id, pieces)) = self.requests.take_metadata_rejects() {
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
        Message::Extended(message_id, &answer.to_wire()).write_to(frames);
    }

    fn request(&self, block: Block) -> BlockRequest {
        let geometry = self.context.geometry;
        let (begin, length) = (geometry.begin(block), geometry.block_length(block));
        BlockRequest { index: block.piece.get(), begin, length }
    }
}
