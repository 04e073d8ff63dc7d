//! How long a file may be: some file systems and limits of the process allow less than a torrent may want.

use std::path::Path;

use super::space;

/// Bytes in the longest file of FAT12, FAT16 and FAT32: its length has 32 bits.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const FAT: FileLimit = FileLimit {
    bytes: u32::MAX as u64,
    of: "this file system (FAT)",
    way_out: "choose another folder with --output-dir",
};

/// How long a file may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// Bytes in the longest file.
    pub bytes: u64,
    /// What allows no more.
    pub of: &'static str,
    /// What the user can do about it.
    pub way_out: &'static str,
}

impl FileLimit {
    /// The limit below this folder, which may not exist yet. `None` if there is none that we know of.
    pub(super) fn below(root: &Path) -> Option<FileLimit> {
        let of_process = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        let (of, way_out) = ("the limit of this process", "raise ulimit -f");
        let of_process = of_process.map(|bytes| FileLimit { bytes, of, way_out });
        of_process.into_iter().chain(of_file_system(root)).min_by_key(|limit| limit.bytes)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn of_file_system(root: &Path) -> Option<FileLimit> {
    let system = space::existing(root).find_map(|path| rustix::fs::statfs(path).ok())?;
    of_type(system.f_type)
}

/// The limit of a file system that Linux knows by this number (`statfs(2)`), which has another type on each
/// host. exFAT has another number than FAT.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn of_type(number: impl TryInto<u64>) -> Option<FileLimit> {
    const MSDOS_SUPER_MAGIC: u64 = 0x4d44;
    (number.try_into().ok()? == MSDOS_SUPER_MAGIC).then_some(FAT)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn of_file_system(_: &Path) -> Option<FileLimit> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn fat_is_known_by_its_number_and_exfat_is_none() {
        const EXFAT: u64 = 0x2011_bab0;
        const EXT4: u64 = 0xef53;
        assert_eq!([0x4d44_u64, EXFAT, EXT4].map(of_type), [Some(FAT), None, None]);
    }

    #[test]
    fn a_folder_for_tests_has_no_limit_of_four_gibibytes() {
        if let Some(limit) = FileLimit::below(&std::env::temp_dir().join("not/there")) {
            assert!(limit.of.contains("process"), "{limit:?}");
        }
    }
}
