//! One download inside this process, with a bound on how long it may take.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use femtotorrent::message::{Door, Snapshot};
use femtotorrent::metainfo::FileChoice;
use femtotorrent::session::{
    self, Aim, Job, Naming, Network, Outcome, PeerSourceOptions, Progress, SessionError, Stop, Torrent,
};
use femtotorrent::storage::{Allocate, Check, Existing};
use femtotorrent::swarm::{Limits, RunEnd, UploadPolicy};

use super::folder::TestFolder;
use super::metadata::{link, magnet};
use super::sample::Sample;
use super::scripted_peer::ScriptedPeer;

/// A download that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// The exit code where another process has the download.
const BUSY: u8 = 12;

/// A download that runs on a thread of its own. Stopped when dropped.
pub struct Download {
    /// Where it writes.
    pub folder: TestFolder,
    stop: Arc<Stop>,
    ended: Receiver<Result<Outcome, SessionError>>,
    snapshots: Receiver<Snapshot>,
}

impl Download {
    /// Downloads from these peers into a new folder.
    pub fn start(sample: &Sample, peers: &[&ScriptedPeer]) -> Download {
        Download::with(sample, peers, TestFolder::new(), |_| {})
    }

    /// The same by the link to the sample.
    pub fn by_link(sample: &Sample, peers: &[&ScriptedPeer]) -> Download {
        Download::with(sample, peers, TestFolder::new(), |job| job.torrent = magnet(&link(sample)))
    }

    /// The same into this folder, with changes to the job.
    pub fn with(
        sample: &Sample,
        peers: &[&ScriptedPeer],
        folder: TestFolder,
        change: impl FnOnce(&mut Job),
    ) -> Download {
        let mut job = Job {
            torrent: Torrent::Whole(Arc::new(sample.metainfo())),
            selected: Vec::new(),
            choice: FileChoice::default(),
            aim: Aim::Download,
            folder: PathBuf::from(folder.path()),
            uploads: UploadPolicy::default(),
            sources: PeerSourceOptions {
                peers: peers.iter().map(|peer| peer.address().to_string()).collect(),
                pex: true,
                ..PeerSourceOptions::of_the_torrent()
            },
            naming: Naming::default(),
            limits: Limits { max_peers: 50, memory: 32 << 20, timeout: None, idle_before: Duration::ZERO },
            allocate: Allocate::Sparse,
            existing: Existing::Keep,
            open_files: 16,
            check: Check::Changed,
            cache: None,
            fetched: Arc::default(),
        };
        change(&mut job);
        let stop = Arc::<Stop>::default();
        let (tell, ended) = channel();
        let (show, snapshots) = channel();
        let (also_stop, deadline) = (Arc::clone(&stop), Instant::now() + LIMIT);
        std::thread::spawn(move || {
            let show = std::sync::Mutex::new(show);
            let run = || {
                session::run(
                    &job,
                    &Network::unlimited(),
                    &also_stop,
                    &|progress| {
                        if let (Progress::Running(snapshot), Ok(show)) = (progress, show.lock()) {
                            let _ = show.send(snapshot);
                        }
                    },
                    &Door::default(),
                )
            };
            // A program that another test starts has the lock of the run before, until it is a program of its own.
            let has_room = |result: &Result<_, SessionError>| {
                !matches!(result, Err(error) if error.exit_code() == BUSY) || Instant::now() > deadline
            };
            let _ = tell.send(std::iter::repeat_with(run).find(has_room).unwrap());
        });
        Download { folder, stop, ended, snapshots }
    }

    /// Waits for the end. Panics where it does not come.
    pub fn end(&self) -> Result<Outcome, SessionError> {
        self.ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
            let last = self.snapshots.try_iter().last();
            panic!("the download hangs; how it stood: {last:#?}")
        })
    }

    /// Waits until everything is there, and looks at every byte of it.
    pub fn complete(self, sample: &Sample) -> Snapshot {
        let outcome = self.end().unwrap();
        assert_eq!(outcome.end, RunEnd::Done);
        assert_eq!(outcome.snapshot.done, sample.payload.len() as u64);
        sample.assert_downloaded(self.folder.path());
        outcome.snapshot
    }

    /// Waits until a snapshot is like this.
    pub fn wait_until(&self, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let mut last = None;
        loop {
            match self.snapshots.recv_timeout(LIMIT) {
                Ok(snapshot) if is_so(&snapshot) => return snapshot,
                Ok(snapshot) => last = Some(snapshot),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("it never came so far; how it stood: {last:#?}")
                }
            }
        }
    }

    /// Stops it, waits for its end, and gives back its folder with what is there.
    pub fn stop(self) -> (TestFolder, Outcome) {
        self.stop.stop();
        let outcome = self.end().unwrap();
        let Download { folder, .. } = self;
        (folder, outcome)
    }
}
