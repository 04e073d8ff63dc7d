//! Which state each piece is in: the one truth about the download.
//!
//! A piece is in exactly one state at any time, and only the coordinator, through this map, changes
//! it:
//!
//! ```text
//! Missing ──open──▶ Open ──verified──▶ Verified ──stored──▶ Stored
//!    ▲                │
//!    │                │   its bytes were wrong; or it is given up, because no peer that is here may
//!    ├────discard─────┘   send it and memory is short
//!    │
//!    └─────lose──── Stored   another program has changed it on disk
//! ```
//!
//! If we only share what is on the disk, or download only some of the files, the other missing pieces are
//! *Unwanted* for good. A peer that has nothing but those is of no interest to us.
//!
//! The map also counts the memory that pieces take (`memory.rs`).
//!
//! Where the payload is written to a stream, *stored* means that a piece has left, and the pieces of a window alone may
//! be opened (`strategy/download/window.rs`).
//!
//! What an event costs: blocks, `have` messages and stored pieces cost nothing that grows with the number of
//! pieces. A stored piece goes once through the roster, and a search for a free block goes through the open
//! pieces. These cost a step for every 64 pieces of the torrent: a bitfield that comes, the first `have` of a
//! peer that sent no bitfield, the departure of such a peer (and a step for each piece that it has), the
//! bitfield that we send to a new peer, and naming a piece that no peer has while the download stalls. Seeds
//! cost none of this, since they do not count for rarity.

mod memory;
mod survey;
mod wanted;

use crate::piece::{Bitfield, Geometry, PieceIndex};
use crate::strategy::{Gaps, PeerPieces, PieceOrder, Rarity, Window};
use memory::PieceMemory;
use std::ops::Range;
use survey::Survey;
use wanted::Wanted;

/// A gap of so many bytes is long enough for a web seed: nothing is gained by a longer one.
const LONG_GAP: u32 = 16 * 1024 * 1024;

/// The state of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is not here, and no peer was asked for it.
    Missing,
    /// Some of its blocks are leased.
    Open,
    /// It has the right digest and is on its way to the disk.
    Verified,
    /// It is on disk.
    Stored,
    /// It is not here and is not to be.
    Unwanted,
}

/// The pieces of one torrent.
#[derive(Debug)]
pub struct PieceMap {
    geometry: Geometry,
    states: Vec<State>,
    stored: Bitfield,
    stored_bytes: u64,
    rarity: Rarity,
    order: PieceOrder,
    memory: PieceMemory,
    wanted: Wanted,
    /// The pieces that may be open, if they leave in order and are not kept.
    window: Option<Window>,
    /// What the live view was told of how rare they are.
    survey: Survey,
}

impl PieceMap {
    /// A map in which the pieces of `stored` are on disk and the others are missing, with this allowance
    /// in bytes.
    pub fn new(geometry: Geometry, stored: Bitfield, allowance: u64, random: &mut fastrand::Rng) -> PieceMap {
        let mut missing = Bitfield::all(geometry.piece_count());
        let mut states = vec![State::Missing; geometry.piece_count() as usize];
        let mut stored_bytes = 0;
        for piece in stored.iter(geometry) {
            missing.remove(piece);
            stored_bytes += u64::from(geometry.length(piece));
            if let Some(state) = states.get_mut(piece.slot()) {
                *state = State::Stored;
            }
        }
        let rarity = Rarity::new(geometry, &missing, random);
        PieceMap {
            geometry,
            states,
            stored,
            stored_bytes,
            rarity,
            order: PieceOrder::default(),
            memory: PieceMemory::new(allowance),
            wanted: Wanted::All,
            window: None,
            survey: Survey::default(),
        }
    }

    /// From now on no piece is wanted that is not on disk. To be called before the first piece is opened.
    pub fn want_nothing(&mut self, random: &mut fastrand::Rng) {
        self.want(&Bitfield::none(self.geometry.piece_count()), random);
        self.wanted = Wanted::Nothing;
    }

    /// From now on no other piece is wanted. To be called before the first piece is opened. Every piece that
    /// is on disk must be among those that are wanted.
    pub fn want_only(&mut self, wanted: Bitfield, random: &mut fastrand::Rng) {
        let mut missing = wanted.clone();
        for piece in self.stored.iter(self.geometry) {
            missing.remove(piece);
        }
        self.want(&missing, random);
        self.wanted = Wanted::only(wanted, self.geometry);
    }

    /// Makes these pieces the missing ones, and all others that are not on disk unwanted.
    fn want(&mut self, missing: &Bitfield, random: &mut fastrand::Rng) {
        self.rarity = Rarity::new(self.geometry, missing, random);
        for (piece, state) in self.geometry.pieces().zip(&mut self.states) {
            if *state == State::Missing && !missing.has(piece) {
                *state = State::Unwanted;
            }
        }
    }

    /// From now on pieces are opened in this order. To be called once it is known which are wanted.
    pub fn put_in_order(&mut self, order: PieceOrder) {
        let pending = || self.rarity.choosable().clone();
        self.window = order.is_stream.then(|| Window::new(self.geometry, pending()));
        self.order = order;
    }

    /// Whether the rarest piece comes first, as the user wants no other order.
    pub fn is_rarest_first(&self) -> bool {
        self.order.is_rarest_first()
    }

    /// Whether pieces leave in order and are not kept.
    pub fn is_stream(&self) -> bool {
        self.window.is_some()
    }

    /// Whether the next piece of a stream is there, and its reader has not taken all of it.
    pub fn waits_for_reader(&self) -> bool {
        let head = self.window.as_ref().and_then(Window::head);
        head.is_some_and(|head| self.states.get(head.slot()) == Some(&State::Verified))
    }

    /// The pieces on disk.
    pub fn stored(&self) -> &Bitfield {
        &self.stored
    }

    /// Bytes on disk.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Bytes that are to be on disk in the end.
    pub fn wanted_bytes(&self) -> u64 {
        self.wanted.bytes(self.geometry)
    }

    /// Whether every piece that is wanted is on disk.
    pub fn is_done(&self) -> bool {
        self.wanted.is_stored(&self.stored)
    }

    /// Whether every piece of the torrent is on disk.
    pub fn is_complete(&self) -> bool {
        self.stored.is_full()
    }

    /// Whether the allowance is enough for one more open piece. If anything is allowed, one is. Of a stream: whether
    /// a piece of the window is missing.
    pub fn has_room(&self) -> bool {
        if let Some(window) = &self.window {
            // Memory is reserved for all its pieces.
            return window.missing(&self.rarity) > 0;
        }
        self.memory.has_room(self.geometry.piece_length())
    }

    /// Bytes of the pieces that could still be opened now.
    pub fn room(&self) -> u64 {
        if let Some(window) = &self.window {
            return u64::from(window.missing(&self.rarity))
                .saturating_mul(self.geometry.piece_length().into());
        }
        self.memory.room(self.geometry.piece_length()).min(self.missing_bytes())
    }

    /// The piece that was opened early, if its room is not there yet, and how many of its blocks may be asked for.
    pub fn early_part(&self) -> Option<(PieceIndex, u32)> {
        self.memory.early_part().filter(|_| !self.is_stream())
    }

    /// Bytes of the pieces that are not open and are to be.
    pub fn missing_bytes(&self) -> u64 {
        (self.rarity.len() as u64).saturating_mul(self.geometry.piece_length().into())
    }

    /// Bytes that open and verified pieces take.
    pub fn memory_used(&self) -> u64 {
        self.memory.used()
    }

    /// From now on this many bytes are allowed. Pieces that are open stay open. `may_be_early`: nobody else waits for
    /// memory.
    pub fn allow(&mut self, allowance: u64, may_be_early: bool) {
        self.memory.allow(allowance, may_be_early);
        if let Some(window) = &mut self.window {
            window.allow(allowance);
        }
    }

    /// Whether all blocks of the open pieces were asked for: then a piece may open early.
    pub fn all_asked(&mut self, is_all_asked: bool) {
        self.memory.all_asked(is_all_asked);
    }

    /// Opens the piece that this peer should send first, if there is one and room for it.
    pub fn open(&mut self, has: &PeerPieces, random: &mut fastrand::Rng) -> Option<PieceIndex> {
        let piece = self.first_in_order(has, random).or_else(|| self.rarest(has, random))?;
        self.change(piece, State::Missing, State::Open);
        self.opened(piece);
        Some(piece)
    }

    /// The piece of this peer that the user wants first, if the user has said so and there is room for it.
    pub fn first_in_order(&self, has: &PeerPieces, random: &mut fastrand::Rng) -> Option<PieceIndex> {
        if !self.has_room() {
            return None;
        }
        match &self.window {
            Some(window) => window.pick(has, &self.rarity),
            None => self.order.pick(self.geometry, has, &self.rarity, random),
        }
    }

    /// The run of pieces of a web server that the user wants first, likewise; so many at most.
    pub fn first_run_in_order(
        &self,
        has: &PeerPieces,
        most: u32,
        random: &mut fastrand::Rng,
    ) -> Option<Range<u32>> {
        let piece = self.first_in_order(has, random)?;
        let most = if self.is_stream() { 1 } else { most };
        Some(self.order.run_from(self.geometry, piece, most))
    }

    /// The piece of this peer that is rarest, if there is one and room for it.
    pub fn rarest(&self, has: &PeerPieces, random: &mut fastrand::Rng) -> Option<PieceIndex> {
        // All of a stream has its order.
        if self.is_stream() || !self.has_room() {
            return None;
        }
        let nothing_to_trade = self.stored.count() == 0;
        self.rarity.pick(has, nothing_to_trade, random)
    }

    /// Why this piece was opened, in words. It is the first of so many that were opened since.
    pub fn why_open(&self, piece: PieceIndex, since: usize) -> String {
        let left = self.rarity.len().saturating_add(since);
        match self.rarity.availability(piece) {
            _ if self.is_stream() => "the next piece of the stream".to_owned(),
            _ if self.order.is_about(piece) => "the next piece in the order that the user wants".to_owned(),
            _ if self.stored.count() == 0 => format!("one of {left} by chance, as we have none to trade"),
            0 => format!("rarest of {left}: only seeds have it"),
            1 => format!("rarest of {left}: 1 peer has it besides seeds"),
            peers => format!("rarest of {left}: {peers} peers have it besides seeds"),
        }
    }

    /// Opens the first of these pieces that is missing, if there is one and room for it.
    pub fn open_one_of(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) -> Option<PieceIndex> {
        if !self.has_room() {
            return None;
        }
        let may_open =
            |map: &Self, piece: PieceIndex| map.window.as_ref().is_none_or(|window| window.has(piece));
        let piece = pieces
            .into_iter()
            .find(|piece| may_open(self, *piece) && self.change(*piece, State::Missing, State::Open))?;
        self.opened(piece);
        Some(piece)
    }

    /// Opens a piece again that was wrong, though there may be no room for it: it had room until now, and nothing becomes
    /// complete until it is there.
    pub fn reopen(&mut self, piece: PieceIndex) -> bool {
        let may_open = self.window.as_ref().is_none_or(|window| window.has(piece));
        let opens = may_open && self.change(piece, State::Missing, State::Open);
        if opens {
            self.opened(piece);
        }
        opens
    }

    /// The open piece has the right digest. False if it was not open.
    pub fn verified(&mut self, piece: PieceIndex) -> bool {
        let changed = self.change(piece, State::Open, State::Verified);
        if changed {
            self.memory.verified(self.geometry.length(piece));
        }
        changed
    }

    /// The verified piece is on disk. False if it was not verified.
    pub fn store(&mut self, piece: PieceIndex) -> bool {
        let changed = self.change(piece, State::Verified, State::Stored);
        if changed {
            self.memory.stored(self.geometry.length(piece));
            self.stored.insert(piece);
            self.stored_bytes += u64::from(self.geometry.length(piece));
            if let Some(window) = &mut self.window {
                window.left(piece);
                window.allow(self.memory.allowance());
            }
        }
        changed
    }

    /// The piece is not on disk any more: it is missing again. False if it was not stored.
    pub fn lose(&mut self, piece: PieceIndex) -> bool {
        let changed = self.change(piece, State::Stored, State::Missing);
        if changed {
            self.stored.remove(piece);
            self.stored_bytes = self.stored_bytes.saturating_sub(u64::from(self.geometry.length(piece)));
            self.rarity.put_back(piece);
        }
        changed
    }

    /// The open piece was wrong, or is given up: it is missing again. False if it was not open.
    pub fn discard(&mut self, piece: PieceIndex) -> bool {
        let changed = self.change(piece, State::Open, State::Missing);
        if changed {
            self.memory.discarded(self.geometry.length(piece));
            self.rarity.put_back(piece);
        }
        changed
    }

    /// Whether a piece is wanted and not on disk.
    pub fn wants(&self, piece: PieceIndex) -> bool {
        self.wanted.has(piece) && !self.stored.has(piece)
    }

    /// How many of the pieces that the peer has we want and lack.
    pub fn wanted_of(&self, has: &PeerPieces) -> u32 {
        self.wanted.lacking(has, &self.stored)
    }

    /// How many partial peers have each piece.
    pub fn rarity(&self) -> &Rarity {
        &self.rarity
    }

    /// The same, to tell it what a partial peer has.
    pub fn rarity_mut(&mut self) -> &mut Rarity {
        &mut self.rarity
    }

    /// The runs of missing pieces.
    pub fn gaps(&self) -> Gaps<'_> {
        let enough = (LONG_GAP / self.geometry.piece_length().max(1)).max(1);
        Gaps { geometry: self.geometry, rarity: &self.rarity, enough, taken: &[] }
    }

    fn opened(&mut self, piece: PieceIndex) {
        self.rarity.take(piece);
        self.memory.opened(piece, self.geometry.length(piece));
    }

    fn change(&mut self, piece: PieceIndex, from: State, to: State) -> bool {
        match self.states.get_mut(piece.slot()) {
            Some(state) if *state == from => {
                *state = to;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
