//! Rarest first: which piece to open next. BEP 3 leaves the choice open; every good client does this.
//!
//! A piece that few peers have is lost to the swarm when they leave, so it is fetched first. Pieces that are
//! equally rare are taken in random order, so that peers that start together fetch different pieces and then
//! have something to trade.
//!
//! The *availability* of a piece is the number of *partial* peers that have it: peers that lack some pieces.
//! A peer that has every piece (a seed) says nothing about rarity and is not counted.
//!
//! The pieces that we neither have nor are fetching are in one table, ordered by availability: first those
//! that no partial peer has, then those that one has, and so on. Pieces of one availability form a bucket. A
//! piece whose availability changes by one is swapped to the edge of its bucket, and then the edge moves over
//! it. So no operation takes longer for a torrent of a million pieces than for one of a hundred. Only taking
//! a piece out or putting it back costs a step for each bucket, and there are no more buckets than peers.

use crate::chance;
use crate::piece::{Bitfield, Geometry, PieceIndex};
use std::ops::Range;

/// Entries at the start of the table in which we look for a piece that a peer has, before we search all
/// pieces in another way.
const PROBES: usize = 256;

/// Which pieces a peer has.
#[derive(Clone, Debug)]
pub enum PeerPieces {
    /// Every piece: the peer is a seed.
    All,
    /// These pieces.
    Some(Bitfield),
}

impl PeerPieces {
    /// Whether the peer has this piece.
    pub fn has(&self, piece: PieceIndex) -> bool {
        match self {
            PeerPieces::All => true,
            PeerPieces::Some(pieces) => pieces.has(piece),
        }
    }
}

/// The pieces that may be chosen, the rarest first.
#[derive(Debug)]
pub struct Rarity {
    geometry: Geometry,
    /// The pieces, bucket after bucket.
    order: Vec<PieceIndex>,
    /// The place of each piece in `order`; [`ABSENT`] for a piece that may not be chosen.
    position: Vec<u32>,
    /// How many partial peers have each piece, whether it may be chosen or not.
    availability: Vec<u16>,
    /// `spread[a]`: how many pieces have the availability `a`.
    spread: Vec<u32>,
    /// `ends[a]`: where the bucket of availability `a` ends in `order`.
    ends: Vec<u32>,
    /// The same pieces as in `order`, one bit each.
    choosable: Bitfield,
    /// No word of `choosable` before this one has a piece.
    first_word: usize,
}

const ABSENT: u32 = u32::MAX;

impl Rarity {
    /// A table of the pieces in `missing`.
    pub fn new(geometry: Geometry, missing: &Bitfield, random: &mut fastrand::Rng) -> Rarity {
        let mut order: Vec<PieceIndex> = geometry.pieces().filter(|piece| missing.has(*piece)).collect();
        chance::shuffle(&mut order, random);
        let mut position = vec![ABSENT; geometry.piece_count() as usize];
        for (at, piece) in (0..).zip(&order) {
            set(&mut position, piece.slot(), at);
        }
        Rarity {
            geometry,
            ends: vec![order.len() as u32],
            order,
            position,
            availability: vec![0; geometry.piece_count() as usize],
            spread: vec![geometry.piece_count()],
            choosable: missing.clone(),
            first_word: 0,
        }
    }

    /// How many pieces may be chosen.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The pieces that may be chosen.
    pub fn choosable(&self) -> &Bitfield {
        &self.choosable
    }

    /// No [word](Bitfield::words) before this one has a piece that may be chosen: where to begin in order.
    pub fn first_word(&self) -> usize {
        self.first_word
    }

    /// Whether no piece may be chosen.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many partial peers have this piece.
    pub fn availability(&self, piece: PieceIndex) -> u16 {
        self.availability.get(piece.slot()).copied().unwrap_or(0)
    }

    /// The same for each of these pieces.
    pub fn availabilities(&self, pieces: Range<u32>) -> &[u16] {
        self.availability.get(pieces.start as usize..pieces.end as usize).unwrap_or_default()
    }

    /// How many copies of the torrent the partial peers have together: whole ones, as many as there are of the rarest
    /// piece, and the part of the pieces of which there is one more at least. A step for each peer, none for pieces.
    pub fn copies(&self) -> f64 {
        let Some(whole) = self.spread.iter().position(|pieces| *pieces > 0) else { return 0.0 };
        let all: u32 = self.geometry.piece_count();
        let more = all.saturating_sub(self.spread.get(whole).copied().unwrap_or(0));
        whole as f64 + f64::from(more) / f64::from(all.max(1))
    }

    /// The availability of a piece was one and is the other.
    fn spreads(&mut self, old: u16, new: u16) {
        if usize::from(new) >= self.spread.len() {
            self.spread.resize(usize::from(new) + 1, 0);
        }
        if let Some(pieces) = self.spread.get_mut(usize::from(old)) {
            *pieces = pieces.saturating_sub(1);
        }
        if let Some(pieces) = self.spread.get_mut(usize::from(new)) {
            *pieces = pieces.saturating_add(1);
        }
    }

    /// A partial peer has one piece more.
    pub fn gained(&mut self, piece: PieceIndex) {
        let old = self.availability(piece);
        let Some(new) = old.checked_add(1) else { return };
        set(&mut self.availability, piece.slot(), new);
        self.spreads(old, new);
        if self.position_of(piece).is_some() {
            self.open_bucket(new);
            // The piece goes to the end of its bucket, and the end moves in front of it.
            let edge = self.end(old).saturating_sub(1);
            self.swap_to(piece, edge);
            set(&mut self.ends, usize::from(old), edge);
        }
    }

    /// A partial peer that had this piece has left.
    pub fn lost(&mut self, piece: PieceIndex) {
        let old = self.availability(piece);
        let Some(new) = old.checked_sub(1) else { return };
        set(&mut self.availability, piece.slot(), new);
        self.spreads(old, new);
        if self.position_of(piece).is_some() {
            // The piece goes to the start of its bucket, and the end of the bucket below moves behind it.
            let edge = self.end(new);
            self.swap_to(piece, edge);
            set(&mut self.ends, usize::from(new), edge + 1);
        }
    }

    /// A partial peer has come, or has these pieces more.
    pub fn gained_all(&mut self, pieces: &Bitfield) {
        pieces.iter(self.geometry).for_each(|piece| self.gained(piece));
    }

    /// A partial peer that had these pieces has left.
    pub fn lost_all(&mut self, pieces: &Bitfield) {
        pieces.iter(self.geometry).for_each(|piece| self.lost(piece));
    }

    /// The piece is being fetched and may not be chosen any more.
    pub fn take(&mut self, piece: PieceIndex) {
        if self.position_of(piece).is_none() {
            return;
        }
        // It moves out through the end of each bucket from its own to the last: each bucket gives its last
        // piece to the hole and shrinks by one.
        for bucket in usize::from(self.availability(piece))..self.ends.len() {
            let edge = self.ends.get(bucket).copied().unwrap_or(0).saturating_sub(1);
            self.swap_to(piece, edge);
            set(&mut self.ends, bucket, edge);
        }
        self.order.pop();
        set(&mut self.position, piece.slot(), ABSENT);
        self.choosable.remove(piece);
        // Each word is left behind once, until a piece comes back.
        while self.choosable.words().get(self.first_word) == Some(&0) {
            self.first_word += 1;
        }
    }

    /// The piece may be chosen again: its bytes were wrong, or all peers that sent it have left.
    pub fn put_back(&mut self, piece: PieceIndex) {
        if self.position_of(piece).is_some() || !self.choosable.insert(piece) {
            return;
        }
        self.first_word = self.first_word.min(piece.slot() / 64);
        let availability = self.availability(piece);
        self.open_bucket(availability);
        set(&mut self.position, piece.slot(), self.order.len() as u32);
        self.order.push(piece);
        for bucket in (usize::from(availability)..self.ends.len()).rev() {
            let end = self.ends.get(bucket).copied().unwrap_or(0);
            set(&mut self.ends, bucket, end + 1);
            if bucket > usize::from(availability) {
                // It moves in through the start of the bucket above.
                let start = self.ends.get(bucket - 1).copied().unwrap_or(0);
                self.swap_to(piece, start);
            }
        }
    }

    /// A piece that the peer has and that so many partial peers have, if there is one among the first that are looked at.
    pub fn of_availability(&self, availability: u16, has: &PeerPieces) -> Option<PieceIndex> {
        let start = availability.checked_sub(1).map_or(0, |less| self.end(less));
        let bucket = self.order.get(start as usize..self.end(availability) as usize)?;
        bucket.iter().take(PROBES).copied().find(|piece| has.has(*piece))
    }

    /// The rarest piece that the peer has. With `any`, a random one: while we have nothing to trade, a piece
    /// that comes soon is better than a rare one, which few peers can send.
    pub fn pick(&self, has: &PeerPieces, any: bool, random: &mut fastrand::Rng) -> Option<PieceIndex> {
        let start = if any { chance::below(self.order.len(), random) } else { 0 };
        let probed = self.order.iter().skip(start).take(PROBES).copied().find(|piece| has.has(*piece));
        match (probed, has) {
            (Some(piece), _) => Some(piece),
            (None, PeerPieces::All) => self.rarest(),
            (None, PeerPieces::Some(pieces)) => self.search(pieces, random),
        }
    }

    /// Any piece of a peer that has none of the rarest. Looks at 64 pieces in a step, from a random piece on.
    fn search(&self, pieces: &Bitfield, random: &mut fastrand::Rng) -> Option<PieceIndex> {
        let (theirs, ours) = (pieces.words(), self.choosable.words());
        let start = chance::below(ours.len(), random);
        let both = theirs.iter().zip(ours).enumerate();
        let (at, word) = both
            .clone()
            .skip(start)
            .chain(both.take(start))
            .find_map(|(at, (theirs, ours))| (theirs & ours != 0).then_some((at, theirs & ours)))?;
        self.geometry.piece(u32::try_from(at).ok()?.checked_mul(64)?.checked_add(word.leading_zeros())?)
    }

    /// The rarest piece that the peer lacks, or, if it has all of the rarest, any piece that it lacks. Pieces
    /// for which `except` is true are left out.
    pub fn rarest_lacked(
        &self,
        has: &PeerPieces,
        except: &dyn Fn(PieceIndex) -> bool,
        random: &mut fastrand::Rng,
    ) -> Option<PieceIndex> {
        let mut probed = self.order.iter().take(PROBES).copied();
        let found = probed.find(|piece| !has.has(*piece) && !except(*piece));
        found.or_else(|| choose_lacked(self.geometry, has, &self.choosable, except, random))
    }

    /// Whether this piece may be chosen.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.choosable.has(piece)
    }

    /// The pieces that may be chosen, the rarest first, those of one rarity in no order.
    pub(super) fn rarest_first(&self) -> impl Iterator<Item = PieceIndex> {
        self.order.iter().copied()
    }

    /// The rarest piece of all.
    pub fn rarest(&self) -> Option<PieceIndex> {
        self.order.first().copied()
    }

    /// A piece that no partial peer has, if there is one.
    pub fn without_partial_peer(&self) -> Option<PieceIndex> {
        self.of_availability(0, &PeerPieces::All)
    }

    fn position_of(&self, piece: PieceIndex) -> Option<u32> {
        self.position.get(piece.slot()).copied().filter(|at| *at != ABSENT)
    }

    fn end(&self, availability: u16) -> u32 {
        self.ends.get(usize::from(availability)).copied().unwrap_or(self.order.len() as u32)
    }

    fn open_bucket(&mut self, availability: u16) {
        while self.ends.len() <= usize::from(availability) {
            self.ends.push(self.order.len() as u32);
        }
    }

    fn swap_to(&mut self, piece: PieceIndex, to: u32) {
        let Some(from) = self.position_of(piece) else { return };
        let Some(other) = self.order.get(to as usize).copied() else { return };
        self.order.swap(from as usize, to as usize);
        set(&mut self.position, other.slot(), from);
        set(&mut self.position, piece.slot(), to);
    }
}

/// One of the pieces `among` that the peer lacks and for which `except` is not true. Looks at 64 pieces in a
/// step, from a random piece on.
pub(in crate::strategy) fn choose_lacked(
    geometry: Geometry,
    has: &PeerPieces,
    among: &Bitfield,
    except: &dyn Fn(PieceIndex) -> bool,
    random: &mut fastrand::Rng,
) -> Option<PieceIndex> {
    let PeerPieces::Some(theirs) = has else { return None };
    let both = (0..).step_by(64).zip(theirs.words().iter().zip(among.words()));
    let start = chance::below(among.words().len(), random);
    both.clone().skip(start).chain(both.take(start)).find_map(|(first, (theirs, among)): (u32, _)| {
        let mut left = among & !theirs;
        std::iter::from_fn(|| {
            let next = left.leading_zeros();
            left &= !(1_u64 << 63).checked_shr(next)?;
            geometry.piece(first.checked_add(next)?)
        })
        .find(|piece| !except(*piece))
    })
}

fn set<T>(table: &mut [T], at: usize, value: T) {
    if let Some(slot) = table.get_mut(at) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests;
