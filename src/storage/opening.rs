//! Opening a payload for a download, in three steps.
//!
//! [`Opening::survey`] takes the lock and finds out what is there. [`Opening::decide`] asks `plan` what may be
//! done with it. [`Opening::prepare`] writes the marker if it is needed. The output folder is created before a
//! second survey, in which there is something to lock.
//!
//! Runs on the coordinator's thread, before the download.

mod names;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::digests::Digests;
use super::error::{Action, StorageError};
use super::file_lengths;
use super::file_limit::FileLimit;
use super::files::PayloadFiles;
use super::folder::{FileStat, RootFolder};
use super::guards::Guards;
use super::hashing::Watch;
use super::home;
use super::layout::{Layout, ours};
use super::marker::{Claimed, Marker};
use super::part_file::PartFile;
use super::plan::{self, Plan, Situation};
use super::replaced;
use super::resume::{
    CachedRecord, Check, KnownFile, Place, Recorder, ResumeKeeper, ResumePlace, ResumeRecord, TorrentShape,
};
use super::served_pieces::ServedPieces;
use super::shared_folders::SharedFolders;
use super::space::{self, Room};
use super::survey::Survey;
use super::surveying::{Earlier, KnownPieces};
use super::{Existing, Options, Payload, Storage};

/// A payload that is being opened.
pub(super) struct Opening<'a> {
    root: &'a Path,
    layout: Arc<Layout>,
    /// `None` if the output folder does not exist yet.
    folder: Option<Arc<RootFolder>>,
    /// Folders in which a new one was created.
    parents: Vec<PathBuf>,
    marker: Marker,
    /// The marker was there before this run.
    is_marked: bool,
    claimed: Claimed,
    part_file: PartFile,
    resume: Resume,
    /// What is there.
    pub survey: Survey,
    /// The files that others have put into the places of ours since an earlier run, by number.
    replaced: Vec<usize>,
    digests: Digests,
}

/// What earlier runs have left word of, and where.
struct Resume {
    shape: TorrentShape,
    place: ResumePlace,
    cache: Option<CachedRecord>,
    /// The record that was in the cache.
    cached: Option<ResumeRecord>,
    /// The record beside the download.
    beside: Option<ResumeRecord>,
}

impl<'a> Opening<'a> {
    /// Finds out what is below the folder `root`. From here on no other run can work on it, if its folder
    /// exists; see [`Opening::is_without_folder`].
    pub fn survey(
        folders: &SharedFolders,
        root: &'a Path,
        payload: &Payload<'_>,
        options: &Options,
        watch: &Watch<'_>,
    ) -> Result<Opening<'a>, StorageError> {
        let mut opening = Opening::begin(folders, root, payload, options)?;
        // What is known to be complete needs no lock, since it is not written to.
        if !opening.is_known_to_be_complete(options)? {
            opening.claim(payload)?;
            opening.look(options, watch)?;
        }
        opening.tell_blank(options, watch)?;
        opening.find_replaced(options, watch)?;
        opening.give_slots(payload)?;
        Ok(opening)
    }

    /// What the files are called, and where earlier runs may have left word. Nothing is looked at yet.
    fn begin(
        folders: &SharedFolders,
        root: &'a Path,
        payload: &Payload<'_>,
        options: &Options,
    ) -> Result<Opening<'a>, StorageError> {
        let folder = folders.open(root, false).map_err(|error| refused(root, error))?;
        let mut marker = Marker::new(payload.name, payload.info_hash);
        let mut claimed = Claimed::Nothing;
        // What the files are called is in the marker.
        let marked = folder.as_ref().filter(|folder| marker.is_there(folder));
        let is_marked = marked.is_some();
        if let Some(folder) = marked {
            claimed = marker.claim(folder, payload.files.len())?;
        }
        let place = (root, folder.as_deref());
        let mut layout = names::settle(place, payload, options, &mut marker, &mut claimed)?;
        let part_file = PartFile::beside(marker.path(), payload.geometry);
        layout.add_part_file(part_file.path());
        let (shape, place) = (payload.shape(), ResumePlace::beside(marker.path()));
        let cache = payload.cache.map(|cache| CachedRecord::new(cache, shape));
        let cached = cache.as_ref().and_then(CachedRecord::read);
        Ok(Opening {
            root,
            survey: Survey::empty(&layout),
            layout: Arc::new(layout),
            folder,
            parents: Vec::new(),
            marker,
            is_marked,
            claimed,
            part_file,
            resume: Resume { shape, place, cache, cached, beside: None },
            replaced: Vec::new(),
            digests: Arc::clone(payload.digests),
        })
    }

    /// Whether there is no marker, and the record in the cache says that everything is there. Then that is the survey.
    fn is_known_to_be_complete(&mut self, options: &Options) -> Result<bool, StorageError> {
        let (Some(folder), Some(record), false) = (&self.folder, &self.resume.cached, self.is_marked) else {
            return Ok(false);
        };
        let Some(survey) = Survey::of_complete(folder, &self.layout, record, options.check)? else {
            return Ok(false);
        };
        self.survey = survey;
        self.resume.cache = None;
        Ok(true)
    }

    /// Takes the lock, and reads what earlier runs have left beside the payload.
    fn claim(&mut self, payload: &Payload<'_>) -> Result<(), StorageError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if !self.is_marked {
            let naming = self.marker.naming().clone();
            self.claimed = self.marker.claim(folder, payload.files.len())?;
            // Another run was as quick, and has other names in mind.
            if *self.marker.naming() != naming {
                return Err(StorageError::Busy { path: folder.join(self.marker.path()) });
            }
        }
        self.part_file.make_way(folder)?;
        self.part_file.read(folder)?;
        ours(&mut self.layout)?.hide(unselected(payload), self.part_file.slots());
        self.resume.beside = self.resume.place.read(folder, &self.resume.shape);
        Ok(())
    }

    /// Looks for all pieces that can be there. What earlier runs know need not be read.
    fn look(&mut self, options: &Options, watch: &Watch<'_>) -> Result<(), StorageError> {
        let Options { check, open_files, .. } = *options;
        let Resume { cache, cached, beside, .. } = &self.resume;
        let is_ours = matches!(self.claimed, Claimed::Ours(_));
        let records = [(beside.as_ref(), Place::Beside), (cached.as_ref(), Place::Cache)];
        let known = |(record, place): (Option<_>, _)| {
            record.map(|record| KnownPieces { record, place, check, is_ours })
        };
        let known = records.into_iter().filter_map(known).collect();
        let earlier = Earlier { known, cache: cache.as_ref().filter(|_| check == Check::Changed) };
        let folder = self.folder.as_ref();
        self.survey = Survey::take(folder, &self.layout, &self.digests, open_files, watch, earlier)?;
        Ok(())
    }

    /// Without the marker's word, what we never wrote must not speak against what we did, nor what another program has
    /// not written yet.
    fn tell_blank(&mut self, options: &Options, watch: &Watch<'_>) -> Result<(), StorageError> {
        let tells_blank = matches!(self.claimed, Claimed::Damaged | Claimed::Moved | Claimed::Empty)
            || options.existing == Existing::Continue && !matches!(self.claimed, Claimed::Ours(_));
        let Some(folder) = self.folder.as_ref().filter(|_| tells_blank) else { return Ok(()) };
        let bad = self.survey.bad.clone();
        self.survey.tell_blank(folder, &self.layout, &bad, options.open_files, watch)
    }

    /// Finds the files that others have put into the places of ours.
    fn find_replaced(&mut self, options: &Options, watch: &Watch<'_>) -> Result<(), StorageError> {
        let Opening { layout, survey, .. } = self;
        if let (Claimed::Ours(_), Some(folder), Some(record)) =
            (&self.claimed, &self.folder, &self.resume.beside)
        {
            self.replaced = replaced::by_others(folder, layout, record, survey, options.open_files, watch)?;
        }
        Ok(())
    }

    /// Gives the missing pieces that files have a part in which are not selected a slot in the part file.
    fn give_slots(&mut self, payload: &Payload<'_>) -> Result<(), StorageError> {
        let Opening { layout, part_file, survey, .. } = self;
        if let Some(wanted) = layout.wanted() {
            let missing = wanted.iter(payload.geometry).filter(|piece| !survey.good.has(*piece));
            let is_to_have_slot = |piece: &_| layout.touches_hidden(*piece) && layout.slot(*piece).is_none();
            part_file.give(missing.filter(is_to_have_slot));
            ours(layout)?.hide(unselected(payload), part_file.slots());
        }
        Ok(())
    }

    /// Whether every piece that is wanted is there.
    pub fn is_complete(&self) -> bool {
        self.survey.is_complete(&self.layout)
    }

    /// What the run may do, or why it must not start.
    pub fn decide(&self, options: &Options) -> Result<Plan, StorageError> {
        if let Some(limit) = FileLimit::below(self.root) {
            file_lengths::check(limit, self.root, &self.layout, &self.survey.good)?;
        }
        let situation = Situation {
            root: self.root,
            layout: &self.layout,
            survey: &self.survey,
            own: self.own(),
            recognised: &self.recognised(),
            replaced: &self.replaced,
            free: space::free(self.root),
        };
        let plan = plan::decide(&situation, options)?;
        match home::hidden_file(self.root, std::env::home_dir(), &self.layout) {
            Some(path) if !plan.is_complete => {
                let source = io::Error::other(
                    "it would be a hidden file in your home folder, where programs look for settings",
                );
                Err(StorageError::Create { path, source })
            }
            _ => Ok(plan),
        }
    }

    /// Whether the output folder has to be created, after which [`Opening::survey`] has to be done again:
    /// another run may have been as quick.
    pub fn is_without_folder(&self) -> bool {
        self.folder.is_none()
    }

    /// These are folders in which a new one was created: their names have to be synced in the end.
    pub fn after_creating_in(self, parents: Vec<PathBuf>) -> Opening<'a> {
        Opening { parents, ..self }
    }

    /// Creates what the plan needs.
    pub fn prepare(mut self, plan: Plan, options: &Options) -> Result<Storage, StorageError> {
        let was_there = self.was_there();
        let folder = self.folder.ok_or_else(|| StorageError::Vanished { path: self.root.to_owned() })?;
        if plan.write_marker || self.marker.has_news() && !plan.is_complete {
            self.marker.write(&folder, &plan.guards)?;
        } else if was_there {
            self.marker.keep();
        }
        let Survey { found, good, .. } = &self.survey;
        let served = ServedPieces::new(
            Arc::clone(&folder),
            Arc::clone(&self.layout),
            self.digests,
            found,
            good.clone(),
            self.marker.naming().output_name.clone(),
            options.open_files,
        );
        let Resume { shape, place, cache, beside, .. } = self.resume;
        let recorder = Recorder::new(folder, self.layout, shape, &self.survey, beside, &plan.guards);
        Ok(Storage {
            files: PayloadFiles::new(Arc::clone(&served), found, plan.guards.clone(), was_there, options),
            resume: ResumeKeeper::new(recorder, place, served, &self.survey, was_there),
            cache,
            part_file: self.part_file,
            marker: self.marker,
            marked: !plan.is_complete || was_there,
            newly_marked: !plan.is_complete && !was_there,
            guards: plan.guards,
            room: Room::find(self.root, plan.needed).filter(|_| plan.needed > 0),
            parents: self.parents,
            next_look: Instant::now(),
        })
    }

    /// What the marker remembers, if it is believed.
    fn own(&self) -> Option<&Guards> {
        match &self.claimed {
            Claimed::Ours(guards) => Some(guards),
            _ => None,
        }
    }

    /// Whether a download of ours was here.
    fn was_there(&self) -> bool {
        match self.claimed {
            Claimed::Ours(_) | Claimed::Damaged | Claimed::Moved => true,
            Claimed::Empty => self.resume.beside.is_some(),
            Claimed::Nothing => false,
        }
    }

    /// If the marker is damaged, or the payload was moved: the files that the resume file knows, and what it says is the user's of them.
    fn recognised(&self) -> Guards {
        let mut recognised = Guards::new();
        let Some(record) = self.resume.beside.as_ref().filter(|_| self.was_there()) else {
            return recognised;
        };
        // Under another name, a new file may have got the number of one that was removed.
        let is_moved = matches!(self.claimed, Claimed::Moved);
        let is_unchanged = |known: &KnownFile, found: &FileStat| {
            !is_moved || (known.length, known.modified) == (found.length, found.modified)
        };
        for (number, pair) in record.files.iter().zip(&self.survey.found).enumerate() {
            match pair {
                (Some(known), Some(found))
                    if !known.is_doubtful && known.has_number(found) && is_unchanged(known, found) =>
                {
                    recognised.insert(number, known.kept.min(found.length));
                }
                _ => {}
            }
        }
        recognised
    }
}

/// The files whose bytes are not to be written where they belong.
fn unselected(payload: &Payload<'_>) -> Vec<bool> {
    let is_left_out = |number| payload.selection.is_some_and(|selection| !selection.has(number));
    let files = payload.files.iter().enumerate();
    files.map(|(number, file)| !file.padding && is_left_out(number)).collect()
}

/// Creates the output folder. Returns the folders in which a new folder was created: their names have to
/// be synced in the end.
pub(super) fn make_folder(root: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let new = root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let parents = new.filter_map(Path::parent);
    let parents = parents
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path }.to_owned())
        .collect();
    let failed = |error| StorageError::from_io(Action::Create, root.to_owned(), error);
    std::fs::create_dir_all(root).map_err(failed)?;
    Ok(parents)
}

/// Syncs the names in these folders to the disk.
pub(super) fn sync_folders(paths: &[PathBuf]) {
    for path in paths {
        // We may not be allowed to open it; the payload itself is safe.
        if let Ok(Some(folder)) = RootFolder::open(path) {
            let _ = folder.sync(Path::new(""));
        }
    }
}

/// Creates a folder for payloads, if there is none, and syncs its name to the disk: for a process that may not look
/// at the folder above when the payload is complete.
///
/// # Errors
///
/// What the system refuses.
pub fn create_folder(root: &Path) -> Result<(), StorageError> {
    make_folder(root).map(|parents| sync_folders(&parents))
}

/// The error for an output folder that cannot be opened. If something else is in its place, or above it, it counts as a
/// folder that cannot be created.
pub(super) fn refused(root: &Path, error: io::Error) -> StorageError {
    let path = root.to_owned();
    match error.kind() {
        io::ErrorKind::NotADirectory if root.exists() => StorageError::NoFolder { path },
        io::ErrorKind::NotADirectory => StorageError::from_io(Action::Create, path, error),
        _ => StorageError::from_io(Action::Open, path, error),
    }
}
