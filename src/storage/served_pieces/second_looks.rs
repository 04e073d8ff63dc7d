//! Which files are looked at again, and when.
//!
//! The first look follows at once. A file that changes all the time, or that cannot be read, is looked at
//! again at growing distances, and never for more than a tenth of the time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};

use super::lock;

/// The distance of the second look from the first one.
const FIRST: Duration = Duration::from_millis(100);
/// The longest distance, unless a look itself takes long.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The distance of two looks, in looks.
const REST: u32 = 10;

/// The looks at all files of a torrent.
#[derive(Default)]
pub(super) struct SecondLooks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<usize, Visits>,
    /// Wakes the thread that looks, if there is one.
    wake: Option<Sender<()>>,
}

/// What is known of the looks at one file.
#[derive(Clone, Copy)]
struct Visits {
    /// When the next one is due, if there is to be one.
    due: Option<Instant>,
    /// Not before this.
    earliest: Instant,
    /// How long after a look the next one may follow.
    distance: Duration,
}

impl SecondLooks {
    /// The file is to be looked at, as soon as its distance from the last look allows it.
    pub fn ask(&self, number: usize, now: Instant) {
        let visits = &mut lock(&self.state).files;
        let visits = visits.entry(number).or_insert(Visits { due: None, earliest: now, distance: FIRST });
        if now > visits.earliest + LONGEST {
            // It was left alone for long: that it changes all the time is over.
            visits.distance = FIRST;
        }
        visits.due = visits.due.or(Some(visits.earliest.max(now)));
    }

    /// When the next look is due.
    pub fn next_due(&self) -> Option<Instant> {
        lock(&self.state).files.values().filter_map(|visits| visits.due).min()
    }

    /// A file that is to be looked at now.
    pub fn take(&self, now: Instant) -> Option<usize> {
        let files = &mut lock(&self.state).files;
        let (number, visits) =
            files.iter_mut().find(|(_, visits)| visits.due.is_some_and(|due| due <= now))?;
        visits.due = None;
        Some(*number)
    }

    /// The look at the file took from `begun` to now. `again` says that it is to be looked at once more.
    pub fn looked(&self, number: usize, begun: Instant, now: Instant, again: bool) {
        let took = now.saturating_duration_since(begun);
        if let Some(visits) = lock(&self.state).files.get_mut(&number) {
            visits.earliest = now + visits.distance.max(took * REST);
            visits.distance = (visits.distance * 2).min(LONGEST);
            visits.due = visits.due.or(again.then_some(visits.earliest)).map(|due| due.max(visits.earliest));
        }
    }

    /// Wakes the thread that looks, by the channel to it that was kept. False if there is none.
    pub fn wake(&self) -> bool {
        let woken = lock(&self.state).wake.as_ref().map(|wake| wake.try_send(()));
        // If the channel is full, the thread will wake anyway.
        matches!(woken, Some(Ok(()) | Err(TrySendError::Full(()))))
    }

    /// Keeps the channel to the thread that looks.
    pub fn keep(&self, wake: Sender<()>) {
        lock(&self.state).wake = Some(wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_file_that_changes_all_the_time_is_looked_at_with_growing_distances() {
        let (looks, mut now) = (SecondLooks::default(), Instant::now());
        looks.ask(7, now);
        let mut distances = Vec::new();
        for _ in 0..16 {
            let due = looks.next_due().unwrap();
            distances.push((due - now).as_millis());
            now = due;
            assert_eq!(looks.take(now), Some(7));
            looks.looked(7, now, now, false);
            looks.ask(7, now);
            assert_eq!(looks.take(now), None);
        }
        assert_eq!(distances[..5], [0, 100, 200, 400, 800]);
        assert_eq!(distances[13..], [409_600, 819_200, 900_000]);
        // It was left alone, and changes again.
        assert_eq!(looks.take(looks.next_due().unwrap()), Some(7));
        now += LONGEST * 3;
        looks.ask(7, now);
        assert_eq!(looks.next_due(), Some(now));
        looks.take(now);
        looks.looked(7, now, now, true);
        assert_eq!(looks.next_due(), Some(now + FIRST));
    }

    #[test]
    fn looking_takes_a_tenth_of_the_time_at_most() {
        let (looks, now) = (SecondLooks::default(), Instant::now());
        looks.ask(1, now);
        looks.ask(2, now + SECOND);
        assert_eq!(looks.take(now), Some(1));
        assert_eq!(looks.next_due(), Some(now + SECOND));
        // It changed while we looked.
        looks.ask(1, now + 30 * SECOND);
        looks.looked(1, now, now + 60 * SECOND, false);
        assert_eq!(looks.take(now + 60 * SECOND), Some(2));
        assert_eq!(looks.next_due(), Some(now + 660 * SECOND));
    }
}
