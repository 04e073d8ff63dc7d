//! What is said where the end takes longer than a moment, and where a disk does not answer.

use super::Screen;
use super::row::TorrentRow;
use std::time::Instant;

pub(super) use super::row::PATIENCE;

impl Screen {
    /// When [`Screen::look_at_disks`] is to be called.
    pub fn disks_due(&self) -> Option<Instant> {
        self.disks_due
    }

    /// Says which torrents have waited long for their disk, each once. Returns their numbers, and what was said.
    pub fn look_at_disks(&mut self, now: Instant) -> Vec<(usize, String)> {
        if self.disks_due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let is_due = |row: &TorrentRow| row.disk_due().is_some_and(|due| now >= due);
        let slow = self.rows.iter_mut().enumerate().filter(|(_, row)| is_due(row));
        let said: Vec<(usize, String)> = slow.map(|(number, row)| (number, row.waits_for_disk())).collect();
        self.disks_due = self.rows.iter().filter_map(TorrentRow::disk_due).min();
        said.iter().for_each(|(_, sentence)| self.say(&format!("{sentence} (Ctrl-C ends this)")));
        if !said.is_empty() {
            self.changed();
        }
        said
    }

    /// The numbers of those that wait for their disk when everything ends.
    pub fn waiting_for_disks(&self) -> Vec<usize> {
        let waiting = self.rows.iter().enumerate().filter(|(_, row)| row.may_wait_for_disk());
        waiting.map(|(number, _)| number).collect()
    }

    /// A torrent is left behind, which waits for its disk. Returns what was said of it.
    pub fn left_behind(&mut self, number: usize) -> String {
        let sentence = self.rows.get_mut(number).map(TorrentRow::left_behind).unwrap_or_default();
        self.say(&sentence);
        self.changed();
        sentence
    }

    /// Stopping takes longer than a moment.
    pub fn still_stopping(&mut self) {
        let mut waiting = self.rows.iter().filter(|row| row.may_wait_for_disk());
        let what = waiting.next().map(|first| match waiting.count() {
            0 => format!("waiting for the disk: no answer about {}", first.place_or_folder()),
            more => {
                format!("waiting for the disk: no answer about {} and {more} more", first.place_or_folder())
            }
        });
        let what = what.unwrap_or_else(|| "telling the trackers that we leave".to_owned());
        self.say(&format!("{what} (press Ctrl-C again to quit now)"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Style;
    use super::*;
    use crate::session::{Progress, Stop};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_torrent_whose_disk_does_not_answer_says_so_once_and_is_found_when_everything_ends() {
        let mut screen =
            Screen::new(Style::Quiet, vec!["one".to_owned(), "two".to_owned(), "three".to_owned()]);
        assert_eq!(screen.disks_due(), None);
        let stop = Arc::<Stop>::default();
        (0..2).for_each(|number| screen.begins(number, &stop));
        screen.show(0, Progress::Place(PathBuf::from("d/one")));
        screen.show(1, Progress::Checking(1, 2));
        screen.waits(2);
        let due = screen.disks_due().unwrap();
        assert_eq!(screen.look_at_disks(due - Duration::from_millis(1)), []);
        let later = due + Duration::from_secs(1);
        let said = screen.look_at_disks(later);
        assert_eq!(said, [(0, "one: waiting for the disk: no answer yet about d/one".to_owned())]);
        assert_eq!((screen.disks_due(), screen.look_at_disks(later)), (None, Vec::new()));
        assert_eq!(screen.waiting_for_disks(), [0, 1], "a check may hang, too");
        assert_eq!(screen.left_behind(0), "one: left as it is: the disk gives no answer about d/one");
        screen.show(1, Progress::WaitsForCheck);
        assert_eq!(screen.waiting_for_disks(), [0; 0]);
        screen.begins(2, &stop);
        assert!(screen.disks_due().is_some(), "the next one is looked at again");
    }
}
