//! Why a run failed, and the exit code that the program then has.

use crate::metainfo::{ChoiceError, MetainfoError};
use crate::storage::StorageError;
use crate::text::{reason, size};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a run failed. The failure of a peer or of a tracker never fails a run.
#[derive(Debug)]
pub enum SessionError {
    /// The storage failed.
    Storage(StorageError),
    /// The metadata from the peers of a magnet has the right hash, and is not a torrent that we can use.
    Metadata(MetainfoError),
    /// The torrent names no tracker that we can ask, and the user named no peer.
    NoPeerSource {
        /// Everything goes through a proxy, so there are fewer sources.
        by_proxy: bool,
    },
    /// The torrent is private and has no tracker that can be asked, and the user named no peer.
    NoOwnTracker,
    /// A piece of the torrent is much longer than the memory that we may use.
    LongPieces {
        /// Bytes in a piece.
        length: u32,
        /// Bytes that `--memory` allows this torrent.
        memory: u64,
    },
    /// No data in the folder belongs to the torrent.
    NothingThere {
        /// Where it should be.
        path: PathBuf,
    },
    /// The files that the user names are not there.
    Choice(ChoiceError),
    /// Only one file can be written as it is.
    NotOneFile {
        /// How many there are to write.
        count: usize,
    },
    /// No file of the torrent has a selected number.
    NothingSelected {
        /// How many files there are.
        files: usize,
    },
    /// The system has no more threads.
    Threads(io::Error),
    /// This thread of ours panicked.
    Panicked(&'static str),
}

impl SessionError {
    /// The exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            SessionError::Storage(error) => error.exit_code(),
            SessionError::Metadata(_) => 26,
            SessionError::NoPeerSource { .. } | SessionError::NoOwnTracker => 6,
            SessionError::NothingThere { .. } => 32,
            SessionError::Choice(_) | SessionError::NotOneFile { .. } => 28,
            SessionError::NothingSelected { .. } => 27,
            SessionError::Threads(_) | SessionError::Panicked(_) | SessionError::LongPieces { .. } => 1,
        }
    }
}

impl SessionError {
    /// Whether the system had too few threads or files for the run just then.
    pub fn is_want_of_resources(&self) -> bool {
        match self {
            SessionError::Threads(_) => true,
            SessionError::Storage(error) => error.is_too_many_files(),
            _ => false,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Storage(error) => write!(out, "{error}"),
            SessionError::Metadata(error) => {
                write!(out, "the metadata that peers sent is not a valid torrent: {error}")
            }
            SessionError::NoOwnTracker => write!(
                out,
                "no way to find peers: the torrent is private and has no usable tracker (name a peer with --peer HOST:PORT)"
            ),
            SessionError::NoPeerSource { by_proxy: true } => write!(
                out,
                "no way to find peers: the torrent has no tracker that a proxy can reach (add one with --tracker http://…, or a peer with --peer HOST:PORT)"
            ),
            SessionError::NoPeerSource { by_proxy: false } => write!(
                out,
                "no way to find peers: the torrent has no usable tracker and the DHT is off (leave out --no-dht, name a peer with --peer HOST:PORT, or wait for one with --port PORT)"
            ),
            SessionError::LongPieces { length, memory } => write!(
                out,
                "a piece is in memory as a whole, and has {}, more than four times the limit of {} (--memory {}K or more)",
                size(u64::from(*length)),
                size(*memory),
                length.div_ceil(4 * 1024)
            ),
            SessionError::NothingThere { path } => write!(
                out,
                "{} has none of the torrent's data (use -d to name the folder that contains it)",
                path.display()
            ),
            SessionError::NothingSelected { files } => write!(
                out,
                "the link selects no file of the torrent (so= counts its {files} files from 0; without so=, all are downloaded)"
            ),
            SessionError::NotOneFile { count } => write!(
                out,
                "--stdout writes one file, and there are {count} (choose one with --select, or write them all as an archive with --stdout=tar)"
            ),
            SessionError::Choice(error) => write!(out, "{error}"),
            SessionError::Threads(error) => write!(out, "cannot start a thread: {}", reason(error)),
            SessionError::Panicked(thread) => write!(
                out,
                "{thread} stopped because of a bug in this program (run the same command again: what is verified is kept)"
            ),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<StorageError> for SessionError {
    fn from(error: StorageError) -> SessionError {
        SessionError::Storage(error)
    }
}
