//! A student's seeder, from which the demo downloads: what it says, and whether its blocks are right.
//!
//! Pure. It is asked for the pieces in order, a few blocks at a time. What it sends is kept until its piece is whole and
//! its SHA-1 was compared; a piece that is wrong is asked for once more.

use super::client::{bitfield, other};
use super::report::{Fault, MESSAGES, METAINFO, Report};
use super::requests;
use crate::piece::{Bitfield, Geometry, PieceDigest, PieceIndex, Span};
use crate::wire::{BlockRequest, Message};
use std::collections::VecDeque;

/// The most requests that are on their way.
const PIPELINE: usize = 4;
/// How often a piece is fetched.
const MOST_TRIES: u32 = 2;

/// What is known of it.
#[derive(Debug)]
pub struct TheirSeeder {
    geometry: Geometry,
    digests: Vec<PieceDigest>,
    messages: u64,
    is_unchoked: bool,
    /// The pieces that it has.
    theirs: Bitfield,
    /// Those that we have, verified.
    ours: Bitfield,
    /// The blocks to ask for, and those that were asked for.
    waiting: VecDeque<BlockRequest>,
    asked: VecDeque<BlockRequest>,
    /// The piece that is fetched, how often it was begun, and its blocks by where they begin.
    open: Option<(PieceIndex, u32)>,
    blocks: Vec<(u32, Vec<u8>)>,
}

impl TheirSeeder {
    /// One that has said its handshake and nothing more, of a torrent with these digests.
    pub fn new(geometry: Geometry, digests: Vec<PieceDigest>) -> TheirSeeder {
        let none = Bitfield::none(geometry.piece_count());
        TheirSeeder {
            geometry,
            digests,
            messages: 0,
            is_unchoked: false,
            theirs: none.clone(),
            ours: none,
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
            open: None,
            blocks: Vec::new(),
        }
    }

    /// It says this. What we say in turn is written to `out`.
    pub fn hear(&mut self, message: &Message<'_>, report: &mut Report, out: &mut Vec<u8>) {
        self.messages = self.messages.saturating_add(1);
        let wanted = self.wants_some();
        match *message {
            Message::Choke => {
                self.is_unchoked = false;
                // With a choke all requests are void.
                let void = std::mem::take(&mut self.asked);
                self.waiting = void.into_iter().chain(std::mem::take(&mut self.waiting)).collect();
            }
            Message::Unchoke => self.is_unchoked = true,
            Message::Bitfield(bits) => {
                bitfield(bits, self.messages == 1, self.geometry, report);
                let known = Bitfield::from_peer(bits, self.geometry.piece_count());
                self.theirs = known.unwrap_or_else(|| self.theirs.clone());
            }
            Message::Have(index) => match self.geometry.piece(index) {
                Some(piece) => _ = self.theirs.insert(piece),
                None => report.wrong(requests::no_such_piece(index, self.geometry)),
            },
            Message::Piece { index, begin, data } => self.block(index, begin, data, report, out),
            Message::Request(_) => report.wrong(Fault::new(
                "a request to an empty peer",
                MESSAGES,
                "it requests a block from us. We have not said that we have a piece.",
            )),
            _ => other(message, report),
        }
        if !wanted && self.wants_some() {
            Message::Interested.write_to(out);
            report.tell("we", "interested: it has pieces that we lack");
        }
        self.ask(report, out);
    }

    /// Asks for blocks, as long as it may be asked and few are on their way.
    fn ask(&mut self, report: &mut Report, out: &mut Vec<u8>) {
        while self.is_unchoked && self.asked.len() < PIPELINE {
            if self.waiting.is_empty() && self.open.is_none() {
                self.open_next();
            }
            let Some(request) = self.waiting.pop_front() else { return };
            Message::Request(request).write_to(out);
            report.tell("we", format!("request: {}", named(request)));
            self.asked.push_back(request);
        }
    }

    fn open_next(&mut self) {
        let next = self.geometry.pieces().find(|piece| self.theirs.has(*piece) && !self.ours.has(*piece));
        if let Some(piece) = next {
            self.open = Some((piece, 1));
            self.begin(piece);
        }
    }

    /// All blocks of this piece are to be asked for.
    fn begin(&mut self, piece: PieceIndex) {
        let span = Span { piece, first: 0, count: self.geometry.block_count(piece) };
        let request = |block| BlockRequest {
            index: piece.get(),
            begin: self.geometry.begin(block),
            length: self.geometry.block_length(block),
        };
        self.waiting = span.blocks().map(request).collect();
        self.blocks.clear();
    }

    fn block(&mut self, index: u32, begin: u32, data: &[u8], report: &mut Report, out: &mut Vec<u8>) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let came = BlockRequest { index, begin, length };
        let Some(at) = self.asked.iter().position(|asked| *asked == came) else {
            return report.wrong(self.unasked(came));
        };
        self.asked.remove(at);
        self.blocks.push((begin, data.to_vec()));
        let Some((piece, tries)) = self.open.filter(|_| self.waiting.is_empty() && self.asked.is_empty())
        else {
            return;
        };
        self.blocks.sort_unstable_by_key(|(begin, _)| *begin);
        let bytes: Vec<u8> = self.blocks.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        if self.digests.get(piece.slot()) == Some(&PieceDigest::sha1_of(&bytes)) {
            self.ours.insert(piece);
            self.open = None;
            Message::Have(piece.get()).write_to(out);
            report.tell("verified", format!("piece {index}: its SHA-1 is the torrent's; we say 'have'"));
            return;
        }
        let text = format!(
            "piece {index} is whole, and its SHA-1 is not the torrent's. Do you read from the right place of the file? \
             Piece {index} begins at byte {}, and a block at 'begin' bytes after that.",
            self.geometry.offset(piece)
        );
        report.wrong(Fault::new("wrong bytes", METAINFO, text));
        self.open = Some((piece, tries.saturating_add(1)));
        if tries < MOST_TRIES {
            self.begin(piece);
        }
    }

    /// What is wrong with a block that was not asked for.
    fn unasked(&self, came: BlockRequest) -> Fault {
        let BlockRequest { index, begin, length } = came;
        let same =
            |index, begin| self.asked.iter().find(|asked| (asked.index, asked.begin) == (index, begin));
        if let Some(asked) = same(index, begin) {
            let text = format!(
                "it has {length} bytes, and {} were requested. The length prefix is 9 (id, index, begin) and the bytes of \
                 the block.",
                asked.length
            );
            return Fault::new("block of wrong length", MESSAGES, text);
        }
        let number = [index, begin].into_iter().find(|number| *number > 0 && number.swap_bytes() < *number);
        if same(index.swap_bytes(), begin).or(same(index, begin.swap_bytes())).is_some()
            || same(index.swap_bytes(), begin.swap_bytes()).is_some()
        {
            return requests::little_endian("a number in it", number.unwrap_or(index));
        }
        let asked: Vec<String> = self.asked.iter().map(|asked| named(*asked)).collect();
        let asked = if asked.is_empty() { "nothing".to_owned() } else { asked.join("; ") };
        let text = format!("it sends {}. Requested was {asked}.", named(came));
        Fault::new("a block that nobody asked for", MESSAGES, text)
    }

    fn wants_some(&self) -> bool {
        self.geometry.pieces().any(|piece| self.theirs.has(piece) && !self.ours.has(piece))
    }

    /// Whether all pieces are there.
    pub fn is_done(&self) -> bool {
        self.ours.is_full()
    }

    /// Whether a piece was wrong as often as it may be.
    pub fn is_hopeless(&self) -> bool {
        self.open.is_some_and(|(_, tries)| tries > MOST_TRIES)
    }

    /// How many pieces are there, of how many.
    pub fn count(&self) -> (u32, u32) {
        (self.ours.count(), self.geometry.piece_count())
    }

    /// What it has left out, if it says nothing more.
    pub fn silence(&self) -> Fault {
        let text = if !self.wants_some() && !self.is_done() {
            "It does not say which pieces it has: send a bitfield (id 5) after the handshake, or a 'have' (id 4) for each."
                .to_owned()
        } else if !self.is_unchoked {
            "It never unchokes us, although we said 'interested': send unchoke (id 1).".to_owned()
        } else {
            let first = self.asked.front().map_or_else(String::new, |asked| named(*asked));
            format!(
                "It owes us {} blocks, first of all {first}: send a piece message (id 7).",
                self.asked.len()
            )
        };
        Fault::new("silence", MESSAGES, text)
    }
}

fn named(BlockRequest { index, begin, length }: BlockRequest) -> String {
    format!("piece {index}, {length} bytes from {begin} on")
}
