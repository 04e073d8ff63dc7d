//! Notices when another program changes a file whose pieces we offer.
//!
//! Each file has a stamp: its length and the time of its last change. A file whose stamp is a different
//! one now has changed, and its pieces may be wrong.
//!
//! While a download runs, our own writer changes the files too. It takes the stamp away before it writes
//! and sets the new one afterwards. A file without a stamp is therefore in the hands of our writer, or
//! does not exist, and does not count as changed.

use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;
use crate::storage::folder::{FileStat, RootFolder};

/// The time between two checks of a file that is being sent. A check costs a tenth of what sending a block
/// costs.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The stamps of all files, by number. `None` if a file does not exist or our writer is writing to it.
pub(super) struct FileStamps {
    by_file: Mutex<Vec<Option<SeenStamp>>>,
}

/// What shows that a file has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (u64, u64),
}

/// The stamp of a file, and when we saw it last.
#[derive(Clone, Copy)]
struct SeenStamp {
    stamp: Stamp,
    at: Instant,
}

impl FileStamps {
    /// The stamps of the files as they were found just now.
    pub fn new(found: &[Option<FileStat>]) -> FileStamps {
        let stamps = found.iter().map(|found| found.map(|found| SeenStamp::now(&found)));
        FileStamps { by_file: Mutex::new(stamps.collect()) }
    }

    /// Whether the open file has not been changed by another program.
    pub fn fits(&self, number: usize, file: &File) -> io::Result<bool> {
        let known = |stamps: &[Option<SeenStamp>]| stamps.get(number).copied().flatten();
        let Some(before) = known(&lock(&self.by_file)) else { return Ok(true) };
        if before.at.elapsed() < CHECK_INTERVAL {
            return Ok(true);
        }
        let now = SeenStamp::now(&RootFolder::file_stat(file)?);
        let mut stamps = lock(&self.by_file);
        // If the stamp is a different one now, our own writer wrote to the file between the two checks.
        if known(&stamps).is_none_or(|known| known.stamp != before.stamp) {
            return Ok(true);
        }
        let fits = now.stamp == before.stamp;
        if let Some(slot) = stamps.get_mut(number).filter(|_| fits) {
            *slot = Some(now);
        }
        Ok(fits)
    }

    /// Takes the stamp away, because our writer begins to write. True if others have changed the file since
    /// our writer's last write.
    pub fn take(&self, number: usize, file: &File) -> bool {
        let known = lock(&self.by_file).get_mut(number).and_then(Option::take);
        matches!(
            (known, RootFolder::file_stat(file)),
            (Some(known), Ok(found)) if Stamp::of(&found) != known.stamp
        )
    }

    /// Sets the stamp anew, because our writer has written. Returns what the file is now.
    pub fn set(&self, number: usize, file: &File) -> Option<FileStat> {
        let found = RootFolder::file_stat(file).ok();
        if let Some(slot) = lock(&self.by_file).get_mut(number) {
            *slot = found.map(|found| SeenStamp::now(&found));
        }
        found
    }
}

impl Stamp {
    fn of(found: &FileStat) -> Stamp {
        Stamp { length: found.length, modified: found.modified }
    }
}

impl SeenStamp {
    fn now(found: &FileStat) -> SeenStamp {
        SeenStamp { stamp: Stamp::of(found), at: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_that_our_writer_did_not_make_is_noticed() {
        let path = std::env::temp_dir().join(format!("femtotorrent-stamp-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let stamps = FileStamps::new(&[Some(RootFolder::file_stat(&file).unwrap())]);
        assert!(!stamps.take(0, &file));
        file.set_len(1).unwrap();
        assert!(stamps.fits(0, &file).unwrap());
        stamps.set(0, &file);
        assert!(!stamps.take(0, &file));
        stamps.set(0, &file);
        file.set_len(2).unwrap();
        assert!(stamps.take(0, &file));
        // It does not exist, or there is no such file.
        let stamps = FileStamps::new(&[None]);
        assert!(stamps.fits(0, &file).unwrap() && !stamps.take(0, &file) && !stamps.take(1, &file));
    }
}
