//! Syncs a whole file system at once. To sync a single file takes a turn of the disk, so fifty thousand of them take
//! minutes; all together take a second.
//!
//! What the system says of it is relied on only where it is known to tell of every failure and to wait for the disk: with
//! Linux 5.8 or later, on the usual file systems of a disk. Elsewhere it is a hint, and each file has to be synced after
//! it. Once it has failed it is never relied on again: a failure is told once, and may be that of another file.

use super::stat::number;
use super::{FileStat, RootFolder};
use crate::storage::calls::{Call, call};
use std::sync::atomic::{AtomicBool, Ordering};

/// From this number of files on, the whole file system is synced first.
pub(in crate::storage) const MANY_FILES: usize = 64;
/// The first Linux in which it tells of failures.
const FIRST_LINUX: (u32, u32) = (5, 8);
/// The numbers of ext4, XFS, Btrfs, F2FS and tmpfs, in Linux.
const RELIABLE: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];

/// Whether a sync of all has failed.
#[derive(Debug, Default)]
pub(super) struct Doubt(AtomicBool);

/// What need not be synced any more.
#[derive(Debug, Default)]
pub(in crate::storage) struct AllSynced {
    /// The device on which all is synced.
    device: Option<u64>,
    /// A file was synced since.
    flushed: bool,
}

impl AllSynced {
    /// Whether a file that was not written since need not be synced by itself. The first one has to be in any case:
    /// that also makes the disk write down what it holds back.
    pub fn covers(&mut self, file: FileStat) -> bool {
        self.device == Some(file.identity.0) && std::mem::replace(&mut self.flushed, true)
    }
}

impl RootFolder {
    /// Asks the system to sync everything on the file system of this folder to the disk.
    pub fn sync_all(&self) -> AllSynced {
        if call(Call::SyncAll, || sync_file_system(self)).is_err() {
            self.doubt.0.store(true, Ordering::Relaxed);
        }
        let is_certain = !self.doubt.0.load(Ordering::Relaxed) && tells_of_failures(self);
        let stat = rustix::fs::fstat(&self.handle).ok().filter(|_| is_certain);
        AllSynced { device: stat.map(|stat| number(stat.st_dev)), flushed: false }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn sync_file_system(folder: &RootFolder) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(&folder.handle)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn sync_file_system(_: &RootFolder) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn tells_of_failures(folder: &RootFolder) -> bool {
    let kind = rustix::fs::fstatfs(&folder.handle).map(|stat| stat.f_type as u64 & 0xFFFF_FFFF);
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    kind.is_ok_and(|kind| RELIABLE.contains(&kind))
        && version(&release).is_some_and(|linux| linux >= FIRST_LINUX)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn tells_of_failures(_: &RootFolder) -> bool {
    false
}

/// The first two numbers of a release, such as `6.1.0-13-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|other: char| !other.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_of_linux_is_compared_by_its_first_two_numbers() {
        let is_new = |release| version(release).is_some_and(|linux| linux >= FIRST_LINUX);
        assert!(["5.8.0", "5.10-rc1", "6.1.0-13-amd64", "10.0"].into_iter().all(is_new));
        assert!(!["5.7.19", "4.19.0", "3.10", "5", "", "x.y", "99999999999.1"].into_iter().any(is_new));
    }
}
