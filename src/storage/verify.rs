//! Examines what is there and changes nothing: for `verify`.
//!
//! [`examine`] runs on the thread that calls it, the hashing on those of `hashing`. It creates no
//! folder and no marker, takes no lock and opens nothing for writing. So it can examine a read-only disk, a
//! running download, and files that belong to another user.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::claim;
use super::error::StorageError;
use super::finding::find_files;
use super::folder::{FileStat, RootFolder};
use super::guards::Guards;
use super::hashing::Watch;
use super::layout::{FileEntry, Layout};
use super::marker::Marker;
use super::opening;
use super::part_file::PartFile;
use super::plan::{self, Situation};
use super::survey::Survey;
use super::surveying::Earlier;
use super::{Options, Payload};
use crate::piece::Bitfield;

/// What is there of a payload.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The pieces that are there and verify.
    pub good: Bitfield,
    /// The pieces that are there in full and do not verify. A piece in neither set is missing, in part or as
    /// a whole. One of nothing but zeros is missing, too: that is how what a download has not written yet reads.
    pub bad: Bitfield,
    /// Each file of the payload, in the order of the torrent, padding included.
    pub files: Vec<ExaminedFile>,
}

impl Examined {
    /// Whether all is there, verifies, and is not longer than it should be.
    pub fn is_good(&self) -> bool {
        let is_good = |file: &ExaminedFile| matches!(file.state, FileState::Good | FileState::Padding);
        self.good.is_full() && self.files.iter().all(is_good)
    }
}

/// What is there of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExaminedFile {
    /// The path below the folder under which it is there, or would be created.
    pub path: Box<Path>,
    /// Its state.
    pub state: FileState,
    /// Bytes that are there under its name. `None` if there is no such file, and for padding.
    pub length: Option<u64>,
    /// Pieces that hold at least one byte of it.
    pub pieces: u32,
    /// How many of them verify.
    pub good_pieces: u32,
}

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is there, of the right length, and every piece that touches it verifies.
    Good,
    /// There is no such file.
    Missing,
    /// It is shorter than it should be.
    Short,
    /// It is longer than it should be.
    Long,
    /// It has the right length and holds something else.
    Bad,
    /// It has the right length, and in place of some pieces there is nothing but zeros: they were never written.
    Unfinished,
    /// It has the right length, but a piece that it shares with another file cannot be verified, and that
    /// other file may be the cause.
    Unproven,
    /// It is on no disk (BEP 47).
    Padding,
}

/// Says which part of the payload is below the folder `root`, or of the selected files of it, with at most `open_files`
/// open files. A folder that does not exist has nothing in it, which is no error.
///
/// `watch` is told of the progress and may stop it.
///
/// # Errors
///
/// A file that cannot be opened or read, [`StorageError::Cancelled`] if `watch` says so, and
/// [`StorageError::Layout`] if the payload contradicts itself.
pub fn examine(
    root: &Path,
    payload: &Payload<'_>,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<Examined, StorageError> {
    let folder =
        RootFolder::open_to_read(root).map_err(|error| only_opened(opening::refused(root, error)))?;
    let folder = folder.map(Arc::new);
    let mut marker = Marker::new(payload.name, payload.info_hash);
    let mut layout = payload.layout_as_it_is(folder.as_deref(), &mut marker)?;
    layout.select(payload.selection.cloned());
    if let Some(folder) = &folder {
        use_part_file(folder, payload, &marker, &mut layout).map_err(only_opened)?;
    }
    let layout = Arc::new(layout);
    let nothing = Earlier::default();
    let survey = Survey::take(folder.as_ref(), &layout, payload.digests, open_files, watch, nothing);
    let mut survey = survey.map_err(only_opened)?;
    if let (Some(folder), 1..) = (&folder, survey.bad.count()) {
        survey.tell_blank(folder, &layout, &survey.bad.clone(), open_files, watch).map_err(only_opened)?;
    }
    let files = states(&layout, &survey);
    Ok(Examined { good: survey.good, bad: survey.bad, files })
}

/// Why a download of this payload would not begin below the folder `root` because of what is there: files that are not
/// the torrent's, or have other names, too. Reads what is there, unless an earlier run has left word that it is its own.
///
/// # Errors
///
/// As [`examine`].
pub fn refusal(
    root: &Path,
    payload: &Payload<'_>,
    options: &Options,
    watch: &Watch<'_>,
) -> Result<Option<StorageError>, StorageError> {
    let Some(folder) =
        RootFolder::open_to_read(root).map_err(|error| only_opened(opening::refused(root, error)))?
    else {
        return Ok(None);
    };
    let mut marker = Marker::new(payload.name, payload.info_hash);
    if marker.is_there(&folder) {
        return Ok(None);
    }
    let layout = Arc::new(payload.layout_as_it_is(Some(&folder), &mut marker)?);
    let (folder, nothing) = (Arc::new(folder), Earlier::default());
    let survey = Survey::take(Some(&folder), &layout, payload.digests, options.open_files, watch, nothing);
    let (survey, recognised) = (survey.map_err(only_opened)?, Guards::new());
    let (layout, survey, recognised) = (&layout, &survey, &recognised);
    let situation = Situation { root, layout, survey, own: None, recognised, replaced: &[], free: None };
    Ok(plan::decide(&situation, options).err())
}

/// What is missing may be in the part file of a download of other files.
fn use_part_file(
    folder: &RootFolder,
    payload: &Payload<'_>,
    marker: &Marker,
    layout: &mut Layout,
) -> Result<(), StorageError> {
    let mut part_file = PartFile::beside(marker.path(), payload.geometry);
    part_file.read(folder)?;
    if part_file.is_free() {
        return Ok(());
    }
    let found = find_files(folder, layout)?;
    let is_missing = |(entry, found): (&FileEntry, &Option<FileStat>)| {
        entry.has_data() && found.is_none_or(|found| found.length < entry.length)
    };
    let missing = layout.entries().iter().zip(&found).map(is_missing).collect();
    layout.add_part_file(part_file.path());
    layout.hide(missing, part_file.slots());
    Ok(())
}

/// Nothing is created here: something in the place of a file is reported as a file that cannot be opened.
fn only_opened(error: StorageError) -> StorageError {
    match error {
        StorageError::Create { path, source } => StorageError::Open { path, source },
        StorageError::NoFolder { path } => {
            StorageError::Open { path, source: io::ErrorKind::NotADirectory.into() }
        }
        other => other,
    }
}

fn states(layout: &Layout, survey: &Survey) -> Vec<ExaminedFile> {
    let blamed = claim::blamed(layout, survey);
    let files = layout.entries().iter().zip(&survey.found).zip(blamed);
    let count = layout.part_file().unwrap_or(layout.entries().len());
    files.take(count).map(|((entry, found), blamed)| state(layout, entry, *found, blamed, survey)).collect()
}

fn state(
    layout: &Layout,
    entry: &FileEntry,
    found: Option<FileStat>,
    blamed: bool,
    survey: &Survey,
) -> ExaminedFile {
    let (mut pieces, mut good_pieces, mut has_blank) = (0_u32, 0_u32, false);
    for piece in layout.pieces(entry.range()) {
        pieces = pieces.saturating_add(1);
        good_pieces = good_pieces.saturating_add(survey.good.has(piece).into());
        has_blank |= survey.blank.has(piece);
    }
    let length = found.map(|found| found.length);
    let state = match length {
        _ if entry.padding => FileState::Padding,
        None => FileState::Missing,
        Some(length) if length < entry.length => FileState::Short,
        Some(length) if length > entry.length => FileState::Long,
        Some(_) if blamed => FileState::Bad,
        Some(_) if has_blank => FileState::Unfinished,
        Some(_) if good_pieces < pieces => FileState::Unproven,
        Some(_) => FileState::Good,
    };
    ExaminedFile { path: (*entry.path).into(), state, length, pieces, good_pieces }
}
