//! What a peer is told, and how much of that may wait for it to read.
//!
//! Orders go to the outbox of its worker. A peer that reads nothing would let them grow without bound, so it is disconnected
//! before that.

use super::Peer;
use crate::message::{HangUp, Order};
use crate::piece::{Bitfield, Block, Geometry, PieceIndex};

/// Orders that a peer may leave unread. A connection takes in thousands before its outbox has to wait.
const MAX_ORDERS: usize = 2000;
/// The most pieces that a peer that reads slowly has yet to be told of.
const MAX_UNTOLD: usize = 64 * 1024;
/// The most of them that we have at the beginning, which leaves room for those that come.
const MAX_FIRST: usize = MAX_UNTOLD / 2;

impl Peer {
    /// Gives its outbox an order, and hangs up if it leaves too many unread.
    pub fn order(&self, order: Order) {
        if self.worker.order(order) > MAX_ORDERS {
            self.worker.hang_up(HangUp::DoesNotRead);
        }
    }

    /// Has its outbox cancel requests, for this reason.
    pub fn cancel(&self, blocks: Vec<Block>, why: &str) {
        self.worker.explain("cancel", blocks.len(), || why.to_owned());
        self.order(Order::Cancel(blocks));
    }

    /// Tells it that we have this piece: now, or if it reads slowly, when it has read what it was sent
    /// before. A piece that waits takes four bytes here, and many times that as an order.
    pub fn tell_have(&mut self, piece: PieceIndex) {
        if self.upload.untold.is_empty() && self.worker.backlog() < MAX_ORDERS / 4 {
            self.worker.explain("have", 1, || "it verifies and is stored".to_owned());
            self.order(Order::Have(piece));
        } else if self.upload.untold.len() < MAX_UNTOLD {
            self.upload.untold.push(piece);
        } else {
            self.worker.hang_up(HangUp::DoesNotRead);
        }
    }

    /// The pieces that it is to be introduced with. A peer that has given us the metadata was told then that we have none,
    /// and may be sent no second bitfield (BEP 3): it is told of these one by one and a few at a time, later.
    pub fn introduced_with(&mut self, pieces: Bitfield, geometry: Geometry) -> Bitfield {
        if !self.upload.told_of_none {
            return pieces;
        }
        self.upload.untold.extend(pieces.iter(geometry).take(MAX_FIRST));
        Bitfield::none(geometry.piece_count())
    }

    /// Tells it of the pieces that wait, once it has read everything else. A seed wants none of them.
    pub fn catch_up(&mut self) {
        if self.is_seed() {
            self.upload.untold.clear();
        }
        let untold = &mut self.upload.untold;
        if !untold.is_empty() && self.worker.backlog() == 0 {
            for piece in untold.drain(..untold.len().min(MAX_ORDERS / 4)) {
                let later =
                    || "it was told of none at first, or reads slowly, so it is told only now".to_owned();
                self.worker.explain("have", 1, later);
                // These are fewer than `MAX_ORDERS`, so the backlog need not be checked.
                self.worker.order(Order::Have(piece));
            }
        }
    }

    /// Tells it whether we are interested, if that has changed.
    pub fn tell_interest(&mut self) {
        let interested = self.wanted > 0;
        if !self.is_web_seed() && self.flags.am_interested != interested {
            self.flags.am_interested = interested;
            let name = if interested { "interested" } else { "not interested" };
            self.worker.explain(name, 1, || match self.wanted {
                0 => "it has nothing that we lack".to_owned(),
                wanted => format!("it has {wanted} pieces that we lack"),
            });
            self.order(Order::Interested(interested));
        }
    }
}
