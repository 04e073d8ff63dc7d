//! What the screen shows of one torrent: a line, and below it why nothing moves. Pure.

use super::bar::{Line, Part, Rank};
use super::figures::{
    counted, of_total, part_of, percent, rate, ratio, seconds_left, short_rate, short_time, sources, time, up,
};
use crate::message::{MetadataState, RunPhase, Snapshot, Stall};
use crate::text::{printable, size};

/// What a torrent does, as it was told last.
#[derive(Clone, Debug)]
pub enum View {
    /// It waits for this.
    Waiting(&'static str),
    /// Peers are asked for the metadata.
    Metadata(MetadataState),
    /// So many bytes of the existing data are checked, of so many.
    Checking(u64, u64),
    /// It runs.
    Running(Box<Snapshot>),
    /// Its run is over.
    Over,
}

impl View {
    /// The line that shows it.
    pub fn line(&self, name: &str) -> Line {
        let (done, parts) = match self {
            View::Waiting(what) => (None, vec![sentence(what)]),
            View::Metadata(state) => (None, vec![sentence(&metadata(state))]),
            View::Checking(done, total) => {
                let text = format!("checking {} of existing files", size(*total));
                (Some((*done, *total)), vec![Part::new(Rank::Size, text)])
            }
            View::Running(snapshot) => {
                let parts = match snapshot.phase {
                    RunPhase::Downloading => downloading(snapshot),
                    RunPhase::Finishing => vec![sentence("writing to the disk")],
                    RunPhase::Seeding => return Line { name: name.to_owned(), ..seeding(snapshot) },
                };
                (Some((snapshot.done, snapshot.total)), parts)
            }
            View::Over => (None, Vec::new()),
        };
        Line { name: name.to_owned(), done, parts }
    }

    /// Why nothing moves, and what we do about it.
    pub fn trouble(&self) -> Option<String> {
        match self {
            View::Metadata(state) if state.peers == 0 => {
                let trouble = state.trouble.as_deref().map(printable);
                trouble.map(|trouble| format!("{trouble}; still looking for peers"))
            }
            View::Running(snapshot) => {
                let stall = snapshot.stall.as_ref()?;
                let why = printable(&stall.to_string());
                Some(remedy(stall).map_or(why.clone(), |remedy| format!("{why}; {remedy}")))
            }
            _ => None,
        }
    }

    /// Everything in one sentence, without the name: for a log, and for whoever asks.
    pub fn sentence(&self) -> String {
        match self {
            View::Waiting(what) => (*what).to_owned(),
            View::Metadata(state) => metadata(state),
            View::Checking(done, total) => {
                format!("checked {} of existing files ({} %)", part_of(*done, *total), percent(*done, *total))
            }
            View::Running(snapshot) => match snapshot.phase {
                RunPhase::Finishing => "complete, writing to the disk".to_owned(),
                RunPhase::Seeding => seeding_sentence(snapshot),
                RunPhase::Downloading => downloading_sentence(snapshot),
            },
            View::Over => "ended".to_owned(),
        }
    }

    /// The bytes a second that come and go.
    pub fn rates(&self) -> (f64, f64) {
        match self {
            View::Running(snapshot) => (snapshot.rate, snapshot.up_rate),
            _ => (0.0, 0.0),
        }
    }

    /// The bytes that are done, of so many.
    pub fn done(&self) -> (u64, u64) {
        match self {
            View::Running(snapshot) => (snapshot.done, snapshot.total),
            View::Checking(_, total) => (0, *total),
            _ => (0, 0),
        }
    }
}

/// How far a download is, for the middle of a sentence: `31 % (28.7 of 92 MiB)`.
pub fn how_far(snapshot: &Snapshot) -> String {
    let Snapshot { done, total, .. } = *snapshot;
    format!("{} % ({})", percent(done, total), part_of(done, total))
}

fn sentence(text: &str) -> Part {
    Part::kept(text.to_owned(), text.to_owned())
}

fn metadata(state: &MetadataState) -> String {
    match (state.pieces, state.known) {
        ((have, of @ 1..), _) => format!("metadata: {have} of {of} pieces, {}", counted(state.peers, "peer")),
        (_, 0) => "looking for peers that have the metadata".to_owned(),
        (_, known) => format!("fetching the metadata ({} of {known} known)", counted(state.peers, "peer")),
    }
}

fn downloading(snapshot: &Snapshot) -> Vec<Part> {
    let mut parts = vec![
        Part::new(Rank::Size, of_total(snapshot.done, snapshot.total)),
        Part::kept(rate(snapshot.rate), short_rate(snapshot.rate)),
        Part::new(Rank::Up, up(snapshot)),
        Part::new(Rank::Peers, sources(snapshot.peers, snapshot.web_seeds)),
    ];
    if snapshot.seeds > 0 {
        parts.push(Part::new(Rank::Seeds, format!("({})", counted(snapshot.seeds, "seed"))));
    }
    if let Some(seconds) = seconds_left(snapshot) {
        parts.push(Part::kept(time(seconds), short_time(seconds)));
    }
    parts
}

fn downloading_sentence(snapshot: &Snapshot) -> String {
    let (down, sources) = (rate(snapshot.rate), sources(snapshot.peers, snapshot.web_seeds));
    let left = seconds_left(snapshot).map(|seconds| format!(", {} left", time(seconds))).unwrap_or_default();
    format!("{}, {down}, {sources}{left}", how_far(snapshot))
}

fn seeding(snapshot: &Snapshot) -> Line {
    let parts = vec![
        sentence("seeding"),
        Part::kept(up(snapshot), String::new()),
        Part::new(Rank::Peers, format!("{} of {} served", snapshot.served, counted(snapshot.peers, "peer"))),
        Part::new(Rank::Up, format!("{} uploaded", size(snapshot.uploaded))),
        Part::new(Rank::Size, format!("ratio {}", ratio(snapshot))),
    ];
    Line { name: String::new(), done: None, parts }
}

fn seeding_sentence(snapshot: &Snapshot) -> String {
    let peers = counted(snapshot.peers, "peer");
    if snapshot.uploaded == 0 {
        return format!("seeding: {peers}, nothing uploaded yet");
    }
    let (up, uploaded) = (rate(snapshot.up_rate), size(snapshot.uploaded));
    let (served, ratio) = (snapshot.served, ratio(snapshot));
    format!("seeding: {up} to {served} of {peers}, {uploaded} uploaded, ratio {ratio}")
}

/// What we do about it.
fn remedy(stall: &Stall) -> Option<&'static str> {
    match stall {
        Stall::NoPeers(_) | Stall::OfNoUse(..) => Some("still looking for peers"),
        Stall::AndWebSeeds(of_peers, of_web) if of_web.is_final => remedy(of_peers),
        Stall::Unreachable(..) | Stall::Proxy(_) | Stall::AndWebSeeds(..) => Some("trying again"),
        Stall::NothingSaid(_) => Some("waiting"),
        Stall::NoMetadata(_) => Some("asking others as well"),
        Stall::NobodyHas(_) => Some("waiting for a peer that has it"),
        Stall::AllChoke => Some("waiting for our turn"),
        Stall::Silent => Some("asking others as well"),
        Stall::SlowDisk => Some("the peers have to wait"),
        // They say so themselves.
        Stall::NoMemory | Stall::SlowReader => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::WebSeedTrouble;

    fn running(snapshot: Snapshot) -> View {
        View::Running(Box::new(snapshot))
    }

    fn album() -> Snapshot {
        Snapshot {
            done: 30_094_131,
            total: 92 << 20,
            rate: 5.4 * 1_048_576.0,
            peers: 5,
            seeds: 5,
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_download_says_everything() {
        assert_eq!(
            running(album()).line("Album").fit(5, 100),
            "Album  31% [========>                   ] 28.6/92.0 MiB  5.4 MiB/s  up 0  5 peers (5 seeds)  11 s"
        );
        assert_eq!(running(album()).sentence(), "31 % (28.6 of 92 MiB), 5.4 MiB/s, 5 peers, 11 s left");
        assert_eq!(running(album()).trouble(), None);
    }

    #[test]
    fn why_nothing_moves_and_what_we_do_about_it_stand_together() {
        let stalled = |stall| running(Snapshot { stall: Some(stall), rate: 0.0, ..album() });
        let why = "http://t.example: \x1b[2Jno".to_owned();
        assert_eq!(
            stalled(Stall::NoPeers(Some(why.clone()))).trouble().as_deref(),
            Some("no peers: http://t.example: \u{fffd}[2Jno; still looking for peers")
        );
        let with_web = |is_final| {
            let of_web = WebSeedTrouble { said: "the web seed w: gone".to_owned(), is_final };
            stalled(Stall::AndWebSeeds(Box::new(Stall::NobodyHas(7)), of_web)).trouble().unwrap()
        };
        assert!(with_web(false).ends_with("the web seed w: gone; trying again"));
        assert!(with_web(true).ends_with("the web seed w: gone; waiting for a peer that has it"));
        assert!(stalled(Stall::NoMemory).trouble().unwrap().ends_with(&Stall::NoMemory.to_string()));
        let state = MetadataState { trouble: Some(why), ..MetadataState::default() };
        let searching = View::Metadata(state.clone()).trouble().unwrap();
        assert_eq!(searching, "http://t.example: \u{fffd}[2Jno; still looking for peers");
        assert_eq!(View::Metadata(MetadataState { peers: 1, ..state }).trouble(), None);
    }

    #[test]
    fn while_nothing_moves_no_time_is_said_that_the_rest_would_take() {
        let silent = running(Snapshot { stall: Some(Stall::NobodyHas(7)), rate: 52.0, ..album() });
        assert_eq!(silent.sentence(), "31 % (28.6 of 92 MiB), 52 bytes/s, 5 peers");
        assert!(silent.line("Album").fit(5, 100).ends_with("52 bytes/s  up 0  5 peers (5 seeds)"));
    }

    #[test]
    fn a_seed_says_what_it_gave() {
        let quiet = Snapshot { phase: RunPhase::Seeding, total: 100, ..Snapshot::default() };
        assert_eq!(running(quiet.clone()).sentence(), "seeding: 0 peers, nothing uploaded yet");
        assert_eq!(
            running(quiet.clone()).line("photos").fit(6, 80),
            "photos  seeding  up 0  0 of 0 peers served  0 bytes uploaded  ratio 0.00"
        );
        let busy = Snapshot { uploaded: 150, up_rate: 2048.0, served: 2, peers: 3, ..quiet };
        assert_eq!(
            running(busy).sentence(),
            "seeding: 2 KiB/s to 2 of 3 peers, 150 bytes uploaded, ratio 1.50"
        );
    }
}
