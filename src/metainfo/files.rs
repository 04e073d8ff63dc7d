//! The files of a torrent: where each starts in the payload, and the path that it gets.
//!
//! A torrent has either one file, which is called `name`, or a list `files`, whose paths are below a folder
//! called `name` (BEP 3, "info dictionary"). `attr` marks a file as padding or as a symbolic link (BEP 47).
//! Padding is never written. A link is never created: it is not part of the payload, and through a link that
//! leads out of the output folder, files could be written anywhere. So links are left out, and only counted.

use super::File;
use super::error::MetainfoError;
use super::limits::MAX_ALL_PATHS_BYTES;
use super::path::FilePath;
use super::path_table::{NaturalPath, PathTable};
use crate::bencode::{Dictionary, List, Value};

/// The files of a torrent, and what they add up to.
pub(super) struct FileList {
    pub(super) files: Vec<File>,
    pub(super) total_size: u64,
    pub(super) symlinks: usize,
}

/// Reads the files of an `info` dictionary whose own name is `name`.
pub(super) fn read(info: Dictionary, name: &[u8]) -> Result<FileList, MetainfoError> {
    match info.get("files") {
        None => {
            let length = info.get("length").ok_or(field("length", "is missing, and so is 'files'"))?;
            let length = length.unsigned().ok_or(field("length", "is not a valid size"))?;
            let file = File { path: FilePath::alone(name), offset: 0, length, padding: false };
            Ok(FileList { files: vec![file], total_size: length, symlinks: 0 })
        }
        Some(Value::List(list)) if !list.is_empty() => read_list(list, name),
        Some(Value::List(_)) => Err(field("files", "is empty")),
        Some(_) => Err(field("files", "is not a list")),
    }
}

fn field(name: &'static str, fault: &'static str) -> MetainfoError {
    MetainfoError::Field { name, fault }
}

/// What is wrong with an entry of the list: the name of the field, and its fault.
type EntryFault = (&'static str, &'static str);

fn read_list(list: List, name: &[u8]) -> Result<FileList, MetainfoError> {
    let mut listing = Listing::new(name);
    for (index, entry) in list.iter().enumerate() {
        let number = index.saturating_add(1);
        let fail = |(name, fault): EntryFault| MetainfoError::FileField { file: number, name, fault };
        let entry = entry.dictionary().ok_or(field("files", "has an entry that is not a dictionary"))?;
        let kind = FileKind::of(entry);
        if kind == FileKind::Symlink {
            check_link(entry).map_err(fail)?;
            listing.skip_link();
            continue;
        }
        let length = length(entry).map_err(fail)?;
        if kind == FileKind::Padding {
            listing.add_padding(length)?;
            continue;
        }
        let elements = elements(entry).map_err(|fault| fail(("path", fault)))?;
        listing.add(number, &mut elements.iter().filter_map(Value::bytes), length)?;
    }
    Ok(listing.settle())
}

/// The files of a torrent that has a folder, one after the other.
pub(super) struct Listing<'a> {
    table: PathTable<'a>,
    name: &'a [u8],
    paths: Vec<Option<NaturalPath>>,
    path_bytes: usize,
    read: FileList,
}

impl<'a> Listing<'a> {
    /// None yet, below a folder of this name.
    pub(super) fn new(name: &'a [u8]) -> Listing<'a> {
        let read = FileList { files: Vec::new(), total_size: 0, symlinks: 0 };
        Listing { table: PathTable::new(name), name, paths: Vec::new(), path_bytes: 0, read }
    }

    /// Where the next one begins in the payload, in bytes.
    pub(super) fn end(&self) -> u64 {
        self.read.total_size
    }

    /// Adds a file under this path, which is the entry of this `number`, from 1.
    pub(super) fn add(
        &mut self,
        number: usize,
        path: &mut dyn Iterator<Item = &[u8]>,
        length: u64,
    ) -> Result<(), MetainfoError> {
        let fail = |fault| MetainfoError::FileField { file: number, name: "path", fault };
        let (path, natural) = self.table.add(path).map_err(fail)?;
        let more = natural.bytes();
        self.push(path, Some(natural), more, length)
    }

    /// Adds padding.
    pub(super) fn add_padding(&mut self, length: u64) -> Result<(), MetainfoError> {
        self.push(padding_path(length), None, self.name.len(), length)
    }

    /// Counts a link.
    pub(super) fn skip_link(&mut self) {
        self.read.symlinks = self.read.symlinks.saturating_add(1);
    }

    /// All of them, when there are no more.
    pub(super) fn settle(mut self) -> FileList {
        self.table.settle(self.paths, &mut self.read.files);
        self.read.files.shrink_to_fit();
        self.read
    }

    fn push(
        &mut self,
        path: FilePath,
        natural: Option<NaturalPath>,
        more: usize,
        length: u64,
    ) -> Result<(), MetainfoError> {
        self.path_bytes = self.path_bytes.saturating_add(path.as_os_str().len()).saturating_add(more);
        if self.path_bytes > MAX_ALL_PATHS_BYTES {
            return Err(field("files", "has paths of more than 64 MiB together"));
        }
        let padding = natural.is_none();
        self.paths.push(natural);
        self.read.files.push(File { path, offset: self.read.total_size, length, padding });
        self.read.total_size = self.read.total_size.checked_add(length).ok_or(MetainfoError::TooLarge)?;
        Ok(())
    }
}

fn length(entry: Dictionary) -> Result<u64, EntryFault> {
    let length = entry.get("length").ok_or(("length", "is missing"))?;
    length.unsigned().ok_or(("length", "is not a valid size"))
}

/// No file is ever written there, so the path need be neither the torrent's nor unique.
fn padding_path(length: u64) -> FilePath {
    format!(".pad/{length}").into()
}

/// What an entry is, by `attr` or by an older convention.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum FileKind {
    #[default]
    File,
    Padding,
    Symlink,
}

impl FileKind {
    pub(super) fn of(entry: Dictionary) -> FileKind {
        match is_padding_by_name(entry) {
            true => FileKind::Padding,
            false => FileKind::with(entry.get("attr").and_then(Value::bytes).unwrap_or_default()),
        }
    }

    /// What these attributes make of it.
    pub(super) fn with(attributes: &[u8]) -> FileKind {
        if attributes.contains(&b'p') {
            FileKind::Padding
        } else if attributes.contains(&b'l') {
            FileKind::Symlink
        } else {
            FileKind::File
        }
    }
}

/// BitComet's padding files and libtorrent's early ones are older than `attr`. They are recognised by name.
fn is_padding_by_name(entry: Dictionary) -> bool {
    let Some(path) = entry.get("path").and_then(Value::list) else { return false };
    let mut folder: &[u8] = b"";
    let mut last: &[u8] = b"";
    for element in path.iter() {
        (folder, last) = (last, element.bytes().unwrap_or_default());
    }
    last.starts_with(b"_____padding_file_") || folder == b".____padding_file"
}

/// A link has no bytes of the payload, whatever length is written beside it, and need not say where it leads, since
/// it is never made: so it is read by libtorrent. A path with something else than names in it is refused there, too.
fn check_link(entry: Dictionary) -> Result<(), EntryFault> {
    elements(entry).map_err(|fault| ("path", fault))?;
    let target = entry.get("symlink path").and_then(Value::list);
    match target.is_none_or(|target| target.iter().all(|element| element.bytes().is_some())) {
        true => Ok(()),
        false => Err(("symlink path", "has an element that is not a string")),
    }
}

/// The path as the torrent gives it. `path` may be in any encoding; `path.utf-8` is the same path in UTF-8.
fn elements(entry: Dictionary<'_>) -> Result<List<'_>, &'static str> {
    let is_text = |list: &List| list.iter().all(|element| element.bytes().is_some());
    if let Some(list) = entry.get("path.utf-8").and_then(Value::list).filter(is_text) {
        return Ok(list);
    }
    let path = entry.get("path").ok_or("is missing")?;
    path.list()
        .ok_or("is not a list")
        .and_then(|list| is_text(&list).then_some(list).ok_or("has an element that is not a string"))
}
