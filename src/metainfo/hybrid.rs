//! Checks hybrid torrents, which say everything twice: once for version 1 and once for version 2 (BEP 52,
//! "upgrade path").
//!
//! We read a hybrid torrent as version 1, unless a link names it by the info-hash of version 2. Both halves must describe
//! the same files. Otherwise peers that use different halves would exchange different data under one torrent. So the
//! file tree is compared with the file list, and each file must start at the start of a piece, as it does in version 2.

use super::File;
use super::error::MetainfoError;
use super::file_tree;
use super::files::FileKind;
use crate::bencode::{Dictionary, Value};

/// Checks that the `file tree`, if there is one, describes the files of version 1.
pub(super) fn check(info: Dictionary, files: &[File], piece_length: u32) -> Result<(), MetainfoError> {
    let Some(tree) = file_tree::of(info)? else { return Ok(()) };
    check_tree(tree, &mut listed(info))?;
    let unaligned = |file: &File| {
        !file.padding && file.length > 0 && !file.offset.is_multiple_of(u64::from(piece_length))
    };
    match files.iter().any(unaligned) {
        true => {
            Err(MetainfoError::Hybrid("a file does not start at a piece, its padding has the wrong length"))
        }
        false => Ok(()),
    }
}

/// The files of version 1 with their paths as received, without padding: the tree has none.
fn listed(info: Dictionary<'_>) -> Box<dyn Iterator<Item = (Vec<&[u8]>, u64)> + '_> {
    let length = |entry: Dictionary| entry.get("length").and_then(Value::unsigned).unwrap_or(0);
    let Some(list) = info.get("files").and_then(Value::list) else {
        let name = info.get("name").and_then(Value::bytes).unwrap_or_default();
        return Box::new(std::iter::once((vec![name], length(info))));
    };
    let entries =
        list.iter().filter_map(Value::dictionary).filter(|entry| FileKind::of(*entry) != FileKind::Padding);
    Box::new(entries.map(move |entry| {
        let path = entry.get("path").and_then(Value::list);
        (path.into_iter().flat_map(|path| path.iter().filter_map(Value::bytes)).collect(), length(entry))
    }))
}

/// Compares each file of the tree with the next one of the list.
fn check_tree<'a>(
    tree: Dictionary<'a>,
    listed: &mut dyn Iterator<Item = (Vec<&'a [u8]>, u64)>,
) -> Result<(), MetainfoError> {
    file_tree::walk(tree, &mut |file| {
        let same = |(listed, size): (Vec<&[u8]>, u64)| listed == file.path && size == file.length;
        match listed.next().is_some_and(same) {
            true => Ok(()),
            false => Err(MetainfoError::Hybrid("'file tree' and the file list name different files")),
        }
    })?;
    match listed.next() {
        Some(_) => Err(MetainfoError::Hybrid("'file tree' lacks a file of the file list")),
        None => Ok(()),
    }
}
