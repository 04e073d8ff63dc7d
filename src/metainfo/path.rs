//! The path of a file, and the other spellings under which it may lie on a disk.
//!
//! A torrent's names may be such that a file system refuses them, or takes two of them for one. Other programs
//! write some names differently. All spellings follow from the torrent alone, so nothing has to be remembered
//! to find a file again.

use super::element;
use crate::text::is_hidden;
use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The most spellings of the folder of a file that are tried: those of four odd elements.
const MAX_FOLDER_SPELLINGS: usize = 16;

/// A path below the output folder. It dereferences to the torrent's own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    own: Box<Path>,
    odd: Option<Box<OddPath>>,
}

/// A path that some file systems or programs spell in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OddPath {
    /// A path that every common file system takes, with as many elements.
    portable: Box<Path>,
    /// The portable path has a number, since another file has a name that some file systems cannot tell from
    /// this one's.
    numbered: bool,
}

impl FilePath {
    /// A path with its portable spelling, if that differs. `numbered` says that it has a number.
    pub(super) fn new(own: PathBuf, portable: Option<PathBuf>, numbered: bool) -> FilePath {
        let odd = match portable {
            Some(portable) => Some(Box::new(OddPath { portable: portable.into(), numbered })),
            None if is_odd_elsewhere(&own) => {
                Some(Box::new(OddPath { portable: own.as_path().into(), numbered }))
            }
            None => None,
        };
        FilePath { own: own.into(), odd }
    }

    /// The path of the only file of a torrent, from an own element.
    pub(super) fn alone(name: &[u8]) -> FilePath {
        let path = |name: &[u8]| PathBuf::from(OsStr::from_bytes(name));
        let portable = element::portable(name);
        FilePath::new(path(name), (*portable != *name).then(|| path(&portable)), false)
    }

    /// The same path below another top: the name of the only file, or that of the folder that all are in.
    #[must_use]
    pub fn below(&self, top: &str) -> FilePath {
        let under = |path: &Path, top: &OsStr| -> PathBuf {
            std::iter::once(top).chain(path.iter().skip(1)).collect()
        };
        let safe = element::portable(top.as_bytes());
        let own = under(&self.own, top.as_ref());
        let portable = under(self.portable(), OsStr::from_bytes(&safe));
        FilePath::new(own.clone(), (portable != own).then_some(portable), self.has_twin())
    }

    /// Whether it has other spellings.
    pub fn is_odd(&self) -> bool {
        self.odd.is_some()
    }

    /// Whether every common file system takes the own path.
    pub fn is_portable(&self) -> bool {
        *self.portable() == *self.own
    }

    /// The portable spelling.
    pub fn portable(&self) -> &Path {
        self.odd.as_ref().map_or(&self.own, |odd| &odd.portable)
    }

    /// Whether another file has a name that some file systems cannot tell from this one's.
    pub fn has_twin(&self) -> bool {
        self.odd.as_ref().is_some_and(|odd| odd.numbered)
    }

    /// The spellings under which we write the file, the best one first. It is the own one, unless that has
    /// characters that attack the terminal of whoever lists the folder.
    pub fn to_write(&self) -> Vec<PathBuf> {
        self.spellings(|element| !element.to_string_lossy().chars().any(is_hidden))
    }

    /// The spellings under which the file may lie, the likeliest first, but not those of other programs.
    pub fn ours(&self) -> Vec<PathBuf> {
        self.spellings(|_| true)
    }

    /// The spellings under which other programs may have written it. One may be the path of another file.
    pub fn of_others(&self) -> Vec<PathBuf> {
        let mut spellings: Vec<PathBuf> = Vec::new();
        for written in [element::as_libtorrent_writes, element::as_transmission_writes] {
            let elements = self.own.iter().map(|element| OsString::from_vec(written(element.as_bytes())));
            let spelling: PathBuf = elements.collect();
            // Without a backslash, `.\.` is a way up.
            let names = spelling.components().filter(|component| matches!(component, Component::Normal(_)));
            let is_whole = names.count() == self.own.iter().count();
            if is_whole && spelling != *self.own && spelling != *self.portable() {
                spellings.push(spelling);
            }
        }
        spellings
    }

    /// The own path, and then the portable name in each spelling of its folder. An own element is used if
    /// `allowed` says so.
    ///
    /// The own name in another folder could be the path of another file. The portable name cannot: it is the
    /// only one in all folders that have one portable spelling.
    fn spellings(&self, allowed: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
        let mut folders = vec![PathBuf::new()];
        let portable = self.portable();
        let parents = self.own.iter().zip(portable).take(self.own.iter().count().saturating_sub(1));
        for (own, portable) in parents {
            let mut elements = vec![own, portable];
            elements.retain(|element| *element == portable || allowed(element));
            elements.dedup();
            // The last element varies first, so the own folder stays the first of all.
            let longer =
                |path: &PathBuf| elements.iter().map(|element| path.join(element)).collect::<Vec<_>>();
            folders = folders.iter().flat_map(longer).take(MAX_FOLDER_SPELLINGS).collect();
        }
        let own = self.own.iter().all(allowed).then(|| self.own.to_path_buf());
        let name = portable.file_name().unwrap_or_default();
        let mut spellings: Vec<_> =
            own.into_iter().chain(folders.iter().map(|folder| folder.join(name))).collect();
        if !spellings.iter().any(|spelling| spelling == portable) {
            spellings.push(portable.to_path_buf());
        }
        spellings.dedup();
        spellings
    }

    /// Paths that lead to the same file as `spelling` where the file system cannot tell the names apart.
    pub fn twins_of(&self, spelling: &Path) -> Vec<PathBuf> {
        let Some(name) = spelling.file_name() else { return Vec::new() };
        let natural = OsString::from_vec(element::portable(name.as_bytes()).into_owned());
        let twins = [natural, swapped_case(name)];
        twins.into_iter().filter(|twin| twin != name).map(|twin| spelling.with_file_name(twin)).collect()
    }
}

/// Whether another program may write a portable path otherwise.
pub(super) fn is_odd_elsewhere(path: &Path) -> bool {
    path.iter().any(|element| element::is_odd_elsewhere(element.as_bytes()))
}

fn swapped_case(name: &OsStr) -> OsString {
    let Some(text) = name.to_str() else {
        let swap = |byte: &u8| {
            if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
        };
        return OsString::from_vec(name.as_bytes().iter().map(swap).collect());
    };
    let mut swapped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_lowercase() {
            true => swapped.extend(letter.to_uppercase()),
            false => swapped.extend(letter.to_lowercase()),
        }
    }
    swapped.into()
}

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.own
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.own
    }
}

/// A path without other spellings.
impl<T: Into<PathBuf>> From<T> for FilePath {
    fn from(path: T) -> FilePath {
        FilePath { own: path.into().into(), odd: None }
    }
}
