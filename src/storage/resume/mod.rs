//! The resume file: what is on the disk already, so that the next run need not read it to know.
//!
//! While a download is unfinished, `.NAME.HASH.femtotorrent-resume` is beside it and beside its `marker`. It
//! says which pieces are on the disk, and what the files looked like then. The marker is the lock, and says
//! what belongs to the user: it is one file from the beginning to the end. This file is another one each
//! time: it is written under a temporary name, synced, and renamed. So it is whole or absent, and one that
//! says too much cannot be: it vouches for a piece only after the piece was synced to the disk. A run writes
//! it before the first byte of the payload, then every 30 s or 64 MiB, on a thread of its own (`keeper`, with
//! `recorder`), and when it ends. It is removed when the download is complete. Only the first one of a new
//! download is not synced, since it vouches for nothing. Where the marker is damaged, this file stands in for
//! it, for the files that it knows by their inodes.
//!
//! What is complete, or is only shared, has its resume file in the cache folder, as `resume/INFO-HASH`:
//! nothing may be written beside it. The newest of these are kept (`place`). A check that is stopped leaves there how
//! far it came (`interim`), of a download too.
//!
//! Anyone may have written the file, and everything may have happened to the payload since. So it is only a
//! hint (`belief`): what cannot be believed is read. With `--check always` all is read; with `never` the
//! times of the files are not looked at, and what was believed so is read again by a run without it. A record in the
//! cache speaks for the files that it knows by their inodes alone: the same payload may lie in another folder, too.
//!
//! # Format
//!
//! Numbers are big-endian. A time is 8 bytes of seconds since 1970 and 4 of nanoseconds.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `femtoRS`, and the version, 1 |
//! | 20 | the info-hash |
//! | 4, 4, 4 | the piece length; how many pieces there are, and files, of which the part file is the last |
//! | 1 | 1 if the run that wrote it has ended, 0 while it goes on |
//! | 1 | 1 if all pieces were looked for, 0 if only those of a selection |
//! | 12 | when the files were as it says |
//! | 8 times 4 | the pieces that were written last; 2^32 - 1 stands for none |
//! | 1 for 8 pieces | the pieces that are on the disk, as a bitfield of BEP 3 |
//! | 1, or 58 a file | 0 if it is not there or not known; or 2, inode (8), length (8), time of the last change of its content and of anything about it (12 each), bytes at its start that belong to the user (8), when it was created in nanoseconds since 1970 (8; 0 if not known), and 1 if nothing in it is vouched for, else 0. Or 49: 1, and the same without the last two |
//! | 20 | the SHA-1 of all these bytes |
//!
//! The device of a file is left out: its number depends on the order in which disks are found.

mod belief;
mod interim;
mod keeper;
mod place;
mod record;
mod recorder;

use std::time::Duration;

pub(super) use belief::{Belief, Place, judge};
pub(super) use interim::Interim;
pub(super) use keeper::ResumeKeeper;
pub(super) use place::{CachedRecord, ResumePlace};
pub(super) use record::{KnownFile, ResumeRecord, TorrentShape};
pub(super) use recorder::{Recorder, born, remember};

/// How long what was written may wait for the next record.
const SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// How far the times of our files may lie behind a record: until the next one is due, and a slow disk has taken it.
const BEHIND: Duration = SAVE_INTERVAL.saturating_mul(4);
/// How many bytes may wait for it.
const SAVE_BYTES: u64 = 64 << 20;

/// How much of the data that is there is read before a run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// All of it.
    Always,
    /// What changed since an earlier run, or was never seen.
    #[default]
    Changed,
    /// Nothing that an earlier run has seen, whatever the times of the files say.
    Never,
}
