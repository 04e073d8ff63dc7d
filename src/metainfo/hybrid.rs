//! Checks hybrid torrents, which say everything twice: once for version 1 and once for version 2 (BEP 52,
//! "upgrade path").
//!
//! We download a hybrid torrent as version 1. Both halves must describe the same files. Otherwise peers that
//! use different halves would exchange different data under one torrent. So the file tree is compared with
//! the file list, and each file must start at the start of a piece, as it does in version 2.

use super::File;
use super::error::MetainfoError;
use super::files::FileKind;
use crate::bencode::{Dictionary, Step, Value};

/// Checks that the `file tree`, if there is one, describes the files of version 1.
pub(super) fn check(info: Dictionary, files: &[File], piece_length: u32) -> Result<(), MetainfoError> {
    let Some(tree) = info.get("file tree") else { return Ok(()) };
    let tree = tree.dictionary().ok_or(MetainfoError::Hybrid("'file tree' is not a dictionary"))?;
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

/// Walks over the tree in its order and compares each file with the next one of the list. In the tree a file
/// is a dictionary that has an entry with an empty key: its properties. A stranger chooses the depth. So
/// there is one pass: nothing here is recursive, and no byte is read again for each folder around it.
fn check_tree<'a>(
    tree: Dictionary<'a>,
    listed: &mut dyn Iterator<Item = (Vec<&'a [u8]>, u64)>,
) -> Result<(), MetainfoError> {
    let without_length = MetainfoError::Hybrid("'file tree' has a file without a length");
    let mut path: Vec<&[u8]> = Vec::new();
    let mut properties: Option<Properties> = None;
    for step in tree.walk() {
        match (step, &mut properties) {
            (Step::Enter(_), Some(inside)) => inside.depth = inside.depth.saturating_add(1),
            (Step::Enter(b""), None) => properties = Some(Properties::default()),
            (Step::Enter(name), None) => path.push(name),
            (Step::Entry(b"length", length), Some(inside)) if inside.depth == 0 => {
                inside.length = length.unsigned();
            }
            (Step::Entry(..), Some(_)) => {}
            (Step::Entry(b"", _), None) => return Err(without_length),
            (Step::Entry(..), None) => {
                return Err(MetainfoError::Hybrid("'file tree' has a file without properties"));
            }
            (Step::Leave, Some(inside)) if inside.depth > 0 => inside.depth = inside.depth.saturating_sub(1),
            (Step::Leave, Some(inside)) => {
                let length = inside.length.ok_or(without_length.clone())?;
                let same = |(listed, size): (Vec<&[u8]>, u64)| listed == path && size == length;
                if !listed.next().is_some_and(same) {
                    return Err(MetainfoError::Hybrid("'file tree' and the file list name different files"));
                }
                properties = None;
            }
            (Step::Leave, None) => {
                path.pop();
            }
        }
    }
    match listed.next() {
        Some(_) => Err(MetainfoError::Hybrid("'file tree' lacks a file of the file list")),
        None => Ok(()),
    }
}

/// The properties of a file while the walk is inside them.
#[derive(Default)]
struct Properties {
    length: Option<u64>,
    /// How many dictionaries deep the walk is inside them.
    depth: usize,
}
