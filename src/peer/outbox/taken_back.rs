//! Pieces that the peer was told of and that are lost: another program has changed their files.
//!
//! A peer that asks for one gets a reject (BEP 6). To many programs that says only that it should ask again, and they do,
//! as fast as we answer. So where the peer understands `lt_donthave` (BEP 54), the piece is taken back when it is asked
//! for. If it is right again later, the peer hears *have*. So does one that came while pieces were lost, and was not told
//! of them.

use super::Outbox;
use crate::piece::{Bitfield, PieceIndex};
use crate::wire::{Message, extension};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long after one look whether lost pieces are there again the next one follows. The peer may wait for them, and a
/// look is some bits, and a few files that are opened.
pub(in crate::peer) const LOOK: Duration = Duration::from_secs(10);

/// So many lost pieces are remembered for a peer that was not told of them. Of a large torrent whose files are gone, each
/// peer would cost megabytes.
const MOST_WITHHELD: usize = 32 * 1024;

/// What was taken back of one peer, or withheld from it.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    pieces: BTreeSet<PieceIndex>,
    /// When to look next whether some are there again.
    pub(super) next_look: Option<Instant>,
}

impl Outbox {
    /// The peer asks for a piece that cannot be sent. If it is lost, it is taken back, where the peer understands that.
    pub(in crate::peer) fn take_back(&mut self, piece: PieceIndex, now: Instant, frames: &mut Vec<u8>) {
        let is_lost = self.context.served_pieces.as_ref().is_some_and(|served| served.lacks(piece));
        let Some(message_id) = self.requests.dont_have_id().filter(|_| is_lost) else { return };
        if self.taken_back.pieces.insert(piece) {
            let why = "we do not have it any more, and it understands that (BEP 54)";
            self.explain("lt_donthave", 1, || why.to_owned());
            Message::Extended(message_id, &extension::dont_have(piece.get())).write_to(frames);
            self.taken_back.next_look.get_or_insert(now + LOOK);
        }
    }

    /// The peer was told of these pieces, and not of those that are lost: it is to hear of them once they are there
    /// again.
    pub(super) fn withhold(&mut self, told: &Bitfield, now: Instant) {
        let lost = self.context.served_pieces.as_ref().and_then(|served| served.notice_returns());
        let Some(lost) = lost else { return };
        let untold = lost.iter(self.context.geometry).filter(|piece| !told.has(*piece));
        self.taken_back.pieces.extend(untold.take(MOST_WITHHELD));
        if !self.taken_back.pieces.is_empty() {
            self.taken_back.next_look.get_or_insert(now + LOOK);
        }
    }

    /// The peer is told of this piece, for whatever reason.
    pub(super) fn is_told(&mut self, piece: PieceIndex) {
        self.taken_back.pieces.remove(&piece);
    }

    /// Now and then looks whether pieces that were taken back or withheld are there again, and says so to the peer. It
    /// will not ask for them, so nobody else would notice that their files were put right.
    pub(in crate::peer) fn give_again(&mut self, now: Instant, frames: &mut Vec<u8>) {
        if self.taken_back.next_look.is_none_or(|next| now < next) {
            return;
        }
        let Some(served) = self.context.served_pieces.as_ref() else { return };
        let (here, lost): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.taken_back.pieces).into_iter().partition(|piece| served.offers(*piece));
        if !lost.is_empty() {
            let _ = served.notice_returns();
        }
        self.taken_back = TakenBack { next_look: (!lost.is_empty()).then_some(now + LOOK), pieces: lost };
        if !here.is_empty() {
            self.explain("have", here.len(), || "it is there again".to_owned());
        }
        here.iter().for_each(|piece| Message::Have(piece.get()).write_to(frames));
    }
}
