//! Taking a survey: looking for the files, and hashing their pieces.
//!
//! It runs once, on the thread that calls it; `hashing` does the work. A piece is read only if all its bytes can be there,
//! and if no earlier run of ours has left word of it that can be believed (`resume`). A survey never writes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use log::warn;

use super::digests::Digests;
use super::error::StorageError;
use super::finding::find_files;
use super::folder::{FileStat, RootFolder};
use super::hashing::{self, Watch};
use super::layout::Layout;
use super::resume::{self, Belief, CachedRecord, Check, Interim, Place, ResumeRecord};
use super::survey::Survey;
use crate::piece::{Bitfield, Hashing, PieceDigest, PieceHash, PieceIndex};
use crate::thread::lock;

/// What an earlier run of ours knew.
#[derive(Clone, Copy)]
pub(super) struct KnownPieces<'a> {
    /// What it wrote down.
    pub record: &'a ResumeRecord,
    /// Where that was.
    pub place: Place,
    /// How far the user wants it to be believed.
    pub check: Check,
    /// What it had not written is not there. If this is not certain, it has to be read, to see whose it is.
    pub is_ours: bool,
}

/// What earlier runs have left, and where this one leaves how far it came.
#[derive(Default)]
pub(super) struct Earlier<'a> {
    /// What they knew. What is not there is said by the first.
    pub known: Vec<KnownPieces<'a>>,
    /// Where it is kept what is found, if the survey is stopped.
    pub cache: Option<&'a CachedRecord>,
}

impl Survey {
    /// Looks for each file and hashes every wanted piece that can be there and is not known from `earlier`, with at most
    /// `open_files` open files. Without a folder, nothing is there.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened or read, and [`StorageError::Cancelled`] if `watch` says so.
    pub fn take(
        folder: Option<&Arc<RootFolder>>,
        layout: &Arc<Layout>,
        digests: &Digests,
        open_files: usize,
        watch: &Watch<'_>,
        earlier: Earlier<'_>,
    ) -> Result<Survey, StorageError> {
        let Some(folder) = folder else { return Ok(Survey::empty(layout)) };
        let found = find_files(folder, layout)?;
        let wanted = candidates(layout, &found, layout.wanted());
        let mut belief = believe(&earlier.known, layout, &found);
        // One that is wrong shows that more was lost than the record tells.
        if verified(folder, layout, digests, &belief.sample, open_files, watch)? != belief.sample {
            warn!(
                "{}: data is missing that an earlier run had, so everything is checked",
                folder.path().display()
            );
            belief = Belief::none(layout);
        }
        let mut unread = wanted.clone();
        for piece in belief.good.iter(layout.geometry()).chain(belief.missing.iter(layout.geometry())) {
            unread.remove(piece);
        }
        let interim = earlier.cache.map(|cache| {
            let known = Survey { found: found.clone(), ..Survey::empty(layout) };
            let known = Survey { good: belief.good.clone(), believed: belief.good.clone(), ..known };
            Interim::new(cache, folder, layout, known)
        });
        let right = Mutex::new(Bitfield::none(unread.length()));
        let keeping = |done, of| {
            interim.iter().for_each(|interim| interim.keep_if_due(&right));
            watch(done, of)
        };
        let read = verify(folder, layout, digests, &unread, &right, open_files, &keeping);
        let mut good = right.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let (Err(StorageError::Cancelled), Some(interim)) = (&read, &interim) {
            interim.keep_what_is_synced(&good);
        }
        read?;
        for piece in belief.good.iter(layout.geometry()).filter(|piece| wanted.has(*piece)) {
            good.insert(piece);
        }
        let mut bad = wanted;
        good.iter(layout.geometry()).for_each(|piece| {
            bad.remove(piece);
        });
        let has_read = unread.count() > 0 || belief.sample.count() > 0;
        let Belief { good: believed, unproven, .. } = belief;
        Ok(Survey { found, good, bad, believed, unproven, blank: Belief::none(layout).good, has_read })
    }

    /// Reads these pieces, which are bad or missing, by another layout.
    ///
    /// # Errors
    ///
    /// As [`Survey::take`].
    pub fn take_again(
        &mut self,
        folder: &RootFolder,
        layout: &Layout,
        digests: &Digests,
        pieces: impl Iterator<Item = PieceIndex>,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<(), StorageError> {
        let mut wanted = Bitfield::none(layout.geometry().piece_count());
        pieces.for_each(|piece| _ = wanted.insert(piece));
        let wanted = candidates(layout, &self.found, Some(&wanted));
        let good = verified(folder, layout, digests, &wanted, open_files, watch)?;
        for piece in good.iter(layout.geometry()) {
            self.good.insert(piece);
            self.bad.remove(piece);
            self.believed.remove(piece);
        }
        Ok(())
    }

    /// The survey of a payload that a record in the cache says is complete, if all wanted pieces are believed without
    /// reading any.
    ///
    /// # Errors
    ///
    /// As [`Survey::take`].
    pub fn of_complete(
        folder: &RootFolder,
        layout: &Layout,
        record: &ResumeRecord,
        check: Check,
    ) -> Result<Option<Survey>, StorageError> {
        let found = find_files(folder, layout)?;
        let candidates = candidates(layout, &found, layout.wanted());
        let Belief { good, sample, unproven, .. } =
            resume::judge(record, layout, &found, &candidates, (Place::Cache, check), 0);
        let wanted = layout.wanted().map_or(layout.geometry().piece_count(), Bitfield::count);
        if good.count() < wanted || sample.count() > 0 {
            return Ok(None);
        }
        let (believed, none) = (good.clone(), Bitfield::none(good.length()));
        Ok(Some(Survey { found, good, bad: none.clone(), believed, unproven, blank: none, has_read: false }))
    }

    /// Finds out which of these pieces, which are bad, have nothing but zeros, and counts them as missing: nothing can
    /// be lost there.
    ///
    /// # Errors
    ///
    /// As [`Survey::take`].
    pub fn tell_blank(
        &mut self,
        folder: &RootFolder,
        layout: &Layout,
        pieces: &Bitfield,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<(), StorageError> {
        let geometry = layout.geometry();
        let whole = OnceLock::new();
        let blank = Mutex::new(Bitfield::none(geometry.piece_count()));
        let on_digest = |piece, digest| {
            let hashing = geometry.hashing(piece);
            let of_zeros = match geometry.length(piece) {
                length if length == geometry.piece_length() => {
                    *whole.get_or_init(|| digest_of_zeros(hashing, length))
                }
                length => digest_of_zeros(hashing, length),
            };
            if digest == Some(of_zeros) {
                lock(&blank).insert(piece);
            }
        };
        hashing::hash(folder, layout, pieces, &on_digest, open_files, watch)?;
        self.blank = blank.into_inner().unwrap_or_else(PoisonError::into_inner);
        for piece in self.blank.iter(geometry) {
            self.bad.remove(piece);
        }
        Ok(())
    }
}

/// Those of the pieces that are right.
fn verified(
    folder: &RootFolder,
    layout: &Layout,
    digests: &Digests,
    pieces: &Bitfield,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<Bitfield, StorageError> {
    let right = Mutex::new(Bitfield::none(pieces.length()));
    verify(folder, layout, digests, pieces, &right, open_files, watch)?;
    Ok(right.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Puts those of the pieces that are right into `right`, one after the other.
fn verify(
    folder: &RootFolder,
    layout: &Layout,
    digests: &Digests,
    pieces: &Bitfield,
    right: &Mutex<Bitfield>,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<(), StorageError> {
    let on_digest = |piece, digest| {
        if digest == Some(digests(piece)) {
            lock(right).insert(piece);
        }
    };
    hashing::hash(folder, layout, pieces, &on_digest, open_files, watch)
}

fn digest_of_zeros(hashing: Hashing, length: u32) -> PieceDigest {
    let mut hash = PieceHash::new(hashing);
    let mut left = length as usize;
    while left > 0 {
        let part = [0; 4096].len().min(left);
        hash.update([0_u8; 4096].get(..part).unwrap_or_default());
        left -= part;
    }
    hash.finish()
}

/// What earlier runs knew of the pieces, as far as the files that were found are what they were.
fn believe(known: &[KnownPieces<'_>], layout: &Layout, found: &[Option<FileStat>]) -> Belief {
    let mut beliefs = known.iter().map(|KnownPieces { record, place, check, is_ours }| {
        // What is not wanted now is not forgotten.
        let there = candidates(layout, found, None);
        let chance = fastrand::u32(..);
        let mut belief = resume::judge(record, layout, found, &there, (*place, *check), chance);
        if !is_ours {
            belief.missing = Belief::none(layout).missing;
        }
        belief
    });
    let mut belief = beliefs.next().unwrap_or_else(|| Belief::none(layout));
    beliefs.for_each(|more| belief.add(more, layout));
    belief
}

/// The pieces, all or the wanted ones, whose every byte is padding or within the present length of a file.
fn candidates(layout: &Layout, found: &[Option<FileStat>], wanted: Option<&Bitfield>) -> Bitfield {
    let all = || Bitfield::all(layout.geometry().piece_count());
    let mut pieces = wanted.cloned().unwrap_or_else(all);
    for (number, (entry, found)) in layout.entries().iter().zip(found).enumerate() {
        let present = found.map_or(0, |found| found.length);
        if layout.part_file() == Some(number) {
            let end =
                |piece| layout.slot(piece).map(|slot| slot + u64::from(layout.geometry().length(piece)));
            for piece in layout.pieces_in(number).filter(|piece| end(*piece) > Some(present)) {
                pieces.remove(piece);
            }
        }
        if entry.has_data() && present < entry.length {
            let missing = layout.pieces(entry.offset.saturating_add(present)..entry.range().end);
            for piece in missing.filter(|piece| !layout.is_elsewhere(number, *piece)) {
                pieces.remove(piece);
            }
        }
    }
    pieces
}
