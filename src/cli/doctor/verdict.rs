//! The one sentence that says what to do, and the exit code of a download.
//!
//! Pure: chosen from the facts, the deepest cause first. A folder that takes nothing matters whatever the peers do; where
//! no name can be looked up, it says nothing that no peer was found.

use super::facts::{Clock, End, Facts, Meeting};
use crate::cli::exit::Exit;
use crate::message::Stall;
use crate::text::{printable, size};

/// What comes of all that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The exit code with which `get` would end.
    pub exit: Exit,
    /// What to do.
    pub advice: String,
}

/// What to do.
pub fn of(facts: &Facts) -> Verdict {
    let found = match &facts.end {
        End::Interrupted => (Exit::UNFINISHED, stopped(facts)),
        _ => of_the_folder(facts).unwrap_or_else(|| of_the_trial(facts)),
    };
    // Trackers and peers have a word in it.
    Verdict { exit: found.0, advice: printable(&found.1) }
}

/// What is known when the user ends it.
fn stopped(facts: &Facts) -> String {
    if let Some((_, advice)) = of_the_folder(facts) {
        return advice;
    }
    match &facts.seen.snapshot.stall {
        Some(stall) => format!("Run it again for longer; so far, {stall}."),
        None => "Run it again for longer: it was stopped before all was looked at.".to_owned(),
    }
}

/// What is wrong with the folder, whatever the peers do.
fn of_the_folder(facts: &Facts) -> Option<(Exit, String)> {
    let folder = &facts.folder;
    if let Some(Err((exit, why))) = &folder.speed {
        let other = "choose another folder with -d";
        return Some(match *exit {
            Exit::DISK_FULL => (*exit, format!("Make room on the disk, or {other}: {why}.")),
            _ if folder.is_no_folder => (*exit, format!("Choose another folder with -d: {why}.")),
            _ => (*exit, format!("Make the folder writable, or {other}: {why}.")),
        });
    }
    if let Some((why, way_out)) = &folder.too_long {
        let mut letters = way_out.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        let way_out: String = first.chain(letters).collect();
        return Some((Exit::CANNOT_CREATE, format!("{way_out}: {why}.")));
    }
    if let Some((exit, why)) = &folder.foreign {
        let advice = format!(
            "Move away the files that are not this torrent's, or choose another folder with -d: {why}."
        );
        return Some((*exit, advice));
    }
    let (needed, free) = folder.shortage()?;
    let (needed, free, name) = (size(needed), size(free), &folder.name);
    Some((
        Exit::DISK_FULL,
        format!(
            "Make room at {name}, or choose another folder with -d: {needed} are needed and {free} are free."
        ),
    ))
}

fn of_the_trial(facts: &Facts) -> (Exit, String) {
    match &facts.end {
        End::Came(_) if facts.clock.is_wrong() => (
            Exit::DONE,
            "Set the clock of this computer, which is wrong; the download works all the same.".into(),
        ),
        End::Came(_) if facts.folder.held.is_some() => (
            Exit::DONE,
            "Leave it to the other process that is downloading it: a piece came and was right.".to_owned(),
        ),
        End::Came(_) => (Exit::DONE, "Download it: a piece came and was right.".to_owned()),
        End::Empty => (Exit::DONE, "Download it: it is empty.".to_owned()),
        End::Failed(exit, why) => (*exit, format!("It cannot be downloaded: {why}.")),
        End::Nothing(stall) => (Exit::TIMED_OUT, why_nothing(facts, stall.as_ref())),
        End::Interrupted => (Exit::UNFINISHED, String::new()),
    }
}

/// What to do where no piece came.
fn why_nothing(facts: &Facts, stall: Option<&Stall>) -> String {
    match (&facts.clock, stall) {
        (Clock::Beside(ahead, by), _) if facts.clock.is_wrong() => {
            let days = ahead.unsigned_abs() / 86_400;
            let side = if *ahead > 0 { "behind" } else { "ahead of" };
            return format!("Set the clock of this computer: it is {days} days {side} that of {by}.");
        }
        (Clock::Before(what), _) => {
            return format!("Set the clock of this computer: it is earlier than the day on which {what}.");
        }
        (_, Some(Stall::Proxy(why))) => {
            return format!("Look after the proxy, or choose another one with --proxy: {why}.");
        }
        (_, Some(Stall::AndWebSeeds(of_peers, of_web))) => {
            let is_all = facts.seen.tried() == 0 && facts.seen.trackers.is_empty() && facts.nodes.is_none();
            return match is_all {
                true => format!("Look after the web seed, or add another with --web-seed: {}.", of_web.said),
                false => why_nothing(facts, Some(of_peers)),
            };
        }
        _ => {}
    }
    let seen = &facts.seen;
    let found = seen.found();
    match found {
        0 => nobody_found(facts),
        _ if seen.greeted() == 0 => nobody_reached(facts, found, stall),
        _ => nobody_sends(facts, stall),
    }
}

/// No source has named a peer.
fn nobody_found(facts: &Facts) -> String {
    if facts.routes == [None, None] && facts.seen.trackers.iter().all(|(_, said)| said.is_err()) {
        return "Connect this computer to a network: it has no way to the internet.".to_owned();
    }
    let names = &facts.names;
    // One that does not exist says nothing about the name server.
    let is_one_slip = |why: &str| names.len() == 1 && why.starts_with("there is no such host");
    match names.iter().find_map(|(name, found)| Some((name, found.as_ref().err()?))) {
        Some((name, why)) if names.iter().all(|(_, found)| found.is_err()) && !is_one_slip(why) => {
            return format!(
                "Look after the network or its name server: no name can be looked up ({name}: {why})."
            );
        }
        _ => {}
    }
    if let Some((name, why)) = facts.doubt_of_the_clock() {
        return format!("Check the clock of this computer: {name}: {why}.");
    }
    let is_alone = facts.nodes.is_none_or(|nodes| nodes == [0, 0]);
    let trackers = &facts.seen.trackers;
    match trackers.iter().find_map(|(tracker, said)| Some((tracker, said.as_ref().err()?))) {
        Some((tracker, why)) if facts.is_private && trackers.iter().all(|(_, said)| said.is_err()) => {
            format!(
                "Look at the web site of the tracker, the only source of a private torrent: {tracker}: {why}."
            )
        }
        Some((tracker, why)) if trackers.iter().all(|(_, said)| said.is_err()) && is_alone => {
            let others = match (trackers.len(), facts.nodes) {
                (_, Some(_)) => "; allow UDP, too, since no node of the DHT answers",
                (1, None) => "",
                (_, None) => "; nor does any other",
            };
            format!(
                "Add a tracker with --tracker, or a peer with --peer: {tracker} does not help ({why}){others}."
            )
        }
        None if trackers.is_empty() && is_alone && facts.nodes.is_some() => {
            "Allow UDP, or add a tracker with --tracker: no node of the DHT answers.".to_owned()
        }
        None if trackers.is_empty() && is_alone => {
            "Try again with a longer --timeout: no tracker has answered yet.".to_owned()
        }
        _ => "Ask for somebody to seed it, or try again later: nobody has it now (check the info-hash, too)."
            .to_owned(),
    }
}

/// Peers are known, and none of them has exchanged handshakes.
fn nobody_reached(facts: &Facts, found: usize, stall: Option<&Stall>) -> String {
    let seen = &facts.seen;
    let peers = if found == 1 { "the only peer".to_owned() } else { format!("all {found} peers") };
    let [silent, mute, refused, other, closed, no_route, barred] = [
        Meeting::Silent,
        Meeting::Mute,
        Meeting::Refused,
        Meeting::OtherTorrent,
        Meeting::Closed,
        Meeting::NoRoute,
        Meeting::Proxy,
    ]
    .map(|meeting| seen.count(meeting));
    let most = [silent, mute, refused, other, closed, no_route, barred].into_iter().max().unwrap_or_default();
    if barred > 0 && barred == most {
        let why = match stall {
            Some(Stall::Unreachable(_, Some(why))) => format!(" ({why})"),
            _ => String::new(),
        };
        return format!("Choose another proxy with --proxy: this one leads to none of the peers{why}.");
    }
    if other > 0 && other == most {
        return "Check the torrent or the link: the peers answer for another torrent.".to_owned();
    }
    if closed > 0 && closed == most {
        if facts.folder.held.is_some() {
            return "Ask the process that is downloading it already, with kill -USR1: many peers take one connection from each address and close that of doctor.".to_owned();
        }
        return match facts.is_never_encrypted {
            true => "Leave out --encryption off: the peers close connections that are not encrypted.".to_owned(),
            false => "Check the info-hash: the peers close the connection, as they do for a torrent that they do not have.".to_owned(),
        };
    }
    if silent > 0 && silent == most {
        return format!("Look for a firewall, and allow outgoing TCP connections: {peers} did not answer.");
    }
    if mute > 0 && mute == most {
        return format!(
            "Try --encryption prefer, since something on the way may hold BitTorrent back: {peers} took the connection and did not answer."
        );
    }
    if refused > 0 && refused == most {
        let gone = match found {
            1 => "the only peer is not there any more".to_owned(),
            _ => format!("of {peers}, none is there any more"),
        };
        return format!("Try again later, or add a tracker with --tracker: {gone} (connection refused).");
    }
    if no_route > 0 && no_route == most {
        return format!("Connect this computer to the network of the peers: there is no way to {peers}.");
    }
    match stall {
        Some(Stall::Unreachable(_, Some(why))) => {
            format!("Try again later: no peer can be reached (the last one, {why}).")
        }
        Some(Stall::OfNoUse(_, why)) => {
            let are = if found == 1 { "is" } else { "are" };
            format!(
                "Add a tracker with --tracker, or a peer with --peer: {peers} {are} of no use (the last one, {why})."
            )
        }
        _ => "Try again with a longer --timeout: no peer has answered yet.".to_owned(),
    }
}

/// Peers are connected, and none of them has sent a piece.
fn nobody_sends(facts: &Facts, stall: Option<&Stall>) -> String {
    let (choking, of) = facts.seen.choking;
    match stall {
        Some(Stall::NobodyHas(piece)) => {
            format!("Wait for a seed, or ask for one: none of the connected peers has piece {piece}.")
        }
        Some(Stall::AllChoke) => {
            "Wait: all peers choke us, since they upload to others first, which is normal in the first minutes.".to_owned()
        }
        None if choking > 0 && choking == of => {
            "Wait: all peers choke us, since they upload to others first, which is normal in the first minutes.".to_owned()
        }
        Some(why) => format!("Try again later: {why}."),
        None if facts.seen.snapshot.received > 0 => {
            "Have patience: data comes, and no piece was whole in time (see more with a longer --timeout).".to_owned()
        }
        None => "Try again with a longer --timeout: peers are connected, and no piece has come yet.".to_owned(),
    }
}
