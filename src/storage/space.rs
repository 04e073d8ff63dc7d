//! Room on the disk: how much the download still needs, how much there is, and how to take it in advance.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::calls::{self, Call, call};

/// Bytes that are written at once, if the file system cannot allocate.
const ZEROS: usize = 64 * 1024;

/// What a download needs on its file system.
#[derive(Debug)]
pub struct Room {
    /// The number of the file system.
    pub device: u64,
    /// The folder that it is mounted on.
    pub place: PathBuf,
    /// Bytes that an ordinary user might still write to it, at the start.
    pub free: u64,
    /// Bytes that the rest of the payload takes. Falls while it is written.
    pub needed: Arc<AtomicU64>,
}

impl Room {
    /// The room for a download below this folder, which needs so many bytes. `None` if the system does not say.
    pub(super) fn find(root: &Path, needed: u64) -> Option<Room> {
        let (device, place) = mount_point(root)?;
        Some(Room { device, place, free: free(root)?, needed: Arc::new(AtomicU64::new(needed)) })
    }

    /// So much was written.
    pub(super) fn wrote(&self, bytes: u64) {
        // Nobody else changes it: others only read.
        let needed = self.needed.load(Ordering::Relaxed);
        self.needed.store(needed.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// The file system that the path is on, or would be created on: its number, and the folder that it is mounted on.
pub(super) fn mount_point(root: &Path) -> Option<(u64, PathBuf)> {
    let path = existing(root).find_map(|path| path.canonicalize().ok())?;
    let device = |path: &Path| std::fs::metadata(path).ok().map(|there| there.dev());
    let number = device(&path)?;
    let top = path.ancestors().take_while(|path| device(path) == Some(number)).last()?;
    Some((number, top.to_owned()))
}

/// Bytes that an ordinary user may still write to the file system that the path is on, or would be created
/// on. `None` if the system does not say.
pub(super) fn free(root: &Path) -> Option<u64> {
    let space = existing(root).find_map(|path| rustix::fs::statvfs(path).ok())?;
    free_of(space.f_blocks, space.f_bavail, space.f_frsize)
}

/// A file system that does not know its size, as some in user space do not, says that it has none. Pure.
fn free_of(blocks: u64, free: u64, block_length: u64) -> Option<u64> {
    (blocks > 0).then_some(free.saturating_mul(block_length))
}

/// Whether the file system that the path is on takes no further file, however much room it has.
pub(super) fn takes_no_file(path: &Path) -> bool {
    let space = existing(path).find_map(|path| rustix::fs::statvfs(path).ok());
    space.is_some_and(|space| has_no_inode(space.f_files, space.f_favail))
}

/// Some file systems have as many inodes as they need, and say that they have none. Pure.
fn has_no_inode(inodes: u64, free: u64) -> bool {
    inodes > 0 && free == 0
}

/// The path and the folders above it, which may exist where it does not.
pub(super) fn existing(root: &Path) -> impl Iterator<Item = &Path> {
    root.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
}

/// Takes the room on the disk for a file of this length, without changing the bytes that it has.
///
/// If this takes long, `keep_going` is called now and then. If it returns false, the work stops, and the answer
/// is false.
pub(super) fn allocate(file: &File, length: u64, keep_going: &dyn Fn() -> bool) -> io::Result<bool> {
    match call(Call::Allocate, || reserve(file, length)) {
        // File systems without holes, or that copy what they write, refuse in one way or the other.
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {}
        result => return result.map(|()| true),
    }
    fill(file, length, keep_going)
}

/// Appends zeros to the file up to this length. False if it was stopped.
fn fill(file: &File, length: u64, keep_going: &dyn Fn() -> bool) -> io::Result<bool> {
    let zeros = [0; ZEROS];
    let mut end = file.metadata()?.len();
    while end < length {
        if !keep_going() {
            return Ok(false);
        }
        let now = usize::try_from(length - end).unwrap_or(ZEROS).min(ZEROS);
        calls::write_all_at(file, zeros.get(..now).unwrap_or_default(), end)?;
        end += now as u64;
    }
    Ok(true)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn reserve(file: &File, length: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn reserve(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn filling_keeps_what_is_there_and_can_be_stopped() {
        let path = std::env::temp_dir().join(format!("femtotorrent-fill-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all_at(b"there", 0).unwrap();
        assert!(!fill(&file, 200_000, &|| false).unwrap());
        assert_eq!(file.metadata().unwrap().len(), 5);
        assert!(fill(&file, 200_000, &|| true).unwrap());
        assert!(fill(&file, 100_000, &|| true).unwrap());
        let mut content = vec![1; 200_000];
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 200_000);
        assert_eq!(&content[..5], b"there");
        assert!(content[5..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_file_system_that_does_not_know_its_size_is_not_full() {
        assert_eq!(free_of(0, 0, 4096), None);
        assert_eq!((free_of(1, 0, 4096), free_of(9, 2, 4096)), (Some(0), Some(8192)));
    }

    #[test]
    fn a_file_system_without_inodes_left_takes_no_file_and_one_that_does_not_count_them_does() {
        assert!(has_no_inode(20, 0));
        assert!(!has_no_inode(20, 1) && !has_no_inode(0, 0));
        assert!(!takes_no_file(&std::env::temp_dir().join("not/there/yet")));
    }

    #[test]
    fn the_room_of_a_folder_that_does_not_exist_is_that_of_the_one_above() {
        let folder = std::env::temp_dir();
        assert!(free(&folder).is_some());
        assert!(free(&folder.join("not/there/yet")).is_some());
        assert!(free(Path::new("not-there-yet")).is_some());
        let there = mount_point(&folder.join("not/there/yet"));
        assert!(there.is_some() && there == mount_point(&folder));
        let (_, place) = there.unwrap();
        assert!(folder.canonicalize().unwrap().starts_with(&place), "{place:?}");
        #[cfg(target_os = "linux")]
        assert_eq!(mount_point(Path::new("/proc/self")).unwrap().1, Path::new("/proc"));
    }
}
