//! Keeps what a check has found before it has ended.
//!
//! To read terabytes takes hours, and whoever ends the run in the middle, or loses power, would have to begin anew. So
//! what was read goes into the cache from time to time, and when the check is stopped. It says which pieces are there and
//! nothing of the others: the next run reads those.

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

/// What is needed for that.
pub struct Interim<'a> {
    cache: &'a CachedRecord,
    folder: &'a Arc<RootFolder>,
    layout: &'a Arc<Layout>,
    /// The pieces that an earlier run vouches for, and nothing else.
    known: Survey,
    last: Mutex<Instant>,
}

impl<'a> Interim<'a> {
    /// The check begins with what is `known`, of the files as they were found.
    pub fn new(
        cache: &'a CachedRecord,
        folder: &'a Arc<RootFolder>,
        layout: &'a Arc<Layout>,
        known: Survey,
    ) -> Interim<'a> {
        Interim { cache, folder, layout, known, last: Mutex::new(Instant::now()) }
    }

    /// Keeps these pieces, which are right, if it is time. Any of the threads that read may call it.
    pub fn keep_if_due(&self, found: &Mutex<Bitfield>) {
        // While one keeps them, the others go on.
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.elapsed() >= EVERY {
            // Whoever reads goes on putting pieces in while this waits for the disk.
            let found = lock(found).clone();
            self.keep(&found);
            *last = Instant::now();
        }
    }

    /// Keeps these pieces, which are right.
    pub fn keep(&self, found: &Bitfield) {
        if found.count() == 0 {
            return;
        }
        let mut good = self.known.good.clone();
        found.iter(self.layout.geometry()).for_each(|piece| _ = good.insert(piece));
        let survey = Survey { good, ..self.known.clone() };
        remember(self.cache, Arc::clone(self.folder), Arc::clone(self.layout), &survey, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::piece::{Geometry, PieceDigest};
    use crate::storage::layout::files_of_lengths;
    use crate::storage::{Check, Digests, NewFolder, Payload, ServedPieces};

    #[test]
    fn what_was_read_is_kept_before_the_check_ends_in_case_of_a_kill() {
        const PIECE: u32 = 1 << 20;
        let folder = NewFolder::somewhere();
        let mut files = files_of_lengths(&[i64::from(PIECE) * 32]);
        files[0].path = "t".into();
        std::fs::create_dir(&folder.0).unwrap();
        std::fs::File::create(folder.0.join("t")).unwrap().set_len(files[0].length).unwrap();
        let digests: Digests = Arc::new(|_| PieceDigest::of(&vec![0; PIECE as usize]));
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
}
