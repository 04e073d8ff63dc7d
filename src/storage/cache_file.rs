//! A small file that is kept from one run to the next, such as the port or the nodes of the DHT.
//!
//! It is only a hint, in the user's cache folder: a run that cannot read or write it goes on without. Anything may
//! stand in its place, and several runs may write it at once. So a read takes no more than it is told to and opens
//! nothing but a file, and a reader sees either the whole old content or the whole new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Where such a file is, or is to be.
#[derive(Debug)]
pub struct CacheFile(PathBuf);

impl CacheFile {
    /// The file of this name in the folder.
    pub fn new(folder: &Path, name: &str) -> CacheFile {
        CacheFile(folder.join(name))
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The first `most` bytes of it.
    ///
    /// # Errors
    ///
    /// There is none, it cannot be read, or not a file.
    pub fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        // To open a pipe would wait for its other end.
        if !fs::metadata(&self.0)?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a file"));
        }
        let mut bytes = Vec::new();
        File::open(&self.0)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes it anew, and creates its folder if that is missing.
    ///
    /// # Errors
    ///
    /// It cannot be written. Then what was there is there still.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // A different name for each process, because several may write at once.
        let fresh = self.0.with_extension(format!("{}.new", std::process::id()));
        let written = self.0.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            fs::write(&fresh, bytes)?;
            fs::rename(&fresh, &self.0)
        });
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written
    }
}

/// For tests: a folder that does not exist yet. It is removed in the end.
#[cfg(test)]
pub struct NewFolder(pub PathBuf);

#[cfg(test)]
impl NewFolder {
    /// A folder that no other test has.
    pub fn somewhere() -> NewFolder {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("femtotorrent-cache-{}-{number}", std::process::id());
        NewFolder(std::env::temp_dir().join(name))
    }
}

#[cfg(test)]
impl Drop for NewFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_up_to_a_bound_and_nothing_else_is_left() {
        let folder = NewFolder::somewhere();
        let file = CacheFile::new(&folder.0.join("in/a/folder"), "hint");
        assert!(file.read(100).is_err());
        for text in ["first", "second"] {
            file.write(text.as_bytes()).unwrap();
            assert_eq!(file.read(100).unwrap(), text.as_bytes());
        }
        assert_eq!(file.read(3).unwrap(), b"sec");
        assert_eq!(fs::read_dir(folder.0.join("in/a/folder")).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = NewFolder::somewhere();
        // A folder stands where the file is to be.
        fs::create_dir_all(folder.0.join("hint/inside")).unwrap();
        let file = CacheFile::new(&folder.0, "hint");
        assert!(file.write(b"new").is_err() && file.read(100).is_err());
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(&folder.0).unwrap();
        let file = CacheFile::new(&folder.0, "hint");
        let made = std::process::Command::new("mkfifo").arg(file.path()).status();
        if made.is_ok_and(|made| made.success()) {
            assert_eq!(file.read(100).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
