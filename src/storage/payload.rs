//! What the storage is told before it opens anything: the torrent, and what the user has chosen.

use std::borrow::Cow;
use std::path::Path;

use super::digests::Digests;
use super::error::StorageError;
use super::folder::RootFolder;
use super::layout::Layout;
use super::marker::{Marker, Naming};
use super::naming::settling::settle_in;
use super::partial_names::{self, Parts};
use super::resume::{Check, TorrentShape};
use super::selection::Selection;
use crate::metainfo::{self, InfoHash};
use crate::piece::Geometry;

/// What the storage has to know of a torrent.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// The torrent's name: the marker is named after it.
    pub name: &'a str,
    /// The name that the payload is to have on the disk instead: that of the only file, or of the folder. `None` for
    /// the one that an earlier run was given, or the torrent's own.
    pub output_name: Option<&'a str>,
    /// What names the torrent: the SHA-1 of its `info` value, or of version 2 alone the first part of the SHA-256.
    pub info_hash: InfoHash,
    /// The files in the order of the payload.
    pub files: &'a [metainfo::File],
    /// How the payload is cut into pieces.
    pub geometry: Geometry,
    /// The digest of each piece.
    pub digests: &'a Digests,
    /// The files that are to be fetched or examined; `None` means all.
    pub selection: Option<&'a Selection>,
    /// The folder in which it is kept what is there of payloads that are complete or shared, so that the next
    /// run need not read them. An examination ignores it.
    pub cache: Option<&'a Path>,
}

impl Payload<'_> {
    pub(super) fn shape(&self) -> TorrentShape {
        let Payload { info_hash, geometry, files, .. } = *self;
        // The part file is one more.
        TorrentShape { info_hash, geometry, files: files.len().saturating_add(1) }
    }

    /// The layout under the names that the files have, for who only reads them: the name that is given, or that the
    /// marker remembers, or the torrent's own.
    pub(super) fn layout_as_it_is(
        &self,
        folder: Option<&RootFolder>,
        marker: &mut Marker,
    ) -> Result<Layout, StorageError> {
        if let Some(folder) = folder {
            marker.look(folder, self.files.len());
        }
        let Naming { output_name, has_parts } = marker.naming();
        let name = self.output_name.or(output_name.as_deref()).filter(|name| *name != self.name);
        let layout = Layout::new(&self.files_under(name), self.geometry);
        let mut layout = layout.ok_or(StorageError::Layout)?;
        settle_in(folder, &mut layout)?;
        if *has_parts {
            partial_names::settle(folder, &mut layout, Parts::Ours, false);
        }
        Ok(layout)
    }

    /// The files as they lie under this name, or under the torrent's own.
    pub(super) fn files_under(&self, name: Option<&str>) -> Cow<'_, [metainfo::File]> {
        match name {
            Some(name) => metainfo::renamed(self.files, name).into(),
            None => self.files.into(),
        }
    }
}

/// When the payload takes its room on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocate {
    /// As pieces arrive. What was not downloaded takes no room, if the file system can have holes in files.
    #[default]
    Sparse,
    /// All of it before the download.
    Full,
}

/// What becomes of a file that has the right name and not the right content, and that no run of ours has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Nothing: the run does not start.
    #[default]
    Keep,
    /// Where at least one of its pieces is right, those are kept and the others are written over.
    Continue,
    /// It is replaced, and right pieces are kept.
    Overwrite,
}

/// What the user can choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When the payload takes its room on the disk.
    pub allocate: Allocate,
    /// What becomes of existing files that do not have the torrent's content.
    pub existing: Existing,
    /// How many files may be open at once, at least one. A few more are open for a moment at a time.
    pub open_files: usize,
    /// How much of what is there is read.
    pub check: Check,
    /// A new file is called `NAME.part` until it is whole.
    pub parts: bool,
}

impl Default for Options {
    fn default() -> Options {
        let (allocate, existing, check) = (Allocate::Sparse, Existing::Keep, Check::Changed);
        Options { allocate, existing, open_files: 32, check, parts: false }
    }
}
