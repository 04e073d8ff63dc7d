//! Keeps what a check has found before it has ended.
//!
//! To read terabytes takes hours, and whoever ends the run in the middle, or loses power, would have to begin anew. So
//! what was read goes into the cache from time to time, and when the check is stopped. It says which pieces are there and
//! nothing of the others: the next run reads those.
//!
//! What another program has just written may not be on the disk yet, though it can be read. So it is synced before it is
//! vouched for. That may take minutes, which are of no matter while the check goes on. Who stops it does not wait for
//! them: what lies in large files that were not synced yet is left out then, and read again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::place::CachedRecord;
use super::recorder::remember;
use crate::piece::Bitfield;
use crate::storage::folder::RootFolder;
use crate::storage::layout::Layout;
use crate::storage::survey::Survey;
use crate::thread::lock;

/// How often what was read is kept. Tests do not wait.
const EVERY: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(60) };

/// How many bytes the files have together, at most, that are synced when a check is stopped.
const STOPPED_BYTES: u64 = 64 << 20;

/// What is needed for that.
pub struct Interim<'a> {
    cache: &'a CachedRecord,
    folder: &'a Arc<RootFolder>,
    layout: &'a Arc<Layout>,
    /// The pieces that an earlier run vouches for, and nothing else.
    known: Survey,
    last: Mutex<Instant>,
    /// The files that were synced since they were found.
    synced: Mutex<BTreeSet<usize>>,
}

impl<'a> Interim<'a> {
    /// The check begins with what is `known`, of the files as they were found.
    pub fn new(
        cache: &'a CachedRecord,
        folder: &'a Arc<RootFolder>,
        layout: &'a Arc<Layout>,
        known: Survey,
    ) -> Interim<'a> {
        let (last, synced) = (Mutex::new(Instant::now()), Mutex::default());
        Interim { cache, folder, layout, known, last, synced }
    }

    /// Keeps these pieces, which are right, if it is time. Any of the threads that read may call it.
    pub fn keep_if_due(&self, found: &Mutex<Bitfield>) {
        // While one keeps them, the others go on.
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.elapsed() >= EVERY {
            // Whoever reads goes on putting pieces in while this waits for the disk.
            let found = lock(found).clone();
            self.keep(found, u64::MAX);
            *last = Instant::now();
        }
    }

    /// The check is stopped: keeps these pieces, which are right, as far as that takes no time.
    pub fn keep_what_is_synced(&self, found: &Bitfield) {
        self.keep(found.clone(), STOPPED_BYTES);
    }

    /// Keeps these pieces but those in files that are not synced yet, if these have more than so many bytes together.
    fn keep(&self, found: Bitfield, most_bytes: u64) {
        let mut synced = lock(&self.synced);
        let with = |pieces: &Bitfield| {
            let mut good = self.known.good.clone();
            pieces.iter(self.layout.geometry()).for_each(|piece| _ = good.insert(piece));
            Survey { good, ..self.known.clone() }
        };
        let (mut found, mut left) = (found, most_bytes);
        for (number, file) in with(&found).unsynced(self.layout) {
            match left.checked_sub(file.length) {
                _ if synced.contains(&number) => {}
                Some(less) => {
                    left = less;
                    synced.insert(number);
                }
                None => self.layout.pieces_in(number).for_each(|piece| _ = found.remove(piece)),
            }
        }
        if found.count() > 0 {
            let (folder, layout) = (Arc::clone(self.folder), Arc::clone(self.layout));
            remember(self.cache, folder, layout, &with(&found), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::piece::{Geometry, PieceDigest};
    use crate::storage::layout::files_of_lengths;
    use crate::storage::resume::ResumeRecord;
    use crate::storage::{Check, Digests, NewFolder, Payload, ServedPieces};

    #[test]
    fn what_was_read_is_kept_before_the_check_ends_in_case_of_a_kill() {
        const PIECE: u32 = 1 << 20;
        let folder = NewFolder::somewhere();
        let mut files = files_of_lengths(&[i64::from(PIECE) * 32]);
        files[0].path = "t".into();
        std::fs::create_dir(&folder.0).unwrap();
        std::fs::File::create(folder.0.join("t")).unwrap().set_len(files[0].length).unwrap();
        let digests: Digests = Arc::new(|_| PieceDigest::sha1_of(&vec![0; PIECE as usize]));
        let payload = Payload {
            name: "t",
            output_name: None,
            info_hash: InfoHash([7; 20]),
            files: &files,
            geometry: Geometry::new(files[0].length, PIECE).unwrap(),
            digests: &digests,
            selection: None,
            cache: Some(&folder.0.join("cache")),
        };
        let record = || CachedRecord::new(&folder.0.join("cache"), payload.shape()).read();
        let kept = Mutex::new(0);
        let watch = |_, _| {
            *lock(&kept) = record().map_or(0, |record| record.pieces.count());
            true
        };
        ServedPieces::open(&folder.0, &payload, 4, Check::Changed, &watch).unwrap();
        assert!((1..=32).contains(&*lock(&kept)), "{}", lock(&kept));
        assert!(record().is_some_and(|record| record.is_whole && record.pieces.is_full()));
    }

    #[test]
    fn who_stops_a_check_waits_for_no_large_file_to_be_synced() {
        const MIB: u64 = 1 << 20;
        let new = NewFolder::somewhere();
        std::fs::create_dir(&new.0).unwrap();
        let layout = Arc::new(Layout::of_lengths(&[40 << 20, 100 << 20], 1 << 20));
        for entry in layout.entries() {
            std::fs::File::create(new.0.join(&entry.path)).unwrap().set_len(entry.length).unwrap();
        }
        let folder = Arc::new(RootFolder::open(&new.0).unwrap().unwrap());
        let found = crate::storage::finding::find_files(&folder, &layout).unwrap();
        let (info_hash, geometry) = (InfoHash([7; 20]), layout.geometry());
        let shape = super::super::TorrentShape { info_hash, geometry, files: layout.entries().len() };
        let cache = CachedRecord::new(&new.0.join("cache"), shape);
        let interim = Interim::new(&cache, &folder, &layout, Survey { found, ..Survey::empty(&layout) });
        let kept = || cache.read().map_or(0, |record| record.pieces.count());
        let all = Bitfield::all(geometry.piece_count());
        interim.keep_what_is_synced(&all);
        assert_eq!(kept(), 40);
        // While the check goes on, there is time for it.
        interim.keep(all.clone(), 1000 * MIB);
        assert_eq!(kept(), 140);
        cache.write(&ResumeRecord { pieces: Bitfield::none(140), ..cache.read().unwrap() });
        interim.keep_what_is_synced(&all);
        assert_eq!(kept(), 140, "it was synced");
    }
}
