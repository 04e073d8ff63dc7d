//! The writing half of a worker: from orders to frames.
//!
//! Runs on the thread `out-ADDRESS`. It blocks on its orders, with the keep-alive as the deadline, and
//! on the socket. When the coordinator lets go of the worker, the orders end and so does the thread.

use crate::message::{Greeting, Order};
use crate::net::Line;
use crate::piece::{Block, Geometry};
use crate::wire::extension::{self, ExtensionHandshake};
use crate::wire::{Message, Wanted};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A connection on which nothing was said for two minutes is closed by the other side (BEP 3).
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// Several orders that wait go out with one write, up to about this many bytes.
const ONE_WRITE: usize = 16 * 1024;
/// How many requests we would queue for a peer (`reqq`).
const OUR_REQUEST_QUEUE: u32 = 500;

pub struct Outbox {
    pub line: Arc<OnceLock<Line>>,
    pub orders: Receiver<Order>,
    pub geometry: Geometry,
    pub address: SocketAddr,
    /// Not used: held to be dropped when the thread ends.
    pub alive: Sender<()>,
}

impl Outbox {
    pub fn run(self) {
        let Some(line) = self.line.get() else { return };
        let mut frames = Vec::new();
        loop {
            match self.orders.recv_timeout(KEEP_ALIVE) {
                Ok(order) => self.write(order, &mut frames),
                Err(RecvTimeoutError::Timeout) => Message::KeepAlive.write_to(&mut frames),
                Err(RecvTimeoutError::Disconnected) => break line.hang_up("we are done with it"),
            }
            while frames.len() < ONE_WRITE {
                let Ok(order) = self.orders.try_recv() else { break };
                self.write(order, &mut frames);
            }
            if let Err(error) = line.write_all(&frames) {
                let slow = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
                let why = if slow { "it does not read what we send" } else { "the connection is lost" };
                break line.hang_up(why);
            }
            frames.clear();
        }
        drop(self.alive);
    }

    fn write(&self, order: Order, frames: &mut Vec<u8>) {
        match order {
            Order::Introduce { pieces, greeting } => {
                match pieces {
                    Some(pieces) => Message::Bitfield(&pieces.to_wire()).write_to(frames),
                    None if greeting.fast => Message::HaveNone.write_to(frames),
                    None => {}
                }
                self.write_extensions(greeting, frames);
            }
            Order::Interested(true) => Message::Interested.write_to(frames),
            Order::Interested(false) => Message::NotInterested.write_to(frames),
            Order::Request(spans) => {
                for block in spans.into_iter().flat_map(|span| span.blocks()) {
                    Message::Request(self.wanted(block)).write_to(frames);
                }
            }
            Order::Cancel(blocks) => {
                blocks.into_iter().for_each(|block| Message::Cancel(self.wanted(block)).write_to(frames));
            }
            Order::Reject(wanted) => Message::Reject(wanted).write_to(frames),
            Order::Have(piece) => Message::Have(piece.get()).write_to(frames),
        }
    }

    fn write_extensions(&self, greeting: Greeting, frames: &mut Vec<u8>) {
        if greeting.extensions {
            let ours = ExtensionHandshake {
                client: Some(concat!("femtotorrent ", env!("CARGO_PKG_VERSION")).to_owned()),
                request_queue: Some(OUR_REQUEST_QUEUE),
                port: None,
                your_address: Some(self.address.ip()),
            };
            Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(frames);
        }
    }

    fn wanted(&self, block: Block) -> Wanted {
        Wanted {
            index: block.piece.get(),
            begin: self.geometry.begin(block),
            length: self.geometry.block_length(block),
        }
    }
}
