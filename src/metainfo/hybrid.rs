//! A hybrid torrent says everything twice: once for version 1 and once for version 2 (BEP 52,
//! "upgrade path").
//!
//! It is downloaded as version 1. The two halves must describe the same files, or the peers of the
//! two halves would be given different data for one torrent; so the file tree is compared with the
//! file list, and each file must start at a piece, as it does in version 2.

use super::File;
use super::error::MetainfoError;
use super::files::Kind;
use crate::bencode::{Dictionary, Value};

/// Checks that the `file tree`, where there is one, describes the files of version 1.
pub(super) fn check(info: Dictionary, files: &[File], piece_length: u32) -> Result<(), MetainfoError> {
    let Some(tree) = info.get("file tree") else { return Ok(()) };
    let tree = tree.dictionary().ok_or(MetainfoError::Hybrid("'file tree' is no dictionary"))?;
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

/// The files of version 1 with their paths as received, padding left out: the tree has none.
fn listed(info: Dictionary<'_>) -> Box<dyn Iterator<Item = (Vec<&[u8]>, u64)> + '_> {
    let length = |entry: Dictionary| entry.get("length").and_then(Value::unsigned).unwrap_or(0);
    let Some(list) = info.get("files").and_then(Value::list) else {
        let name = info.get("name").and_then(Value::bytes).unwrap_or_default();
        return Box::new(std::iter::once((vec![name], length(info))));
    };
    let entries = list.iter().filter_map(Value::dictionary).filter(|entry| Kind::of(*entry) != Kind::Padding);
    Box::new(entries.map(move |entry| {
        let path = entry.get("path").and_then(Value::list);
        (path.into_iter().flat_map(|path| path.iter().filter_map(Value::bytes)).collect(), length(entry))
    }))
}

/// Walks the tree in its order and compares each leaf with the next listed file. Keeps a list of open
/// folders instead of calling itself, for the depth is a stranger's.
fn check_tree<'a>(
    tree: Dictionary<'a>,
    listed: &mut dyn Iterator<Item = (Vec<&'a [u8]>, u64)>,
) -> Result<(), MetainfoError> {
    let mut open = vec![tree.iter()];
    let mut path: Vec<&[u8]> = Vec::new();
    while let Some(folder) = open.last_mut() {
        let Some((name, node)) = folder.next() else {
            open.pop();
            path.pop();
            continue;
        };
        let node =
            node.dictionary().ok_or(MetainfoError::Hybrid("'file tree' has a file without properties"))?;
        path.push(name);
        let Some(file) = node.get("") else {
            open.push(node.iter());
            continue;
        };
        let length = file.dictionary().and_then(|file| file.get("length")).and_then(Value::unsigned);
        let length = length.ok_or(MetainfoError::Hybrid("'file tree' has a file without a length"))?;
        if listed.next() != Some((path.clone(), length)) {
            return Err(MetainfoError::Hybrid("'file tree' and the file list name different files"));
        }
        path.pop();
    }
    match listed.next() {
        Some(_) => Err(MetainfoError::Hybrid("'file tree' lacks a file of the file list")),
        None => Ok(()),
    }
}
