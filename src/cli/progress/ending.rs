//! How a run ended, in a sentence: what is there, where it is, how long it took, and how to go on. Pure.

use super::super::terminal::{Tone, say_in_colour};
use super::figures::{duration, part_of, percent, rate, ratio};
use super::view::how_far;
use crate::message::{RunPhase, Snapshot, Stall};
use crate::session::Outcome;
use crate::swarm::RunEnd;
use crate::text::{printable, size};

/// What is known of a run besides its outcome.
#[derive(Clone, Debug)]
pub struct Account {
    /// The torrent's name, fit to print.
    pub name: String,
    /// Where the payload is, fit to print. `None` where nothing is kept.
    pub place: Option<String>,
    /// How many files it is about, if not all: `2 of 5 files, `.
    pub files: String,
    /// Files of it have changed, and were not read because the user says so.
    pub is_unread: bool,
    /// The bytes that were there before.
    pub found: Option<u64>,
    /// How long it ran since then.
    pub seconds: f64,
    /// How long nothing came before it ended.
    pub idle_seconds: u64,
    /// What went wrong last in the search for the metadata.
    pub metadata_trouble: Option<String>,
}

/// A sentence of which one word has a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub before: String,
    pub tone: Tone,
    pub word: &'static str,
    pub after: String,
}

impl Sentence {
    pub fn say(&self) {
        say_in_colour(&self.before, self.tone, self.word, &self.after);
    }
}

/// The sentence about a run.
pub fn sentence(account: &Account, outcome: &Outcome) -> Sentence {
    let snapshot = &outcome.snapshot;
    let (tone, word, after) = match outcome.end {
        RunEnd::Done if snapshot.phase == RunPhase::Seeding => {
            let (uploaded, ratio) = (size(snapshot.uploaded), ratio(snapshot));
            (Tone::Good, "seeded", format!(", {uploaded} uploaded, ratio {ratio}"))
        }
        RunEnd::Done if snapshot.received == 0 => {
            let place = account.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            let proof = match account.is_unread {
                true => "but changed files were not read, as --check never wants it",
                false => "all pieces verified",
            };
            (Tone::Good, "already complete", format!(", {}{proof}{place}", account.files))
        }
        RunEnd::Done => (Tone::Good, "done", format!(", {}", done(account, snapshot))),
        RunEnd::Stopped => (Tone::Warning, "stopped", stopped(account, snapshot)),
        RunEnd::TimedOut => (Tone::Error, "timed out", timed_out(account, snapshot)),
        RunEnd::ReaderGone => {
            let after = format!(": the reader of standard output closed it after {}", size(snapshot.done));
            (Tone::Good, "ended", after)
        }
        RunEnd::WriterFailed => (Tone::Error, "the writer failed", String::new()),
    };
    Sentence { before: format!("{}: ", account.name), tone, word, after }
}

/// Whether nothing came for a while when the run ended, for a reason that lies outside this host, so that it helps to
/// look closer, with the command `doctor` if this build has it.
pub fn is_for_doctor(outcome: &Outcome) -> bool {
    let is_unfinished = matches!(outcome.end, RunEnd::Stopped | RunEnd::TimedOut);
    let is_ours = |stall: &Stall| matches!(stall, Stall::SlowDisk | Stall::SlowReader | Stall::NoMemory);
    cfg!(feature = "doctor")
        && is_unfinished
        && outcome.snapshot.stall.as_ref().is_some_and(|stall| !is_ours(stall))
}

/// What came in this run, how fast, and where it is.
fn done(account: &Account, snapshot: &Snapshot) -> String {
    // What came may have been more, and of no use.
    let came = snapshot.received.saturating_sub(snapshot.wasted);
    let got = account.found.map_or(came, |found| snapshot.done.saturating_sub(found));
    let seconds = account.seconds.max(0.001);
    let (time, pace) = (duration(account.seconds), rate(got as f64 / seconds));
    let given = match snapshot.uploaded {
        0 => String::new(),
        _ => format!(", ratio {}", ratio(snapshot)),
    };
    let place = account.place.as_ref().map(|place| format!(", saved in {place}")).unwrap_or_default();
    format!("{}{} in {time} ({pace}){given}{place}", account.files, size(got))
}

fn stopped(account: &Account, snapshot: &Snapshot) -> String {
    if snapshot.total == 0 {
        let why = account.metadata_trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        return format!("; no peer has sent the metadata yet{why}");
    }
    format!(" at {}.{}", how_far(snapshot), resume(account))
}

/// How to go on, where anything is kept.
fn resume(account: &Account) -> &'static str {
    if account.place.is_some() { " Run the same command to resume." } else { "" }
}

fn timed_out(account: &Account, snapshot: &Snapshot) -> String {
    let idle = account.idle_seconds;
    let stall = snapshot.stall.as_ref().map(|stall| printable(&stall.to_string()));
    if snapshot.total == 0 {
        let why = stall.or_else(|| account.metadata_trouble.clone());
        return format!(": {}", no_metadata(idle, why.as_deref()));
    }
    let why = stall.map(|stall| format!(": {stall}")).unwrap_or_default();
    let kept = match snapshot.done {
        0 => String::new(),
        _ if account.place.is_none() => format!("; {} is written.", how_far(snapshot)),
        _ => format!("; {} is kept. Run the same command to resume.", how_far(snapshot)),
    };
    format!(": no data for {idle} s{why}{kept}")
}

/// That the metadata has not come for so long, and why.
pub fn no_metadata(idle_seconds: u64, why: Option<&str>) -> String {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("no peer sent the metadata in {idle_seconds} s{why}")
}

/// What is said of many torrents at once when the user ends them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    stopped: usize,
    done: u64,
    total: u64,
    seeded: usize,
    uploaded: u64,
}

impl Tally {
    /// One more has ended so. False if that is no end for the tally.
    pub fn count(&mut self, outcome: &Outcome) -> bool {
        let snapshot = &outcome.snapshot;
        match outcome.end {
            RunEnd::Stopped => {
                self.stopped += 1;
                self.done = self.done.saturating_add(snapshot.done);
                self.total = self.total.saturating_add(snapshot.total);
            }
            RunEnd::Done if snapshot.phase == RunPhase::Seeding => {
                self.seeded += 1;
                self.uploaded = self.uploaded.saturating_add(snapshot.uploaded);
            }
            _ => return false,
        }
        true
    }

    /// One more has never had its turn.
    pub fn never_ran(&mut self) {
        self.stopped += 1;
    }

    /// The sentence, if there is something to say.
    pub fn sentence(&self) -> Option<String> {
        let stopped = (self.stopped > 0).then(|| {
            let far = match self.total {
                0 => String::new(),
                total => format!(" at {} % ({})", percent(self.done, total), part_of(self.done, total)),
            };
            format!("{} torrents stopped{far}", self.stopped)
        });
        let seeded = (self.seeded > 0)
            .then(|| format!("{} torrents seeded, {} uploaded", self.seeded, size(self.uploaded)));
        let all = [stopped, seeded].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let resume = if self.stopped > 0 { ". Run the same command to resume." } else { "" };
        (!all.is_empty()).then(|| format!("{all}{resume}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            name: "Album".to_owned(),
            place: Some("./Album".to_owned()),
            files: String::new(),
            is_unread: false,
            found: Some(29 << 20),
            seconds: 12.6,
            idle_seconds: 25,
            metadata_trouble: None,
        }
    }

    fn said(account: &Account, end: RunEnd, snapshot: Snapshot) -> String {
        let sentence = sentence(account, &Outcome { end, snapshot });
        format!("{}{}{}", sentence.before, sentence.word, sentence.after)
    }

    fn album() -> Snapshot {
        let received = 64 << 20;
        Snapshot { done: 92 << 20, total: 92 << 20, received, ..Snapshot::default() }
    }

    #[test]
    fn what_is_done_says_how_much_of_it_came_in_this_run_how_fast_and_where_it_is() {
        let snapshot = album();
        assert_eq!(
            said(&account(), RunEnd::Done, snapshot.clone()),
            "Album: done, 63 MiB in 12.6 s (5 MiB/s), saved in ./Album"
        );
        let some = Account { files: "2 of 5 files, ".to_owned(), ..account() };
        let given = Snapshot { uploaded: 46 << 20, ..snapshot.clone() };
        assert_eq!(
            said(&some, RunEnd::Done, given),
            "Album: done, 2 of 5 files, 63 MiB in 12.6 s (5 MiB/s), ratio 0.50, saved in ./Album"
        );
        let there = Snapshot { received: 0, ..snapshot };
        assert_eq!(
            said(&account(), RunEnd::Done, there),
            "Album: already complete, all pieces verified (./Album)"
        );
        let unread = Account { is_unread: true, ..account() };
        assert_eq!(
            said(&unread, RunEnd::Done, Snapshot { received: 0, ..album() }),
            "Album: already complete, but changed files were not read, as --check never wants it (./Album)"
        );
    }

    #[test]
    fn what_is_unfinished_says_how_far_it_is_and_how_to_go_on() {
        let part = Snapshot { done: 30_094_131, ..album() };
        assert_eq!(
            said(&account(), RunEnd::Stopped, part.clone()),
            "Album: stopped at 31 % (28.6 of 92 MiB). Run the same command to resume."
        );
        let stall = Stall::AllChoke;
        assert_eq!(
            said(&account(), RunEnd::TimedOut, Snapshot { stall: Some(stall.clone()), ..part }),
            format!(
                "Album: timed out: no data for 25 s: {}; 31 % (28.6 of 92 MiB) is kept. Run the same command to \
                 resume.",
                stall
            )
        );
        let nothing = Snapshot { done: 0, stall: Some(Stall::AllChoke), ..album() };
        assert_eq!(
            said(&account(), RunEnd::TimedOut, nothing),
            format!("Album: timed out: no data for 25 s: {}", Stall::AllChoke)
        );
        let magnet = Account { metadata_trouble: Some("no name server answers".to_owned()), ..account() };
        assert_eq!(
            said(&magnet, RunEnd::TimedOut, Snapshot::default()),
            "Album: timed out: no peer sent the metadata in 25 s: no name server answers"
        );
    }

    #[cfg(feature = "doctor")]
    #[test]
    fn the_doctor_is_named_where_nothing_comes_from_others() {
        let is_named = |end, stall| is_for_doctor(&Outcome { end, snapshot: Snapshot { stall, ..album() } });
        for (end, stall, expected) in [
            (RunEnd::TimedOut, Some(Stall::AllChoke), true),
            (RunEnd::Stopped, Some(Stall::NoPeers(None)), true),
            (RunEnd::Stopped, None, false),
            (RunEnd::TimedOut, Some(Stall::SlowDisk), false),
            (RunEnd::Stopped, Some(Stall::SlowReader), false),
            (RunEnd::TimedOut, Some(Stall::NoMemory), false),
            (RunEnd::Done, Some(Stall::AllChoke), false),
        ] {
            assert_eq!(is_named(end, stall.clone()), expected, "{end:?} {stall:?}");
        }
    }

    #[test]
    fn of_what_left_by_standard_output_nothing_is_kept_and_nothing_can_be_resumed() {
        let (account, part) =
            (Account { place: None, ..account() }, Snapshot { done: 30_094_131, ..album() });
        let said = |end| said(&account, end, part.clone());
        assert!(!said(RunEnd::Done).contains("saved in"), "{}", said(RunEnd::Done));
        assert_eq!(said(RunEnd::Stopped), "Album: stopped at 31 % (28.6 of 92 MiB).");
        let timed_out = "Album: timed out: no data for 25 s; 31 % (28.6 of 92 MiB) is written.";
        assert_eq!(said(RunEnd::TimedOut), timed_out);
        let gone = "Album: ended: the reader of standard output closed it after 28.7 MiB";
        assert_eq!(said(RunEnd::ReaderGone), gone);
    }

    #[test]
    fn many_torrents_that_are_ended_are_one_sentence() {
        let mut tally = Tally::default();
        assert_eq!(tally.sentence(), None);
        for _ in 0..30 {
            let snapshot = Snapshot { done: 1 << 20, total: 4 << 20, ..Snapshot::default() };
            assert!(tally.count(&Outcome { end: RunEnd::Stopped, snapshot }));
        }
        (0..10).for_each(|_| tally.never_ran());
        assert!(!tally.count(&Outcome { end: RunEnd::Done, snapshot: album() }), "it has a line of its own");
        let expected = "40 torrents stopped at 25 % (30 of 120 MiB). Run the same command to resume.";
        assert_eq!(tally.sentence().as_deref(), Some(expected));
    }
}
