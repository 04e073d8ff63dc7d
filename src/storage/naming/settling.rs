//! Finding out which of its spellings each file has, before anything is read or written.

use super::{OddPath, PathOnDisk, is_refusal};
use crate::net::too_many_files;
use crate::storage::error::{Action, StorageError};
use crate::storage::folder::{FileSearch, RootFolder};
use crate::storage::layout::Layout;
use crate::storage::patience::patiently;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// Finds out under which of its spellings each file is there, or is to be created. Where there is no folder,
/// nothing is there.
pub(in crate::storage) fn settle_in(
    folder: Option<&RootFolder>,
    layout: &mut Layout,
) -> Result<(), StorageError> {
    let Some(folder) = folder else { return Ok(()) };
    settle(folder, layout)
        .map_err(|error| StorageError::from_io(Action::Open, folder.path().to_owned(), error))
}

fn settle(folder: &RootFolder, layout: &mut Layout) -> io::Result<()> {
    let mut search = FileSearch::new(folder);
    let mut missing = Vec::new();
    for number in layout.odd_files() {
        let Some(PathOnDisk { path, odd: Some(odd), .. }) = layout.path_mut(number) else { continue };
        match odd.find(&mut search)? {
            Some(there) => *path = there.into(),
            None => missing.push(number),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut others = written_by_others(&mut search, layout, &missing)?;
    let mut folders = HashMap::new();
    for number in missing {
        if let Some(PathOnDisk { path, odd: Some(odd), .. }) = layout.path_mut(number) {
            let chosen = others.remove(&number).unwrap_or_else(|| odd.to_create(folder, &mut folders));
            *path = chosen.into();
        }
    }
    Ok(())
}

/// Those of the `missing` files that are there in a spelling of another program. It is never the path of another
/// file, and the file has just the length that it should have: a file of that name may as well be something else
/// of the user, and need not stop a download that has no use for the name.
fn written_by_others(
    search: &mut FileSearch<'_>,
    layout: &Layout,
    missing: &[usize],
) -> io::Result<HashMap<usize, PathBuf>> {
    let mut found = HashMap::new();
    let mut taken: Option<HashSet<PathBuf>> = None;
    for number in missing {
        let Some((entry, odd)) =
            layout.entry(*number).and_then(|entry| Some((entry, entry.path.odd.as_ref()?)))
        else {
            continue;
        };
        for spelling in odd.spellings.of_others() {
            let length = length_of(search, &spelling)?;
            if length != Some(entry.length) || odd.is_mistaken(search.folder(), &spelling) {
                continue;
            }
            let paths = || layout.entries().iter().map(|entry| entry.path.to_path_buf()).collect();
            if taken.get_or_insert_with(paths).insert(spelling.clone()) {
                found.insert(*number, spelling);
                break;
            }
        }
    }
    Ok(found)
}

impl OddPath {
    /// The spelling of ours under which the file is there.
    fn find(&self, search: &mut FileSearch<'_>) -> io::Result<Option<PathBuf>> {
        for spelling in self.spellings.ours() {
            if length_of(search, &spelling)?.is_some() && !self.is_mistaken(search.folder(), &spelling) {
                return Ok(Some(spelling));
            }
        }
        // What is in the way of the own path, such as a link, is to be named by whoever opens the file.
        let in_the_way = patiently(|| search.find(&self.spellings)).is_err_and(|error| !is_refusal(&error));
        let own = in_the_way.then(|| self.spellings.to_path_buf());
        Ok(own.filter(|own| !self.is_mistaken(search.folder(), own)))
    }

    /// Where a file that is not there is to be created: in a folder that is there, if there is one.
    fn to_create(&self, folder: &RootFolder, folders: &mut HashMap<PathBuf, PathBuf>) -> PathBuf {
        let spellings = self.spellings.to_write();
        let (Some(first), Some(parent)) = (spellings.first(), self.spellings.parent()) else {
            return self.spellings.to_path_buf();
        };
        let known = folders.entry(parent.to_owned()).or_insert_with(|| {
            let parents = self.spellings.ours().into_iter().chain(spellings.iter().cloned());
            let parents = parents.filter_map(|spelling| spelling.parent().map(Path::to_owned));
            let there = |parent: &PathBuf| folder.is_folder(parent);
            parents.into_iter().find(there).or(first.parent().map(Path::to_owned)).unwrap_or_default()
        });
        let own_folder = *known == parent;
        let portable = known.join(self.spellings.portable().file_name().unwrap_or_default());
        // The own name belongs into the own folder alone: elsewhere it could be another file's.
        let own = spellings.iter().filter(|spelling| own_folder && ***spelling == *self.spellings);
        let own = own.filter(|spelling| !self.is_mistaken(folder, spelling)).cloned();
        let candidates = own.chain([portable.clone()]).chain(spellings.iter().skip(1).cloned());
        // A name that cannot even be looked for cannot be created.
        let is_possible = |path: &PathBuf| {
            let refused = |error: &io::Error| is_refusal(error) && error.kind() != io::ErrorKind::NotFound;
            !folder.identity_of(path).is_err_and(|error| refused(&error))
        };
        candidates.into_iter().find(is_possible).unwrap_or(portable)
    }
}

/// The length of the file, if it is there. Whatever else is there, or is in the way, is not the file.
fn length_of(search: &mut FileSearch<'_>, path: &Path) -> io::Result<Option<u64>> {
    match patiently(|| search.find(path)) {
        Err(error) if too_many_files(&error) => Err(error),
        found => Ok(found.ok().flatten().map(|found| found.length)),
    }
}
