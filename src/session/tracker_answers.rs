//! What the trackers of one torrent say: told to the coordinator when it comes, and kept for whoever wants to see it.

use crate::message::{Announced, Door, Event, Notice, SourceSight, TrackerReport};
use crate::strategy::Source;
use crate::text::{excerpt, printable};
use crate::thread::lock;
use crate::tracker::TrackerNews;
use crossbeam_channel::Sender;
use log::warn;
use std::sync::Mutex;
use std::time::Instant;

/// The most trackers that are kept. Each has been asked, and a torrent's tiers are few.
const MOST_KEPT: usize = 100;
/// The most characters of what one said.
const MOST_SAID: usize = 200;

/// The most warnings of trackers of a run that the user is told.
const MOST_WARNINGS: usize = 20;

/// What each said last. Written by the announcers, an entry for each announce.
#[derive(Debug, Default)]
pub(super) struct TrackerAnswers {
    last: Mutex<Vec<TrackerAnswer>>,
    /// The warnings that the user was told, and who gave them.
    warnings: Mutex<Vec<(String, String)>>,
}

#[derive(Clone, Debug)]
struct TrackerAnswer {
    tracker: String,
    outcome: Result<usize, String>,
    next: Option<Instant>,
}

impl TrackerAnswers {
    /// Tells the coordinator and programs what a tracker answered, and notes it.
    pub(super) fn tell(&self, news: TrackerNews, events: &Sender<Event>, door: &Door) {
        let (mut external_ip, mut peers) = (None, Vec::new());
        let outcome = match news.outcome {
            Ok(answer) => {
                external_ip = answer.external_ip;
                if let Some(warning) = answer.warning.filter(|it| self.warns(&news.tracker, it)) {
                    warn!("{}: {}", news.tracker, printable(&warning));
                }
                peers = answer.peers;
                Ok(peers.len())
            }
            Err(error) => Err(error.to_string()),
        };
        self.heard(&news.tracker, &outcome, news.next);
        door.tell(|| {
            let (tracker, outcome) = (news.tracker.clone(), outcome.clone());
            Notice::Tracker(Announced { tracker, outcome, next: news.next })
        });
        // Our own address first, since it may be among the peers.
        let answered = outcome.is_ok();
        let _ = events.send(Event::Tracker(TrackerReport { url: news.tracker, outcome, external_ip }));
        if answered {
            let _ = events.send(Event::Found(Source::Tracker, peers));
        }
    }

    /// A tracker has named so many peers, or has failed. When it, or another one of its tier, is asked again.
    fn heard(&self, tracker: &str, outcome: &Result<usize, String>, next: Option<Instant>) {
        let outcome = outcome.as_ref().copied().map_err(|why| excerpt(why, MOST_SAID));
        let answer = TrackerAnswer { tracker: tracker.to_owned(), outcome, next };
        let mut answers = lock(&self.last);
        if let Some(known) = answers.iter_mut().find(|known| known.tracker == tracker) {
            *known = answer;
        } else if answers.len() < MOST_KEPT {
            answers.push(answer);
        }
    }

    /// A tracker answers with a warning. Whether the user is to be told: it comes with each announce again, over each
    /// family of addresses.
    fn warns(&self, tracker: &str, warning: &str) -> bool {
        let warning = excerpt(warning, MOST_SAID);
        let mut told = lock(&self.warnings);
        let is_new = told.len() < MOST_WARNINGS
            && !told.iter().any(|(by, before)| by == tracker && *before == warning);
        if is_new {
            told.push((tracker.to_owned(), warning));
        }
        is_new
    }

    /// How each stands, and those that are `asked` now, since so long ago.
    pub(super) fn sights(&self, asked: Vec<(String, Instant)>, now: Instant) -> Vec<SourceSight> {
        let mut sights: Vec<SourceSight> = lock(&self.last).iter().map(|answer| answer.sight(now)).collect();
        for (tracker, since) in asked {
            let seconds = now.saturating_duration_since(since).as_secs();
            let last = format!("asked {seconds} s ago");
            match sights.iter_mut().find(|known| known.name == tracker) {
                Some(known) => known.last = format!("{last}; before: {}", known.last),
                None => sights.push(SourceSight {
                    kind: "tracker",
                    name: tracker,
                    last,
                    is_trouble: false,
                    next: None,
                }),
            }
        }
        sights
    }
}

impl TrackerAnswer {
    fn sight(&self, now: Instant) -> SourceSight {
        let last = match &self.outcome {
            Ok(1) => "1 peer".to_owned(),
            Ok(peers) => format!("{peers} peers"),
            Err(why) => why.clone(),
        };
        SourceSight {
            kind: "tracker",
            name: self.tracker.clone(),
            last,
            is_trouble: self.outcome.is_err(),
            next: self.next.map(|next| next.saturating_duration_since(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_tracker_has_one_line_and_what_it_says_has_a_bound() {
        let (answers, now) = (TrackerAnswers::default(), Instant::now());
        let later = now + Duration::from_secs(90);
        answers.heard("http://a", &Ok(1), Some(later));
        answers.heard("http://a", &Ok(12), Some(later));
        answers.heard("udp://b", &Err(format!("\x1b[2J{}", "x".repeat(5000))), None);
        let asked = vec![("udp://b".to_owned(), now), ("udp://c".to_owned(), now)];
        let sights = answers.sights(asked, now + Duration::from_secs(2));
        let [a, b, c] = sights.as_slice() else { panic!("{sights:?}") };
        assert_eq!((a.name.as_str(), a.last.as_str(), a.is_trouble), ("http://a", "12 peers", false));
        assert_eq!(a.next, Some(Duration::from_secs(88)));
        assert!(b.is_trouble && b.last.starts_with("asked 2 s ago; before: \u{fffd}[2Jxxx"));
        assert!(b.last.chars().count() < 250);
        assert_eq!((c.last.as_str(), c.is_trouble), ("asked 2 s ago", false));
        (0..500).for_each(|number| answers.heard(&format!("udp://{number}"), &Ok(0), None));
        assert_eq!(answers.sights(Vec::new(), now).len(), MOST_KEPT);
    }

    #[test]
    fn a_warning_is_told_once_and_so_are_those_of_a_tracker_that_has_always_another_one() {
        let answers = TrackerAnswers::default();
        assert!(answers.warns("http://a", "the end is near"));
        assert!(!answers.warns("http://a", "the end is near"));
        assert!(answers.warns("http://b", "the end is near") && answers.warns("http://a", "it has come"));
        let told = (0..500).filter(|number| answers.warns("http://a", &number.to_string())).count();
        assert_eq!(told, MOST_WARNINGS - 3);
    }
}
