//! The `file tree` of version 2 (BEP 52, "info dictionary"), walked over once.
//!
//! In the tree a folder is a dictionary of names, and a file is a dictionary that has an entry with an empty key: its
//! properties. A stranger chooses the depth. So there is one pass: nothing here is recursive, and no byte is read again
//! for each folder around it.

use super::error::MetainfoError;
use super::files::FileKind;
use crate::bencode::{Dictionary, Step, Value};

/// A file of the tree.
#[derive(Clone, Copy)]
pub(super) struct TreeFile<'p, 'a> {
    /// The names of its folders and its own, as received. At least one.
    pub(super) path: &'p [&'a [u8]],
    /// Bytes in it.
    pub(super) length: u64,
    /// The root of the tree of its hashes.
    pub(super) root: Option<&'a [u8]>,
    /// What it is (BEP 47).
    pub(super) kind: FileKind,
}

fn fault(fault: &'static str) -> MetainfoError {
    MetainfoError::Field { name: "file tree", fault }
}

/// The tree of this `info`, if it has one.
pub(super) fn of(info: Dictionary<'_>) -> Result<Option<Dictionary<'_>>, MetainfoError> {
    let Some(tree) = info.get("file tree") else { return Ok(None) };
    tree.dictionary().ok_or(fault("is not a dictionary")).map(Some)
}

/// Shows each file, in the order of the tree.
pub(super) fn walk<'a>(
    tree: Dictionary<'a>,
    on_file: &mut dyn FnMut(TreeFile<'_, 'a>) -> Result<(), MetainfoError>,
) -> Result<(), MetainfoError> {
    const WITHOUT_LENGTH: &str = "has a file without a length";
    let mut path: Vec<&[u8]> = Vec::new();
    // What each of the dictionaries around this place turned out to be, the tree itself first.
    let mut kinds = vec![Kind::Empty];
    let mut properties: Option<Properties> = None;
    for step in tree.walk() {
        match (step, &mut properties) {
            (Step::Enter(_), Some(inside)) => inside.depth = inside.depth.saturating_add(1),
            (Step::Enter(b""), None) if path.is_empty() => return Err(fault("is a file itself")),
            (Step::Enter(name), None) => {
                let inside = kinds.last_mut().ok_or(fault("is cut short"))?;
                let kind = if name.is_empty() { Kind::File } else { Kind::Folder };
                if *inside == Kind::File || (*inside == Kind::Folder && kind == Kind::File) {
                    return Err(fault("has something that is a file and not only that"));
                }
                *inside = kind;
                if kind == Kind::File {
                    properties = Some(Properties::default());
                } else {
                    path.push(name);
                    kinds.push(Kind::Empty);
                }
            }
            (Step::Entry(name, value), Some(inside)) if inside.depth == 0 => inside.hear(name, value),
            (Step::Entry(..), Some(_)) => {}
            (Step::Entry(b"", _), None) => return Err(fault(WITHOUT_LENGTH)),
            (Step::Entry(..), None) => return Err(fault("has a file without properties")),
            (Step::Leave, Some(inside)) if inside.depth > 0 => inside.depth = inside.depth.saturating_sub(1),
            (Step::Leave, Some(inside)) => {
                let length = inside.length.flatten().ok_or(fault(WITHOUT_LENGTH))?;
                let (root, kind) = (inside.root.flatten(), inside.kind.unwrap_or_default());
                on_file(TreeFile { path: &path, length, root, kind })?;
                properties = None;
            }
            (Step::Leave, None) => {
                path.pop();
                kinds.pop();
            }
        }
    }
    Ok(())
}

/// What a dictionary of the tree is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing was seen in it yet.
    Empty,
    Folder,
    File,
}

/// The properties of a file while the walk is inside them. Of one that is there twice the first counts, as everywhere in a
/// torrent.
#[derive(Default)]
struct Properties<'a> {
    length: Option<Option<u64>>,
    root: Option<Option<&'a [u8]>>,
    kind: Option<FileKind>,
    /// How many dictionaries deep the walk is inside them.
    depth: usize,
}

impl<'a> Properties<'a> {
    fn hear(&mut self, name: &[u8], value: Value<'a>) {
        match name {
            b"length" => _ = self.length.get_or_insert(value.unsigned()),
            b"pieces root" => _ = self.root.get_or_insert(value.bytes()),
            b"attr" => _ = self.kind.get_or_insert(FileKind::with(value.bytes().unwrap_or_default())),
            _ => {}
        }
    }
}
