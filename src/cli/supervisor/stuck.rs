//! Torrents that wait for a disk that does not answer, such as a server of files that is gone. Nothing can end such a wait
//! but the system, so the thread of that torrent hears nothing of the user. The user is told what it waits for, and
//! when everything is to end, it is left behind after a while.

use super::Supervisor;
use crate::cli::exit::Exit;
use std::time::{Duration, Instant};

/// How long the end waits for a disk. A disk that works has answered by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Supervisor<'_> {
    /// Says which torrents wait for a disk, and leaves them behind where the end has waited long enough.
    pub(super) fn look_after_disks(&mut self, now: Instant) {
        for (number, sentence) in self.screen.look_at_disks(now) {
            self.events.waits_for_disk(number, sentence, now);
        }
        if self.patience.is_some_and(|until| now >= until) {
            self.patience = None;
            for number in self.screen.waiting_for_disks() {
                self.cut_short = true;
                let sentence = self.screen.left_behind(number);
                self.events.left_behind(number, sentence, now);
                self.end(number, Exit::UNFINISHED);
            }
        }
    }
}
