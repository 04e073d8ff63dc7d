//! How a payload is cut into pieces and blocks, and the gate through which numbers from outside pass.
//!
//! The payload of a torrent is one sequence of bytes: its files, one after the other (BEP 3, "info
//! dictionary"). It is cut into *pieces* of equal length, only the last of which may be shorter. Each piece
//! has a digest. A piece is requested in *blocks* of 16 KiB, only the last of which may be shorter. A block
//! never crosses the border between two pieces.
//!
//! In version 2 (BEP 52, "info dictionary") each file begins at a piece, and the piece that its last bytes are in ends
//! with them. Behind it there is a gap, which has numbers of bytes and no bytes.
//!
//! An index that comes from the wire becomes a [`PieceIndex`] only here. So code that has a `PieceIndex` can
//! rely on it: the piece is inside the torrent.

use super::block_length::BLOCK_LENGTH;
use super::digest::Hashing;
use super::merkle;
use std::ops::Range;

/// The number of a piece, known to be inside its torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// The number as it goes over the wire.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The number as a position in a table with one entry for each piece.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

/// One block of one piece: what a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    /// The piece that it belongs to.
    pub piece: PieceIndex,
    /// Its number within the piece, from 0.
    pub number: u32,
}

/// A run of blocks of one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The piece that they belong to.
    pub piece: PieceIndex,
    /// The number of the first block.
    pub first: u32,
    /// How many blocks, at least one.
    pub count: u32,
}

impl Span {
    /// The blocks, in order.
    pub fn blocks(self) -> impl Iterator<Item = Block> {
        (self.first..self.first.saturating_add(self.count))
            .map(move |number| Block { piece: self.piece, number })
    }
}

/// How one torrent is cut: its size, its piece length, and what follows from the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    total_size: u64,
    end: u64,
    piece_length: u32,
    piece_count: u32,
    /// Of version 2: the last piece of each file, in order. It is never freed, so that every part of the program can have
    /// a copy of the geometry: a torrent costs 12 bytes a file, once.
    last_pieces: Option<&'static [LastPiece]>,
}

/// The piece that the last bytes of a file are in (version 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastPiece {
    number: u32,
    length: u32,
    /// It is the only piece of the file, so its tree is no higher than its blocks need.
    is_only: bool,
}

impl Geometry {
    /// The geometry of `total_size` bytes in pieces of `piece_length` bytes.
    ///
    /// `None` if the piece length is zero or there would be 2^32 pieces or more.
    pub fn new(total_size: u64, piece_length: u32) -> Option<Geometry> {
        if piece_length == 0 {
            return None;
        }
        let piece_count = u32::try_from(total_size.div_ceil(u64::from(piece_length))).ok()?;
        Some(Geometry { total_size, end: total_size, piece_length, piece_count, last_pieces: None })
    }

    /// The geometry of files of these lengths in version 2: each of them begins at a piece.
    ///
    /// `None` if the piece length is no power of two or less than a block, or there would be 2^32 pieces or more.
    pub fn of_files(lengths: impl Iterator<Item = u64>, piece_length: u32) -> Option<Geometry> {
        if !piece_length.is_power_of_two() || piece_length < BLOCK_LENGTH {
            return None;
        }
        let (mut total_size, mut end, mut piece_count, mut last_pieces) = (0_u64, 0, 0_u32, Vec::new());
        for length in lengths.filter(|length| *length > 0) {
            let pieces = u32::try_from(length.div_ceil(piece_length.into())).ok()?;
            let behind_whole = u64::from(pieces.saturating_sub(1)) * u64::from(piece_length);
            end = u64::from(piece_count) * u64::from(piece_length) + length;
            total_size = total_size.checked_add(length)?;
            piece_count = piece_count.checked_add(pieces)?;
            let length = u32::try_from(length.saturating_sub(behind_whole)).ok()?;
            last_pieces.push(LastPiece { number: piece_count - 1, length, is_only: pieces == 1 });
        }
        Some(Geometry { total_size, end, piece_length, piece_count, last_pieces: Some(last_pieces.leak()) })
    }

    /// Bytes in all pieces together.
    pub fn total_size(&self) -> u64 {
        self.total_size
    }

    /// Where the last piece ends. In version 2 there may be gaps before.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes in every piece but the last, in version 2 but the last of each file.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are. Zero for a payload of no bytes.
    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// The gate for the number of a piece: checks that it is inside the torrent.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.piece_count).then_some(PieceIndex(index))
    }

    /// Every piece, in order.
    pub fn pieces(&self) -> impl DoubleEndedIterator<Item = PieceIndex> + use<> {
        (0..self.piece_count).map(PieceIndex)
    }

    /// The pieces that hold at least one byte of this range of the payload, in order.
    pub fn pieces_of(&self, range: Range<u64>) -> impl Iterator<Item = PieceIndex> + use<> {
        let (length, geometry) = (u64::from(self.piece_length), *self);
        let numbers = match range.end.checked_sub(1) {
            Some(last) if range.start <= last => range.start / length..last / length + 1,
            _ => 0..0,
        };
        numbers.map_while(move |number| geometry.piece(u32::try_from(number).ok()?))
    }

    /// Where the piece starts in the payload, in bytes.
    pub fn offset(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// Bytes in this piece: the piece length, or what is left of the payload for the last one, in version 2 what is left
    /// of its file.
    pub fn length(&self, piece: PieceIndex) -> u32 {
        if let Some(last) = self.last_piece(piece) {
            return last.length;
        }
        let left = self.end.saturating_sub(self.offset(piece));
        u32::try_from(left).map_or(self.piece_length, |left| left.min(self.piece_length))
    }

    /// How this piece is hashed.
    pub fn hashing(&self, piece: PieceIndex) -> Hashing {
        if self.last_pieces.is_none() {
            return Hashing::Sha1;
        }
        let only = self.last_piece(piece).filter(|last| last.is_only);
        Hashing::Tree(merkle::levels(u64::from(
            only.map_or(self.piece_length, |last| last.length).div_ceil(BLOCK_LENGTH),
        )))
    }

    fn last_piece(&self, piece: PieceIndex) -> Option<LastPiece> {
        let last_pieces = self.last_pieces?;
        let at = last_pieces.binary_search_by_key(&piece.0, |last| last.number).ok()?;
        last_pieces.get(at).copied()
    }

    /// How many blocks the piece has.
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.length(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Where the block starts in its piece, in bytes.
    pub fn begin(&self, block: Block) -> u32 {
        block.number.saturating_mul(BLOCK_LENGTH)
    }

    /// Bytes in this block: 16 KiB, or what is left of its piece for the last one.
    pub fn block_length(&self, block: Block) -> u32 {
        self.length(block.piece).saturating_sub(self.begin(block)).min(BLOCK_LENGTH)
    }

    /// The gate for the answer to a request: the block that starts at `begin` in the piece `index` and has
    /// `length` bytes. `None` if we could never have asked for such a block.
    pub fn block(&self, index: u32, begin: u32, length: usize) -> Option<Block> {
        let piece = self.piece(index)?;
        let block = Block { piece, number: begin / BLOCK_LENGTH };
        let aligned = begin.is_multiple_of(BLOCK_LENGTH) && block.number < self.block_count(piece);
        (aligned && length == self.block_length(block) as usize).then_some(block)
    }

    /// The gate for a request: the piece `index`, if `length` bytes from `begin` on lie inside it. Peers may
    /// cut pieces into blocks differently than we do.
    pub fn part(&self, index: u32, begin: u32, length: u32) -> Option<PieceIndex> {
        let piece = self.piece(index)?;
        let end = begin.checked_add(length)?;
        (length > 0 && end <= self.length(piece)).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_and_the_last_block_are_shorter() {
        let cut = Geometry::new(100_000, 40_000).unwrap();
        assert_eq!(cut.piece_count(), 3);
        let last = cut.piece(2).unwrap();
        assert_eq!((cut.offset(last), cut.length(last), cut.block_count(last)), (80_000, 20_000, 2));
        let tail = Block { piece: last, number: 1 };
        assert_eq!((cut.begin(tail), cut.block_length(tail)), (16_384, 3_616));
    }

    #[test]
    fn sizes_past_four_gigabytes_keep_their_offsets() {
        let cut = Geometry::new(1 << 40, 1 << 20).unwrap();
        let last = cut.pieces().next_back().unwrap();
        assert_eq!(cut.offset(last), (1 << 40) - (1 << 20));
        assert_eq!(cut.length(last), 1 << 20);
    }

    #[test]
    fn the_gate_refuses_what_we_could_not_have_asked_for() {
        let cut = Geometry::new(100_000, 40_000).unwrap();
        assert!(cut.piece(3).is_none());
        assert!(cut.block(2, 16_384, 3_616).is_some());
        for (index, begin, length) in [
            (3, 0, 16_384),
            (0, 1, 16_384),
            (0, 49_152, 1),
            (2, 16_384, 3_615),
            (0, u32::MAX, 16_384),
            (u32::MAX, 0, 0),
        ] {
            assert_eq!(cut.block(index, begin, length), None, "{index} {begin} {length}");
        }
    }

    #[test]
    fn peers_may_ask_for_any_part_of_a_piece_and_for_nothing_past_its_end() {
        let cut = Geometry::new(100_000, 40_000).unwrap();
        for (index, begin, length) in [(0, 0, 40_000), (0, 39_999, 1), (2, 1, 19_999)] {
            assert_eq!(cut.part(index, begin, length), cut.piece(index), "{index} {begin} {length}");
        }
        for (index, begin, length) in [(0, 0, 0), (0, 1, 40_000), (2, 0, 20_001), (3, 0, 1), (0, u32::MAX, 2)]
        {
            assert_eq!(cut.part(index, begin, length), None, "{index} {begin} {length}");
        }
    }

    #[test]
    fn in_version_two_each_file_begins_at_a_piece_and_ends_one() {
        let cut = Geometry::of_files([100_000, 0, 65_536, 1, 40_000].into_iter(), 65_536).unwrap();
        assert_eq!((cut.piece_count(), cut.total_size(), cut.end()), (5, 205_537, 4 * 65_536 + 40_000));
        let pieces: Vec<(u32, Hashing)> =
            cut.pieces().map(|piece| (cut.length(piece), cut.hashing(piece))).collect();
        let tree = Hashing::Tree;
        assert_eq!(
            pieces,
            [(65_536, tree(2)), (34_464, tree(2)), (65_536, tree(2)), (1, tree(0)), (40_000, tree(2))]
        );
        assert_eq!(cut.block(1, 32_768, 1_696).map(|block| block.number), Some(2));
        assert!(cut.block(1, 32_768, 16_384).is_none() && cut.part(3, 0, 2).is_none());
        for piece_length in [0, 8_192, 65_537, 3 << 14] {
            assert!(Geometry::of_files([1].into_iter(), piece_length).is_none());
        }
    }

    #[test]
    fn a_payload_of_no_bytes_has_no_pieces() {
        assert_eq!(Geometry::new(0, 16_384).unwrap().piece_count(), 0);
        assert!(Geometry::new(1, 0).is_none());
        assert!(Geometry::new(u64::MAX, 16_384).is_none());
    }
}
