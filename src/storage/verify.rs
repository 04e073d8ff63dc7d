//! Looks at what is there and changes nothing: for `verify`, and for seeding what somebody has.
//!
//! [`examine`] runs on the thread that calls it, the hashing on those of `hashing`. It creates no
//! folder and no marker, takes no lock and opens nothing for writing, so that it may look at a
//! read-only disk, at a running download, and at files that are somebody else's.

use std::path::Path;

use super::check::{self, Checked};
use super::claim;
use super::error::StorageError;
use super::folder::{FileStat, RootFolder};
use super::hashing::Watch;
use super::layout::{FileEntry, Layout};
use super::{Payload, refused};
use crate::piece::Bitfield;

/// What is there of a payload.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The pieces that are there and verify.
    pub good: Bitfield,
    /// The pieces whose every byte is there, and that do not verify. What is in neither set is
    /// missing, in part or as a whole.
    pub bad: Bitfield,
    /// Each file of the payload, in its order, padding included.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExaminedFile {
    /// How it stands.
    pub state: FileState,
    /// Bytes that are there under its name. `None` where there is no such file, and for padding.
    pub length: Option<u64>,
    /// Pieces that hold at least one byte of it.
    pub pieces: u32,
    /// How many of them verify.
    pub good_pieces: u32,
}

/// How a file stands.
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
    /// It has the right length, but a piece that it shares with another file cannot be verified, for
    /// which that other file may be to blame.
    Unproven,
    /// It is on no disk (BEP 47).
    Padding,
}

/// Looks at what is below the folder `root` and says what of the payload is there, with at most
/// `open_files` open files. A folder that does not exist has nothing in it, which is no error.
///
/// `watch` hears of the progress and may stop it.
///
/// # Errors
///
/// What stands there and cannot be opened or read, [`StorageError::Cancelled`] where `watch` says
/// so, and [`StorageError::Layout`] where the payload contradicts itself.
pub fn examine(
    root: &Path,
    payload: &Payload<'_>,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<Examined, StorageError> {
    let layout = Layout::new(payload.files, payload.geometry).ok_or(StorageError::Layout)?;
    let none = || Bitfield::none(payload.geometry.piece_count());
    let mut found = vec![None; layout.entries().len()];
    let mut checked = Checked { good: none(), bad: none() };
    if let Some(folder) = RootFolder::open(root).map_err(|error| only_opened(refused(root, error)))? {
        found = check::survey(&folder, &layout).map_err(only_opened)?;
        checked = check::check(&folder, &layout, &found, payload.digests, open_files, watch)?;
    }
    let files = states(&layout, &found, &checked);
    Ok(Examined { good: checked.good, bad: checked.bad, files })
}

/// Nothing is created here: what would be in the way of that is what cannot be opened.
fn only_opened(error: StorageError) -> StorageError {
    match error {
        StorageError::Create { path, source } => StorageError::Open { path, source },
        other => other,
    }
}

fn states(layout: &Layout, found: &[Option<FileStat>], checked: &Checked) -> Vec<ExaminedFile> {
    let blamed = claim::blamed(layout, checked);
    let files = layout.entries().iter().zip(found).zip(blamed);
    files.map(|((entry, found), blamed)| state(layout, entry, *found, blamed, checked)).collect()
}

fn state(
    layout: &Layout,
    entry: &FileEntry,
    found: Option<FileStat>,
    blamed: bool,
    checked: &Checked,
) -> ExaminedFile {
    let (mut pieces, mut good_pieces) = (0_u32, 0_u32);
    for piece in layout.pieces(entry.range()) {
        pieces = pieces.saturating_add(1);
        good_pieces = good_pieces.saturating_add(checked.good.has(piece).into());
    }
    let length = found.map(|found| found.length);
    let state = match length {
        _ if entry.padding => FileState::Padding,
        None => FileState::Missing,
        Some(length) if length < entry.length => FileState::Short,
        Some(length) if length > entry.length => FileState::Long,
        Some(_) if blamed => FileState::Bad,
        Some(_) if good_pieces < pieces => FileState::Unproven,
        Some(_) => FileState::Good,
    };
    ExaminedFile { state, length, pieces, good_pieces }
}
