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
    /// Waits for this many places, up to all of them. That ends, since whatever becomes of a report, it is
    /// dropped: by the coordinator when it takes it in, or with its inbox.
    pub fn take(&self, count: usize) -> ReportPlaces {
        let mut places = ReportPlaces { count: 0, give_back: self.give_back.clone() };
        while places.count < count.min(MAX_REPORTS) && self.free.recv().is_ok() {
            places.count += 1;
        }
        places
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

    #[test]
    fn places_are_bounded_and_free_again_when_they_are_dropped() {
        let slots = ReportSlots::default();
        let first = slots.take(MAX_REPORTS - 1);
        let second = slots.take(1);
        assert!(slots.free.is_empty());
        drop(first);
        assert_eq!(slots.free.len(), MAX_REPORTS - 1);
        drop(second);
        let all = slots.take(usize::MAX);
        assert!(slots.free.is_empty());
        drop((slots, all));
    }

    #[test]
    fn whoever_waits_for_a_place_goes_on_when_a_report_is_dropped_with_its_inbox() {
        let slots = ReportSlots::default();
        let (events, inbox) = bounded(1);
        events.send(Report { news: Vec::new(), places: Some(slots.take(MAX_REPORTS)) }).unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| slots.take(1).count);
            drop(inbox);
            assert_eq!(waits.join().unwrap(), 1);
        });
    }
}
