//! How many messages of each kind a peer may send: more than a correct client ever does, and no more.
//!
//! Most messages cost their sender five bytes, and us a report to the coordinator. So they are counted where
//! they are read, on the peer's own thread, before anything else is done with them: a flood ends here and
//! reaches no other thread. Pure; the time is that of the read that brought the message.
//!
//! Blocks and requests are not counted here. What was asked for has its lease (`ledger.rs`), and requests have
//! the bounds of `requests/mod.rs`; but requests for a few bytes each are, since the line that carries the answers is no
//! bound for them. The bytes of late bitfields have a bound beside this one (`inbound.rs`).

use crate::message::{MessageKind, Violation};
use crate::piece::BLOCK_LENGTH;
use crate::strategy::TokenBucket;
use crate::wire::{BlockRequest, Message, extension};
use std::time::{Duration, Instant};

/// Messages of each kind that may come at once, and how long it takes until one more may.
///
/// A peer chokes and unchokes every ten seconds, a few do so every second.
const CHOKE: (u32, Duration) = (500, Duration::from_millis(100));
/// One for each piece that the peer gets, beside these. A piece that fails may come again.
const HAVE: (u32, Duration) = (1000, Duration::from_millis(100));
/// As many as it has pieces, where its user has removed the files.
const DONT_HAVE: (u32, Duration) = (100, Duration::from_secs(1));
/// One, but aria2 sends others in the place of many `have`.
const BITFIELD: (u32, Duration) = (100, Duration::from_millis(500));
/// Two for each piece that we get, beside these: where that is all that it lacks, it is interested until it has it.
const INTEREST: (u32, Duration) = (1000, Duration::from_millis(50));
/// In the end game each block that comes may cancel one, and the fastest peers send thousands a second.
const CANCEL: (u32, Duration) = (10_000, Duration::from_millis(2));
/// Those that cross our cancels.
const VAIN_REJECT: (u32, Duration) = (10_000, Duration::from_millis(10));
/// Clients ask for 16 KiB, or for what is left at the end of a piece. Each request costs us a look at the disk and a
/// message, however few bytes it asks for, and an upload limit counts bytes.
const SHORT_REQUEST: (u32, Duration) = (1000, Duration::from_millis(10));
/// Requests for fewer bytes are short ones.
const SHORT: u32 = 1024;
/// BEP 6 has about ten in a set. Some clients allow more.
const ALLOWED_FAST: (u32, Duration) = (1000, Duration::from_secs(1));
/// Some clients suggest each piece that is in their cache.
const SUGGEST: (u32, Duration) = (5000, Duration::from_millis(50));
/// One is enough.
const PORT: (u32, Duration) = (20, Duration::from_secs(10));
/// BEP 3 has one every two minutes, and some clients send one every few seconds.
const KEEP_ALIVE: (u32, Duration) = (100, Duration::from_secs(1));
/// One, and one more whenever the peer changes its mind.
const EXTENSION_HANDSHAKE: (u32, Duration) = (30, Duration::from_secs(5));
/// BEP 11 has one a minute.
const PEX: (u32, Duration) = (60, Duration::from_secs(5));
/// A request for each piece of the longest metadata, and more.
const EXTENDED: (u32, Duration) = (6_000, Duration::from_millis(50));
/// One for each file that has more than one piece, and for each 512 pieces of one, beside these. Some may be asked
/// for again.
const HASHES: (u32, Duration) = (1000, Duration::from_millis(50));
/// Longer ones count as unknown: a request for metadata is short, and metadata itself comes only where it was asked for.
const LONG_EXTENDED: usize = 1024;
/// Of what we may not know, a client that is correct needs little as long as we never answer. Each may have 32 KiB.
const UNKNOWN: (u32, Duration) = (30, Duration::from_millis(100));
/// So many are taken out of a bucket at a time where it has them: a look at it takes as long as all else that is done with
/// a short message here.
const LOT: u32 = 16;

/// What one peer may still send.
#[derive(Debug)]
pub struct MessagePace {
    left: [TokenBucket; MessageKind::COUNT],
    /// What was taken out of each bucket and not used yet.
    in_hand: [u32; MessageKind::COUNT],
    /// Metadata is asked for, so it comes.
    wants_metadata: bool,
}

impl MessagePace {
    /// The pace for a peer that begins now, of a torrent with this many pieces.
    pub fn new(pieces: u32, now: Instant) -> MessagePace {
        let (at_once, interval) = CHOKE;
        let left = [TokenBucket::every(interval, at_once, now); MessageKind::COUNT];
        let mut pace = MessagePace { left, in_hand: [0; MessageKind::COUNT], wants_metadata: false };
        for (kind, (at_once, interval), more) in [
            (MessageKind::Have, HAVE, pieces),
            (MessageKind::DontHave, DONT_HAVE, pieces),
            (MessageKind::Bitfield, BITFIELD, 0),
            (MessageKind::Interest, INTEREST, pieces.saturating_mul(2)),
            (MessageKind::Cancel, CANCEL, 0),
            (MessageKind::VainReject, VAIN_REJECT, 0),
            (MessageKind::ShortRequest, SHORT_REQUEST, 0),
            (MessageKind::AllowedFast, ALLOWED_FAST, 0),
            (MessageKind::Suggest, SUGGEST, 0),
            (MessageKind::Port, PORT, 0),
            (MessageKind::KeepAlive, KEEP_ALIVE, 0),
            (MessageKind::ExtensionHandshake, EXTENSION_HANDSHAKE, 0),
            (MessageKind::Pex, PEX, 0),
            (MessageKind::Extended, EXTENDED, 0),
            (MessageKind::Hashes, HASHES, pieces),
            (MessageKind::Unknown, UNKNOWN, 0),
        ] {
            if let Some(left) = pace.left.get_mut(kind as usize) {
                *left = TokenBucket::every(interval, at_once.saturating_add(more), now);
            }
        }
        pace
    }

    /// The same where the peer is asked for metadata. Then we have no hashes that it could ask for.
    #[must_use]
    pub fn wanting_metadata(mut self, now: Instant) -> MessagePace {
        let (at_once, interval) = HASHES;
        if let Some(left) = self.left.get_mut(MessageKind::Hashes as usize) {
            *left = TokenBucket::every(interval, at_once, now);
        }
        MessagePace { wants_metadata: true, ..self }
    }

    /// Counts a message that was read at this time.
    ///
    /// # Errors
    ///
    /// There were too many of its kind.
    pub fn count(&mut self, message: &Message<'_>, now: Instant) -> Result<(), Violation> {
        let kind = match message {
            Message::Piece { .. } | Message::Request(_) | Message::Reject(_) => return Ok(()),
            // These come once or twice (`message_rules.rs`).
            Message::HaveAll | Message::HaveNone => return Ok(()),
            Message::Choke | Message::Unchoke => MessageKind::Choke,
            Message::Interested | Message::NotInterested => MessageKind::Interest,
            Message::Have(_) => MessageKind::Have,
            Message::Bitfield(_) => MessageKind::Bitfield,
            Message::Cancel(_) => MessageKind::Cancel,
            Message::AllowedFast(_) => MessageKind::AllowedFast,
            Message::Suggest(_) => MessageKind::Suggest,
            Message::Port(_) => MessageKind::Port,
            Message::KeepAlive => MessageKind::KeepAlive,
            Message::Extended(extension::HANDSHAKE, _) => MessageKind::ExtensionHandshake,
            Message::Extended(extension::UT_PEX, _) => MessageKind::Pex,
            Message::Extended(extension::LT_DONTHAVE, _) => MessageKind::DontHave,
            Message::Extended(id, body)
                if body.len() > LONG_EXTENDED && !(self.wants_metadata && *id == extension::UT_METADATA) =>
            {
                MessageKind::Unknown
            }
            Message::Extended(..) => MessageKind::Extended,
            Message::HashRequest(_) | Message::HashReject(_) => MessageKind::Hashes,
            // Those that were not asked for end the connection (`magnet/exchange.rs`).
            Message::Hashes(..) if self.wants_metadata => return Ok(()),
            Message::Hashes(..) | Message::Unknown(_) => MessageKind::Unknown,
        };
        self.take(kind, now)
    }

    /// Counts a `reject` of what the peer was not asked for.
    ///
    /// # Errors
    ///
    /// There were too many.
    pub fn count_vain_reject(&mut self, now: Instant) -> Result<(), Violation> {
        self.take(MessageKind::VainReject, now)
    }

    /// Counts a request, which asks for all that is left of its piece, or does not. Where a piece ends with a few bytes, or
    /// has no more, they have to be asked for.
    ///
    /// # Errors
    ///
    /// There were too many for a few bytes each.
    pub fn count_request(
        &mut self,
        wanted: BlockRequest,
        is_rest: bool,
        now: Instant,
    ) -> Result<(), Violation> {
        let is_cut_as_usual = is_rest && wanted.begin.is_multiple_of(BLOCK_LENGTH);
        if wanted.length >= SHORT || is_cut_as_usual {
            Ok(())
        } else {
            self.take(MessageKind::ShortRequest, now)
        }
    }

    fn take(&mut self, kind: MessageKind, now: Instant) -> Result<(), Violation> {
        let at = kind as usize;
        let (Some(left), Some(in_hand)) = (self.left.get_mut(at), self.in_hand.get_mut(at)) else {
            return Ok(());
        };
        if *in_hand == 0 {
            *in_hand = if left.take_many(LOT, now) { LOT } else { u32::from(left.take(now)) };
        }
        *in_hand = in_hand.checked_sub(1).ok_or(Violation::Flood(kind))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::NodeRange;
    use crate::wire::HashRequest;

    const PIECES: u32 = 20_000;
    const BLOCK: BlockRequest = BlockRequest { index: 0, begin: 0, length: 16_384 };
    const FEW_BYTES: BlockRequest = BlockRequest { length: SHORT - 1, ..BLOCK };

    const RANGE: NodeRange = NodeRange { base_layer: 2, index: 0, length: 2, proof_layers: 0 };
    const HASHES_WANTED: HashRequest = HashRequest { pieces_root: [7; 32], range: RANGE };

    /// Of how many such messages the last one is too many, if all come at once.
    fn at_once(message: Message<'_>) -> (u32, Violation) {
        let now = Instant::now() + Duration::from_secs(100_000);
        let mut pace = MessagePace::new(PIECES, now);
        let mut count = 0;
        loop {
            count += 1;
            assert!(count < 1_000_000, "{message:?} has no bound");
            if let Err(flood) = pace.count(&message, now) {
                return (count, flood);
            }
        }
    }

    /// How often a message may come that comes again after each such time, up to 100,000 times.
    fn at_a_pace(message: Message<'_>, every: Duration) -> u32 {
        let mut now = Instant::now() + Duration::from_secs(100_000);
        let mut pace = MessagePace::new(PIECES, now);
        let come = (0..100_000).take_while(|_| {
            now += every;
            pace.count(&message, now).is_ok()
        });
        come.count() as u32
    }

    #[test]
    fn each_kind_of_flood_ends_and_is_named() {
        for (message, most, kind) in [
            (Message::Choke, 500, MessageKind::Choke),
            (Message::Unchoke, 500, MessageKind::Choke),
            (Message::Interested, 41_000, MessageKind::Interest),
            (Message::NotInterested, 41_000, MessageKind::Interest),
            (Message::Have(7), 21_000, MessageKind::Have),
            (Message::Extended(extension::LT_DONTHAVE, b"\0\0\0\x07"), 20_100, MessageKind::DontHave),
            (Message::Bitfield(b"7"), 100, MessageKind::Bitfield),
            (Message::Cancel(BLOCK), 10_000, MessageKind::Cancel),
            (Message::AllowedFast(7), 1000, MessageKind::AllowedFast),
            (Message::Suggest(7), 5000, MessageKind::Suggest),
            (Message::Port(7), 20, MessageKind::Port),
            (Message::KeepAlive, 100, MessageKind::KeepAlive),
            (Message::Extended(extension::HANDSHAKE, b"de"), 30, MessageKind::ExtensionHandshake),
            (Message::Extended(extension::UT_PEX, b"de"), 60, MessageKind::Pex),
            (Message::Extended(extension::UT_METADATA, b"de"), 6_000, MessageKind::Extended),
            (Message::Extended(77, b"de"), 6_000, MessageKind::Extended),
            (Message::HashRequest(HASHES_WANTED), 21_000, MessageKind::Hashes),
            (Message::HashReject(HASHES_WANTED), 21_000, MessageKind::Hashes),
            (Message::Hashes(HASHES_WANTED, &[0; 32]), 30, MessageKind::Unknown),
            (Message::Unknown(99), 30, MessageKind::Unknown),
        ] {
            assert_eq!(at_once(message), (most + 1, Violation::Flood(kind)));
        }
        let now = Instant::now();
        let mut pace = MessagePace::new(PIECES, now);
        let vain = (0..).take_while(|_| pace.count_vain_reject(now).is_ok()).count();
        assert_eq!(vain, 10_000);
        let mut pace = MessagePace::new(PIECES, now);
        // The line that carries the answers is the bound of these.
        let enough = BlockRequest { length: SHORT, ..BLOCK };
        assert!((0..100_000).all(|_| pace.count_request(enough, false, now).is_ok()));
        assert!((0..100_000).all(|_| pace.count_request(FEW_BYTES, true, now).is_ok()));
        for (begin, is_rest) in [(0, false), (1, true)] {
            let mut pace = MessagePace::new(PIECES, now);
            let wanted = BlockRequest { begin, ..FEW_BYTES };
            let few = (0..100_000).take_while(|_| pace.count_request(wanted, is_rest, now).is_ok());
            assert_eq!(few.count(), 1000);
        }
    }

    #[test]
    fn what_is_long_and_of_no_use_counts_as_unknown() {
        let long = [0; LONG_EXTENDED + 1];
        for id in [extension::UT_METADATA, 77] {
            let flood = Violation::Flood(MessageKind::Unknown);
            assert_eq!(at_once(Message::Extended(id, &long)), (UNKNOWN.0 + 1, flood));
            assert_eq!(at_once(Message::Extended(id, &long[1..])).0, EXTENDED.0 + 1);
        }
        let now = Instant::now() + Duration::from_secs(100_000);
        let mut pace = MessagePace::new(PIECES, now).wanting_metadata(now);
        let metadata = Message::Extended(extension::UT_METADATA, &long);
        assert!((0..EXTENDED.0).all(|_| pace.count(&metadata, now).is_ok()), "it was asked for");
        // A link may lead to hundreds of thousands of files, and one peer may be the only one that has them.
        let hashes = Message::Hashes(HASHES_WANTED, &long);
        assert!((0..500_000).all(|_| pace.count(&hashes, now).is_ok()), "so were these");
        let request = Message::HashRequest(HASHES_WANTED);
        let requests = (0..).take_while(|_| pace.count(&request, now).is_ok());
        assert_eq!(requests.count(), HASHES.0 as usize);
    }

    #[test]
    fn what_correct_clients_do_for_days_has_no_end() {
        for (message, every) in [
            (Message::Choke, Duration::from_secs(1)),
            (Message::Have(7), Duration::from_millis(150)),
            (Message::Bitfield(b"7"), Duration::from_secs(1)),
            (Message::Interested, Duration::from_millis(60)),
            (Message::KeepAlive, Duration::from_secs(2)),
            (Message::Extended(extension::HANDSHAKE, b"de"), Duration::from_secs(30)),
            (Message::Extended(extension::UT_PEX, b"de"), Duration::from_secs(30)),
            (Message::Port(7), Duration::from_secs(60)),
        ] {
            assert_eq!(at_a_pace(message, every), 100_000, "{message:?}");
        }
    }

    #[test]
    fn a_fast_peer_may_tell_of_each_piece_as_fast_as_it_can() {
        let now = Instant::now();
        let mut pace = MessagePace::new(PIECES, now);
        for piece in 0..PIECES {
            // With all that may follow from one piece.
            for message in [Message::Have(piece), Message::Interested, Message::NotInterested] {
                assert_eq!(pace.count(&message, now), Ok(()));
            }
        }
    }
}
