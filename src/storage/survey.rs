//! What is on the disk of a payload: which of its files, and which of its pieces.
//!
//! A survey is the start of everything that the storage does with a payload: a download, seeding, and `verify`. How it is
//! taken is in `surveying`.

use std::collections::BTreeMap;

use super::folder::FileStat;
use super::layout::Layout;
use crate::piece::Bitfield;

/// What is there of a payload.
#[derive(Clone)]
pub(super) struct Survey {
    /// The file under each name.
    pub found: Vec<Option<FileStat>>,
    /// The pieces that are on the disk.
    pub good: Bitfield,
    /// The pieces that could be read in full and have another digest, or that an earlier run had not written.
    pub bad: Bitfield,
    /// Those of the good pieces that an earlier run of ours vouches for: they are synced to the disk.
    pub believed: Bitfield,
    /// The files that are not what that run left, and are believed all the same because the user says so.
    pub unproven: Vec<usize>,
    /// Pieces in which there is nothing but zeros, once [`Survey::tell_blank`] has looked for them.
    pub blank: Bitfield,
    /// Anything was read.
    pub has_read: bool,
}

impl Survey {
    /// The files of which pieces were found that no earlier run vouches for, so that they may not be on the
    /// disk yet.
    pub fn unsynced(&self, layout: &Layout) -> BTreeMap<usize, FileStat> {
        let mut unsynced = BTreeMap::new();
        for piece in self.good.iter(layout.geometry()).filter(|piece| !self.believed.has(*piece)) {
            for slice in layout.slices(piece) {
                if let Some(Some(found)) = self.found.get(slice.file) {
                    unsynced.insert(slice.file, *found);
                }
            }
        }
        unsynced
    }

    /// Whether every piece that is wanted is there.
    pub fn is_complete(&self, layout: &Layout) -> bool {
        self.good.count() == layout.wanted().map_or(layout.geometry().piece_count(), Bitfield::count)
    }

    /// Nothing is there.
    pub fn empty(layout: &Layout) -> Survey {
        let none = || Bitfield::none(layout.geometry().piece_count());
        let found = vec![None; layout.entries().len()];
        let (good, bad, believed, blank) = (none(), none(), none(), none());
        Survey { found, good, bad, believed, unproven: Vec::new(), blank, has_read: false }
    }
}
