//! Which pieces are to be on disk in the end: all, those of the files that the user has chosen, or none more.

use crate::piece::{Bitfield, Geometry, PieceIndex};
use crate::strategy::PeerPieces;

/// Which pieces are to be on disk in the end.
#[derive(Debug)]
pub(super) enum Wanted {
    All,
    /// Only those that are on disk already.
    Nothing,
    /// These pieces, which have this many bytes together.
    Some(Bitfield, u64),
}

impl Wanted {
    /// These pieces and no others.
    pub(super) fn only(wanted: Bitfield, geometry: Geometry) -> Wanted {
        let bytes = wanted.iter(geometry).map(|piece| u64::from(geometry.length(piece))).sum();
        Wanted::Some(wanted, bytes)
    }

    /// Whether this piece is one of them.
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Nothing => false,
            Wanted::Some(wanted, _) => wanted.has(piece),
        }
    }

    /// How many bytes they have.
    pub(super) fn bytes(&self, geometry: Geometry) -> u64 {
        match self {
            Wanted::All | Wanted::Nothing => geometry.total_size(),
            Wanted::Some(_, bytes) => *bytes,
        }
    }

    /// Whether all of them are on disk, where these are.
    pub(super) fn is_stored(&self, stored: &Bitfield) -> bool {
        match self {
            Wanted::All => stored.is_full(),
            Wanted::Nothing => true,
            Wanted::Some(wanted, _) => stored.count() == wanted.count(),
        }
    }

    /// How many of the pieces that a peer has are wanted and not stored.
    pub(super) fn lacking(&self, has: &PeerPieces, stored: &Bitfield) -> u32 {
        match (has, self) {
            (_, Wanted::Nothing) => 0,
            (PeerPieces::All, Wanted::All) => stored.length() - stored.count(),
            (PeerPieces::All, Wanted::Some(wanted, _)) => wanted.count().saturating_sub(stored.count()),
            (PeerPieces::Some(theirs), Wanted::All) => missing(theirs.words().iter().copied(), stored),
            (PeerPieces::Some(theirs), Wanted::Some(wanted, _)) => {
                let both = theirs.words().iter().zip(wanted.words());
                missing(both.map(|(theirs, wanted)| theirs & wanted), stored)
            }
        }
    }
}

/// How many of these pieces are not in `ours`. A word has 64 pieces.
fn missing(theirs: impl Iterator<Item = u64>, ours: &Bitfield) -> u32 {
    theirs.zip(ours.words()).map(|(theirs, ours)| (theirs & !ours).count_ones()).sum()
}
