//! Cuts one direction of a conversation into its messages: a handshake, then frames with a length in front.
//!
//! Pure. It keeps of a message what a reader may want of it, and counts the rest: of a block only the head, of anything
//! else 64 KiB, which is more than any message may have that is not ended for its length, but for the bitfield of more than
//! half a million pieces. Where somebody wants all bytes, it keeps those of any message that a peer may send.

use super::spares::Spares;
use crate::wire::{HANDSHAKE_LENGTH, PREFIX};

/// Bytes that are kept of a message.
const MOST_KEPT: usize = 64 * 1024;
/// The same, where all bytes are wanted: the bitfield of 2,097,152 pieces is the longest message.
const MOST_WHOLE: usize = 256 * 1024 + 64;
/// Those of a `piece` message: its length, its id, the index and the offset of the block.
const HEAD_OF_A_PIECE: usize = 13;
/// The length and the id of a frame.
const LENGTH_AND_ID: usize = 5;
/// The id of a `piece` message (BEP 3).
const PIECE: u8 = 7;

/// One message, or what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Its first bytes.
    pub start: Vec<u8>,
    /// How many bytes it has in all.
    pub length: u64,
    /// It is the handshake.
    pub is_handshake: bool,
    /// How many bytes of the conversation went before it in this direction. A key exchange is no part of that.
    pub offset: u64,
}

impl Framed {
    /// Without the bytes of a block.
    pub(super) fn without_block(&self) -> Framed {
        let is_piece = !self.is_handshake && self.start.get(LENGTH_AND_ID - 1) == Some(&PIECE);
        let most = if is_piece { HEAD_OF_A_PIECE } else { MOST_KEPT };
        let start = self.start.get(..most).unwrap_or(&self.start).to_vec();
        Framed { start, ..*self }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Framer {
    stage: Stage,
    /// What is kept of the message that has begun.
    start: Vec<u8>,
    /// Bytes of it that have passed.
    passed: u64,
    /// Bytes that have passed before it.
    before: u64,
    /// The buffers for the bytes of blocks, where somebody wants them.
    spares: Option<Spares>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The handshake comes, or keys are exchanged.
    #[default]
    Opening,
    /// Keys are exchanged: all that passes is counted.
    Keys,
    /// Frames come.
    Frames,
    /// Some bytes passed unseen, so nobody knows where a message begins.
    Lost,
    /// A message begins here, which is a frame if it is not the handshake.
    Found,
}

/// Bytes that pass.
#[derive(Clone, Copy, Debug)]
pub(super) enum Passing<'a> {
    /// These.
    Bytes(&'a [u8]),
    /// So many, that nobody copies.
    Unseen(u64),
}

impl<'a> Passing<'a> {
    fn length(self) -> u64 {
        match self {
            Passing::Bytes(bytes) => bytes.len() as u64,
            Passing::Unseen(length) => length,
        }
    }

    /// The first `count` and the rest.
    fn split(self, count: u64) -> (Passing<'a>, Passing<'a>) {
        match self {
            Passing::Bytes(bytes) => {
                let at = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
                let (first, rest) = bytes.split_at(at);
                (Passing::Bytes(first), Passing::Bytes(rest))
            }
            Passing::Unseen(length) => {
                let first = count.min(length);
                (Passing::Unseen(first), Passing::Unseen(length - first))
            }
        }
    }
}

impl Framer {
    /// One that keeps all bytes, in such buffers, or what is wanted as a rule.
    pub(super) fn new(spares: Option<Spares>) -> Framer {
        Framer { spares, ..Framer::default() }
    }

    /// Whether it keeps all bytes.
    pub(super) fn keeps_all(&self) -> bool {
        self.spares.is_some()
    }

    /// Bytes pass unseen from now on.
    pub(super) fn lose(&mut self) {
        *self = Framer { stage: Stage::Lost, ..Framer::new(self.spares.take()) };
    }

    /// Whether bytes have passed unseen.
    pub(super) fn is_lost(&self) -> bool {
        self.stage == Stage::Lost
    }

    /// If bytes have passed unseen: a message begins with the next one.
    pub(super) fn find(&mut self) {
        if self.is_lost() {
            self.stage = Stage::Found;
        }
    }

    /// These bytes pass: gives each message that is whole now to `tell`.
    pub(super) fn pass(&mut self, mut passing: Passing<'_>, mut tell: impl FnMut(Framed)) {
        while passing.length() > 0 {
            if let Some((message, rest)) = self.whole(passing) {
                passing = rest;
                tell(message);
                continue;
            }
            let wanted = self.wanted();
            let (now, later) = passing.split(wanted);
            passing = later;
            self.take(now);
            if self.is_whole() {
                tell(self.cut());
                self.stage = Stage::Frames;
            }
        }
    }

    /// The frame with which these bytes begin, if all of it is there and all of it is kept, and what follows it. So it is
    /// nearly always where somebody wants all bytes, and each is copied once.
    fn whole<'a>(&mut self, passing: Passing<'a>) -> Option<(Framed, Passing<'a>)> {
        let (Passing::Bytes(bytes), Some(spares)) = (passing, &self.spares) else { return None };
        let begins = self.stage == Stage::Frames && self.passed == 0;
        let length = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?.checked_add(4)?;
        let (frame, rest) = bytes.split_at_checked(length).filter(|_| begins && length <= MOST_WHOLE)?;
        let mut start = spares.take(length);
        start.extend_from_slice(frame);
        let (length, offset) = (frame.len() as u64, self.before);
        self.before = offset.saturating_add(length);
        Some((Framed { start, length, is_handshake: false, offset }, Passing::Bytes(rest)))
    }

    /// The message that has begun, as far as it has passed.
    fn cut(&mut self) -> Framed {
        let (length, offset) = (std::mem::take(&mut self.passed), self.before);
        self.before = offset.saturating_add(length);
        let is_handshake = self.stage == Stage::Opening;
        Framed { start: std::mem::take(&mut self.start), length, is_handshake, offset }
    }

    /// Nothing more passes: what has begun and does not end, where all bytes are wanted.
    pub(super) fn rest(&mut self) -> Option<Framed> {
        (self.keeps_all() && self.passed > 0).then(|| self.cut())
    }

    /// Keys were exchanged, and the conversation begins. Returns the bytes that this took.
    pub(super) fn keys_exchanged(&mut self) -> u64 {
        let passed = self.passed;
        *self = Framer::new(self.spares.take());
        passed
    }

    /// How many more bytes are to be taken before the next look.
    fn wanted(&self) -> u64 {
        let whole = match self.stage {
            Stage::Keys | Stage::Lost => return u64::MAX,
            // No frame that may be has a length that begins like the handshake.
            Stage::Found => 1,
            Stage::Opening => HANDSHAKE_LENGTH as u64,
            Stage::Frames => match (self.start.len(), self.frame_length()) {
                (_, None) => 4,
                // Only the id says how much is kept.
                (4, Some(5..)) => 5,
                (_, Some(length)) => length,
            },
        };
        whole.saturating_sub(self.passed).max(1)
    }

    fn take(&mut self, passing: Passing<'_>) {
        self.passed = self.passed.saturating_add(passing.length());
        let most = match (self.stage, self.start.get(4)) {
            (Stage::Lost, _) => 0,
            _ if self.keeps_all() => MOST_WHOLE,
            (Stage::Keys, _) => 0,
            (Stage::Frames, Some(&PIECE)) => HEAD_OF_A_PIECE,
            _ => MOST_KEPT,
        };
        let room = most.saturating_sub(self.start.len());
        if let Some(spares) = &self.spares
            && self.start.len() == LENGTH_AND_ID
        {
            // Nobody's four gigabytes: as much as is kept.
            let length = self.frame_length().map_or(0, |length| usize::try_from(length).unwrap_or(most));
            let begun = std::mem::replace(&mut self.start, spares.take(length.min(most)));
            self.start.extend(begun);
        }
        match passing {
            Passing::Bytes(bytes) => self.start.extend_from_slice(bytes.get(..room).unwrap_or(bytes)),
            Passing::Unseen(length) => {
                let shown = usize::try_from(length).map_or(room, |length| length.min(room));
                self.start.resize(self.start.len().saturating_add(shown), 0);
            }
        }
        let known = self.start.get(..PREFIX.len()).unwrap_or(&self.start);
        if self.stage == Stage::Found {
            self.stage = if PREFIX.starts_with(known) { Stage::Opening } else { Stage::Frames };
        } else if self.stage == Stage::Opening && !PREFIX.starts_with(known) {
            self.stage = Stage::Keys;
            if !self.keeps_all() {
                self.start = Vec::new();
            }
        }
    }

    /// Bytes in the frame that has begun, with its length, once that has come.
    fn frame_length(&self) -> Option<u64> {
        let length = u32::from_be_bytes(*self.start.first_chunk()?);
        Some(u64::from(length) + 4)
    }

    fn is_whole(&self) -> bool {
        match self.stage {
            Stage::Keys | Stage::Lost | Stage::Found => false,
            Stage::Opening => self.passed >= HANDSHAKE_LENGTH as u64,
            Stage::Frames => self.frame_length().is_some_and(|length| self.passed >= length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::wire::{BlockRequest, Handshake, Message, PeerId};

    fn conversation() -> (Vec<u8>, Vec<u64>) {
        let mut bytes = Handshake::ours(InfoHash([7; 20]), PeerId([1; 20]), false).to_wire();
        let mut lengths = vec![68];
        let block = BlockRequest { index: 3, begin: 16_384, length: 16_384 };
        for message in [
            Message::Bitfield(&[0xff; 100]),
            Message::KeepAlive,
            Message::Unchoke,
            Message::Request(block),
            Message::Piece { index: 3, begin: 16_384, data: &[9; 16_384] },
            Message::Extended(0, b"de"),
        ] {
            let before = bytes.len();
            message.write_to(&mut bytes);
            lengths.push((bytes.len() - before) as u64);
        }
        (bytes, lengths)
    }

    #[test]
    fn however_the_bytes_come_the_messages_are_the_same() {
        let (bytes, lengths) = conversation();
        for step in [1, 3, 4, 5, 67, 68, 100, 16_384, 100_000] {
            let (mut all, mut whole) = (Framer::new(Some(Spares::default())), Vec::new());
            for part in bytes.chunks(step) {
                all.pass(Passing::Bytes(part), |message| whole.push(message));
            }
            let kept: Vec<u8> = whole.iter().flat_map(|message| message.start.clone()).collect();
            assert!(kept == bytes, "{step}");
            let (mut framer, mut messages) = (Framer::default(), Vec::new());
            for part in bytes.chunks(step) {
                framer.pass(Passing::Bytes(part), |message| messages.push(message));
            }
            assert_eq!(messages.iter().map(|message| message.length).collect::<Vec<_>>(), lengths, "{step}");
            assert!(messages[0].is_handshake && !messages[1].is_handshake);
            let short: Vec<Framed> = whole.iter().map(Framed::without_block).collect();
            assert_eq!(short, messages, "{step}");
            // Of a block only its head is kept.
            assert_eq!(messages[5].start.len(), HEAD_OF_A_PIECE);
            assert_eq!(messages[4].start.len(), 17);
        }
    }

    #[test]
    fn what_is_not_copied_counts_all_the_same() {
        let (mut framer, mut messages) = (Framer::default(), Vec::new());
        let mut head = Handshake::ours(InfoHash([7; 20]), PeerId([1; 20]), false).to_wire();
        Message::piece_head(1, 0, 16_384, &mut head);
        framer.pass(Passing::Bytes(&head), |message| messages.push(message));
        framer.pass(Passing::Unseen(16_000), |message| messages.push(message));
        assert_eq!(messages.len(), 1);
        framer.pass(Passing::Unseen(384), |message| messages.push(message));
        framer.pass(Passing::Bytes(&[0; 4]), |message| messages.push(message));
        let lengths: Vec<u64> = messages.iter().map(|message| message.length).collect();
        assert_eq!(lengths, [68, 16_397, 4]);
    }

    #[test]
    fn a_key_exchange_is_counted_and_the_conversation_begins_after_it() {
        let (mut framer, mut messages) = (Framer::default(), Vec::new());
        framer.pass(Passing::Bytes(&[0x13; 20]), |message| messages.push(message));
        framer.pass(Passing::Bytes(&[5; 300]), |message| messages.push(message));
        assert!(messages.is_empty() && framer.start.is_empty());
        assert_eq!(framer.keys_exchanged(), 320);
        framer.pass(Passing::Bytes(&conversation().0), |message| messages.push(message));
        assert_eq!(messages.len(), 7);
    }

    #[test]
    fn a_peer_that_announces_four_gigabytes_makes_us_keep_little() {
        let mut framer = Framer::default();
        framer.pass(Passing::Bytes(&conversation().0), |_| ());
        framer.pass(Passing::Bytes(&[0xff, 0xff, 0xff, 0xff, 20]), |_| ());
        for _ in 0..100 {
            framer.pass(Passing::Bytes(&[1; 10_000]), |_| panic!("it is not whole"));
        }
        framer.pass(Passing::Unseen(1 << 30), |_| panic!("it is not whole"));
        assert!(framer.start.len() <= 65_536 && framer.start.capacity() <= 131_072);
        let mut all = Framer::new(Some(Spares::default()));
        all.pass(Passing::Bytes(&[conversation().0, vec![0xff, 0xff, 0xff, 0xff, 7]].concat()), |_| ());
        (0..100).for_each(|_| all.pass(Passing::Bytes(&[1; 10_000]), |_| panic!("it is not whole")));
        assert!(all.start.len() == MOST_WHOLE && all.start.capacity() <= 2 * MOST_WHOLE);
        // Where it sends them all, what follows is in its place.
        let (rest, mut messages) = ((1_u64 << 32) + 3 - 1_000_005 - (1 << 30), Vec::new());
        framer.pass(Passing::Unseen(rest), |message| messages.push(message));
        framer.pass(Passing::Bytes(&[0, 0, 0, 5, 4, 0, 0, 0, 9]), |message| messages.push(message));
        assert_eq!(messages.iter().map(|message| message.length).collect::<Vec<_>>(), [(1 << 32) + 3, 9]);
    }

    #[test]
    fn any_split_of_any_bytes_and_any_part_unseen_gives_the_same_lengths() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut bytes, mut lengths) = conversation();
            for _ in 0..random.usize(..20) {
                let length = random.u32(..400);
                bytes.extend(length.to_be_bytes());
                bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(length as usize));
                lengths.push(u64::from(length) + 4);
            }
            let (mut framer, mut messages, mut left) = (Framer::default(), Vec::new(), &bytes[..]);
            while !left.is_empty() {
                let at = random.usize(1..=left.len().min(600));
                let (now, later) = left.split_at(at);
                framer.pass(Passing::Bytes(now), |message| messages.push(message));
                left = later;
            }
            let mut at = 0;
            for (message, length) in messages.iter().zip(&lengths) {
                assert_eq!(message.length, *length);
                assert!(bytes[at..].starts_with(&message.start));
                at += *length as usize;
            }
            assert_eq!(messages.len(), lengths.len());
        }
    }
}
