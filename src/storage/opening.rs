//! Opening a payload for a download, in three steps.
//!
//! [`Opening::survey`] finds out what is there and changes nothing. [`Opening::decide`] asks `plan` what may
//! be done with it. [`Opening::prepare`] creates the output folder and the marker if they are needed.
//!
//! Runs on the coordinator's thread, before the download.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::claim::Guards;
use super::error::{Action, StorageError};
use super::file_limit::FileLimit;
use super::files::PayloadFiles;
use super::folder::RootFolder;
use super::hashing::Watch;
use super::home;
use super::layout::Layout;
use super::marker::Marker;
use super::naming;
use super::plan::{self, Plan, Situation};
use super::served_pieces::ServedPieces;
use super::survey::{Digests, Survey};
use super::{Options, Payload, Storage, refused, space};

/// A payload that is being opened.
pub(super) struct Opening<'a> {
    root: &'a Path,
    layout: Arc<Layout>,
    /// `None` if the output folder does not exist yet.
    folder: Option<RootFolder>,
    marker: Marker,
    /// What the marker of an earlier run of this download remembers, if there is a marker.
    own: Option<Guards>,
    /// What is there.
    pub survey: Survey,
    digests: Digests,
}

impl<'a> Opening<'a> {
    /// Finds out what is below the folder `root`.
    pub fn survey(
        root: &'a Path,
        payload: &Payload<'_>,
        options: &Options,
        watch: &Watch<'_>,
    ) -> Result<Opening<'a>, StorageError> {
        let mut layout = selected_layout(root, payload)?;
        let mut marker = Marker::new(payload.name, payload.info_hash);
        let folder = RootFolder::open(root).map_err(|error| refused(root, error))?;
        // Reading the marker also locks it, before the survey, which may take long.
        let own = match &folder {
            Some(folder) => marker.read(folder, layout.entries().len())?,
            None => None,
        };
        naming::settle_in(folder.as_ref(), &mut layout)?;
        let layout = Arc::new(layout);
        let survey = Survey::take(folder.as_ref(), &layout, payload.digests, options.open_files, watch)?;
        let digests = Arc::clone(payload.digests);
        Ok(Opening { root, layout, folder, marker, own, survey, digests })
    }

    /// What the run may do, or why it must not start.
    pub fn decide(&self, options: &Options) -> Result<Plan, StorageError> {
        if let Some(limit) = FileLimit::below(self.root) {
            limit.check(self.root, &self.layout, &self.survey.good)?;
        }
        let situation = Situation {
            root: self.root,
            layout: &self.layout,
            survey: &self.survey,
            own: self.own.as_ref(),
            free: space::free(self.root),
        };
        let plan = plan::decide(&situation, options)?;
        match home::hidden_file(self.root, std::env::home_dir(), &self.layout) {
            Some(path) if !plan.is_complete => {
                let source =
                    io::Error::other("it would be a hidden file in your home folder, which programs obey");
                Err(StorageError::Create { path, source })
            }
            _ => Ok(plan),
        }
    }

    /// Creates what the plan needs.
    pub fn prepare(mut self, plan: Plan, options: &Options) -> Result<Storage, StorageError> {
        let (folder, parents) = match self.folder {
            Some(folder) => (folder, Vec::new()),
            None => create(self.root)?,
        };
        if plan.write_marker {
            self.marker.write(&folder, &plan.guards)?;
        }
        let Survey { found, good, .. } = self.survey;
        let open_files = options.open_files;
        let (folder, digests) = (Arc::new(folder), self.digests);
        let served = ServedPieces::new(folder, self.layout, digests, &found, good, open_files);
        let was_marked = self.own.is_some();
        Ok(Storage {
            files: PayloadFiles::new(served, &found, plan.guards.clone(), was_marked, options),
            marker: self.marker,
            marked: !plan.is_complete || was_marked,
            newly_marked: !plan.is_complete && !was_marked,
            guards: plan.guards,
            shortage: plan.shortage,
            parents,
        })
    }
}

/// The layout of what is to be written.
///
/// # Errors
///
/// The files do not add up, or one of them has a name that is reserved for markers: a payload that could
/// write a marker could claim the files of another download.
fn selected_layout(root: &Path, payload: &Payload<'_>) -> Result<Layout, StorageError> {
    let mut layout = Layout::new(payload.files, payload.geometry).ok_or(StorageError::Layout)?;
    layout.select(payload.selection.cloned());
    match layout.entries().iter().find(|entry| Marker::is_marker(&entry.path)) {
        Some(entry) => {
            let source = io::Error::other("the name is reserved for unfinished downloads");
            Err(StorageError::Create { path: root.join(&entry.path), source })
        }
        None => Ok(layout),
    }
}

/// Creates the output folder. Also returns the folders in which a new folder was created: their names have to
/// be synced in the end.
fn create(root: &Path) -> Result<(RootFolder, Vec<PathBuf>), StorageError> {
    let new = root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let parents = new.filter_map(Path::parent);
    let parents = parents
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path }.to_owned())
        .collect();
    let failed = |error| StorageError::from_io(Action::Create, root.to_owned(), error);
    std::fs::create_dir_all(root).map_err(failed)?;
    match RootFolder::open(root).map_err(|error| refused(root, error))? {
        Some(folder) => Ok((folder, parents)),
        None => Err(StorageError::Vanished { path: root.to_owned() }),
    }
}
