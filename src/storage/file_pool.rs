//! The open files, at most a given number of them.
//!
//! A torrent may have more files than a process may have open, so the one that was not used for the
//! longest time is closed for the next, once nobody is at it any more. It never decides how a file is
//! opened: that is the business of the one who asks.

use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

/// Open files by number, the one used last at the end.
pub(super) struct Pool {
    // A search along at most a few dozen entries costs less than keeping a map beside the order.
    open: Vec<(usize, Arc<File>)>,
    capacity: usize,
}

impl Pool {
    /// An empty pool that holds at most `capacity` files, and at least one.
    pub fn new(capacity: usize) -> Pool {
        Pool { open: Vec::new(), capacity: capacity.max(1) }
    }

    /// The file with this number, from the pool or from `open`.
    ///
    /// # Errors
    ///
    /// What `open` says, unless it says that the process or the system has too many files open and
    /// the pool can give one back.
    pub fn get(
        &mut self,
        number: usize,
        mut open: impl FnMut() -> io::Result<File>,
    ) -> io::Result<&Arc<File>> {
        let entry = match self.open.iter().position(|(held, _)| *held == number) {
            Some(position) => self.open.remove(position),
            None => {
                while self.open.len() >= self.capacity {
                    self.open.remove(0);
                }
                loop {
                    match open() {
                        Ok(file) => break (number, Arc::new(file)),
                        Err(error) if too_many(&error) && !self.open.is_empty() => {
                            self.open.remove(0);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        self.open.push(entry);
        self.open.last().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The file with this number, where it is open. Does not count as a use.
    pub fn peek(&self, number: usize) -> Option<&File> {
        self.open.iter().find(|(held, _)| *held == number).map(|(_, file)| &**file)
    }
}

/// Whether the process or the system has too many files open.
pub(super) fn too_many(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_file() -> io::Result<File> {
        File::open("/dev/null")
    }

    fn refused() -> io::Result<File> {
        Err(Errno::MFILE.into())
    }

    #[test]
    fn the_file_that_was_not_used_for_the_longest_time_is_closed() {
        let mut pool = Pool::new(2);
        for number in [1, 2, 1, 3] {
            pool.get(number, any_file).unwrap();
            assert!(pool.open.len() <= 2);
        }
        assert!(pool.peek(1).is_some() && pool.peek(2).is_none() && pool.peek(3).is_some());
    }

    #[test]
    fn a_file_that_is_open_is_not_opened_again() {
        let mut pool = Pool::new(4);
        pool.get(7, any_file).unwrap();
        assert!(pool.get(7, refused).is_ok());
        assert!(pool.get(8, refused).is_err());
    }

    #[test]
    fn a_process_with_too_many_files_gets_back_those_of_the_pool() {
        let mut pool = Pool::new(8);
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
