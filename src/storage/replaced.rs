//! Which files are not the ones that an earlier run of this download has left, and are not the torrent's either.
//!
//! Beside an unfinished download there is a marker, so what is under its names is taken for our own work, and what is
//! wrong in it is written anew. But a user may have put another file there since, or while the run before went on,
//! which then ended. That file is the user's. The resume file knows our own ones by their inode numbers, and by the
//! time at which they were created, since many file systems give a new file the number of one that is gone.
//!
//! Another number alone proves nothing: a download that was copied, moved to another disk or restored from a backup has
//! new ones, and some file systems make them up each time. So such a file is the user's only if
//!
//! - its length, or the time of its last change, is not the one that ours had, and
//! - it is longer than the torrent says, or no piece of it is right, or more are wrong than right. A piece of nothing but
//!   zeros counts for neither, and a file of nothing else is nobody's.
//!
//! The number of the file that is there says that it was only changed, whatever is in it now: it is still ours.
//!
//! A file may have no piece of its own, and those that it shares may be missing. Then nothing is known of it until they
//! come, and `plan` has it guarded meanwhile.

use super::error::StorageError;
use super::folder::RootFolder;
use super::hashing::Watch;
use super::layout::Layout;
use super::naming;
use super::patience::patiently;
use super::resume::{KnownFile, ResumeRecord, born};
use super::survey::Survey;
use crate::piece::{Bitfield, PieceIndex};

/// The numbers of the files that are not ours. What is wrong in them is read again, to find zeros.
///
/// # Errors
///
/// As [`Survey::take`].
pub(super) fn by_others(
    folder: &RootFolder,
    layout: &Layout,
    record: &ResumeRecord,
    survey: &mut Survey,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<Vec<usize>, StorageError> {
    let mut suspects: Vec<usize> = (0..layout.entries().len())
        .filter(|number| is_another(folder, layout, record, survey, *number))
        .collect();
    let mut doubtful = Bitfield::none(layout.geometry().piece_count());
    for piece in suspects.iter().flat_map(|number| layout.pieces_in(*number)) {
        if survey.bad.has(piece) {
            doubtful.insert(piece);
        }
    }
    if doubtful.count() > 0 {
        survey.tell_blank(folder, layout, &doubtful, open_files, watch)?;
    }
    suspects.retain(|number| !is_ours_by_content(layout, survey, *number));
    Ok(suspects)
}

/// Whether a file that has something in it is another one than the record knows.
fn is_another(
    folder: &RootFolder,
    layout: &Layout,
    record: &ResumeRecord,
    survey: &Survey,
    number: usize,
) -> bool {
    let (Some(entry), Some(Some(found))) = (layout.entry(number), survey.found.get(number)) else {
        return false;
    };
    if !entry.has_data() || !layout.is_selected(number) || found.length == 0 {
        return false;
    }
    let Some(Some(known)) = record.files.get(number) else {
        // A run that was killed may have created it after its last record.
        return record.is_final;
    };
    if (known.length, known.modified) == (found.length, found.modified) {
        return false;
    }
    if !known.has_number(found) {
        return true;
    }
    // Most files are not opened for this: they were not changed.
    let opened = || patiently(|| naming::open_to_read(folder, &entry.path));
    known.born > 0 && opened().is_ok_and(|file| was_born_at_another_time(known, born(&file)))
}

fn was_born_at_another_time(known: &KnownFile, born: u64) -> bool {
    born > 0 && born != known.born
}

fn is_ours_by_content(layout: &Layout, survey: &Survey, number: usize) -> bool {
    let length = survey.found.get(number).copied().flatten().map_or(0, |found| found.length);
    let count =
        |set: &Bitfield| layout.pieces_in(number).filter(|piece: &PieceIndex| set.has(*piece)).count();
    let (right, wrong, blank) = (count(&survey.good), count(&survey.bad), count(&survey.blank));
    let is_too_long = layout.entry(number).is_none_or(|entry| length > entry.length);
    !is_too_long && right >= wrong && right.saturating_add(blank) > 0
}

#[cfg(test)]
mod tests {
    use super::super::folder::Access;
    use super::*;
    use crate::storage::NewFolder;
    use std::path::Path;

    #[test]
    fn a_file_that_got_the_number_of_the_one_that_is_gone_was_created_at_another_time() {
        let new = NewFolder::somewhere();
        std::fs::create_dir(&new.0).unwrap();
        std::fs::write(new.0.join("0"), [7; 8]).unwrap();
        let folder = RootFolder::open(&new.0).unwrap().unwrap();
        let layout = Layout::of_lengths(&[8], 8);
        let file = folder.open_file(Path::new("0"), Access::Read).unwrap();
        let mut survey = Survey::empty(&layout);
        survey.found[0] = Some(RootFolder::file_stat(&file).unwrap());
        let found = survey.found[0].unwrap();
        let is_another_if_ours_was_born = |born: u64| {
            // It was shorter then.
            let known = KnownFile { length: 5, born, ..KnownFile::of(&found, 0) };
            let (pieces, files) = (Bitfield::none(1), vec![Some(known)]);
            let (newest, at) = (Vec::new(), (0, 0));
            let record = ResumeRecord { is_final: true, is_whole: true, at, pieces, newest, files };
            is_another(&folder, &layout, &record, &survey, 0)
        };
        let born = born(&file);
        assert!(!is_another_if_ours_was_born(0), "it is not known");
        assert!(!is_another_if_ours_was_born(born));
        // Some file systems do not say it.
        assert_eq!(is_another_if_ours_was_born(born + 1), born > 0);
    }
}
