//! A student's client, which downloads from the demo: what it may do when, and what it does.
//!
//! Pure.

use super::report::{Fault, MESSAGES, PROTOCOL, Report};
use super::requests;
use crate::piece::{BLOCK_LENGTH, Bitfield, Geometry};
use crate::wire::{BlockRequest, Message};

/// What the seeder is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// To unchoke it.
    Unchoke,
    /// To send a block.
    Send(BlockRequest),
    /// Not to send it.
    Forget(BlockRequest),
}

/// What is known of it.
#[derive(Debug)]
pub struct Client {
    geometry: Geometry,
    messages: u64,
    is_interested: bool,
    is_unchoked: bool,
    has_been_unchoked: bool,
    /// For each piece, which of its blocks it was sent.
    sent: Vec<Vec<bool>>,
    /// A block that was sent with a wrong byte, and not again since.
    spoilt: Option<BlockRequest>,
}

impl Client {
    /// One that has said its handshake and nothing more.
    pub fn new(geometry: Geometry) -> Client {
        let blocks = |piece| vec![false; geometry.block_count(piece) as usize];
        Client {
            geometry,
            messages: 0,
            is_interested: false,
            is_unchoked: false,
            has_been_unchoked: false,
            sent: geometry.pieces().map(blocks).collect(),
            spoilt: None,
        }
    }

    /// It says this.
    pub fn hear(&mut self, message: &Message<'_>, report: &mut Report) -> Answer {
        self.messages = self.messages.saturating_add(1);
        match *message {
            Message::Interested => {
                self.is_interested = true;
                if !self.is_unchoked && !self.has_been_unchoked {
                    return Answer::Unchoke;
                }
            }
            Message::NotInterested => self.is_interested = false,
            Message::Request(request) => return self.requested(request, report),
            Message::Cancel(request) => return Answer::Forget(request),
            Message::Bitfield(bits) => bitfield(bits, self.messages == 1, self.geometry, report),
            Message::Have(index) => self.has(index, report),
            Message::Piece { .. } => report.wrong(Fault::new(
                "a block that nobody asked for",
                MESSAGES,
                "it sends us a block. We have all of them and have requested none.",
            )),
            _ => other(message, report),
        }
        Answer::Nothing
    }

    fn requested(&mut self, request: BlockRequest, report: &mut Report) -> Answer {
        if let Some(fault) = requests::fault(request, self.geometry) {
            report.wrong(fault);
            return Answer::Nothing;
        }
        if self.is_unchoked {
            return Answer::Send(request);
        }
        if self.has_been_unchoked {
            report.tell(
                "hint",
                "We choke you now, so this request is forgotten (it may have crossed our choke). Send it again after the \
                 next unchoke.",
            );
            return Answer::Nothing;
        }
        let how = if self.is_interested {
            "wait for our unchoke (id 1)"
        } else {
            "say 'interested' (id 2) and wait for our unchoke (id 1)"
        };
        let text = format!(
            "every connection begins choked, and requests on it are thrown away, as this one is. First {how}."
        );
        report.wrong(Fault::new("request before unchoke", PROTOCOL, text));
        Answer::Nothing
    }

    fn has(&mut self, index: u32, report: &mut Report) {
        match self.geometry.piece(index) {
            None => report.wrong(requests::no_such_piece(index, self.geometry)),
            Some(_) if self.spoilt.is_some_and(|block| block.index == index) => {
                let text = format!(
                    "it says that it has piece {index}. We have sent a wrong byte in it, so its SHA-1 is not the torrent's: \
                     throw the piece away and fetch it again."
                );
                report.wrong(Fault::new("a piece is not verified", MESSAGES, text));
            }
            Some(_) => {}
        }
    }

    /// It was told that we unchoke or choke it.
    pub fn was_told(&mut self, unchoked: bool) {
        self.is_unchoked = unchoked;
        self.has_been_unchoked |= unchoked;
    }

    /// It was sent this block, with a wrong byte or not.
    pub fn was_sent(&mut self, block: BlockRequest, spoilt: bool, report: &mut Report) {
        if spoilt {
            self.spoilt = Some(block);
        } else if self.spoilt.is_some_and(|other| (other.index, other.begin) == (block.index, block.begin)) {
            self.spoilt = None;
        }
        let Some(blocks) = self.sent.get_mut(block.index as usize) else { return };
        // Whoever asks for smaller blocks has one of ours when its last byte is there.
        let end = block.begin.saturating_add(block.length);
        let number = (end.saturating_sub(1) / BLOCK_LENGTH) as usize;
        let is_last = number.saturating_add(1) == blocks.len();
        let Some(sent) = blocks.get_mut(number).filter(|_| is_last || end.is_multiple_of(BLOCK_LENGTH))
        else {
            return;
        };
        *sent = true;
        if blocks.iter().all(|sent| *sent) {
            let count = blocks.len();
            let text = format!(
                "piece {} was sent whole, in {count} {}: now compare its SHA-1 with the torrent's",
                block.index,
                if count == 1 { "block" } else { "blocks" }
            );
            report.tell("seeder", text);
        }
    }

    /// Whether it was sent every block, and the spoilt one again.
    pub fn has_all(&self) -> bool {
        self.spoilt.is_none() && self.sent.iter().flatten().all(|sent| *sent)
    }

    /// How many blocks it was sent, of how many.
    pub fn count(&self) -> (usize, usize) {
        (self.sent.iter().flatten().filter(|sent| **sent).count(), self.sent.iter().map(Vec::len).sum())
    }

    /// What it may be waiting for, if it says nothing more.
    pub fn stuck(&self) -> String {
        let (sent, all) = self.count();
        match (self.is_interested, self.is_unchoked, sent) {
            (false, false, _) => {
                "We choke you, as every connection begins. Say 'interested' (id 2), and you will be \
                                  unchoked."
                    .to_owned()
            }
            (_, false, _) => "We choke you for now. Keep what you have and wait for our unchoke.".to_owned(),
            (_, true, 0) => {
                "You are unchoked: request the first block (id 6: piece, begin, length; 16 KiB at most)."
                    .to_owned()
            }
            (_, true, _) if sent == all => {
                "You were sent every block. Verify the pieces, and close the connection.".to_owned()
            }
            (_, true, _) => format!("You were sent {sent} of {all} blocks. We wait for your next request."),
        }
    }
}

/// A bitfield, whose length is right.
pub(super) fn bitfield(bits: &[u8], is_first: bool, geometry: Geometry, report: &mut Report) {
    if !is_first {
        let text = "a bitfield may only be the first message after the handshake. Later, each new piece is a 'have' (id 4).";
        report.wrong(Fault::new("late bitfield", MESSAGES, text));
    }
    if Bitfield::from_wire(bits, geometry.piece_count()).is_none() {
        let text = format!(
            "bits behind the last piece are set. There are {} pieces; piece 0 is the highest bit of the first byte (80), and \
             the bits left over are zero.",
            geometry.piece_count()
        );
        report.wrong(Fault::new("bitfield with spare bits", MESSAGES, text));
    }
}

/// A message that BEP 3 does not have, or one without anything to say about it.
pub(super) fn other(message: &Message<'_>, report: &mut Report) {
    let (title, text) = match message {
        Message::Unknown(id) => ("unknown message id", format!("the id is {id}. Those of BEP 3 are 0 to 8.")),
        Message::Extended(..) => ("unasked extension", of_extension(20, "BEP 10, the extension protocol")),
        Message::Port(_) => ("unasked extension", of_extension(9, "BEP 5, the DHT")),
        Message::Suggest(_)
        | Message::HaveAll
        | Message::HaveNone
        | Message::Reject(_)
        | Message::AllowedFast(_) => (
            "unasked extension",
            "it is a message of BEP 6 (Fast), and no reserved bit in our handshake says that we know it."
                .to_owned(),
        ),
        _ => return,
    };
    report.wrong(Fault::new(title, MESSAGES, text));
}

fn of_extension(id: u8, bep: &str) -> String {
    format!("the id {id} belongs to {bep}, and no reserved bit in our handshake says that we know it.")
}
