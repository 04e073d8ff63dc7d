//! The files that are open for reading, shared by all threads that send to peers.
//!
//! It has a pool of its own: the one of the writer belongs to the writer's thread.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::storage::file_pool::FilePool;
use crate::storage::folder::RootFolder;
use crate::storage::layout::Layout;
use crate::storage::naming;

/// The open files. The lock is held for a search in the pool or for opening a file, never for a read.
pub(super) struct OpenFiles {
    folder: Arc<RootFolder>,
    layout: Arc<Layout>,
    pool: Mutex<FilePool>,
}

impl OpenFiles {
    /// No file is open; at most `capacity` will be.
    pub fn new(folder: Arc<RootFolder>, layout: Arc<Layout>, capacity: usize) -> OpenFiles {
        OpenFiles { folder, layout, pool: Mutex::new(FilePool::new(capacity)) }
    }

    /// The file with this number. It is opened if it is not open.
    pub fn get(&self, number: usize) -> io::Result<Arc<File>> {
        let entry = self.layout.entry(number).ok_or(io::ErrorKind::NotFound)?;
        lock(&self.pool).get(number, || naming::open_to_read(&self.folder, &entry.path)).map(Arc::clone)
    }

    /// Closes the file, so that what is under its name then is opened the next time.
    pub fn close(&self, number: usize) {
        lock(&self.pool).close(number);
    }

    /// Closes the files that were not used since the last call.
    pub fn close_idle(&self) {
        lock(&self.pool).close_idle();
    }

    /// The path of a file as the user sees it, for messages.
    pub fn path(&self, number: usize) -> PathBuf {
        self.layout.entry(number).map(|entry| self.folder.join(&entry.path)).unwrap_or_default()
    }

    /// The folder that the files are in.
    pub fn folder(&self) -> &Arc<RootFolder> {
        &self.folder
    }
}

/// Asks the system to read these bytes of the file soon.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) fn read_ahead(file: &File, offset: u64, length: u64) {
    let _ = rustix::fs::fadvise(file, offset, length.try_into().ok(), rustix::fs::Advice::WillNeed);
}

/// Asks the system to read these bytes of the file soon: this one takes no such hints.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) fn read_ahead(_: &File, _: u64, _: u64) {}
