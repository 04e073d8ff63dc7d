//! Under which names the payload of a download is: those of the torrent, or those that the user wants (`-O`, `--part`).
//!
//! The marker remembers them, so that a later run goes on where this one has begun, whatever its command says. A run
//! that wants another top name goes on only if nothing is under the one that is remembered: then the user has moved the
//! payload. What is under the new name has to be proven, since the marker does not speak of it.

use std::io;
use std::path::Path;

use crate::metainfo::{File, FilePath};
use crate::storage::finding::find_files;
use crate::storage::folder::RootFolder;
use crate::storage::layout::Layout;
use crate::storage::marker::{Claimed, Marker, Naming};
use crate::storage::naming::settling::settle_in;
use crate::storage::partial_names::{self, Parts};
use crate::storage::{Existing, Options, Payload, StorageError};

/// The layout under the names that the payload has, or gets. The marker remembers them from now on.
///
/// # Errors
///
/// [`StorageError::BegunAs`], a file that is in the way, and those of [`layout`].
pub fn settle(
    (root, folder): (&Path, Option<&RootFolder>),
    payload: &Payload<'_>,
    options: &Options,
    marker: &mut Marker,
    claimed: &mut Claimed,
) -> Result<Layout, StorageError> {
    let is_ours = matches!(claimed, Claimed::Ours(_));
    let Naming { output_name: known, has_parts } = marker.naming().clone();
    let output_name = match payload.output_name {
        None => known.clone(),
        Some(wish) => Some(wish.to_owned()).filter(|wish| wish != payload.name),
    };
    if let Some(folder) = folder.filter(|_| is_ours && output_name != known) {
        let mut layout = settled(Some(folder), layout(root, payload, known.as_deref())?)?;
        if has_parts {
            partial_names::settle(Some(folder), &mut layout, Parts::Ours, false);
        }
        if find_files(folder, &layout)?.iter().any(Option::is_some) {
            return Err(StorageError::BegunAs { path: folder.join(layout.top()) });
        }
        *claimed = Claimed::Moved;
    }
    let mut layout = settled(folder, layout(root, payload, output_name.as_deref())?)?;
    let parts = match is_ours {
        true if has_parts => Parts::Ours,
        true => Parts::Foreign,
        false => Parts::Unknown,
    };
    let settled = partial_names::settle(folder, &mut layout, parts, options.parts);
    if let Some(entry) = settled.in_the_way.and_then(|number| layout.entry(number))
        && options.existing != Existing::Overwrite
    {
        return Err(StorageError::Appeared { path: root.join(entry.path.whole()) });
    }
    marker.name(Naming { output_name, has_parts: settled.may_have_it || has_parts });
    Ok(layout)
}

fn settled(folder: Option<&RootFolder>, mut layout: Layout) -> Result<Layout, StorageError> {
    settle_in(folder, &mut layout)?;
    Ok(layout)
}

/// The layout of what is to be written, under this name or the torrent's own.
///
/// # Errors
///
/// The files do not add up, or one of them has a name that is reserved for markers: a payload that could
/// write a marker could claim the files of another download.
fn layout(root: &Path, payload: &Payload<'_>, name: Option<&str>) -> Result<Layout, StorageError> {
    let files = payload.files_under(name);
    let mut layout = Layout::new(&files, payload.geometry).ok_or(StorageError::Layout)?;
    layout.select(payload.selection.cloned());
    match files.iter().find(|file: &&File| !file.padding && is_reserved(&file.path)) {
        Some(file) => {
            let source = io::Error::other("the name is reserved for unfinished downloads");
            Err(StorageError::Create { path: root.join(&file.path), source })
        }
        None => Ok(layout),
    }
}

/// Whether the file could get the name of a marker on some disk.
fn is_reserved(path: &FilePath) -> bool {
    let mut others = path.of_others().into_iter();
    [path, path.portable()].into_iter().any(Marker::is_marker) || others.any(|path| Marker::is_marker(&path))
}
