//! The names of files that are not whole yet (`--part`): `NAME.part`, until all pieces of the file are right and on the
//! disk. Then the file gets its name, which nothing else loses by that. So whoever looks into the folder, a person or a
//! program, never takes a file for whole that is not.
//!
//! A file with this ending is ours only if the marker says so (`parts`), or if its pieces prove it as they prove any
//! other (`claim`): browsers use the ending, too. Where another program's is beside a download of ours, no file gets
//! the ending, so that a later run takes neither for the other. A file that was begun under its own name goes on
//! under it. A name that would be that of another file, or is too long, stays as it is, and so does that of an empty
//! file.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::folder::{FileSearch, RootFolder};
use super::layout::Layout;

/// How the name of a file ends that is not whole.
const ENDING: &str = ".part";
/// Bytes in a name, at most.
const MAX_NAME_BYTES: usize = 255;

/// Whose files with this ending are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// Ours: the marker says so.
    Ours,
    /// Nobody has said: their pieces have to prove it.
    Unknown,
    /// Not ours: there is a marker that does not speak of them.
    Foreign,
}

/// Which of the files have the ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Files may have it, in this run or a later one.
    pub may_have_it: bool,
    /// A selected file that is there under both names, although the unfinished one is ours.
    pub in_the_way: Option<usize>,
}

/// Finds out which files have the ending, and gives it to new ones if `begins_new`. If there is one that is not ours
/// and would be taken for ours later, none gets it.
pub(super) fn settle(
    folder: Option<&RootFolder>,
    layout: &mut Layout,
    parts: Parts,
    begins_new: bool,
) -> Settled {
    if parts != Parts::Ours && !begins_new {
        return Settled::default();
    }
    let mut search = folder.map(FileSearch::new);
    let mut is_there = |path: &Path| match &mut search {
        Some(search) => search.find(path).map(|found| found.is_some()),
        None => Ok(false),
    };
    let taken = names_with_the_ending(layout);
    let mut settled = Settled { may_have_it: true, in_the_way: None };
    let mut with_it = Vec::new();
    for (number, entry) in layout.entries().iter().enumerate() {
        let whole = entry.path.whole();
        let Some(partial) = partial(whole).filter(|_| entry.has_data() && !entry.path.has_twin()) else {
            continue;
        };
        if taken.contains(&folded(&partial)) {
            continue;
        }
        match (is_there(&partial), is_there(whole)) {
            (Ok(true), Ok(false)) if parts != Parts::Foreign => with_it.push((number, partial)),
            (Ok(true), Ok(true)) if parts == Parts::Ours && layout.is_selected(number) => {
                settled.in_the_way = settled.in_the_way.or(Some(number));
                with_it.push((number, partial));
            }
            (Ok(true), _) if parts != Parts::Ours => return Settled::default(),
            (Ok(false), Ok(false)) if begins_new => with_it.push((number, partial)),
            // What cannot be looked at is left to whoever opens the file.
            _ => {}
        }
    }
    for (number, partial) in with_it {
        if let Some(path) = layout.path_mut(number) {
            path.make_partial(partial);
        }
    }
    settled
}

/// The path of the file until it is whole.
fn partial(path: &Path) -> Option<PathBuf> {
    let mut name: OsString = path.file_name()?.to_owned();
    name.push(ENDING);
    (name.len() <= MAX_NAME_BYTES).then(|| path.with_file_name(name))
}

/// The files of the torrent that have the ending by themselves.
fn names_with_the_ending(layout: &Layout) -> HashSet<String> {
    let paths = layout.entries().iter().map(|entry| folded(entry.path.whole()));
    paths.filter(|path| path.ends_with(ENDING)).collect()
}

/// Many disks do not tell upper from lower case.
fn folded(path: &Path) -> String {
    path.to_string_lossy().to_lowercase()
}
