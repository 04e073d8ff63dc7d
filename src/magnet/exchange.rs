//! What is said to a peer about metadata, and what it answers, from the extension handshake to the end.
//!
//! Runs on the peer's thread (`magnet/worker.rs`). The metadata itself is asked for first, then the digests of the
//! pieces, where they do not stand in it (version 2).

use super::Verdict;
use super::context::MetadataContext;
use super::kept::KeptFrames;
use crate::message::{HangUp, PeerError, PeerKey, Violation, Wait};
use crate::metainfo::MAX_PIECES;
use crate::net::PeerStream;
use crate::peer::{MessagePace, ReadBuffer};
use crate::wire::extension::{self, ExtensionHandshake, UT_METADATA};
use crate::wire::metadata::{MetadataMessage, PIECE};
use crate::wire::{EXTENDED, FrameLimits, HASHES, Message};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a peer may take to say what it can do, and then for each answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const SILENT: PeerError = PeerError::TimedOut(Wait::Metadata);
/// No wait is of no time at all.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// How long a connection may last, and how much longer with each piece that it brings, but not for ever.
const MAX_DURATION: Duration = Duration::from_secs(180);
const MORE_FOR_A_PIECE: Duration = Duration::from_secs(10);
const LONGEST_DURATION: Duration = Duration::from_secs(15 * 60);
/// Pieces of the metadata that are requested of one peer at once.
const AT_ONCE: usize = 4;
/// A peer that has sent some pieces and rejects others limits how many it sends. So long later it is asked again, or at
/// once where some came since the last time.
const PAUSE: Duration = Duration::from_secs(2);
/// So many bytes of an answer show that it is on its way.
const LEAST_PART: usize = 256;
/// How often a peer is thought of again that is asked for nothing, since others are asked for all that is missing, or
/// there is no memory for what it has: soon at first, and then after a quarter of the time that it has waited.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Requests for hashes that one peer is sent at once: each file has its own, and most of these are small.
const HASHES_AT_ONCE: usize = 32;
/// A peer that rejects so many of them has hardly any, and is not asked for hundreds of thousands.
const MOST_REJECTED: u32 = 500;
/// The most bytes that we keep of a peer's messages that only the swarm can understand, some 270 KiB: the
/// longest bitfield, and 16 KiB for what may follow it. All peers together have a bound as well (`kept.rs`).
const MAX_KEPT: usize = (MAX_PIECES / 8) as usize + 16 * 1024;
/// The longest bitfield is that of the torrent with the most pieces that we read.
const LIMITS: FrameLimits = FrameLimits { bitfield: MAX_PIECES / 8, or_fewer: true };

/// What to do with a message.
enum MessageUse {
    /// Nothing more: it has had its effect.
    Done,
    /// Keep it for the swarm, which knows the torrent and will understand it.
    KeepForLater,
    /// With it the metadata is complete.
    Completes,
}

/// The requests for metadata to one peer, and its answers.
pub(super) struct MetadataExchange<'a> {
    key: PeerKey,
    context: &'a MetadataContext,
    /// The id that the peer gave to messages about metadata.
    message_id: Option<u8>,
    /// Pieces that were requested and have not come yet.
    outstanding: usize,
    /// It rejected a piece.
    rejects: bool,
    /// How many requests for hashes it rejected.
    rejected_hashes: u32,
    /// It sent a piece; and so it did since it was asked again.
    sends: bool,
    sent_since: bool,
    /// When it is to be asked again for what it rejected.
    again: Option<Instant>,
    /// When some of what it was asked for came last, or it was asked for nothing.
    last_answer: Instant,
    /// How many bytes have come of an answer that is not whole.
    part: usize,
    /// How many of them the assembly has heard of.
    told_part: usize,
    /// Since when it is asked for nothing.
    unasked: Option<Instant>,
    /// It has connected to us.
    incoming: bool,
    /// How long a connection like this one takes for an answer.
    round_trip: Duration,
    /// When the connection has lasted long enough.
    begun: Instant,
    until: Instant,
    /// How many messages of each kind it may still send.
    pace: MessagePace,
}

impl MetadataExchange<'_> {
    pub(super) fn new(key: PeerKey, context: &MetadataContext) -> MetadataExchange<'_> {
        let now = Instant::now();
        let pace = MessagePace::new(MAX_PIECES, now).wanting_metadata(now);
        MetadataExchange {
            key,
            context,
            message_id: None,
            outstanding: 0,
            rejects: false,
            rejected_hashes: 0,
            sends: false,
            sent_since: false,
            again: None,
            last_answer: now,
            part: 0,
            told_part: 0,
            unasked: None,
            incoming: false,
            round_trip: Duration::ZERO,
            begun: now,
            until: now + MAX_DURATION,
            pace,
        }
    }

    /// The same, with a peer that took so long to answer our handshake.
    #[must_use]
    pub(super) fn greeted_in(self, round_trip: Duration) -> Self {
        Self { round_trip, ..self }
    }

    /// The same, with a peer that has connected to us, and may be one that we cannot connect to.
    #[must_use]
    pub(super) fn that_came(self, incoming: bool) -> Self {
        Self { incoming, ..self }
    }

    /// Requests pieces until the metadata is complete. Returns the frames that are kept for the swarm.
    pub(super) fn run(mut self, stream: &PeerStream) -> Result<Vec<u8>, PeerError> {
        let mut buffer = ReadBuffer::new(Arc::clone(&self.context.read_memory));
        let mut kept = KeptFrames::new(Arc::clone(&self.context.kept_memory));
        let mut answers = Vec::new();
        loop {
            answers.clear();
            let now = Instant::now();
            if self.hear_all(&mut buffer, &mut kept, &mut answers, now)? {
                return Ok([&kept.take(), buffer.unused()].concat());
            }
            self.hear_part(buffer.unused(), now);
            let (is_alone, before) = (answers.is_empty(), self.outstanding);
            self.request(&mut answers);
            // Behind rejects the reasons would be told of those.
            for tap in stream.tap().into_iter().filter(|_| is_alone) {
                let why =
                    format!("fewest peers were asked for it; {} of {AT_ONCE} at a time", self.outstanding);
                tap.why("ut_metadata", self.outstanding.saturating_sub(before), why);
            }
            if self.rejected_hashes > MOST_REJECTED {
                return Err(PeerError::HungUp(HangUp::RejectsMetadata));
            }
            if self.rejects && self.outstanding == 0 {
                self.comes_to_rejects(now)?;
                self.request(&mut answers);
            }
            if !answers.is_empty() {
                stream.write_all(&answers).map_err(PeerError::Lost)?;
            }
            let pause = self.pause(now);
            if self.incoming && pause.is_some() && self.context.assembly().is_taken() {
                // Others have sent all of it, and nothing more is asked that it could answer.
                return Ok([&kept.take(), buffer.unused()].concat());
            }
            // This also ends a peer that sends much, but nothing that it was asked for.
            if self.last_answer.elapsed() >= PATIENCE || Instant::now() >= self.until {
                return Err(SILENT);
            }
            let again = self.again.map(|again| again.saturating_duration_since(now));
            let looks = pause.into_iter().chain(again).min();
            stream.wait_at_most(looks.unwrap_or(PATIENCE).max(SHORTEST_WAIT)).map_err(PeerError::Lost)?;
            match buffer.fill(stream, &self.context.down) {
                Err(PeerError::TimedOut(_)) if looks.is_some() => {}
                Err(PeerError::TimedOut(_)) => return Err(SILENT),
                filled => filled?,
            }
        }
    }

    /// A part of an answer is an answer: on a thin line the rest takes its time.
    fn hear_part(&mut self, begun: &[u8], now: Instant) {
        let is_asked_for = match begun {
            [_, _, _, _, EXTENDED, UT_METADATA, ..] | [_, _, _, _, HASHES, ..] => self.outstanding > 0,
            _ => false,
        };
        if is_asked_for && begun.len() > self.part {
            self.last_answer = now;
        }
        self.part = if is_asked_for { begun.len() } else { 0 };
        // Whoever sends a byte now and then is as good as silent to others.
        self.told_part = self.told_part.min(self.part);
        if self.part >= self.told_part.saturating_add(LEAST_PART) {
            self.told_part = self.part;
            let mut assembly = self.context.assembly();
            assembly.passed(now);
            assembly.heard(self.key);
        }
    }

    /// When to look again whether the peer is to be asked for something, if it is asked for nothing.
    fn pause(&mut self, now: Instant) -> Option<Duration> {
        if self.message_id.is_none() || self.outstanding > 0 {
            self.unasked = None;
            return None;
        }
        if !self.rejects && self.context.assembly().is_source(self.key) {
            self.last_answer = now;
        }
        let unasked = now.saturating_duration_since(*self.unasked.get_or_insert(now));
        Some((unasked / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }

    /// Hears what has come. Frames for the swarm go to `kept`, what is to be said at once to `answers`. Returns whether
    /// the metadata is complete: then all that follows is for the swarm.
    fn hear_all(
        &mut self,
        buffer: &mut ReadBuffer,
        kept: &mut KeptFrames,
        answers: &mut Vec<u8>,
        now: Instant,
    ) -> Result<bool, PeerError> {
        while let Some(message) = buffer.next(&LIMITS)? {
            self.pace.count(&message, now).map_err(PeerError::Violation)?;
            match self.hear(&message, answers)? {
                MessageUse::Done => {}
                MessageUse::KeepForLater if kept.len() < MAX_KEPT => {
                    if !kept.keep(&message) {
                        return Err(PeerError::HungUp(HangUp::NoRoomForWords));
                    }
                }
                MessageUse::KeepForLater => {
                    return Err(PeerError::Violation(Violation::TalkWithoutMetadata));
                }
                MessageUse::Completes => return Ok(true),
            }
        }
        if kept.is_coming(buffer.needed()) {
            Ok(false)
        } else {
            Err(PeerError::HungUp(HangUp::NoRoomForWords))
        }
    }

    /// All requests were answered, some of them by a reject: the peer is asked again for those, if it has sent others.
    fn comes_to_rejects(&mut self, now: Instant) -> Result<(), PeerError> {
        let again = *self.again.get_or_insert(if self.sent_since { now } else { now + PAUSE });
        if !self.sends {
            return Err(PeerError::HungUp(HangUp::RejectsMetadata));
        }
        if now >= again {
            if !self.context.assembly().may_ask_again(self.key) {
                return Err(PeerError::HungUp(HangUp::RejectsMetadata));
            }
            (self.rejects, self.sent_since, self.again) = (false, false, None);
        }
        Ok(())
    }

    fn hear(&mut self, message: &Message<'_>, answers: &mut Vec<u8>) -> Result<MessageUse, PeerError> {
        let message = match *message {
            Message::Extended(UT_METADATA, body) => MetadataMessage::from_wire(body),
            Message::Extended(extension::HANDSHAKE, body) if self.message_id.is_none() => {
                self.introduced(body)?;
                return Ok(MessageUse::KeepForLater);
            }
            Message::Hashes(request, nodes) => {
                let verdict = self.context.assembly().received_hashes(self.key, &request, nodes);
                return self.judged(verdict);
            }
            Message::HashReject(request) => {
                if self.context.assembly().rejected_hashes(self.key, &request) {
                    self.rejects = true;
                    self.rejected_hashes += 1;
                    self.outstanding = self.outstanding.saturating_sub(1);
                }
                return Ok(MessageUse::Done);
            }
            Message::HashRequest(request) => {
                Message::HashReject(request).write_to(answers);
                return Ok(MessageUse::Done);
            }
            Message::KeepAlive => return Ok(MessageUse::Done),
            // A bitfield, for example, means nothing before we know how many pieces there are.
            _ => return Ok(MessageUse::KeepForLater),
        };
        match message {
            Some(MetadataMessage::Data { piece, total_size, bytes }) => {
                return self.received(piece, total_size, bytes);
            }
            Some(MetadataMessage::Reject(piece)) => {
                self.context.assembly().rejected(self.key, piece);
                self.rejects |= self.outstanding > 0;
                self.outstanding = self.outstanding.saturating_sub(1);
            }
            Some(MetadataMessage::Request(piece)) => {
                if let Some(message_id) = self.message_id {
                    let reject = MetadataMessage::Reject(piece).to_wire();
                    Message::Extended(message_id, &reject).write_to(answers);
                }
            }
            None => {}
        }
        Ok(MessageUse::Done)
    }

    fn introduced(&mut self, body: &[u8]) -> Result<(), PeerError> {
        let theirs =
            ExtensionHandshake::from_wire(body).ok_or(PeerError::Violation(Violation::ExtensionHandshake))?;
        // Some peers that have no metadata say that its size is 0.
        let (Some(message_id @ 1..), Some(size @ 1..)) = (theirs.metadata, theirs.metadata_size) else {
            return Err(PeerError::HungUp(HangUp::NoMetadata));
        };
        let now = Instant::now();
        let limit = self.context.down.limit();
        let at_the_limit = limit.map_or(0.0, |limit| f64::from(PIECE) / limit.max(1) as f64);
        let mut assembly = self.context.assembly();
        assembly.passed(now);
        assembly.joined(self.key, size).map_err(PeerError::Violation)?;
        assembly.answers_in(self.key, self.round_trip * 2 + Duration::from_secs_f64(at_the_limit));
        drop(assembly);
        self.message_id = Some(message_id);
        self.last_answer = now;
        Ok(())
    }

    fn received(
        &mut self,
        piece: u32,
        total_size: Option<u64>,
        bytes: &[u8],
    ) -> Result<MessageUse, PeerError> {
        let mut assembly = self.context.assembly();
        assembly.passed(Instant::now());
        let verdict = assembly.received(self.key, piece, total_size, bytes);
        drop(assembly);
        (self.sends, self.sent_since) = (true, true);
        self.judged(verdict)
    }

    fn judged(&mut self, verdict: Verdict) -> Result<MessageUse, PeerError> {
        match verdict {
            Verdict::Wrong(liars) if liars.contains(&self.key) => {
                Err(PeerError::Violation(Violation::WrongMetadata))
            }
            Verdict::Kept | Verdict::Wrong(_) => {
                self.outstanding = self.outstanding.saturating_sub(1);
                self.last_answer = Instant::now();
                self.until = (self.until + MORE_FOR_A_PIECE).min(self.begun + LONGEST_DURATION);
                Ok(MessageUse::Done)
            }
            Verdict::Complete => Ok(MessageUse::Completes),
            Verdict::Broke(violation) => Err(PeerError::Violation(violation)),
        }
    }

    /// Requests as many pieces as the peer may have outstanding.
    fn request(&mut self, frames: &mut Vec<u8>) {
        let Some(message_id) = self.message_id else { return };
        self.context.assembly().passed(Instant::now());
        while self.outstanding < AT_ONCE
            && let Some(piece) = self.context.assembly().next(self.key)
        {
            let request = MetadataMessage::Request(piece).to_wire();
            Message::Extended(message_id, &request).write_to(frames);
            self.outstanding += 1;
        }
        while self.outstanding < HASHES_AT_ONCE
            && let Some(request) = self.context.assembly().next_hashes(self.key)
        {
            Message::HashRequest(request).write_to(frames);
            self.outstanding += 1;
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
