//! What a peer said, on its way to the coordinator, and how much of it may be on its way.
//!
//! The inbox is one queue for all. Without a bound for each peer, one that floods us would fill it, and what
//! honest peers say would wait behind a thousand of its reports. So a peer has a few places, and its reading
//! half waits, and reads nothing, while all of them are in the inbox.

use super::News;
use crossbeam_channel::{Receiver, Sender, bounded};

/// How many reports of one peer may wait in the inbox.
pub const MAX_REPORTS: usize = 8;

/// Everything that one read brought, in order.
#[derive(Debug)]
pub struct Report {
    /// What the peer said.
    pub news: Vec<News>,
    /// What it takes of the peer's places until the coordinator takes it in. Tests and simulations have none.
    pub places: Option<ReportPlaces>,
}

impl FromIterator<News> for Report {
    /// A report that takes no place.
    fn from_iter<Told: IntoIterator<Item = News>>(news: Told) -> Report {
        Report { news: news.into_iter().collect(), places: None }
    }
}

/// The places of one peer.
#[derive(Debug)]
pub struct ReportSlots {
    free: Receiver<()>,
    give_back: Sender<()>,
}

/// Some of them, taken until this is dropped.
#[derive(Debug)]
pub struct ReportPlaces {
    count: usize,
    give_back: Sender<()>,
}

impl Default for ReportSlots {
    /// [`MAX_REPORTS`] places, all free.
    fn default() -> ReportSlots {
        let (give_back, free) = bounded(MAX_REPORTS);
        drop(ReportPlaces { count: MAX_REPORTS, give_back: give_back.clone() });
        ReportSlots { free, give_back }
    }
}

impl ReportSlots {
    /// No place yet: for each one that [`ReportSlots::freed`] gives, one is to be added.
    pub fn begin(&self) -> ReportPlaces {
        ReportPlaces { count: 0, give_back: self.give_back.clone() }
    }

    /// Gives each place that is free. The reports that have the others may never be dropped where the run is
    /// over, so whoever waits for one has to wait for that end, too.
    pub fn freed(&self) -> &Receiver<()> {
        &self.free
    }
}

impl ReportPlaces {
    /// How many places these are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a place that was free.
    pub fn add(&mut self) {
        self.count += 1;
    }
}

impl Drop for ReportPlaces {
    fn drop(&mut self) {
        for _ in 0..self.count {
            // There is room for all places, and none where the peer is gone.
            let _ = self.give_back.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(slots: &ReportSlots, count: usize) -> ReportPlaces {
        let mut places = slots.begin();
        slots.freed().try_iter().take(count).for_each(|()| places.add());
        places
    }

    #[test]
    fn places_are_bounded_and_free_again_when_they_are_dropped() {
        let slots = ReportSlots::default();
        let first = take(&slots, MAX_REPORTS - 1);
        let second = take(&slots, MAX_REPORTS);
        assert_eq!((first.count(), second.count()), (MAX_REPORTS - 1, 1));
        drop(first);
        assert_eq!(slots.freed().len(), MAX_REPORTS - 1);
        drop(second);
        let all = take(&slots, MAX_REPORTS);
        assert_eq!(all.count(), MAX_REPORTS);
        drop((slots, all));
    }
}
