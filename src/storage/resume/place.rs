//! Where resume files are: one beside each unfinished download, and one in the cache folder for each payload
//! that is complete or only shared.
//!
//! A failure to read or write one is only logged: it costs a check in the next run.

use crate::text::reason;
use std::cmp::Reverse;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use log::debug;

use super::record::{ResumeRecord, TorrentShape};
use crate::storage::CacheFile;
use crate::storage::calls;
use crate::storage::error::{Action, StorageError};
use crate::storage::folder::{Access, RootFolder};
use crate::storage::patience::patiently;

/// How a resume file's name ends, behind the marker's name.
const ENDING: &str = "-resume";
/// How the name of one that is being written ends.
const FRESH: &str = "-resume-new";
/// The folder in the cache folder.
const CACHED: &str = "resume";
/// How many are kept there, and how many bytes together.
const MOST_CACHED: usize = 1000;
const MOST_CACHED_BYTES: u64 = 64 << 20;
/// Of so many records that are written, one is followed by a look at all, chosen by chance: to read the folder alone takes a
/// short run longer than all else at its end. So there may be a few dozen more.
const TIDY_EACH: u32 = 16;

/// The names of a download's resume file.
pub struct ResumePlace {
    path: PathBuf,
    fresh: PathBuf,
}

impl ResumePlace {
    /// The place beside this marker.
    pub fn beside(marker: &Path) -> ResumePlace {
        let named = |ending| {
            let mut name = marker.as_os_str().to_owned();
            name.push(ending);
            name.into()
        };
        ResumePlace { path: named(ENDING), fresh: named(FRESH) }
    }

    /// Whether a name is that of a resume file, if the part before the ending is that of a marker. Returns
    /// that part.
    pub fn marker_part(name: &[u8]) -> &[u8] {
        let short = |ending: &str| name.strip_suffix(ending.as_bytes());
        short(FRESH).or_else(|| short(ENDING)).unwrap_or(name)
    }

    /// What the resume file says. `None` if there is none of this torrent.
    pub fn read(&self, folder: &RootFolder, shape: &TorrentShape) -> Option<ResumeRecord> {
        let path = || folder.join(&self.path);
        let file = match patiently(|| folder.open_file(&self.path, Access::Read)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                debug!("{} is ignored: {}", path().display(), reason(&error));
                return None;
            }
        };
        let mut bytes = Vec::new();
        let read = file.take(ResumeRecord::most_bytes(shape).saturating_add(1)).read_to_end(&mut bytes);
        let record = read.ok().and_then(|_| ResumeRecord::decode(&bytes, shape));
        if record.is_none() {
            debug!("{} is ignored: damaged, or of another torrent", path().display());
        }
        record
    }

    /// Writes it: the whole new one is there afterwards, or the old one still is; after a power failure too, if
    /// it is `synced`. If another thing has its name, such as a link, that makes way, but for a folder that is
    /// not empty.
    pub fn write(&self, folder: &RootFolder, bytes: &[u8], synced: bool) -> io::Result<()> {
        let written = self.write_fresh(folder, bytes, synced).and_then(|()| {
            folder.rename(&self.fresh, &self.path).or_else(|error| {
                folder.remove_folder(&self.path).map_err(|_| error)?;
                folder.rename(&self.fresh, &self.path)
            })
        });
        if written.is_err() {
            let _ = folder.remove(&self.fresh);
        }
        written?;
        if synced { folder.sync(Path::new("")) } else { Ok(()) }
    }

    fn write_fresh(&self, folder: &RootFolder, bytes: &[u8], synced: bool) -> io::Result<()> {
        let create = || patiently(|| folder.open_file(&self.fresh, Access::Create));
        let file = create().or_else(|error| match error.kind() {
            // A run was killed while it wrote.
            io::ErrorKind::AlreadyExists => {
                folder.remove(&self.fresh)?;
                create()
            }
            _ => Err(error),
        })?;
        calls::write_all_at(&file, bytes, 0)?;
        if synced { calls::sync(&file) } else { Ok(()) }
    }

    /// Removes it, if it is there. A folder in its place is not ours, and stays.
    pub fn remove(&self, folder: &RootFolder) -> Result<(), StorageError> {
        for path in [&self.path, &self.fresh] {
            match folder.remove(path) {
                Err(error)
                    if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) =>
                {
                    return Err(StorageError::from_io(Action::Remove, folder.join(path), error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The resume file of a torrent in the cache folder.
pub struct CachedRecord {
    folder: PathBuf,
    file: CacheFile,
    shape: TorrentShape,
}

impl CachedRecord {
    /// The file below this cache folder; it may not exist.
    pub fn new(cache: &Path, shape: TorrentShape) -> CachedRecord {
        let folder = cache.join(CACHED);
        let file = CacheFile::new(&folder, &shape.info_hash.to_string());
        CachedRecord { folder, file, shape }
    }

    /// The torrent.
    pub fn shape(&self) -> TorrentShape {
        self.shape
    }

    /// What it says.
    pub fn read(&self) -> Option<ResumeRecord> {
        let bytes = self.file.read(ResumeRecord::most_bytes(&self.shape).saturating_add(1)).ok()?;
        // A run that only shares never has an unclean end.
        ResumeRecord::decode(&bytes, &self.shape).filter(|record| record.is_final)
    }

    /// Writes it, and now and then removes the oldest ones if there are too many.
    pub fn write(&self, record: &ResumeRecord) {
        let tidied = match self.file.write(&record.encode(&self.shape)) {
            Ok(()) if fastrand::u32(..TIDY_EACH) == 0 => tidy(&self.folder, MOST_CACHED, MOST_CACHED_BYTES),
            written => written,
        };
        if let Err(error) = tidied {
            debug!("cannot record what was checked in {}: {}", self.file.path().display(), reason(&error));
        }
    }
}

/// Removes all but the newest of our files of the folder: those whose names begin with an info-hash. What else is
/// there, where the folder is a link perhaps, is not ours.
fn tidy(folder: &Path, most: usize, most_bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        let name = entry.file_name();
        let hash = name.as_encoded_bytes().get(..40);
        let is_ours = hash.is_some_and(|hash| hash.iter().all(u8::is_ascii_hexdigit));
        if is_ours && data.is_file() {
            files.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len(), entry.path()));
        }
    }
    files.sort_unstable_by_key(|(modified, ..)| Reverse(*modified));
    let mut bytes = 0_u64;
    for (number, (_, length, path)) in files.iter().enumerate() {
        bytes = bytes.saturating_add(*length);
        if number >= most || (bytes > most_bytes && number > 0) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::piece::{Bitfield, Geometry};
    use crate::storage::NewFolder;
    use std::time::Duration;

    #[test]
    fn only_the_newest_files_stay_in_the_cache() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(&folder.0).unwrap();
        for age in 1..=6 {
            let file = fs::File::create(folder.0.join(format!("{age:040}"))).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age * 100)).unwrap();
        }
        // Not ours, and the oldest of all.
        fs::write(folder.0.join("notes"), "").unwrap();
        let notes = fs::File::options().write(true).open(folder.0.join("notes")).unwrap();
        notes.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let left = || {
            let names = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names.concat().replace('0', "")
        };
        tidy(&folder.0, 5, 1000).unwrap();
        assert_eq!(left(), "12345notes");
        tidy(&folder.0, 5, 399).unwrap();
        assert_eq!(left(), "123notes");
        tidy(&folder.0, 5, 10).unwrap();
        assert_eq!(left(), "1notes");
    }

    #[test]
    fn the_cache_is_looked_through_now_and_then() {
        let cache = NewFolder::somewhere();
        let folder = cache.0.join(CACHED);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..MOST_CACHED as u32 + 200 {
            fs::write(folder.join(format!("{number:040}")), "").unwrap();
        }
        let geometry = Geometry::new(8, 8).unwrap();
        let shape = TorrentShape { info_hash: InfoHash([7; 20]), geometry, files: 1 };
        let (pieces, files) = (Bitfield::all(1), vec![None]);
        let record =
            ResumeRecord { is_final: true, is_whole: true, at: (0, 0), pieces, newest: Vec::new(), files };
        let cached = CachedRecord::new(&cache.0, shape);
        for _ in 0..TIDY_EACH * 30 {
            cached.write(&record);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), MOST_CACHED);
    }
}
