//! The window of a download that is written to a stream: which pieces may be open while none is kept.
//!
//! The bytes leave in the order of the payload, so a piece that comes early has to wait in memory until all before it
//! have left. Nothing stands on a disk, and memory is bounded. So only the pieces of a *window* are fetched: from the
//! first that has not left, the *head*, as far as the memory goes. It moves on with the reader, and a reader that
//! stops, stops the download. Beyond the window rarest first would gain nothing, since there is no place for what
//! comes.
//!
//! In the first half of the window the piece that is needed soonest comes first. In the second half, the rarest: one
//! that few peers have takes longest, so it should be begun early.
//!
//! The memory of a piece is reserved when the window comes to it, and not when it is opened. So later pieces cannot
//! take what the head needs, and the head can always be opened: where less memory is granted than the window has, the
//! window ends growing until enough pieces have left.
//!
//! Pure, and used by the coordinator alone.

use super::rarity::{PeerPieces, Rarity};
use crate::piece::{Bitfield, Geometry, PieceIndex};

/// The most pieces in a window. Of small pieces these are enough: 16 MiB in pieces of 16 KiB.
pub const MAX_WINDOW: u32 = 1024;

/// The pieces that may be open.
#[derive(Debug)]
pub struct Window {
    geometry: Geometry,
    /// The pieces that have to leave and have not.
    pending: Bitfield,
    /// The number of the first of them, if there is one.
    head: u32,
    /// The window ends before this number.
    end: u32,
    /// How many pieces are pending in the window, and how many bytes these have.
    pieces: u32,
    bytes: u64,
}

impl Window {
    /// A window before the first of these pieces. It is empty until memory is [allowed](Window::allow).
    pub fn new(geometry: Geometry, pending: Bitfield) -> Window {
        let mut window = Window { geometry, pending, head: 0, end: 0, pieces: 0, bytes: 0 };
        window.head = window.next_pending(0);
        window.end = window.head;
        window
    }

    /// From now on the window may have so many bytes, or one piece. It does not become smaller at once.
    pub fn allow(&mut self, bytes: u64) {
        loop {
            let next = self.next_pending(self.end);
            let Some(piece) = self.geometry.piece(next) else { return };
            let with_it = self.bytes.saturating_add(self.geometry.length(piece).into());
            let fits = self.pieces == 0 || (with_it <= bytes && self.pieces < MAX_WINDOW);
            if bytes == 0 || !fits {
                return;
            }
            (self.end, self.pieces, self.bytes) = (next.saturating_add(1), self.pieces + 1, with_it);
        }
    }

    /// The piece has left.
    pub fn left(&mut self, piece: PieceIndex) {
        if !self.pending.remove(piece) {
            return;
        }
        if piece.get() < self.end {
            self.pieces = self.pieces.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(self.geometry.length(piece).into());
        }
        self.head = self.next_pending(self.head);
        self.end = self.end.max(self.head);
    }

    /// The first piece that has not left.
    pub fn head(&self) -> Option<PieceIndex> {
        self.geometry.piece(self.head)
    }

    /// Whether this piece may be open.
    pub fn has(&self, piece: PieceIndex) -> bool {
        piece.get() < self.end && self.pending.has(piece)
    }

    /// How many pieces of the window may be opened.
    pub fn missing(&self, rarity: &Rarity) -> u32 {
        self.words(rarity).map(|(_, word)| word.count_ones()).sum()
    }

    /// The piece that this peer should send next.
    pub fn pick(&self, has: &PeerPieces, rarity: &Rarity) -> Option<PieceIndex> {
        let theirs = |at: usize| match has {
            PeerPieces::All => u64::MAX,
            PeerPieces::Some(pieces) => pieces.words().get(at).copied().unwrap_or(0),
        };
        let words =
            self.words(rarity).map(|(at, word)| (at, word & theirs(at))).filter(|(_, word)| *word != 0);
        let mut pieces = words.flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let next = word.leading_zeros();
                word &= !(1_u64 << 63).checked_shr(next)?;
                self.geometry.piece(u32::try_from(at).ok()?.checked_mul(64)?.checked_add(next)?)
            })
        });
        let middle = self.head.saturating_add(self.end.saturating_sub(self.head).div_ceil(2));
        let first = pieces.next()?;
        if first.get() < middle {
            return Some(first);
        }
        std::iter::once(first).chain(pieces).min_by_key(|piece| rarity.availability(*piece))
    }

    /// The pieces of the window that may be opened, 64 in a word.
    fn words<'a>(&self, rarity: &'a Rarity) -> impl Iterator<Item = (usize, u64)> + use<'a> {
        let (head, end) = (self.head, self.end);
        let numbers = if head < end { head / 64..end.div_ceil(64) } else { 0..0 };
        numbers.map(move |at| {
            let word = rarity.choosable().words().get(at as usize).copied().unwrap_or(0);
            // What is not pending cannot be chosen, so only the end has to be cut off.
            let behind = at.saturating_add(1).saturating_mul(64).saturating_sub(end);
            (at as usize, word & u64::MAX.checked_shl(behind).unwrap_or(0))
        })
    }

    /// The number of the first pending piece from this one on, or of the one behind the last piece.
    fn next_pending(&self, from: u32) -> u32 {
        let first = from / 64;
        let words = self.pending.words().iter().zip(0_u32..).skip(first as usize);
        let mut words =
            words.map(|(word, at)| (at, if at == first { word & (u64::MAX >> (from % 64)) } else { *word }));
        words
            .find(|(_, word)| *word != 0)
            .map_or(self.geometry.piece_count(), |(at, word)| at * 64 + word.leading_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: u32 = 300;

    fn geometry() -> Geometry {
        Geometry::new(u64::from(PIECES) * 10 - 3, 10).unwrap()
    }

    fn piece(number: u32) -> PieceIndex {
        geometry().piece(number).unwrap()
    }

    fn set(pieces: impl IntoIterator<Item = u32>) -> Bitfield {
        let mut set = Bitfield::none(PIECES);
        pieces.into_iter().for_each(|number| assert!(set.insert(piece(number))));
        set
    }

    fn start(pending: &Bitfield, bytes: u64) -> (Window, Rarity) {
        let mut window = Window::new(geometry(), pending.clone());
        window.allow(bytes);
        (window, Rarity::new(geometry(), pending, &mut fastrand::Rng::with_seed(3)))
    }

    fn inside(window: &Window) -> Vec<u32> {
        geometry().pieces().filter(|piece| window.has(*piece)).map(PieceIndex::get).collect()
    }

    #[test]
    fn it_begins_at_the_head_moves_on_as_pieces_leave_and_skips_what_is_not_wanted() {
        let (mut window, _) = start(&set((5..9).chain(200..PIECES)), 60);
        assert_eq!(inside(&window), [5, 6, 7, 8, 200, 201]);
        window.left(piece(5));
        assert_eq!((window.head(), inside(&window).len()), (Some(piece(6)), 5), "until memory is allowed");
        window.allow(60);
        assert_eq!(inside(&window), [6, 7, 8, 200, 201, 202]);
        for number in (6..9).chain(200..PIECES) {
            assert_eq!(window.head(), Some(piece(number)));
            window.left(piece(number));
            window.allow(60);
            let bytes: u64 =
                inside(&window).into_iter().map(|it| u64::from(geometry().length(piece(it)))).sum();
            assert!(bytes <= 60 && bytes == window.bytes, "{bytes}");
        }
        assert_eq!((window.head(), inside(&window)), (None, vec![]));
    }

    #[test]
    fn the_head_is_in_it_however_little_is_allowed_and_nothing_where_nothing_is() {
        let (mut window, rarity) = start(&set(0..PIECES), 0);
        assert_eq!((inside(&window), window.missing(&rarity)), (vec![], 0));
        window.allow(1);
        assert_eq!(inside(&window), [0]);
        let (mut window, _) = start(&set(0..PIECES), 40);
        window.allow(10);
        assert_eq!(inside(&window), [0, 1, 2, 3], "it does not shrink");
        (0..3).for_each(|number| window.left(piece(number)));
        window.allow(10);
        assert_eq!(inside(&window), [3]);
        window.left(piece(3));
        window.allow(10);
        assert_eq!(inside(&window), [4]);
    }

    #[test]
    fn small_pieces_are_bounded_by_their_number() {
        let geometry = Geometry::new(5000, 1).unwrap();
        let mut window = Window::new(geometry, Bitfield::all(5000));
        window.allow(u64::MAX);
        assert_eq!(geometry.pieces().filter(|piece| window.has(*piece)).count(), MAX_WINDOW as usize);
    }

    #[test]
    fn the_near_half_comes_in_order_and_the_far_half_rarest_first() {
        let (window, mut rarity) = start(&set(0..PIECES), 200);
        geometry().pieces().filter(|it| it.get() != 17).for_each(|piece| rarity.gained(piece));
        let mut opened = Vec::new();
        while let Some(piece) = window.pick(&PeerPieces::All, &rarity) {
            rarity.take(piece);
            opened.push(piece.get());
        }
        let mut expected: Vec<u32> = (0..10).chain([17]).collect();
        expected.extend((10..20).filter(|number| *number != 17));
        assert_eq!(opened, expected);
        assert_eq!(window.missing(&rarity), 0);
        rarity.put_back(piece(3));
        assert_eq!(window.pick(&PeerPieces::All, &rarity), Some(piece(3)));
    }

    #[test]
    fn a_peer_is_asked_for_what_it_has_in_the_window_and_for_nothing_beyond() {
        let (window, rarity) = start(&set(60..PIECES), 100);
        assert_eq!(window.missing(&rarity), 10);
        let pick = |pieces: &[u32]| window.pick(&PeerPieces::Some(set(pieces.to_vec())), &rarity);
        assert_eq!(pick(&[0, 62, 69, 70, 200]), Some(piece(62)));
        assert_eq!(pick(&[69, 70]), Some(piece(69)));
        assert_eq!(pick(&[0, 59, 70, 71, 200]), None);
    }
}
