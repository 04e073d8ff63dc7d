//! Which torrent of a command writes to which files: two that write to the same one would take it from each other.
//!
//! The torrents are entered in the order in which the user named them, before the first of them runs; that of a magnet
//! link when its metadata is there. Each gives way to those that were entered before it. Of a path its hash is kept, so a
//! torrent takes 8 bytes a file and a folder. Names that only some disks take for the same are not known here: who comes
//! second meets a file that is not his. Looks at no disk.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Mutex;

use super::selection::Selection;
use crate::metainfo::{File, InfoHash};
use crate::thread::lock;

/// What the torrents write to.
#[derive(Debug, Default)]
pub struct Reservations {
    random: RandomState,
    torrents: Mutex<Vec<Reservation>>,
}

/// What one of them writes to.
#[derive(Debug)]
struct Reservation {
    info_hash: InfoHash,
    /// What the user named it by, fit to print.
    source: String,
    /// The hashes of the paths, in order.
    files: Box<[u64]>,
    /// The same of the folders that they are in.
    folders: Box<[u64]>,
}

impl Reservations {
    /// Enters the files of a torrent, or those that are selected. Once is enough.
    pub fn enter(&self, info_hash: InfoHash, files: &[File], selection: Option<&Selection>, source: &str) {
        let mut torrents = lock(&self.torrents);
        if torrents.iter().any(|torrent| torrent.info_hash == info_hash) {
            return;
        }
        let (mut paths, mut folders) = (HashSet::new(), HashSet::new());
        for path in written(files, selection) {
            paths.insert(self.hash(path));
            folders.extend(above(path).map(|folder| self.hash(folder)));
        }
        let source = source.to_owned();
        torrents.push(Reservation { info_hash, source, files: sorted(paths), folders: sorted(folders) });
    }

    /// The first of these files that a torrent writes to, or has as a folder, which was entered before this one; and what
    /// that torrent was named by.
    pub fn taken<'files>(
        &self,
        info_hash: InfoHash,
        files: &'files [File],
        selection: Option<&Selection>,
    ) -> Option<(&'files Path, String)> {
        let torrents = lock(&self.torrents);
        let mut earlier = torrents.iter().take_while(|torrent| torrent.info_hash != info_hash).peekable();
        earlier.peek()?;
        let earlier: Vec<&Reservation> = earlier.collect();
        written(files, selection).find_map(|path| {
            let hash = self.hash(path);
            let mut folders = above(path).map(|folder| self.hash(folder));
            let mut others = earlier.iter();
            let other = match others.find(|other| has(&other.files, hash) || has(&other.folders, hash)) {
                Some(other) => Some(other),
                None => folders.find_map(|hash| earlier.iter().find(|other| has(&other.files, hash))),
            };
            other.map(|other| (path, other.source.clone()))
        })
    }

    fn hash(&self, path: &Path) -> u64 {
        self.random.hash_one(path)
    }
}

/// The paths that are written to.
fn written<'files>(
    files: &'files [File],
    selection: Option<&Selection>,
) -> impl Iterator<Item = &'files Path> {
    let is_selected = move |number| selection.is_none_or(|selection| selection.has(number));
    let files = files.iter().enumerate().filter(move |(number, file)| !file.padding && is_selected(*number));
    files.map(|(_, file)| &*file.path)
}

/// The folders of this path, without the output folder.
fn above(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty())
}

fn sorted(hashes: HashSet<u64>) -> Box<[u64]> {
    let mut hashes: Vec<u64> = hashes.into_iter().collect();
    hashes.sort_unstable();
    hashes.into()
}

fn has(hashes: &[u64], hash: u64) -> bool {
    hashes.binary_search(&hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::Metainfo;

    fn files(name: &str, paths: &[&str]) -> Vec<File> {
        let list: String = paths
            .iter()
            .map(|path| {
                let parts: String = path.split('/').map(|part| format!("{}:{part}", part.len())).collect();
                format!("d6:lengthi8e4:pathl{parts}ee")
            })
            .collect();
        let pieces = format!("6:pieces{}:{}", 20 * paths.len(), "x".repeat(20 * paths.len()));
        let info = format!("d5:filesl{list}e4:name{}:{name}12:piece lengthi8e{pieces}e", name.len());
        Metainfo::parse(format!("d4:info{info}e").into_bytes()).unwrap().files
    }

    #[test]
    fn of_two_torrents_with_one_file_the_later_one_gives_way_whoever_asks_first() {
        let book = Reservations::default();
        let (first, second) = (files("Album", &["a", "b/c"]), files("Album", &["d", "b/c"]));
        let (one, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
        book.enter(one, &first, None, "one.torrent");
        book.enter(other, &second, None, "other.torrent");
        book.enter(one, &first, None, "again");
        let taken = || book.taken(other, &second, None);
        assert_eq!(taken(), Some((Path::new("Album/b/c"), "one.torrent".to_owned())));
        assert_eq!(book.taken(one, &first, None), None);
        assert_eq!(taken(), Some((Path::new("Album/b/c"), "one.torrent".to_owned())), "for good");
    }

    #[test]
    fn files_side_by_side_in_one_folder_are_nobodys_loss_and_a_file_is_no_folder() {
        let book = Reservations::default();
        book.enter(InfoHash([1; 20]), &files("Album", &["a", "b/c"]), None, "one.torrent");
        let taken = |paths: &[&str]| {
            let files = files("Album", paths);
            book.taken(InfoHash([2; 20]), &files, None).map(|(path, _)| path.to_owned())
        };
        assert_eq!(taken(&["d", "b/e"]), None);
        assert_eq!(taken(&["d", "a/e"]), Some("Album/a/e".into()));
        assert_eq!(taken(&["b"]), Some("Album/b".into()));
    }

    #[test]
    fn what_is_not_selected_is_not_written_to() {
        let book = Reservations::default();
        let all = files("Album", &["a", "b"]);
        let geometry = crate::piece::Geometry::new(16, 8).unwrap();
        let only = |number| Selection::new(&[number..=number], &all, geometry);
        book.enter(InfoHash([1; 20]), &all, only(0).as_ref(), "one.torrent");
        assert!(book.taken(InfoHash([2; 20]), &all, only(1).as_ref()).is_none());
        assert!(book.taken(InfoHash([2; 20]), &all, only(0).as_ref()).is_some());
    }
}
