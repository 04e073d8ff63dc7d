//! What is said in each of the situations in which a friend is asked.

use super::facts::{Clock, End, Facts, Folder, Meeting, Seen};
use super::report::Finding;
use super::verdict::{self, Verdict};
use super::{MADE, report};
use crate::cli::exit::Exit;
use crate::message::{Snapshot, Stall, WebSeedTrouble};
use crate::metainfo::Magnet;
use crate::session::Torrent;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A host where all is well, but no piece came, for this reason.
fn stalled(stall: Option<Stall>) -> Facts {
    Facts {
        routes: [Some([192, 0, 2, 1].into()), None],
        folder: Folder {
            name: "dl".to_owned(),
            speed: Some(Ok(1e8)),
            free: Some(1 << 30),
            needed: Some(1 << 20),
            ..Folder::default()
        },
        end: End::Nothing(stall),
        ..Facts::default()
    }
}

fn tracker(facts: &mut Facts, said: Result<usize, &str>) {
    facts.seen.heard("http://t".to_owned(), said.map_err(str::to_owned));
}

/// A host whose peers became this.
fn met(meetings: &[Meeting], stall: Stall) -> Facts {
    let mut facts = stalled(Some(stall));
    tracker(&mut facts, Ok(meetings.len()));
    for (port, meeting) in (1..).zip(meetings) {
        facts.seen.met(SocketAddr::new([192, 0, 2, 7].into(), port), *meeting);
    }
    facts
}

fn unreachable() -> Stall {
    Stall::Unreachable(1, None)
}

/// The findings, each in one line.
fn lines_of(findings: &[Finding]) -> Vec<String> {
    let page = report::page(findings, "", 10_000);
    page.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn assert_says(facts: &Facts, exit: u8, advice: &str) {
    assert_eq!(verdict::of(facts), Verdict { exit: Exit(exit), advice: advice.to_owned() });
}

#[test]
fn a_piece_that_came_is_all_that_is_asked_for() {
    let mut facts = stalled(None);
    facts.end = End::Came(Duration::from_secs(1));
    assert_says(&facts, 0, "Download it: a piece came and was right.");
    facts.clock = Clock::Beside(400 * 86_400, "http://t".to_owned());
    let clock = "Set the clock of this computer, which is wrong; the download works all the same.";
    assert_says(&facts, 0, clock);
    facts.end = End::Interrupted;
    assert_eq!(verdict::of(&facts).exit, Exit::UNFINISHED);
}

#[test]
fn a_dead_tracker() {
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    tracker(&mut facts, Err("cannot be reached: connection refused"));
    let why = "http://t does not help (cannot be reached: connection refused)";
    assert_says(&facts, 2, &format!("Add a tracker with --tracker, or a peer with --peer: {why}."));
    facts.nodes = Some([0, 0]);
    let dht = "; allow UDP, too, since no node of the DHT answers.";
    assert_says(&facts, 2, &format!("Add a tracker with --tracker, or a peer with --peer: {why}{dht}"));
    facts.nodes = Some([9, 0]);
    assert!(verdict::of(&facts).advice.contains("nobody has it now"));
}

#[test]
fn a_wrong_hash() {
    let facts = met(&[Meeting::OtherTorrent, Meeting::Silent], unreachable());
    assert_says(&facts, 2, "Check the torrent or the link: the peers answer for another torrent.");
    let facts = met(&[Meeting::Closed], unreachable());
    let advice = "Check the info-hash: the peers close the connection, as they do for a torrent that they do not have.";
    assert_says(&facts, 2, advice);
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    tracker(&mut facts, Ok(0));
    let advice =
        "Ask for somebody to seed it, or try again later: nobody has it now (check the info-hash, too).";
    assert_says(&facts, 2, advice);
}

#[test]
fn everybody_chokes() {
    let advice =
        "Wait: all peers choke us, since they upload to others first, which is normal in the first minutes.";
    assert_says(&met(&[Meeting::Plain], Stall::AllChoke), 2, advice);
    let mut early = met(&[Meeting::Plain], Stall::AllChoke);
    (early.end, early.seen.choking) = (End::Nothing(None), (1, 1));
    assert_says(&early, 2, advice);
}

#[test]
fn no_seed() {
    let facts = met(&[Meeting::Plain, Meeting::Refused], Stall::NobodyHas(7));
    let advice = "Wait for a seed, or ask for one: none of the connected peers has piece 7.";
    assert_says(&facts, 2, advice);
    let of_web = WebSeedTrouble { said: "http://w: gone".to_owned(), is_final: false };
    let with_web = Stall::AndWebSeeds(Box::new(Stall::NobodyHas(7)), of_web);
    assert_says(&met(&[Meeting::Plain], with_web), 2, advice);
}

#[test]
fn a_firewall() {
    let facts = met(&[Meeting::Silent, Meeting::Silent, Meeting::Refused], unreachable());
    let advice = "Look for a firewall, and allow outgoing TCP connections: all 3 peers did not answer.";
    assert_says(&facts, 2, advice);
    let gone = met(&[Meeting::Refused], unreachable());
    let advice = "Try again later, or add a tracker with --tracker: the only peer is not there any more (connection refused).";
    assert_says(&gone, 2, advice);
}

#[test]
fn only_encrypted_peers() {
    let mut facts = met(&[Meeting::Closed], unreachable());
    facts.is_never_encrypted = true;
    let advice = "Leave out --encryption off: the peers close connections that are not encrypted.";
    assert_says(&facts, 2, advice);
}

#[test]
fn no_dns() {
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    facts.names.push(("t.example".to_owned(), Err("no name server answers".to_owned())));
    tracker(&mut facts, Err("cannot look up its name"));
    let advice = "Look after the network or its name server: no name can be looked up (t.example: no name server answers).";
    assert_says(&facts, 2, advice);
    facts.names = vec![("t.example".to_owned(), Err("there is no such host".to_owned()))];
    assert!(verdict::of(&facts).advice.starts_with("Add a tracker"), "that is a slip");
    facts.names.push(("u.example".to_owned(), Ok(1)));
    assert!(verdict::of(&facts).advice.starts_with("Add a tracker"));
    (facts.names, facts.routes) = (Vec::new(), [None, None]);
    assert!(verdict::of(&facts).advice.starts_with("Connect this computer to a network"));
}

#[test]
fn a_proxy_that_refuses() {
    let facts = met(&[Meeting::Proxy], Stall::Proxy("the proxy at p wants a password".to_owned()));
    let advice = "Look after the proxy, or choose another one with --proxy: the proxy at p wants a password.";
    assert_says(&facts, 2, advice);
}

#[test]
fn a_full_disk_and_a_folder_that_takes_nothing() {
    let mut facts = stalled(None);
    facts.end = End::Came(Duration::ZERO);
    facts.folder.needed = Some(3 << 30);
    let advice = "Make room at dl, or choose another folder with -d: 3 GiB are needed and 1 GiB are free.";
    assert_says(&facts, 9, advice);
    facts.folder.speed = Some(Err((Exit::DISK_FULL, "cannot write dl: no space".to_owned())));
    let advice = "Make room on the disk, or choose another folder with -d: cannot write dl: no space.";
    assert_says(&facts, 9, advice);
    facts.folder.speed = Some(Err((Exit::CANNOT_CREATE, "cannot create dl: read-only".to_owned())));
    let advice = "Make the folder writable, or choose another folder with -d: cannot create dl: read-only.";
    assert_says(&facts, 16, advice);
    facts.folder.speed = Some(Err((Exit::CANNOT_CREATE, "dl is not a folder".to_owned())));
    facts.folder.is_no_folder = true;
    assert_says(&facts, 16, "Choose another folder with -d: dl is not a folder.");
}

#[test]
fn a_clock_that_is_wrong_by_a_year() {
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    tracker(&mut facts, Err("its certificate is not valid yet"));
    facts.clock = Clock::Beside(365 * 86_400, "http://t".to_owned());
    assert_says(&facts, 2, "Set the clock of this computer: it is 365 days behind that of http://t.");
    facts.clock = Clock::Beside(-365 * 86_400, "http://t".to_owned());
    assert_says(&facts, 2, "Set the clock of this computer: it is 365 days ahead of that of http://t.");
    facts.clock = Clock::alone(MADE - 1, None, MADE);
    let advice = "Set the clock of this computer: it is earlier than the day on which this program was made.";
    assert_says(&facts, 2, advice);
}

#[test]
fn a_private_torrent_without_a_tracker() {
    let mut facts = stalled(None);
    facts.end = End::Failed(Exit::NETWORK, "no way to find peers (name a peer with --peer)".to_owned());
    let advice = "It cannot be downloaded: no way to find peers (name a peer with --peer).";
    assert_says(&facts, 6, advice);
}

#[test]
fn a_finding_is_one_line_whatever_strangers_say() {
    let magnet = Magnet::parse(&format!("magnet:?xt=urn:btih:{}&dn=a%0Ab%1B", "0".repeat(40))).unwrap();
    let torrent = Torrent::Magnet(Arc::new(magnet));
    let mut facts = met(&[Meeting::Plain, Meeting::Encrypted, Meeting::Refused], Stall::AllChoke);
    tracker(&mut facts, Err("said\n\u{1b}[2J"));
    facts.seen.heard("http://u".to_owned(), Err("said\n\u{1b}[2J".to_owned()));
    facts.seen.best = Some((3, 1_000));
    facts.seen.copies = Some(0.999);
    facts.seen.asked("w\u{1b}".to_owned(), Err("gone\r".to_owned()));
    let findings = report::findings(&torrent, &facts);
    let lines = lines_of(&findings);
    assert!(lines.iter().all(|line| !line.contains(['\n', '\u{1b}'])), "{lines:#?}");
    for expected in [
        "ok    disk      1 GiB are free, 1 MiB are needed",
        "ok    IPv4      leaves by 192.0.2.1",
        "note  IPv6      no way to the internet",
        "ok    tracker   http://t named 3 peers",
        "ok    peers     found 3, tried 3: connected 2, encrypted 1, refused 1",
        "ok    peers     connected over IPv4",
        "note  copies    0.99 among the connected peers",
        "bad   web seed  w",
        "note  pieces    no connected peer was seen to have everything; the best one has 3 of 1,000 pieces",
        "bad   trial     no piece came: all peers choke us",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected} is not in {lines:#?}");
    }
    let pieces = |facts: &Facts| {
        lines_of(&report::findings(&torrent, facts))
            .into_iter()
            .find(|line| line.contains("pieces "))
            .unwrap()
    };
    // Those that had everything may be gone by the end.
    facts.seen.stands(Snapshot { seeds: 2, total: 9, left: 9, ..Snapshot::default() });
    facts.seen.stands(Snapshot { seeds: 0, total: 9, left: 9, ..Snapshot::default() });
    assert_eq!(pieces(&facts), "ok    pieces    2 peers have all of them");
    facts.seen.stands(Snapshot { total: 9, left: 0, ..Snapshot::default() });
    assert_eq!(pieces(&facts), "ok    pieces    all of them came");
    let object = report::object(&torrent, &findings, &facts, &verdict::of(&facts));
    assert_eq!((&object["format"], &object["exit_code"]), (&1.into(), &2.into()));
    assert_eq!((&object["peers"]["connected"], &object["peers"]["tried"]), (&2.into(), &3.into()));
    assert_eq!(object["findings"].as_array().unwrap().len(), lines.len());
}

#[test]
fn where_nothing_is_known_yet_more_time_helps() {
    let facts = Facts { seen: Seen::default(), ..stalled(None) };
    assert!(verdict::of(&facts).advice.contains("longer --timeout"));
}

#[test]
fn peers_that_take_the_connection_and_say_nothing() {
    let advice = verdict::of(&met(&[Meeting::Mute, Meeting::Mute, Meeting::Silent], unreachable())).advice;
    assert!(advice.starts_with("Try --encryption prefer") && advice.contains("all 3 peers"), "{advice}");
}

#[test]
fn the_page_fits_the_terminal() {
    let magnet = Magnet::parse(&"0".repeat(40)).unwrap();
    let mut facts = met(&[Meeting::Plain], Stall::AllChoke);
    tracker(&mut facts, Err("it says a lot, and more than there is room for in a line of this terminal"));
    let findings = report::findings(&Torrent::Magnet(Arc::new(magnet)), &facts);
    for columns in [200, 80, 40] {
        let page = report::page(&findings, &"do this ".repeat(30), columns);
        assert!(page.lines().all(|line| line.chars().count() <= columns), "{page}");
        assert!(page.ends_with("do this\n") && page.contains("\n\ndo this"), "{page}");
    }
}

#[test]
fn advice_has_nothing_in_it_that_could_control_a_terminal() {
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    tracker(&mut facts, Err("said\n\u{1b}[2J\u{202e}"));
    let advice = verdict::of(&facts).advice;
    assert!(!advice.contains(['\n', '\u{1b}', '\u{202e}']), "{advice:?}");
}

#[test]
fn a_clock_that_only_a_certificate_speaks_against() {
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    let why = "its certificate has expired (or the clock of this host is wrong)";
    tracker(&mut facts, Err(why));
    assert_says(&facts, 2, &format!("Check the clock of this computer: http://t: {why}."));
    // One that knows better.
    facts.clock = Clock::Beside(1, "http://u".to_owned());
    assert!(verdict::of(&facts).advice.starts_with("Add a tracker"));
}

#[test]
fn the_tracker_of_a_private_torrent_is_all_there_is() {
    let mut facts = stalled(Some(Stall::NoPeers(None)));
    facts.is_private = true;
    tracker(&mut facts, Err("answered: unregistered torrent"));
    let advice = "Look at the web site of the tracker, the only source of a private torrent: http://t: answered: unregistered torrent.";
    assert_says(&facts, 2, advice);
}

#[test]
fn a_proxy_that_leads_nowhere() {
    let facts = met(&[Meeting::Proxy, Meeting::Proxy], Stall::Unreachable(2, Some("forbidden".to_owned())));
    let advice = "Choose another proxy with --proxy: this one leads to none of the peers (forbidden).";
    assert_says(&facts, 2, advice);
}

#[test]
fn a_torrent_that_another_process_downloads_or_that_does_not_fit() {
    let mut facts = stalled(None);
    facts.end = End::Came(Duration::ZERO);
    facts.folder.held = Some("dl/.x".to_owned());
    let advice = "Leave it to the other process that is downloading it: a piece came and was right.";
    assert_says(&facts, 0, advice);
    let mut closed = met(&[Meeting::Closed], unreachable());
    closed.folder.held = Some("dl/.x".to_owned());
    assert!(verdict::of(&closed).advice.starts_with("Ask the process that is downloading it already"));
    facts.folder.too_long = Some(("the longest file is too long".to_owned(), "choose another".to_owned()));
    assert_says(&facts, 16, "Choose another: the longest file is too long.");
}

#[test]
fn what_is_known_when_it_is_stopped() {
    let mut facts = stalled(None);
    facts.end = End::Interrupted;
    assert_says(&facts, 7, "Run it again for longer: it was stopped before all was looked at.");
    facts.seen.snapshot.stall = Some(Stall::NobodyHas(7));
    assert_says(&facts, 7, "Run it again for longer; so far, none of the connected peers has piece 7.");
}

#[test]
fn data_that_comes_too_slowly() {
    let mut facts = met(&[Meeting::Plain], Stall::AllChoke);
    facts.end = End::Nothing(None);
    facts.seen.snapshot.received = 1;
    assert!(verdict::of(&facts).advice.starts_with("Have patience: data comes"));
}
