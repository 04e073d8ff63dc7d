//! What happens in a run, for whoever watches it: programs that read the events of `--json`.
//!
//! A [`Notice`] is made only while somebody watches, which the [`Door`] knows. It has values and no sentences, so that
//! each watcher finds its own words. A run tells its notices from several threads, and never waits for the watcher.
//! How a run stands at a moment is not told here but by the [`Snapshot`](super::Snapshot).

use super::{Greeting, PeerError};
use crate::metainfo::Metainfo;
use crate::piece::PieceIndex;
use crate::strategy::Source;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// One thing that happened in a run.
#[derive(Debug)]
pub enum Notice {
    /// The torrent is known: from its file, or from the peers of a magnet.
    Metadata(Arc<Metainfo>),
    /// What is on the disk was checked.
    Checked(CheckResult),
    /// This has become of these pieces.
    Pieces(PieceChange, Vec<PieceIndex>),
    /// Handshakes were exchanged with a peer.
    Connected(OtherEnd, Greeting),
    /// A connection whose handshakes had been exchanged is over.
    Gone(OtherEnd, PeerError),
    /// No connection came about, or it ended before the handshakes were exchanged.
    NotConnected(OtherEnd, PeerError),
    /// A tracker answered, or did not.
    Tracker(Announced),
    /// This web seed is asked.
    WebSeedAsked(String),
    /// This web seed gives no more.
    WebSeedGone(String, PeerError),
    /// From now on nothing is wanted any more, and what is there is shared.
    Seeding {
        /// The port that we listen on.
        port: Option<u16>,
    },
}

/// What the check of the existing data found.
#[derive(Debug)]
pub struct CheckResult {
    /// How many pieces are there and right.
    pub good: u32,
    /// Their bytes.
    pub bytes: u64,
    /// How many pieces are to be there in the end.
    pub wanted: u32,
    /// The file or folder of the payload.
    pub path: PathBuf,
}

/// What can become of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceChange {
    /// It is verified and on the disk.
    Stored,
    /// It came, did not have its digest, and is fetched again.
    Wrong,
    /// It was on the disk, another program has changed it, and it is fetched again.
    Lost,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct OtherEnd {
    /// Its address.
    pub address: SocketAddr,
    /// It has connected to us.
    pub incoming: bool,
    /// How its address was found, where that is known.
    pub source: Option<Source>,
}

/// An announce to a tracker.
#[derive(Debug)]
pub struct Announced {
    /// The tracker's scheme, host and port.
    pub tracker: String,
    /// How many peers it named, or why it named none.
    pub outcome: Result<usize, String>,
    /// When it is asked again, or another one of its tier. `None` if never.
    pub next: Option<Instant>,
}

/// Where the notices of one run go. Closed, as it is by default, it costs nothing: no notice is made.
#[derive(Clone, Default)]
pub struct Door(Option<Arc<Watcher>>);

/// What takes notices. It is called on the threads of the run and must not wait.
pub type Watcher = dyn Fn(Notice) + Send + Sync;

impl Door {
    /// An open door to this watcher.
    pub fn to(watcher: impl Fn(Notice) + Send + Sync + 'static) -> Door {
        Door(Some(Arc::new(watcher)))
    }

    /// Whether somebody watches.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what `notice` makes, if somebody watches.
    pub fn tell(&self, notice: impl FnOnce() -> Notice) {
        if let Some(watcher) = &self.0 {
            watcher(notice());
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_open() { "open" } else { "closed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_door_makes_no_notice() {
        Door::default().tell(|| panic!("nobody watches"));
        let (tell, told) = crossbeam_channel::bounded(1);
        let door = Door::to(move |notice| _ = tell.try_send(notice));
        door.tell(|| Notice::Seeding { port: Some(7) });
        assert!(matches!(told.try_recv(), Ok(Notice::Seeding { port: Some(7) })));
    }
}
