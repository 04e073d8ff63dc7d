//! Files with several names: hard links.
//!
//! What is written to such a file is in it under every name, and another name may belong to somebody else, or
//! to a copy that the user keeps. So a run that would have to write to one ends before anything is changed
//! (exit code 13). With `--overwrite` the file gives way to a copy that has only our name, and what is under
//! the others stays as it is. A file that is only read may have any number of names.
//!
//! A name that is added while we write is another matter: whoever adds it has seen the unfinished file, and
//! what we write completes it.

use std::fs::File;
use std::io;
use std::path::Path;

use super::calls;
use super::folder::{Access, FileStat, RootFolder};
use super::guards::Guards;
use super::layout::Layout;
use super::patience::patiently;
use super::survey::Survey;

/// Bytes that are copied at once.
const CHUNK: usize = 128 * 1024;

/// A file with several names that would be written to, if there is one: its number. Guarded bytes are only
/// compared, so a file that is guarded as a whole is not. Pure.
pub(super) fn written_to(layout: &Layout, survey: &Survey, guards: &Guards) -> Option<usize> {
    let is_written = |number: usize, found: &FileStat| {
        let Some(entry) = layout.entry(number).filter(|_| layout.is_selected(number)) else { return false };
        let is_wanted = |piece: &_| layout.wanted().is_none_or(|wanted| wanted.has(*piece));
        let is_missing = |piece: &_| is_wanted(piece) && !survey.good.has(*piece);
        let is_guarded = guards.get(&number).is_some_and(|guard| *guard >= entry.length);
        let is_cut = found.length > entry.length;
        (layout.pieces(entry.range()).any(|piece| is_missing(&piece)) && !is_guarded) || is_cut
    };
    let found = survey.found.iter().enumerate().filter_map(|(number, found)| Some((number, (*found)?)));
    let mut linked = found.filter(|(_, found)| found.links > 1);
    linked.find(|(number, found)| is_written(*number, found)).map(|(number, _)| number)
}

/// Puts a copy of the file in its place, without its holes filled.
pub(super) fn replace_by_copy(folder: &RootFolder, path: &Path, file: &File) -> io::Result<File> {
    let length = RootFolder::file_stat(file)?.length;
    folder.remove(path)?;
    // If this is interrupted, the bytes are still under the other names.
    let copy = patiently(|| folder.open_file(path, Access::Create))?;
    let (mut buffer, mut offset) = (vec![0; CHUNK], 0);
    while offset < length {
        let part = usize::try_from(length - offset).unwrap_or(CHUNK).min(CHUNK);
        let part = buffer.get_mut(..part).unwrap_or_default();
        calls::read_exact_at(file, part, offset)?;
        if part.iter().any(|byte| *byte != 0) {
            calls::write_all_at(&copy, part, offset)?;
        }
        offset = offset.saturating_add(part.len() as u64);
    }
    calls::set_length(&copy, length)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::layout::files_of_lengths;
    use crate::storage::selection::Selection;

    #[test]
    fn only_a_file_that_would_be_written_to_is_in_the_way() {
        let lengths = [12, 12, 8];
        let mut layout = Layout::of_lengths(&lengths, 8);
        let of = |layout: &Layout, linked: usize, length: u64, good: &[u32], guards: &[(usize, u64)]| {
            let mut survey = Survey::empty(layout);
            let (identity, links) = ((1, 1), 2);
            survey.found[linked] = Some(FileStat {
                length,
                allocated: length,
                identity,
                modified: (0, 0),
                changed: (0, 0),
                links,
            });
            good.iter()
                .for_each(|piece| assert!(survey.good.insert(layout.geometry().piece(*piece).unwrap())));
            written_to(layout, &survey, &guards.iter().copied().collect())
        };
        assert_eq!(of(&layout, 0, 12, &[0], &[]), Some(0), "its last bytes are missing");
        assert_eq!(of(&layout, 0, 12, &[0], &[(0, 12)]), None, "they are there, and guarded");
        assert_eq!(of(&layout, 0, 9, &[0], &[(0, 9)]), Some(0));
        assert_eq!(of(&layout, 0, 12, &[0, 1], &[]), None);
        assert_eq!(of(&layout, 0, 13, &[0, 1], &[]), Some(0), "it would be cut");
        assert_eq!(of(&layout, 2, 0, &[], &[]), Some(2), "an empty one is something under the other name");
        layout.select(Selection::new(&[0..=0], &files_of_lengths(&lengths), layout.geometry()));
        assert_eq!(of(&layout, 2, 3, &[], &[]), None, "it is not selected");
        assert_eq!(of(&layout, 1, 99, &[0], &[]), None, "nor is it written to for the piece that it shares");
    }
}
