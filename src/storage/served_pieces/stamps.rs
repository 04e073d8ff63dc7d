//! Notices when another program changes a file whose pieces we have.
//!
//! Each file has a stamp: its length, its times and which file it is. A file whose stamp is a different one
//! now has changed, and its pieces may be wrong. The time of the last change of anything at all (`ctime`) is
//! part of it, since a program can set the other one back. So a new owner or name is a change, too: looking
//! again costs little, and wrong bytes cost much.
//!
//! While a download runs, our own writer changes the files too. It takes the stamp away before it writes
//! and sets the new one afterwards. A file without a stamp is therefore in the hands of our writer, or
//! does not exist, and does not count as changed. What another program writes in just these microseconds is
//! not noticed, nor is what it writes within one tick of the system's clock (a few milliseconds) behind a
//! write of ours, where the file keeps its length: the stamp is the same then.
//!
//! Changes are numbered. Whoever reads a file notes the number of the last change before ([`FileStamps::now`])
//! and believes what was read only if the file did not change since ([`FileStamps::changed_after`]).

use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::storage::folder::{FileStat, RootFolder};
use crate::thread::lock;

/// The time between two checks of a file that is being sent. A check costs a tenth of what sending a block
/// costs, and a file server may take longer, so not each block has one.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// The stamps of all files, by number.
pub(super) struct FileStamps {
    books: Mutex<Books>,
}

struct Books {
    files: Vec<Known>,
    /// How many changes were noticed.
    changes: u64,
}

/// What is known of one file.
#[derive(Clone, Copy, Default)]
struct Known {
    /// `None` if it does not exist or our writer is writing to it.
    seen: Option<Seen>,
    /// The number of its last change: zero if it never changed.
    change: u64,
    /// The change up to which [`FileStamps::proven`] said that what is wrong is known.
    proven: u64,
    /// Once, it was another file, or none.
    replaced: bool,
}

/// The stamp of a file, and when we saw it last.
#[derive(Clone, Copy)]
struct Seen {
    stamp: Stamp,
    at: Instant,
}

/// What shows that a file has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (u64, u64),
    changed: (u64, u64),
    identity: (u64, u64),
}

/// How a file differs from what we knew of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) enum Change {
    /// It does not.
    None,
    /// Another program may have written to it.
    Touched,
    /// It is another file.
    Replaced,
}

impl FileStamps {
    /// The stamps of the files as they were found just now.
    pub fn new(found: &[Option<FileStat>]) -> FileStamps {
        let seen = |found: &Option<FileStat>| found.map(|found| Seen::now(&found));
        let files = found.iter().map(|found| Known { seen: seen(found), ..Known::default() }).collect();
        FileStamps { books: Mutex::new(Books { files, changes: 0 }) }
    }

    /// The number of the last change that was noticed.
    pub fn now(&self) -> u64 {
        lock(&self.books).changes
    }

    /// Whether a change of this file was noticed after the one with this number.
    pub fn changed_after(&self, number: usize, change: u64) -> bool {
        lock(&self.books).files.get(number).is_some_and(|known| known.change > change)
    }

    /// Whether the open file has not been changed by another program. Looks at most once in
    /// [`CHECK_INTERVAL`], and counts no change: that is for [`FileStamps::note`].
    pub fn fits(&self, number: usize, file: &File) -> io::Result<bool> {
        let seen = |books: &Books| books.files.get(number).and_then(|known| known.seen);
        let Some(before) = seen(&lock(&self.books)) else { return Ok(true) };
        if before.at.elapsed() < CHECK_INTERVAL {
            return Ok(true);
        }
        let now = Seen::now(&RootFolder::file_stat(file)?);
        let mut books = lock(&self.books);
        // If the stamp is a different one now, our own writer wrote to the file between the two checks.
        if seen(&books).is_none_or(|known| known.stamp != before.stamp) {
            return Ok(true);
        }
        let fits = now.stamp == before.stamp;
        if let Some(known) = books.files.get_mut(number).filter(|_| fits) {
            known.seen = Some(now);
        }
        Ok(fits)
    }

    /// Compares the file, as the system says it is, with what we knew of it, and knows it so from now on. A
    /// difference is a change. A file in the hands of our writer is left to it.
    pub fn note(&self, number: usize, found: Option<&FileStat>) -> Change {
        let mut books = lock(&self.books);
        let Books { files, changes } = &mut *books;
        let Some(known) = files.get_mut(number) else { return Change::None };
        let Some(seen) = known.seen else { return Change::None };
        let change = found.map_or(Change::Replaced, |found| seen.stamp.compare(found));
        if change != Change::None {
            *changes += 1;
            known.change = *changes;
            known.replaced |= change == Change::Replaced;
        }
        if let Some(found) = found {
            known.seen = Some(Seen::now(found));
        }
        change
    }

    /// Takes the stamp away, because our writer begins to write. Says what others have done to the file since
    /// our writer's last write.
    pub fn take(&self, number: usize, file: &File) -> Change {
        let change = match RootFolder::file_stat(file) {
            Ok(found) => self.note(number, Some(&found)),
            // The write will most likely fail as well.
            Err(_) => Change::Touched,
        };
        self.renew(number, None, change == Change::Touched);
        change
    }

    /// Sets the stamp anew, because our writer has written. Returns what the file is now.
    pub fn set(&self, number: usize, file: &File) -> Option<FileStat> {
        let found = RootFolder::file_stat(file).ok();
        // Without a stamp, no change would be noticed.
        self.renew(number, found.map(|found| Seen::now(&found)), found.is_none());
        found
    }

    fn renew(&self, number: usize, seen: Option<Seen>, is_doubtful: bool) {
        if let Some(known) = lock(&self.books).files.get_mut(number) {
            known.seen = seen;
        }
        if is_doubtful {
            self.doubt(number);
        }
    }

    /// The file may have changed: the system says nothing of it.
    pub fn doubt(&self, number: usize) {
        let mut books = lock(&self.books);
        let Books { files, changes } = &mut *books;
        if let Some(known) = files.get_mut(number) {
            *changes += 1;
            known.change = *changes;
        }
    }

    /// Whether there was another file, or none, under its name at any time.
    pub fn was_replaced(&self, number: usize) -> bool {
        lock(&self.books).files.get(number).is_some_and(|known| known.replaced)
    }

    /// Whether the file changed since it was last known what is wrong in it.
    pub fn is_doubtful(&self, number: usize) -> bool {
        lock(&self.books).files.get(number).is_some_and(|known| known.change > known.proven)
    }

    /// What was wrong in the file up to this change is known.
    pub fn proven(&self, number: usize, change: u64) {
        if let Some(known) = lock(&self.books).files.get_mut(number) {
            known.proven = known.proven.max(change);
        }
    }
}

impl Stamp {
    fn of(found: &FileStat) -> Stamp {
        let &FileStat { length, modified, changed, identity, .. } = found;
        Stamp { length, modified, changed, identity }
    }

    fn compare(self, found: &FileStat) -> Change {
        match Stamp::of(found) {
            now if now == self => Change::None,
            now if now.identity != self.identity => Change::Replaced,
            _ => Change::Touched,
        }
    }
}

impl Seen {
    fn now(found: &FileStat) -> Seen {
        Seen { stamp: Stamp::of(found), at: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileStat =
        FileStat { length: 5, allocated: 8, identity: (1, 2), modified: (3, 0), changed: (4, 0), links: 1 };

    #[test]
    fn only_a_change_that_our_writer_did_not_make_is_noticed() {
        let path = std::env::temp_dir().join(format!("femtotorrent-stamp-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let stamps = FileStamps::new(&[Some(RootFolder::file_stat(&file).unwrap())]);
        assert_eq!(stamps.take(0, &file), Change::None);
        file.set_len(1).unwrap();
        assert!(stamps.fits(0, &file).unwrap());
        stamps.set(0, &file);
        assert_eq!(stamps.take(0, &file), Change::None);
        stamps.set(0, &file);
        assert!(!stamps.is_doubtful(0));
        file.set_len(2).unwrap();
        assert_eq!(stamps.take(0, &file), Change::Touched);
        assert!(stamps.is_doubtful(0) && stamps.changed_after(0, 0));
        // It does not exist, or there is no such file.
        let stamps = FileStamps::new(&[None]);
        assert!(stamps.fits(0, &file).unwrap());
        assert_eq!([stamps.take(0, &file), stamps.take(1, &file)], [Change::None; 2]);
    }

    #[test]
    fn a_time_that_was_set_back_another_file_and_no_file_are_changes() {
        let set_back = FileStat { changed: (5, 0), ..FILE };
        for (found, expected) in [
            (Some(FILE), Change::None),
            (Some(FileStat { allocated: 16, ..FILE }), Change::None),
            (Some(set_back), Change::Touched),
            (Some(FileStat { identity: (1, 3), ..FILE }), Change::Replaced),
            (None, Change::Replaced),
        ] {
            let stamps = FileStamps::new(&[Some(FILE)]);
            assert_eq!(stamps.note(0, found.as_ref()), expected, "{found:?}");
            assert_eq!(stamps.is_doubtful(0), expected != Change::None, "{found:?}");
        }
    }

    #[test]
    fn a_change_after_the_proof_is_another_doubt() {
        let stamps = FileStamps::new(&[Some(FILE)]);
        let other = FileStat { length: 6, ..FILE };
        stamps.note(0, Some(&other));
        let before = stamps.now();
        stamps.note(0, Some(&FILE));
        stamps.proven(0, before);
        assert!(stamps.is_doubtful(0) && stamps.changed_after(0, before));
        stamps.proven(0, stamps.now());
        assert!(!stamps.is_doubtful(0));
    }
}
