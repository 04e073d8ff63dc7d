//! Gives each file of a torrent its own path and a portable one, both different from those of all others.
//!
//! Own paths are distinct byte for byte. Portable paths are distinct even where case does not count, and none is
//! the own path of another file: whoever looks for a file under both finds no other. So the files whose own path
//! is portable take it first, then those whose own name is, and the others get a number where two would meet. So
//! no portable name is the own name of another file, in whatever spelling of their folder.

use super::File;
use super::element;
use super::limits::MAX_PATH_BYTES;
use super::names::{FolderNumber, NameTree};
use super::path::{self, FilePath};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The paths of a torrent that has a folder.
pub(super) struct PathTable<'a> {
    name: &'a [u8],
    own: NameTree,
    portable: NameTree,
    top: Place,
}

/// The folders that a file is in, by its own and by its portable path.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    own: FolderNumber,
    portable: FolderNumber,
}

/// What a file would be called on any disk if it were alone.
pub(super) struct NaturalPath {
    /// Its portable path, if that is not its own.
    portable: Option<Box<Path>>,
    place: Place,
}

/// A file whose own path is not its portable path, or not while others have theirs.
struct OddFile {
    number: usize,
    natural: NaturalPath,
    /// Its own path is that of a file before it.
    is_duplicate: bool,
    /// It has its natural portable path.
    is_settled: bool,
}

impl NaturalPath {
    fn has_portable_name(&self, own: &Path) -> bool {
        self.portable.as_deref().is_none_or(|portable| last(portable) == last(own))
    }

    /// Bytes in the portable path.
    pub(super) fn bytes(&self) -> usize {
        self.portable.as_deref().map_or(0, |path| path.as_os_str().len())
    }
}

impl<'a> PathTable<'a> {
    /// No path but the folder of this name, an [`element::own`] one.
    pub(super) fn new(name: &'a [u8]) -> PathTable<'a> {
        let (mut own, mut portable) = (NameTree::new(false), NameTree::new(true));
        let place = Place::default();
        let top = Place {
            own: own.folder(place.own, name).unwrap_or_default(),
            portable: portable.folder(place.portable, &element::portable(name)).unwrap_or_default(),
        };
        PathTable { name, own, portable, top }
    }

    /// The own path of these elements, and what else it may become. The folders in it are known from now on.
    pub(super) fn add<'e>(
        &mut self,
        elements: impl Iterator<Item = &'e [u8]>,
    ) -> Result<(FilePath, NaturalPath), &'static str> {
        let mut elements = elements.filter_map(element::own).peekable();
        let mut place = self.top;
        let mut own = self.name.to_vec();
        let mut portable = element::portable(self.name).into_owned();
        if elements.peek().is_none() {
            own.extend(b"/_");
            portable.extend(b"/_");
        }
        while let Some(element) = elements.next() {
            let safe = element::portable(&element);
            for (path, element) in [(&mut own, &element), (&mut portable, &safe)] {
                path.push(b'/');
                path.extend(&**element);
            }
            if own.len().max(portable.len()) > MAX_PATH_BYTES {
                return Err("is longer than any system takes");
            }
            if elements.peek().is_some() {
                let too_many = "makes one folder too many";
                place = Place {
                    own: self.own.folder(place.own, &element).ok_or(too_many)?,
                    portable: self.portable.folder(place.portable, &safe).ok_or(too_many)?,
                };
            }
        }
        let portable = (portable != own).then(|| of_bytes(portable).into());
        Ok((of_bytes(own).into(), NaturalPath { portable, place }))
    }

    /// The final paths, when all folders are known. `None` stands for padding, which takes no name.
    pub(super) fn settle(mut self, paths: Vec<Option<NaturalPath>>, files: &mut [File]) {
        let mut odd = Vec::new();
        for (number, natural) in paths.into_iter().enumerate() {
            let (Some(natural), Some(file)) = (natural, files.get(number)) else { continue };
            let (folder, own) = (natural.place.portable, &*file.path);
            if natural.portable.is_none() && self.portable.take(folder, last(own), number) {
                if path::is_odd_elsewhere(own) {
                    let path = FilePath::new(own.to_owned(), None, false);
                    if let Some(file) = files.get_mut(number) {
                        file.path = path;
                    }
                }
                continue;
            }
            let first = self.portable.taker(folder, last(own)).and_then(|first| files.get(first));
            let is_duplicate = first.is_some_and(|first| *first.path == *own);
            odd.push(OddFile { number, natural, is_duplicate, is_settled: false });
        }
        for odd in &mut odd {
            let Some(own) = files.get(odd.number).map(|file| &*file.path) else { continue };
            let is_free = odd.natural.has_portable_name(own);
            odd.is_settled = is_free && self.portable.take(odd.natural.place.portable, last(own), odd.number);
        }
        for odd in odd {
            if let Some(file) = files.get_mut(odd.number) {
                file.path = self.settle_odd(file.path.to_path_buf(), odd);
            }
        }
    }

    fn settle_odd(&mut self, mut own: PathBuf, odd: OddFile) -> FilePath {
        let OddFile { number, natural: NaturalPath { portable, place }, is_duplicate, is_settled } = odd;
        let mut portable = portable.map_or_else(|| own.clone(), Path::into_path_buf);
        if is_duplicate || !self.own.take(place.own, last(&own), number) {
            let free = |name: &[u8]| self.portable.is_free(place.portable, name);
            let name = self.own.take_numbered(place.own, last(&own), &free);
            portable.set_file_name(OsString::from_vec(element::portable(&name).into_owned()));
            own.set_file_name(OsString::from_vec(name));
        }
        let numbered = !is_settled && !self.portable.take(place.portable, last(&portable), number);
        if numbered {
            let name = self.portable.take_numbered(place.portable, last(&portable), &|_| true);
            portable.set_file_name(OsString::from_vec(name));
        }
        let portable = (portable != own).then_some(portable);
        FilePath::new(own, portable, numbered)
    }
}

fn last(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_bytes()
}

fn of_bytes(mut bytes: Vec<u8>) -> PathBuf {
    // There may be a million of these.
    bytes.shrink_to_fit();
    PathBuf::from(OsString::from_vec(bytes))
}
