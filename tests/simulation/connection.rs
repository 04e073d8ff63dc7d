//! What stands in for the two threads of a worker: the outbox, which turns orders into messages, and the books
//! of both halves.

use crate::message::{Message, Segment};
use femtotorrent::message::Order;
use femtotorrent::peer::{DetachedWorker, Ledger};
use femtotorrent::piece::{Block, Geometry, Span};
use femtotorrent::swarm::Settings;
use femtotorrent::wire::BlockRequest;
use femtotorrent::wire::extension::{self, ExtensionHandshake};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The requests that we say we queue.
const REQUEST_QUEUE: u32 = 500;

/// A connection of a host with a real coordinator.
pub struct Connection {
    pub address: SocketAddr,
    pub worker: DetachedWorker,
    pub ledger: Ledger,
    /// What is ordered can be sent: a web server has to be there first.
    pub is_ready: bool,
    /// The peer speaks BEP 6.
    pub fast: bool,
    /// What the peer was asked for and has neither sent nor rejected, less what was canceled.
    pub owed: BTreeSet<Block>,
}

impl Connection {
    pub fn new(address: SocketAddr, worker: DetachedWorker) -> Connection {
        Connection {
            address,
            is_ready: true,
            fast: false,
            ledger: Ledger::new(worker.leases.clone()),
            owed: BTreeSet::new(),
            worker,
        }
    }

    /// What the outbox would write of the orders that wait, in one write.
    pub fn written(&mut self, settings: &Settings) -> Segment {
        let mut segment = Vec::new();
        let extensions = |upload_only: bool| {
            Message::Extensions(ExtensionHandshake {
                request_queue: Some(REQUEST_QUEUE),
                port: settings.port,
                your_address: Some(self.address.ip()),
                upload_only: upload_only.then_some(true),
                pex: settings.pex.then_some(extension::UT_PEX),
                ..ExtensionHandshake::default()
            })
        };
        let requests = self.worker.requests();
        for order in self.worker.orders() {
            match order {
                Order::Introduce { pieces, upload_only, .. } => {
                    segment.extend([Message::Pieces(pieces), extensions(upload_only)]);
                }
                Order::UploadOnly(_) => segment.push(extensions(true)),
                Order::Unchoke => {
                    requests.unchoke();
                    segment.push(Message::Unchoke);
                }
                Order::Choke => {
                    segment.push(Message::Choke);
                    requests.choke();
                }
                Order::AllowFast(pieces) => {
                    segment.extend(pieces.iter().map(|piece| Message::AllowedFast(*piece)));
                    let lengths = pieces.iter().map(|piece| u64::from(settings.geometry.length(*piece)));
                    let bytes: u64 = lengths.sum();
                    requests.allow_fast(pieces, bytes * 2);
                }
                Order::Interested(interested) => segment.push(Message::Interested(interested)),
                Order::Request(spans) => {
                    let blocks: Vec<Block> = spans.into_iter().flat_map(Span::blocks).collect();
                    self.owed.extend(&blocks);
                    segment.extend(blocks.into_iter().map(Message::Request));
                }
                Order::Cancel(blocks) => {
                    blocks.iter().for_each(|block| _ = self.owed.remove(block));
                    segment.extend(blocks.into_iter().map(Message::Cancel));
                }
                Order::Ahead(pieces) => segment.push(Message::Ahead(pieces)),
                Order::ReadOn => {}
                Order::Have(piece) => segment.push(Message::Have(piece)),
                Order::Pex(_, others) => segment.push(Message::Others(others.added)),
            }
        }
        segment.extend(self.rejects(settings.geometry));
        segment
    }

    /// A reject for each request that is not served (BEP 6).
    pub fn rejects(&self, geometry: Geometry) -> Segment {
        let rejects = self.worker.requests().take_rejects().into_iter();
        let block = |(wanted, _): (BlockRequest, _)| {
            geometry.block(wanted.index, wanted.begin, wanted.length as usize)
        };
        rejects.filter_map(block).map(Message::Reject).collect()
    }
}

/// A request as the wire has it.
pub fn wire(geometry: Geometry, block: Block) -> BlockRequest {
    let (begin, length) = (geometry.begin(block), geometry.block_length(block));
    BlockRequest { index: block.piece.get(), begin, length }
}
