//! Which of its spellings a file has on this disk.
//!
//! A torrent's names are its own business: a file is looked for under its own path first, then under the portable
//! one and those of other programs, and is created under its own. Where the file system refuses that, or does not
//! tell it from the name of another file, this file alone gets its portable path. All that follows from the
//! torrent and the disk, so the next run finds the file again and nothing has to be remembered. A folder that is
//! there in one spelling is used, so that one payload does not lie in two.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use super::error::{Action, StorageError};
use super::folder::{Access, FileSearch, RootFolder};
use super::layout::Layout;
use super::patience::patiently;
use crate::metainfo::FilePath;
use crate::net::too_many_files;

/// The path of a file below the output folder. It dereferences to the spelling that is used.
pub(super) struct PathOnDisk {
    path: Box<Path>,
    odd: Option<Box<OddPath>>,
    /// The name that the file has until it is whole.
    partial: Option<Box<PartialName>>,
}

/// The path of a file that is not whole.
struct PartialName {
    path: Box<Path>,
    /// The file has its own path now.
    is_over: AtomicBool,
}

/// A path with more than one spelling.
struct OddPath {
    spellings: FilePath,
    /// The spelling that the file system took when it had refused the first one.
    taken: OnceLock<Box<Path>>,
}

impl PathOnDisk {
    /// The path of a file that was not looked for yet: the one that it gets on a disk that takes all names.
    pub fn new(path: &FilePath) -> PathOnDisk {
        let own: &Path = path;
        if !path.is_odd() {
            return PathOnDisk { path: own.into(), odd: None, partial: None };
        }
        let first = path.to_write().into_iter().next();
        let odd = OddPath { spellings: path.clone(), taken: OnceLock::new() };
        let path = first.map_or(own.into(), PathBuf::into);
        PathOnDisk { path, odd: Some(Box::new(odd)), partial: None }
    }

    /// A path of ours, which is the same on every disk.
    pub fn as_it_is(path: &Path) -> PathOnDisk {
        PathOnDisk { path: path.into(), odd: None, partial: None }
    }

    /// Whether it has more than one spelling.
    pub fn is_odd(&self) -> bool {
        self.odd.is_some()
    }

    /// Whether some disks do not tell its name from that of another file.
    pub fn has_twin(&self) -> bool {
        self.odd.as_ref().is_some_and(|odd| odd.spellings.has_twin())
    }

    /// The path that the file has when it is whole.
    pub fn whole(&self) -> &Path {
        self.odd.as_ref().and_then(|odd| odd.taken.get()).unwrap_or(&self.path)
    }

    /// The file has this path from now on, until it is whole.
    pub fn make_partial(&mut self, path: PathBuf) {
        self.partial = Some(Box::new(PartialName { path: path.into(), is_over: AtomicBool::new(false) }));
    }

    /// The file has its own path from now on.
    pub fn end_partial(&self) {
        self.partial.iter().for_each(|partial| partial.is_over.store(true, Ordering::Release));
    }

    /// Whether the file still has another path than it will have when it is whole.
    pub fn is_partial(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| !partial.is_over.load(Ordering::Acquire))
    }
}

impl Deref for PathOnDisk {
    type Target = Path;

    fn deref(&self) -> &Path {
        match &self.partial {
            Some(partial) if self.is_partial() => &partial.path,
            _ => self.whole(),
        }
    }
}

impl AsRef<Path> for PathOnDisk {
    fn as_ref(&self) -> &Path {
        self
    }
}

/// Finds out under which of its spellings each file is there, or is to be created. Where there is no folder,
/// nothing is there.
pub(super) fn settle_in(folder: Option<&RootFolder>, layout: &mut Layout) -> Result<(), StorageError> {
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

    /// Whether what is there under this spelling may be another file, because the file system does not tell
    /// their names apart. The portable spelling is never mistaken.
    fn is_mistaken(&self, folder: &RootFolder, spelling: &Path) -> bool {
        if !self.spellings.has_twin() || spelling.file_name() == self.spellings.portable().file_name() {
            return false;
        }
        self.spellings.twins_of(spelling).iter().any(|twin| folder.is_one(spelling, twin))
    }
}

/// Creates a file, under another spelling if the file system refuses the one that was chosen.
///
/// # Errors
///
/// What the system said of the first spelling, if it takes none of them.
pub(super) fn create(folder: &RootFolder, path: &PathOnDisk) -> io::Result<File> {
    if path.is_partial() {
        match folder.open_file(path, Access::Create) {
            Err(error) if path.is_odd() && is_refusal(&error) => path.end_partial(),
            created => return created,
        }
    }
    let first = folder.open_file(path, Access::Create);
    let Some(odd) = &path.odd else { return first };
    let refused = match first {
        Ok(file) if !odd.is_mistaken(folder, path) => return Ok(file),
        Ok(_) => {
            folder.remove(path)?;
            io::ErrorKind::AlreadyExists.into()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && odd.is_mistaken(folder, path) => error,
        Err(error) if is_refusal(&error) && folder.is_in_place()? => error,
        Err(error) => return Err(error),
    };
    let siblings = path.with_file_name(odd.spellings.portable().file_name().unwrap_or_default());
    for spelling in [siblings].into_iter().chain(odd.spellings.to_write()) {
        match folder.open_file(&spelling, Access::Create) {
            Ok(_) if odd.is_mistaken(folder, &spelling) => folder.remove(&spelling)?,
            Ok(file) => {
                let _ = odd.taken.set(spelling.into());
                return Ok(file);
            }
            Err(error) if too_many_files(&error) => return Err(error),
            Err(_) => {}
        }
    }
    Err(refused)
}

/// Opens a file to read it. One that is not whole may get its name just now, by our writer or another process.
pub(super) fn open_to_read(folder: &RootFolder, path: &PathOnDisk) -> io::Result<File> {
    let first: &Path = path;
    match folder.open_file(first, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && first != path.whole() => {
            folder.open_file(path.whole(), Access::Read)
        }
        opened => opened,
    }
}

/// Whether this error means that there is no such file: a name that the file system refuses is not there.
pub(super) fn is_missing(path: &PathOnDisk, error: &io::Error) -> bool {
    path.is_odd() && is_refusal(error)
}

/// Whether the system says that it does not take the name. What it says depends on the file system, and on who
/// implements it.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::ILSEQ, Errno::NAMETOOLONG, Errno::NOENT, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}

/// The length of the file, if it is there. Whatever else is there, or is in the way, is not the file.
fn length_of(search: &mut FileSearch<'_>, path: &Path) -> io::Result<Option<u64>> {
    match patiently(|| search.find(path)) {
        Err(error) if too_many_files(&error) => Err(error),
        found => Ok(found.ok().flatten().map(|found| found.length)),
    }
}

#[cfg(test)]
mod tests;
