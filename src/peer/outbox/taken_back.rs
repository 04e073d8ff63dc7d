//! Pieces that the peer was told of and that are lost: another program has changed their files.
//!
//! A peer that asks for one gets a reject (BEP 6). To many programs that says only that it should ask again, and they do,
//! as fast as we answer. So where the peer understands `lt_donthave` (BEP 54), the piece is taken back when it is asked
//! for. If it is right again later, the peer hears *have*.

use super::{KEEP_ALIVE, Outbox};
use crate::piece::PieceIndex;
use crate::wire::{Message, extension};
use std::collections::BTreeSet;
use std::time::Instant;

/// What was taken back of one peer. It has at most as many pieces as the torrent.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    pieces: BTreeSet<PieceIndex>,
    /// When to look next whether some are there again.
    next_look: Option<Instant>,
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
            self.taken_back.next_look.get_or_insert(now + KEEP_ALIVE);
        }
    }

    /// Now and then looks whether pieces that were taken back are there again, and says so to the peer. It will not ask
    /// for them, so nobody else would notice that their files were put right.
    pub(in crate::peer) fn give_again(&mut self, now: Instant, frames: &mut Vec<u8>) {
        if self.taken_back.next_look.is_none_or(|next| now < next) {
            return;
        }
        let Some(served) = self.context.served_pieces.as_ref() else { return };
        let (here, lost): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.taken_back.pieces).into_iter().partition(|piece| served.offers(*piece));
        lost.iter().for_each(|piece| served.notice_return(*piece));
        self.taken_back =
            TakenBack { next_look: (!lost.is_empty()).then_some(now + KEEP_ALIVE), pieces: lost };
        if !here.is_empty() {
            self.explain("have", here.len(), || "it is there again".to_owned());
        }
        here.iter().for_each(|piece| Message::Have(piece.get()).write_to(frames));
    }
}
