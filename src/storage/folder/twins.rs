//! Whether two names in a folder are those of one file, on a disk that does not tell them apart.
//!
//! Nearly always their inode numbers say so. But file systems in user space (FUSE), such as exfat-fuse, give a file
//! another number for each spelling of its name. There two names with different numbers are those of one file if all
//! else that the system says of them is the same, and the folder does not list both.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::Dir;

use super::stat::{FileStat, found};
use super::{RootFolder, patiently};

impl RootFolder {
    /// Whether what is there under one path is the same as under another one in the same folder.
    pub fn is_one(&self, path: &Path, other: &Path) -> bool {
        let (Ok(this), Ok(that)) = (self.look(path), self.look(other)) else { return false };
        // To read the folder takes long if it is large, and is nearly never needed.
        let is_alike =
            FileStat { identity: that.identity, ..this } == that && this.identity.0 == that.identity.0;
        this.identity == that.identity || (is_alike && !self.lists_both(path, other).unwrap_or(true))
    }

    fn look(&self, path: &Path) -> io::Result<FileStat> {
        let there = patiently(|| self.place(path, false).and_then(|place| self.stat(&place)))?;
        #[cfg(test)]
        if let Some(number) = crate::storage::fake_names::number_of(path) {
            return Ok(FileStat { identity: (0, number), ..found(&there) });
        }
        Ok(found(&there))
    }

    fn lists_both(&self, path: &Path, other: &Path) -> io::Result<bool> {
        let mut awaited: Vec<&OsStr> = [path, other].into_iter().filter_map(Path::file_name).collect();
        let place = self.place(path, false)?;
        for entry in Dir::read_from(self.at(&place))? {
            let entry = entry?;
            awaited.retain(|name| name.as_bytes() != entry.file_name().to_bytes());
            if awaited.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
