//! Whether the files of a download may be as long as they have to be.
//!
//! A download that cannot be completed is refused before it begins, and not after the first four gibibytes. Pure.

use super::error::StorageError;
use super::file_limit::FileLimit;
use super::layout::Layout;
use crate::piece::Bitfield;
use std::path::Path;

/// Makes sure that no file that is to be written has to be longer. Pure.
///
/// # Errors
///
/// [`StorageError::TooLong`].
pub(super) fn check(
    limit: FileLimit,
    root: &Path,
    layout: &Layout,
    good: &Bitfield,
) -> Result<(), StorageError> {
    let files = layout.entries().iter().enumerate().filter(|(number, _)| layout.is_selected(*number));
    for (_, entry) in files.filter(|(_, entry)| entry.has_data()) {
        let is_wanted = |piece: &_| layout.wanted().is_none_or(|wanted| wanted.has(*piece));
        let missing = layout.pieces(entry.range()).filter(|piece| is_wanted(piece) && !good.has(*piece));
        let Some(last) = missing.last() else { continue };
        let end = layout.geometry().offset(last) + u64::from(layout.geometry().length(last));
        let needed = end.min(entry.range().end).saturating_sub(entry.offset);
        if needed > limit.bytes {
            return Err(StorageError::TooLong { path: root.join(&entry.path), needed, limit });
        }
    }
    Ok(())
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
            let limit = FileLimit { bytes, of: "", way_out: "" };
            match check(limit, Path::new("out"), layout, &set) {
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
        use crate::storage::file_limit::FAT;
        let layout = |length| Layout::of_lengths(&[length], 1 << 24);
        let check = |length| super::check(FAT, Path::new("stick"), &layout(length), &Bitfield::none(256));
        assert!(check((1 << 32) - 1).is_ok());
        let error = check(1 << 32).unwrap_err();
        assert_eq!(error.exit_code(), 16);
        assert_eq!(
            error.to_string(),
            "cannot create stick/0: it has 4294967296 bytes, and this file system (FAT) allows 4294967295 \
             (choose another folder with --output-dir)"
        );
    }
}
