//! A torrent that waits for the disk before anything of its payload is known.

use super::super::view::View;
use super::TorrentRow;
use std::time::{Duration, Instant};

/// What it does before it is known what is on the disk.
pub(super) const STARTING: &str = "starting";
/// What it does where that takes long.
const WAITING: &str = "waiting for the disk";
/// How long the disk may take before the user hears of it.
pub(in crate::cli::progress) const PATIENCE: Duration = Duration::from_secs(5);

impl TorrentRow {
    /// When the user is to hear that it waits for the disk, if it does.
    pub(in crate::cli::progress) fn disk_due(&self) -> Option<Instant> {
        matches!(self.view, View::Waiting(STARTING)).then(|| self.started + PATIENCE)
    }

    /// That it has waited so long: the sentence for the user.
    pub(in crate::cli::progress) fn waits_for_disk(&mut self) -> String {
        self.view = View::Waiting(WAITING);
        format!("{}: waiting for the disk: no answer yet about {}", self.name, self.place_or_folder())
    }

    /// Whether it waits for the disk, or may do so without having said it.
    pub(in crate::cli::progress) fn may_wait_for_disk(&self) -> bool {
        matches!(self.view, View::Waiting(STARTING | WAITING) | View::Checking(..))
    }

    /// That it was left behind when everything was ended: the sentence for the user.
    pub(in crate::cli::progress) fn left_behind(&mut self) -> String {
        self.close();
        format!("{}: left as it is: the disk gives no answer about {}", self.name, self.place_or_folder())
    }

    /// Where its payload is, as far as that is known.
    pub(in crate::cli::progress) fn place_or_folder(&self) -> &str {
        self.place.as_deref().unwrap_or("its folder")
    }
}
