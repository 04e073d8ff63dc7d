//! Why a run failed, and how the program then ends.

use crate::metainfo::MetainfoError;
use crate::storage::StorageError;
use crate::text::size;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a run failed. No peer's and no tracker's failure is among these.
#[derive(Debug)]
pub enum SessionError {
    /// The storage failed.
    Storage(StorageError),
    /// What the peers of a magnet sent has the right hash and is no torrent that we can use.
    Metadata(MetainfoError),
    /// The torrent names no tracker that we can ask, and the user no peer.
    NobodyToAsk,
    /// A piece of the torrent is far longer than the memory that we may use.
    LongPieces {
        /// Bytes in a piece.
        length: u32,
        /// Bytes that `--memory` allows this torrent.
        memory: u64,
    },
    /// Nothing that is there belongs to the torrent.
    NothingThere {
        /// Where it should be.
        path: PathBuf,
    },
    /// None of the torrent's files has a number that is selected.
    NothingSelected {
        /// How many files there are.
        files: usize,
    },
    /// The numbers of the torrent do not fit each other.
    Geometry,
    /// The system has no more threads.
    Threads(io::Error),
}

impl SessionError {
    /// The exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            SessionError::Storage(error) => error.exit_code(),
            SessionError::Metadata(_) => 26,
            SessionError::NobodyToAsk => 6,
            SessionError::NothingThere { .. } => 32,
            SessionError::Geometry => 26,
            SessionError::NothingSelected { .. } => 27,
            SessionError::Threads(_) | SessionError::LongPieces { .. } => 1,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Storage(error) => write!(out, "{error}"),
            SessionError::Metadata(error) => write!(out, "what its peers have is no torrent: {error}"),
            SessionError::NobodyToAsk => write!(
                out,
                "nobody to ask for peers: it names no tracker that we can ask (leave out --no-dht, name a peer with --peer HOST:PORT, or wait for one with --port PORT)"
            ),
            SessionError::LongPieces { length, memory } => write!(
                out,
                "its pieces have {}, and each must be in memory as a whole, which may take {} (raise --memory)",
                size(u64::from(*length)),
                size(*memory)
            ),
            SessionError::NothingThere { path } => write!(
                out,
                "nothing in {} is what the torrent describes (name the folder that holds it with -d)",
                path.display()
            ),
            SessionError::NothingSelected { files } => write!(
                out,
                "the magnet selects no file that the torrent has (so= counts {files} files from 0; without it, all are fetched)"
            ),
            SessionError::Geometry => write!(out, "the torrent has too many pieces"),
            SessionError::Threads(error) => write!(out, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<StorageError> for SessionError {
    fn from(error: StorageError) -> SessionError {
        SessionError::Storage(error)
    }
}
