//! What the folder of the payload says: whether it can be written, and whether there is room for this torrent.

use super::facts::Folder;
use crate::cli::exit::Exit;
use crate::metainfo::Metainfo;

use crate::session::Torrent;
use crate::storage::{self, FileLimit, FolderProbe, Options, Payload, StorageError};
use crate::text::{shown, size};
use crate::thread;
use crossbeam_channel::bounded;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the folder may take to answer: a server of files that is gone never does.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the thread's stack.
const STACK: usize = 256 * 1024;

/// A folder, as far as it can be known before the torrent is.
pub struct Place {
    folder: Folder,
    /// How long a file may be.
    longest: Option<FileLimit>,
}

impl Place {
    /// Asks the folder, on a thread that is left behind if it does not answer.
    pub fn ask(path: &Path) -> Place {
        Self::ask_by(path, storage::probe, PATIENCE)
    }

    fn ask_by(path: &Path, probe: fn(&Path) -> FolderProbe, patience: Duration) -> Place {
        let (tell, told) = bounded(1);
        let asked = path.to_owned();
        let asking = thread::spawn("doctor-disk", STACK, move || drop(tell.send(probe(&asked))));
        let probe = asking.ok().and_then(|_| told.recv_timeout(patience).ok());
        let name = shown(path);
        let silent = || Err((Exit::IO, format!("{name} does not answer within {} s", patience.as_secs())));
        let is_no_folder =
            matches!(probe, Some(FolderProbe { speed: Err(StorageError::NoFolder { .. }), .. }));
        let (speed, free, longest) = match probe {
            Some(FolderProbe { speed, free, longest, .. }) => {
                (speed.map_err(|error| (Exit(error.exit_code()), error.fault())), free, longest)
            }
            None => (silent(), None, None),
        };
        Place {
            folder: Folder { name, speed: Some(speed), free, is_no_folder, ..Folder::default() },
            longest,
        }
    }

    /// The same for this torrent. A folder that does not answer is not asked again.
    pub fn for_torrent(&self, path: &Path, torrent: &Torrent) -> Folder {
        let mut folder = self.folder.clone();
        let Torrent::Whole(metainfo) = torrent else { return folder };
        if folder.is_no_folder || folder.free.is_none() && matches!(folder.speed, Some(Err(_))) {
            return folder;
        }
        folder.needed = Some(needed(path, metainfo));
        folder.too_long = self.longest.and_then(|limit| too_long(limit, metainfo));
        (folder.foreign, folder.is_unread) = foreign(path, metainfo, PATIENCE);
        let lock = storage::held_by_another(path, &metainfo.name, metainfo.info_hash);
        folder.held = lock.map(|lock| shown(&lock));
        folder
    }
}

/// Why `get` would not begin because of the files that are there, with its exit code; and whether not all of them were read
/// in time.
fn foreign(path: &Path, metainfo: &Arc<Metainfo>, patience: Duration) -> (Option<(Exit, String)>, bool) {
    let geometry = metainfo.geometry;
    let digests = storage::digests_of(metainfo);
    let payload = Payload {
        name: &metainfo.name,
        output_name: None,
        info_hash: metainfo.info_hash,
        files: &metainfo.files,
        geometry,
        digests: &digests,
        selection: None,
        cache: None,
    };
    let end = Instant::now() + patience;
    let watch = |_, _| Instant::now() < end;
    match storage::refusal(path, &payload, &Options::default(), &watch) {
        Ok(refused) => (refused.map(|error| (Exit(error.exit_code()), error.fault())), false),
        Err(StorageError::Cancelled) => (None, true),
        Err(error) => (Some((Exit(error.exit_code()), error.fault())), false),
    }
}

/// Bytes that the payload still takes in the folder.
fn needed(folder: &Path, metainfo: &Metainfo) -> u64 {
    let files = || metainfo.files.iter().filter(|file| !file.padding);
    let all = files().map(|file| file.length).fold(0, u64::saturating_add);
    all.saturating_sub(storage::bytes_there(folder, files().map(|file| (&*file.path, file.length))))
}

/// Why the longest file cannot be written under this limit, and the way out.
fn too_long(limit: FileLimit, metainfo: &Metainfo) -> Option<(String, String)> {
    let longest = metainfo.files.iter().filter(|file| !file.padding).map(|file| file.length).max()?;
    let FileLimit { bytes, of, way_out } = limit;
    let why = format!("the longest file has {}, and {of} allows {}", size(longest), size(bytes));
    (longest > bytes).then(|| (why, way_out.replace("--output-dir", "-d")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_never_answers_is_left_behind() {
        let never = |_: &Path| loop {
            std::thread::park();
        };
        let place = Place::ask_by(Path::new("x"), never, Duration::ZERO);
        let why = "x does not answer within 0 s".to_owned();
        assert_eq!(place.folder.speed, Some(Err((Exit::IO, why))));
        // It is not asked for what is there, either.
        let torrent = Torrent::Whole(Arc::new(torrent()));
        assert_eq!(place.for_torrent(Path::new("x"), &torrent), place.folder);
    }

    fn torrent() -> Metainfo {
        let pieces = "a".repeat(20);
        let torrent = format!("d4:infod6:lengthi9e4:name1:x12:piece lengthi16384e6:pieces20:{pieces}ee");
        Metainfo::parse(torrent.into_bytes()).unwrap()
    }

    #[test]
    fn a_file_of_another_is_named_and_one_that_takes_too_long_to_read_is_not_waited_for() {
        let folder = std::env::temp_dir().join(format!("doctor-place-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        let torrent = Arc::new(torrent());
        assert_eq!(foreign(&folder, &torrent, PATIENCE), (None, false));
        std::fs::write(folder.join("x"), "my letter").unwrap();
        let (found, is_unread) = foreign(&folder, &torrent, PATIENCE);
        assert!(found.is_some_and(|(exit, why)| exit == Exit(13) && why.contains("/x")) && !is_unread);
        assert_eq!(foreign(&folder, &torrent, Duration::ZERO), (None, true));
        let left: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["x"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_too_long_has_a_way_out() {
        let metainfo = torrent();
        let limit = |bytes| FileLimit { bytes, of: "it", way_out: "leave with --output-dir" };
        assert_eq!(too_long(limit(9), &metainfo), None);
        let expected = ("the longest file has 9 bytes, and it allows 8 bytes", "leave with -d");
        let (why, way_out) = too_long(limit(8), &metainfo).unwrap();
        assert_eq!((&*why, &*way_out), expected);
    }
}
