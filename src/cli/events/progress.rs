//! Events about how a torrent stands. They are told once a second at most, and when something has changed. Stalls are
//! told when they begin, change and end.

use super::line::Line;
use crate::message::{MetadataState, RunPhase, Snapshot, Stall};
use crate::session::Progress;
use std::time::{Duration, Instant};

/// The time between two events about how a torrent stands.
const INTERVAL: Duration = Duration::from_secs(1);

/// How a torrent stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// It waits for its turn, or for the check of another torrent to end.
    Queued,
    /// Peers are asked for the metadata.
    Metadata { pieces: (u32, u32), peers: usize, known: usize, trouble: Option<String> },
    /// So many bytes of the existing data are checked, of so many.
    Checking(u64, u64),
    /// It runs.
    Running { phase: RunPhase, run: Totals, rates: [u64; 2], counts: [usize; 5] },
}

/// What is there of a torrent, and what this run has sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    done: u64,
    total: u64,
    left: u64,
    received: u64,
    wasted: u64,
    uploaded: u64,
}

/// A change of what keeps a torrent from going on.
#[derive(Debug, PartialEq)]
pub(super) enum StallChange {
    Begun { word: &'static str, sentence: String },
    Over { word: &'static str, time: Duration },
}

/// What was told of a torrent, on the main thread.
#[derive(Default)]
pub(super) struct TorrentProgress {
    began: Option<Instant>,
    told: Option<(Instant, State)>,
    stall: Option<(&'static str, Instant)>,
    /// How it stands; with what the turns before have sent and received. `None` before its check is over.
    last: Option<Totals>,
    /// What they have.
    before: Totals,
}

impl TorrentProgress {
    /// Its turn begins.
    pub(super) fn begins(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// Its turn is over, and it stands so.
    pub(super) fn turn_ended(&mut self, snapshot: &Snapshot) {
        self.before = self.with_turns_before(snapshot);
        // A run that ended before anything was known of the payload has nothing to tell of it.
        if snapshot.total > 0 {
            self.last = Some(self.before);
        }
        self.stall = None;
    }

    /// It has ended, and nothing came for a while before: what there is to tell of that. A run may end before it is long
    /// enough to be told while it runs.
    pub(super) fn stall_at_end(&mut self, snapshot: &Snapshot, now: Instant) -> Option<StallChange> {
        snapshot.stall.as_ref().and_then(|_| self.stall_change(snapshot, now))
    }

    /// It waits for a disk that does not answer: what there is to tell of that.
    pub(super) fn waits_for_disk(&mut self, sentence: String, now: Instant) -> StallChange {
        let word = Stall::SlowDisk.word();
        self.stall = Some((word, now));
        StallChange::Begun { word, sentence }
    }

    /// How it stands, and how long it has run.
    pub(super) fn whole_run(&self, now: Instant) -> (Option<Totals>, Duration) {
        (self.last, self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began)))
    }

    /// Takes in how it stands now. Returns what there is to tell of that.
    pub(super) fn shown(
        &mut self,
        progress: &Progress,
        now: Instant,
    ) -> (Option<StallChange>, Option<State>) {
        let mut stall = None;
        let state = match progress {
            Progress::Metadata(MetadataState { pieces, peers, known, trouble }) => {
                State::Metadata { pieces: *pieces, peers: *peers, known: *known, trouble: trouble.clone() }
            }
            Progress::WaitsForCheck => State::Queued,
            Progress::Checking(done, total) => State::Checking(*done, *total),
            Progress::Running(snapshot) => {
                stall = self.stall_change(snapshot, now);
                let run = self.with_turns_before(snapshot);
                self.last = Some(run);
                let Snapshot { rate, up_rate, peers, seeds, web_seeds, interested, served, .. } = *snapshot;
                State::Running {
                    phase: snapshot.phase,
                    run,
                    rates: [rate as u64, up_rate as u64],
                    counts: [peers, seeds, web_seeds, interested, served],
                }
            }
            _ => return (None, None),
        };
        let is_news = self
            .told
            .as_ref()
            .is_none_or(|(at, told)| now.saturating_duration_since(*at) >= INTERVAL && *told != state);
        if is_news {
            self.told = Some((now, state.clone()));
        }
        (stall, is_news.then_some(state))
    }

    fn with_turns_before(&self, snapshot: &Snapshot) -> Totals {
        let Snapshot { done, total, left, received, wasted, uploaded, .. } = *snapshot;
        Totals {
            done,
            total,
            left,
            received: received.saturating_add(self.before.received),
            wasted: wasted.saturating_add(self.before.wasted),
            uploaded: uploaded.saturating_add(self.before.uploaded),
        }
    }

    fn stall_change(&mut self, snapshot: &Snapshot, now: Instant) -> Option<StallChange> {
        let word = snapshot.stall.as_ref().map(|stall| stall.word());
        let told = self.stall.map(|(word, _)| word);
        match (&snapshot.stall, self.stall) {
            _ if word == told => None,
            (Some(stall), _) => {
                let word = stall.word();
                self.stall = Some((word, now));
                Some(StallChange::Begun { word, sentence: stall.to_string() })
            }
            (None, Some((word, since))) => {
                self.stall = None;
                Some(StallChange::Over { word, time: now.saturating_duration_since(since) })
            }
            (None, None) => None,
        }
    }
}

impl Totals {
    pub(super) fn write(&self, line: &mut Line<'_>) {
        line.number("done", self.done);
        line.number("total", self.total);
        line.number("left", self.left);
        line.number("received", self.received);
        line.number("wasted", self.wasted);
        line.number("uploaded", self.uploaded);
    }
}

pub(super) fn state(line: &mut Line<'_>, state: &State) {
    match state {
        State::Queued => line.word("phase", "queued"),
        State::Metadata { pieces: (have, of), peers, known, trouble } => {
            line.word("phase", "metadata");
            line.number("metadata_done", (*have).into());
            line.number("metadata_total", (*of).into());
            line.count("peers", *peers);
            line.count("known", *known);
            if let Some(trouble) = trouble {
                line.text("trouble", trouble);
            }
        }
        State::Checking(done, total) => {
            line.word("phase", "checking");
            line.number("checked", *done);
            line.number("to_check", *total);
        }
        State::Running { phase, run, rates, counts } => {
            let phase = match phase {
                RunPhase::Downloading => "downloading",
                RunPhase::Finishing => "finishing",
                RunPhase::Seeding => "seeding",
            };
            line.word("phase", phase);
            run.write(line);
            for (name, rate) in ["rate", "up_rate"].into_iter().zip(rates) {
                line.number(name, *rate);
            }
            for (name, count) in
                ["peers", "seeds", "web_seeds", "interested", "served"].into_iter().zip(counts)
            {
                line.count(name, *count);
            }
        }
    }
}

pub(super) fn stall(line: &mut Line<'_>, change: &StallChange) {
    match change {
        StallChange::Begun { word, sentence } => {
            line.word("state", "begun");
            line.word("reason", word);
            line.text("sentence", sentence);
        }
        StallChange::Over { word, time } => {
            line.word("state", "over");
            line.word("reason", word);
            line.seconds("seconds", *time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(done: u64, stall: Option<Stall>) -> Progress {
        Progress::Running(Snapshot { done, received: done, stall, ..Snapshot::default() })
    }

    #[test]
    fn how_a_torrent_stands_is_told_once_a_second_and_only_if_it_has_changed() {
        let (mut torrent, start) = (TorrentProgress::default(), Instant::now());
        let mut is_told = |millis, done| {
            torrent.shown(&running(done, None), start + Duration::from_millis(millis)).1.is_some()
        };
        assert!(is_told(0, 1) && !is_told(250, 2) && !is_told(999, 3));
        assert!(is_told(1000, 3) && !is_told(2500, 3), "it stands as it was told");
        assert!(is_told(2501, 4));
    }

    #[test]
    fn a_stall_is_told_when_it_begins_changes_and_ends() {
        let (mut torrent, start) = (TorrentProgress::default(), Instant::now());
        let mut change =
            |seconds, stall| torrent.shown(&running(0, stall), start + Duration::from_secs(seconds)).0;
        let begun = |word, sentence: &str| Some(StallChange::Begun { word, sentence: sentence.to_owned() });
        assert_eq!(change(0, None), None);
        assert_eq!(change(1, Some(Stall::AllChoke)), begun("all-choke", &Stall::AllChoke.to_string()));
        assert_eq!(change(2, Some(Stall::AllChoke)), None);
        assert_eq!(change(3, Some(Stall::Silent)), begun("silent", &Stall::Silent.to_string()));
        // Other figures in the sentence are no change.
        let nobody = |piece| Some(Stall::NobodyHas(piece));
        assert!(change(4, nobody(1)).is_some() && change(5, nobody(2)).is_none());
        let time = Duration::from_secs(6);
        assert_eq!(change(10, None), Some(StallChange::Over { word: "nobody-has", time }));
        assert_eq!(change(11, None), None);
    }

    #[test]
    fn a_run_that_ends_before_a_stall_was_told_tells_it_at_its_end_and_no_stall_twice() {
        let (mut torrent, now) = (TorrentProgress::default(), Instant::now());
        let ended = |stall| Snapshot { stall, ..Snapshot::default() };
        assert_eq!(torrent.stall_at_end(&ended(None), now), None);
        let sentence = Stall::AllChoke.to_string();
        let begun = Some(StallChange::Begun { word: "all-choke", sentence });
        assert_eq!(torrent.stall_at_end(&ended(Some(Stall::AllChoke)), now), begun);
        assert_eq!(torrent.stall_at_end(&ended(Some(Stall::AllChoke)), now), None);
        torrent.shown(&running(0, Some(Stall::Silent)), now);
        assert_eq!(torrent.stall_at_end(&ended(None), now), None, "that it has ended says so");
    }

    #[test]
    fn what_came_in_several_turns_is_added_up() {
        let (mut torrent, now) = (TorrentProgress::default(), Instant::now());
        torrent.begins(now);
        let total = 9;
        torrent.turn_ended(&Snapshot { done: 5, total, received: 7, wasted: 2, ..Snapshot::default() });
        torrent.begins(now + Duration::from_secs(60));
        torrent.turn_ended(&Snapshot { done: 9, total, received: 4, uploaded: 1, ..Snapshot::default() });
        let (run, time) = torrent.whole_run(now + Duration::from_secs(90));
        let expected = Totals { done: 9, total, received: 11, wasted: 2, uploaded: 1, ..Totals::default() };
        assert_eq!((run, time), (Some(expected), Duration::from_secs(90)));
    }

    #[test]
    fn of_a_run_that_never_came_to_its_payload_no_figures_are_known() {
        let (mut torrent, now) = (TorrentProgress::default(), Instant::now());
        torrent.begins(now);
        assert_eq!(torrent.whole_run(now).0, None);
        // A magnet whose metadata did not come.
        torrent.turn_ended(&Snapshot::default());
        assert_eq!(torrent.whole_run(now).0, None);
        torrent.shown(&running(0, None), now);
        assert_eq!(torrent.whole_run(now).0, Some(Totals::default()));
    }
}
