//! What the disk would say to a download, found out without leaving anything: whether a file can be created where the
//! payload would go, how fast it is written, and how much room there is.
//!
//! The file that is written for that has no name any more before its first byte is written.

use super::calls;
use super::error::{Action, StorageError};
use super::file_limit::FileLimit;
use super::folder::RootFolder;
use super::marker::Marker;
use super::space;
use crate::metainfo::InfoHash;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes that are written to see how fast that goes.
const BYTES: usize = 4 << 20;
const AT_ONCE: usize = 64 * 1024;
/// A disk that is slower than that is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a folder says.
#[derive(Debug)]
pub struct FolderProbe {
    /// The folder that the file was created in: the nearest one above that exists.
    pub place: PathBuf,
    /// Bytes that may still be written there, if the system says so.
    pub free: Option<u64>,
    /// How long a file may be there, if there is a limit that we know of.
    pub longest: Option<FileLimit>,
    /// Bytes a second that were written and synced, or why nothing could be written.
    pub speed: Result<f64, StorageError>,
}

/// Asks the folder in which the payload would be. Where it does not exist, a download would create it, so the folder
/// above it is asked.
pub fn probe(folder: &Path) -> FolderProbe {
    let there = space::existing(folder).find(|path| fs::symlink_metadata(path).is_ok());
    let place = there.unwrap_or(Path::new(".")).to_owned();
    let free = space::free(&place);
    let speed = write_at(&place, free);
    FolderProbe { free, longest: FileLimit::below(&place), speed, place }
}

/// Creates a file in this folder, takes its name away, and writes it: no more than half of what is free, since others
/// may need it now.
fn write_at(place: &Path, free: Option<u64>) -> Result<f64, StorageError> {
    let path = place.join(format!(".femtotorrent-doctor-{:016x}", fastrand::u64(..)));
    let failed = |action| move |error| StorageError::from_io(action, place.to_owned(), error);
    if !place.is_dir() {
        return Err(StorageError::NoFolder { path: place.to_owned() });
    }
    let created = File::options().write(true).create_new(true).open(&path);
    let file = created.map_err(failed(Action::Create)).map_err(|error| match error {
        // The folder is there: it was not to be created.
        StorageError::Create { path, source } => StorageError::Unwritable { path, source },
        other => other,
    })?;
    fs::remove_file(&path).map_err(failed(Action::Remove))?;
    let half = free.map_or(u64::MAX, |free| free / 2);
    let most = usize::try_from(half).map_or(BYTES, |half| half.clamp(1, BYTES));
    let (started, bytes) = (Instant::now(), vec![0xa5; AT_ONCE.min(most)]);
    let mut written = 0;
    while written < most && started.elapsed() < PATIENCE {
        calls::write_all_at(&file, &bytes, written as u64).map_err(failed(Action::Write))?;
        written += bytes.len();
    }
    calls::sync(&file).map_err(failed(Action::Sync))?;
    Ok(written as f64 / started.elapsed().as_secs_f64().max(1e-6))
}

/// The lock file of another process that is downloading this torrent into the folder now, if one is.
pub fn held_by_another(folder: &Path, name: &str, info_hash: InfoHash) -> Option<PathBuf> {
    let root = RootFolder::open_to_read(folder).ok()??;
    let marker = Marker::new(name, info_hash);
    marker.is_held(&root).then(|| folder.join(marker.path()))
}

/// Bytes that these files, of these lengths below the folder, have on the disk already.
pub fn bytes_there<'a>(folder: &Path, files: impl Iterator<Item = (&'a Path, u64)>) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let there = |(path, length): (&Path, u64)| {
        let found = fs::symlink_metadata(folder.join(path)).ok().filter(fs::Metadata::is_file);
        found.map_or(0, |found| found.blocks().saturating_mul(512).min(length))
    };
    files.map(there).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;

    // Root may write everywhere but where the kernel alone does.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_is_there_is_not_said_to_be_missing() {
        let error = probe(Path::new("/proc")).speed.unwrap_err();
        assert_eq!(error.exit_code(), 16);
        let said = error.fault();
        assert!(said.starts_with("/proc is there, but nothing can be written in it: "), "{said}");
    }

    #[test]
    fn a_folder_is_tried_and_nothing_is_left_there() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(&folder.0).unwrap();
        let found = probe(&folder.0);
        assert!(found.speed.is_ok_and(|speed| speed > 0.0) && found.free.is_some());
        assert_eq!(found.place, folder.0);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
        let below = probe(&folder.0.join("not/there"));
        assert!(below.speed.is_ok() && below.place == folder.0);
        fs::write(folder.0.join("file"), "words").unwrap();
        let file = probe(&folder.0.join("file"));
        let error = file.speed.unwrap_err();
        assert_eq!(error.exit_code(), 16);
        assert_eq!(error.fault(), format!("{} is not a folder", folder.0.join("file").display()));
        let files = [(Path::new("file"), 3), (Path::new("other"), 9)];
        assert_eq!(bytes_there(&folder.0, files.into_iter()), 3);
    }
}
