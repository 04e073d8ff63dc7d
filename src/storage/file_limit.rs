//! How long a file may be: some file systems and limits of the process allow less than a torrent may want.
//!
//! A download that cannot be completed is refused before it begins, and not after the first four gibibytes.

use std::path::Path;

use super::error::StorageError;
use super::layout::Layout;
use super::space;
use crate::piece::Bitfield;

/// Bytes in the longest file of FAT12, FAT16 and FAT32: its length has 32 bits.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FAT: FileLimit = FileLimit {
    bytes: u32::MAX as u64,
    of: "this file system (FAT)",
    way_out: "choose another folder with --output-dir",
};

/// How long a file may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// Bytes in the longest file.
    pub bytes: u64,
    /// What allows no more.
    pub of: &'static str,
    /// What the user can do about it.
    pub way_out: &'static str,
}

impl FileLimit {
    /// The limit below this folder, which may not exist yet. `None` if there is none that we know of.
    pub(super) fn below(root: &Path) -> Option<FileLimit> {
        let of_process = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        let (of, way_out) = ("the limit of this process", "raise ulimit -f");
        let of_process = of_process.map(|bytes| FileLimit { bytes, of, way_out });
        of_process.into_iter().chain(of_file_system(root)).min_by_key(|limit| limit.bytes)
    }

    /// Makes sure that no file that is to be written has to be longer. Pure.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLong`].
    pub(super) fn check(self, root: &Path, layout: &Layout, good: &Bitfield) -> Result<(), StorageError> {
        let files = layout.entries().iter().enumerate().filter(|(number, _)| layout.is_selected(*number));
        for (_, entry) in files.filter(|(_, entry)| entry.has_data()) {
            let is_wanted = |piece: &_| layout.wanted().is_none_or(|wanted| wanted.has(*piece));
            let missing = layout.pieces(entry.range()).filter(|piece| is_wanted(piece) && !good.has(*piece));
            let Some(last) = missing.last() else { continue };
            let end = layout.geometry().offset(last) + u64::from(layout.geometry().length(last));
            let needed = end.min(entry.range().end).saturating_sub(entry.offset);
            if needed > self.bytes {
                return Err(StorageError::TooLong { path: root.join(&entry.path), needed, limit: self });
            }
        }
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn of_file_system(root: &Path) -> Option<FileLimit> {
    let system = space::existing(root).find_map(|path| rustix::fs::statfs(path).ok())?;
    of_type(system.f_type)
}

/// The limit of a file system that Linux knows by this number (`statfs(2)`), which has another type on each
/// host. exFAT has another number than FAT.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn of_type(number: impl TryInto<u64>) -> Option<FileLimit> {
    const MSDOS_SUPER_MAGIC: u64 = 0x4d44;
    (number.try_into().ok()? == MSDOS_SUPER_MAGIC).then_some(FAT)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn of_file_system(_: &Path) -> Option<FileLimit> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::layout::files_of_lengths;
    use crate::storage::selection::Selection;

    #[test]
    fn a_file_that_would_be_too_long_is_refused_unless_its_end_is_there_or_is_not_wanted() {
        let lengths = [20, -4, 40, 8];
        let mut layout = Layout::of_lengths(&lengths, 8);
        let refused = |layout: &Layout, bytes, good: &[u32]| {
            let mut set = Bitfield::none(layout.geometry().piece_count());
            good.iter().for_each(|piece| assert!(set.insert(layout.geometry().piece(*piece).unwrap())));
            match (FileLimit { bytes, of: "", way_out: "" }).check(Path::new("out"), layout, &set) {
                Err(StorageError::TooLong { path, needed, .. }) => Some((path.display().to_string(), needed)),
                Err(error) => panic!("{error}"),
                Ok(()) => None,
            }
        };
        assert_eq!(refused(&layout, 40, &[]), None);
        assert_eq!(refused(&layout, 39, &[]), Some(("out/2".to_owned(), 40)));
        assert_eq!(refused(&layout, 39, &[7]), None, "the end is there");
        assert_eq!(refused(&layout, 8, &[2]), Some(("out/0".to_owned(), 16)));
        // Of the long file nothing is wanted but its first bytes, and nothing of the padding's piece is long.
        layout.select(Selection::new(&[0..=0], &files_of_lengths(&lengths), layout.geometry()));
        assert_eq!(refused(&layout, 20, &[]), None);
        assert_eq!(refused(&layout, 19, &[]), Some(("out/0".to_owned(), 20)));
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_file_on_fat_is_shorter_than_four_gibibytes() {
        const EXFAT: u64 = 0x2011_bab0;
        const EXT4: u64 = 0xef53;
        assert_eq!([0x4d44_u64, EXFAT, EXT4].map(of_type), [Some(FAT), None, None]);
        let layout = |length| Layout::of_lengths(&[length], 1 << 24);
        let check = |length| FAT.check(Path::new("stick"), &layout(length), &Bitfield::none(256));
        assert!(check((1 << 32) - 1).is_ok());
        let error = check(1 << 32).unwrap_err();
        assert_eq!(error.exit_code(), 16);
        assert_eq!(
            error.to_string(),
            "cannot create stick/0: it has 4294967296 bytes, and this file system (FAT) allows 4294967295 \
             (choose another folder with --output-dir)"
        );
    }

    #[test]
    fn a_folder_for_tests_has_no_limit_of_four_gibibytes() {
        if let Some(limit) = FileLimit::below(&std::env::temp_dir().join("not/there")) {
            assert!(limit.of.contains("process"), "{limit:?}");
        }
    }
}
