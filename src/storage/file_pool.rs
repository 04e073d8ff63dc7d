//! The open files, at most a given number of them.
//!
//! A torrent may have more files than a process may have open. To open another one, the least recently
//! used file is closed, as soon as no thread uses it any more. One that nobody has used for some time is closed too:
//! a process may have hundreds of torrents. The pool never decides how a file is opened: the caller does.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::net::too_many_files;

/// Open files by number, the most recently used one at the end.
pub(super) struct FilePool {
    // To search a few dozen entries at most costs less than to keep a map beside the order.
    open: Vec<(usize, Arc<File>)>,
    /// How many at the end were used since the last look at who is idle.
    used: usize,
    capacity: usize,
}

impl FilePool {
    /// An empty pool that holds at most `capacity` files, and at least one.
    pub fn new(capacity: usize) -> FilePool {
        FilePool { open: Vec::new(), used: 0, capacity: capacity.max(1) }
    }

    /// The file with this number, from the pool or from `open`.
    ///
    /// # Errors
    ///
    /// The error of `open`. If it says that the process or the system has too many files open, the pool
    /// closes one and tries again, as long as it has one.
    pub fn get(&mut self, number: usize, open: impl FnMut() -> io::Result<File>) -> io::Result<&Arc<File>> {
        let idle = self.open.len().saturating_sub(self.used);
        let entry = match self.open.iter().position(|(held, _)| *held == number) {
            Some(position) => {
                self.used += usize::from(position < idle);
                self.open.remove(position)
            }
            None => {
                let entry = (number, Arc::new(self.open_another(open)?));
                self.used = self.used.min(self.open.len()).saturating_add(1);
                entry
            }
        };
        self.open.push(entry);
        self.open.last().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes in an open file.
    pub fn hold(&mut self, number: usize, file: File) -> io::Result<Arc<File>> {
        let mut file = Some(file);
        let open = || file.take().ok_or_else(|| io::ErrorKind::NotFound.into());
        self.get(number, open).map(Arc::clone)
    }

    /// Opens a file, and closes the least recently used ones as far as that is necessary.
    fn open_another(&mut self, mut open: impl FnMut() -> io::Result<File>) -> io::Result<File> {
        while self.open.len() >= self.capacity {
            self.open.remove(0);
        }
        loop {
            match open() {
                Err(error) if too_many_files(&error) && !self.open.is_empty() => self.open.remove(0),
                opened => return opened,
            };
        }
    }

    /// Closes the file with this number, if it is open, as soon as no thread uses it any more.
    pub fn close(&mut self, number: usize) {
        self.open.retain(|(held, _)| *held != number);
    }

    /// Closes the files that were not used since the last call.
    pub fn close_idle(&mut self) {
        let idle = self.open.len().saturating_sub(std::mem::take(&mut self.used));
        self.open.drain(..idle);
    }

    /// Whether no file is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The file with this number, if it is open. Does not count as a use.
    pub fn peek(&self, number: usize) -> Option<&File> {
        self.open.iter().find(|(held, _)| *held == number).map(|(_, file)| &**file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn any_file() -> io::Result<File> {
        File::open("/dev/null")
    }

    fn refused() -> io::Result<File> {
        Err(Errno::MFILE.into())
    }

    #[test]
    fn the_least_recently_used_file_is_closed() {
        let mut pool = FilePool::new(2);
        for number in [1, 2, 1, 3] {
            pool.get(number, any_file).unwrap();
            assert!(pool.open.len() <= 2);
        }
        assert!(pool.peek(1).is_some() && pool.peek(2).is_none() && pool.peek(3).is_some());
    }

    #[test]
    fn a_file_that_was_not_used_since_the_last_look_is_closed() {
        let mut pool = FilePool::new(4);
        let all_open = |pool: &FilePool| pool.open.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        for number in [1, 2, 3, 2] {
            pool.get(number, any_file).unwrap();
        }
        pool.close_idle();
        assert_eq!(all_open(&pool), [1, 3, 2], "all were used");
        for number in [3, 3, 1, 3] {
            pool.get(number, any_file).unwrap();
        }
        pool.close_idle();
        assert_eq!(all_open(&pool), [1, 3]);
        pool.close(3);
        pool.get(4, any_file).unwrap();
        pool.close_idle();
        assert_eq!(all_open(&pool), [4]);
        pool.close_idle();
        assert!(pool.is_empty());
    }

    #[test]
    fn a_file_that_is_open_is_not_opened_again() {
        let mut pool = FilePool::new(4);
        pool.get(7, any_file).unwrap();
        assert!(pool.get(7, refused).is_ok());
        assert!(pool.get(8, refused).is_err());
    }

    #[test]
    fn a_process_with_too_many_files_gets_back_those_of_the_pool() {
        let mut pool = FilePool::new(8);
        for number in 0..4 {
            pool.get(number, any_file).unwrap();
        }
        let mut refusals = 3;
        let file = pool.get(9, || {
            refusals -= 1;
            if refusals > 0 { refused() } else { any_file() }
        });
        assert!(file.is_ok());
        assert_eq!(pool.open.len(), 3);
    }
}
