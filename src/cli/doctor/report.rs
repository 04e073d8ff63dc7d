//! The findings in words, for people and for programs.
//!
//! Pure. What strangers say has been made fit to print before, or is made so here.

use super::facts::{Clock, End, Facts, Meeting};
use super::verdict::Verdict;
use crate::cli::columns::wrapped;
use crate::cli::json;
use crate::net::server_clock::days;
use crate::session::Torrent;
use crate::text::{fixed, grouped, printable, size};
use crate::tracker::Scrape;
use serde_json::{Value, json};
use std::time::Duration;

/// How a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// In the way of a download.
    Bad,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Mark::Good => "ok",
            Mark::Note => "note",
            Mark::Bad => "bad",
        }
    }

    fn good_if(is_good: bool) -> Mark {
        if is_good { Mark::Good } else { Mark::Bad }
    }
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    about: &'static str,
    mark: Mark,
    text: String,
}

/// A trial that was over after less than this says little about what else did not answer.
const EARLY: Duration = Duration::from_secs(10);
/// Columns in front of what was found.
const MARGIN: usize = 16;

/// All of it, in lines of so many columns, and at the end what to do.
pub fn page(findings: &[Finding], advice: &str, columns: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Finding { about, mark, text } in findings {
        let mut head = format!("{:<5} {:<9} ", mark.word(), about);
        for part in wrapped(&printable(text), "", columns.saturating_sub(MARGIN).max(MARGIN)) {
            lines.push(format!("{head}{part}"));
            head = " ".repeat(MARGIN);
        }
    }
    lines.push(String::new());
    lines.extend(wrapped(advice, "", columns));
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// All of it as one object. `docs/doctor.schema.json` describes it.
pub fn object(torrent: &Torrent, findings: &[Finding], facts: &Facts, verdict: &Verdict) -> Value {
    let finding =
        |it: &Finding| json!({"about": it.about, "mark": it.mark.word(), "text": printable(&it.text)});
    let seen = &facts.seen;
    let mut peers = json!({
        "found": seen.found(),
        "tried": seen.tried(),
        "connected": seen.greeted(),
        "encrypted": seen.count(Meeting::Encrypted),
        "refused": seen.count(Meeting::Refused),
        "silent": seen.count(Meeting::Silent),
        "mute": seen.count(Meeting::Mute),
        "closed": seen.count(Meeting::Closed),
        "other_torrent": seen.count(Meeting::OtherTorrent),
        "no_route": seen.count(Meeting::NoRoute),
        "barred_by_the_proxy": seen.count(Meeting::Proxy),
        "other": seen.count(Meeting::Other),
        "choking": seen.choking.0,
    });
    if let (Some(peers), Some(copies)) = (peers.as_object_mut(), seen.copies) {
        peers.insert("copies".to_owned(), rounded_down(copies).into());
    }
    json!({
        "format": json::FORMAT,
        "exit_code": verdict.exit.0,
        "advice": verdict.advice,
        "name": printable(&torrent.name()),
        "info_hash": torrent.info_hash().to_string(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        "peers": peers,
    })
}

/// All that was looked at, in an order in which one thing rests on the one before.
pub fn findings(torrent: &Torrent, facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut add = |about, mark, text: String| all.push(Finding { about, mark, text });
    add("torrent", Mark::Good, of_the_torrent(torrent));
    let is_doubted = facts.doubt_of_the_clock().is_some();
    let clock_mark = if is_doubted { Mark::Note } else { Mark::good_if(!facts.clock.is_wrong()) };
    add("clock", clock_mark, of_the_clock(facts));
    of_the_folder(facts, &mut add);
    let files = format!("{} may be open, enough for {} peers", grouped(facts.open_files), facts.room_for);
    add("files", if facts.room_for < super::MOST_PEERS { Mark::Note } else { Mark::Good }, files);
    for (family, address) in ["IPv4", "IPv6"].into_iter().zip(facts.routes) {
        let text = address.map_or("no way to the internet".to_owned(), |ip| format!("leaves by {ip}"));
        add(family, if address.is_some() { Mark::Good } else { Mark::Note }, text);
    }
    for (name, found) in &facts.names {
        let text = match found {
            Ok(1) => format!("{name} has 1 address"),
            Ok(count) => format!("{name} has {count} addresses"),
            Err(why) => format!("{name}: {why}"),
        };
        add("name", Mark::good_if(found.is_ok()), text);
    }
    of_the_trackers(torrent, facts, &mut add);
    match facts.nodes {
        None => add("DHT", Mark::Note, "not asked".to_owned()),
        Some([four, six]) => {
            let text = format!("nodes that answered: {four} over IPv4, {six} over IPv6");
            // After a moment that says little.
            let is_early = matches!(facts.end, End::Came(after) if after < EARLY);
            let mark = if is_early { Mark::Note } else { Mark::Bad };
            add("DHT", if four + six > 0 { Mark::Good } else { mark }, text);
        }
    }
    of_the_port(facts, &mut add);
    of_the_peers(facts, &mut add);
    let trial_mark = match facts.end {
        End::Interrupted => Mark::Note,
        _ => Mark::good_if(matches!(facts.end, End::Came(_) | End::Empty)),
    };
    add("trial", trial_mark, of_the_end(facts));
    all
}

type Add<'a> = dyn FnMut(&'static str, Mark, String) + 'a;

fn of_the_torrent(torrent: &Torrent) -> String {
    let (trackers, web_seeds) = match torrent {
        Torrent::Whole(metainfo) => (metainfo.trackers.iter().flatten().count(), metainfo.web_seeds.len()),
        Torrent::Magnet(magnet) => (magnet.trackers.len(), magnet.web_seeds.len()),
    };
    let privacy = if torrent.is_private() { ", private" } else { "" };
    let size = match torrent {
        Torrent::Whole(metainfo) => format!(
            "{} in {} pieces of {}, version {}{privacy}",
            size(metainfo.geometry.total_size()),
            grouped(metainfo.geometry.piece_count().into()),
            size(metainfo.geometry.piece_length().into()),
            if metainfo.info_hash_v2.is_some() { 2 } else { 1 },
        ),
        Torrent::Magnet(_) => "a link whose metadata has not come".to_owned(),
    };
    let sources = format!("trackers: {trackers}, web seeds: {web_seeds}");
    format!("{}: {size}, {sources}", torrent.name())
}

fn of_the_clock(facts: &Facts) -> String {
    match &facts.clock {
        Clock::Alone => match facts.doubt_of_the_clock() {
            Some((name, why)) => format!("perhaps wrong, or the certificate of {name} is old ({why})"),
            None => "plausible (nothing has said what time it is)".to_owned(),
        },
        Clock::Before(what) => format!("earlier than the day on which {what}"),
        Clock::Beside(ahead, by) => match ahead.unsigned_abs() {
            0..=120 => format!("that of {by} agrees"),
            seconds if *ahead > 0 => format!("{} behind that of {by}", days(seconds)),
            seconds => format!("{} ahead of that of {by}", days(seconds)),
        },
    }
}

fn of_the_folder(facts: &Facts, add: &mut Add<'_>) {
    let folder = &facts.folder;
    let name = &folder.name;
    match &folder.speed {
        None => {}
        Some(Err((_, why))) => add("folder", Mark::Bad, why.clone()),
        Some(Ok(speed)) => {
            let text = format!("{name} can be written ({}/s)", size(*speed as u64));
            add("folder", if *speed < 1e6 { Mark::Note } else { Mark::Good }, text);
        }
    }
    if let Some(lock) = &folder.held {
        add("folder", Mark::Note, format!("another process is downloading this into it (lock file {lock})"));
    }
    if let Some((_, why)) = &folder.foreign {
        add("folder", Mark::Bad, why.clone());
    }
    if folder.is_unread {
        add("folder", Mark::Note, "the existing files were not all read: that takes too long".to_owned());
    }
    if let Some((why, _)) = &folder.too_long {
        add("folder", Mark::Bad, why.clone());
    }
    let Some(free) = folder.free else { return };
    let mark = Mark::good_if(folder.shortage().is_none());
    let needed = match folder.needed {
        Some(needed) => format!("{} are needed", size(needed)),
        None => "how much is needed is not known".to_owned(),
    };
    add("disk", mark, format!("{} are free, {needed}", size(free)));
}

fn of_the_trackers(torrent: &Torrent, facts: &Facts, add: &mut Add<'_>) {
    let (said, numbers) = (&facts.seen.trackers, &facts.scrapes);
    if said.is_empty() && numbers.is_empty() {
        let mark = if torrent.is_private() { Mark::Bad } else { Mark::Note };
        let text = if facts.trackers == 0 { "there is none to ask" } else { "none has answered" };
        add("tracker", mark, text.to_owned());
    }
    for (tracker, outcome) in said {
        let text = match outcome {
            Ok(1) => format!("{tracker} named 1 peer"),
            Ok(peers) => format!("{tracker} named {peers} peers"),
            Err(why) => format!("{tracker}: {why}"),
        };
        let mark = match outcome {
            Ok(0) => Mark::Note,
            Ok(_) => Mark::Good,
            Err(_) => Mark::Bad,
        };
        add("tracker", mark, text);
    }
    for (web_seed, outcome) in &facts.seen.web_seeds {
        match outcome {
            Ok(()) => add("web seed", Mark::Good, format!("{web_seed} is asked")),
            Err(why) => add("web seed", Mark::Bad, format!("{web_seed}: {why}")),
        }
    }
    for (tracker, outcome) in numbers {
        let number = |count: Option<u64>| count.map_or("unknown".to_owned(), grouped);
        match outcome {
            Ok(Scrape { complete, incomplete, .. }) => {
                let text = format!(
                    "{tracker} counts seeders {}, leechers {}",
                    number(*complete),
                    number(*incomplete)
                );
                add("tracker", if *complete == Some(0) { Mark::Note } else { Mark::Good }, text);
            }
            // The same again, most likely.
            Err(_) if said.iter().any(|(known, outcome)| known == tracker && outcome.is_err()) => {}
            // Many count nothing, and that keeps nobody from downloading.
            Err(why) => add("tracker", Mark::Note, format!("{tracker} gives no numbers: {why}")),
        }
    }
}

fn of_the_port(facts: &Facts, add: &mut Add<'_>) {
    let text = match (facts.port, &facts.reach) {
        (None, _) => "peers cannot connect to us: there is no port at which we listen".to_owned(),
        (Some(_), Some(reach)) => reach.clone(),
        (Some(port), None) => {
            format!(
                "nobody has connected to port {port} from outside, which says little after so short a time"
            )
        }
    };
    let is_reached = facts.reach.as_ref().is_some_and(|reach| reach.starts_with("reachable"));
    add("reach", if is_reached { Mark::Good } else { Mark::Note }, text);
}

fn of_the_peers(facts: &Facts, add: &mut Add<'_>) {
    let seen = &facts.seen;
    let counts = [
        ("connected", seen.greeted()),
        ("encrypted", seen.count(Meeting::Encrypted)),
        ("refused", seen.count(Meeting::Refused)),
        ("silent", seen.count(Meeting::Silent)),
        ("mute", seen.count(Meeting::Mute)),
        ("closed at once", seen.count(Meeting::Closed)),
        ("of another torrent", seen.count(Meeting::OtherTorrent)),
        ("without a way to them", seen.count(Meeting::NoRoute)),
        ("barred by the proxy", seen.count(Meeting::Proxy)),
        ("failed otherwise", seen.count(Meeting::Other)),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    let text = match (seen.found(), seen.tried()) {
        (0, _) => "none was found".to_owned(),
        (found, tried) => format!("found {found}, tried {tried}{counts}"),
    };
    add("peers", Mark::good_if(seen.greeted() > 0), text);
    let families: Vec<&str> = ["IPv4", "IPv6"]
        .into_iter()
        .zip(seen.greeted_families())
        .filter_map(|(family, has)| has.then_some(family))
        .collect();
    if seen.greeted() == 0 {
        return;
    }
    let (choking, of) = seen.choking;
    let chokes = if of > 0 { format!("; {choking} of {of} choke us") } else { String::new() };
    add("peers", Mark::Good, format!("connected over {}{chokes}", families.join(" and ")));
    let best = seen.best.map_or(String::new(), |(pieces, of)| {
        format!("; the best one has {} of {} pieces", grouped(pieces.into()), grouped(of.into()))
    });
    if let Some(copies) = seen.copies {
        let mark = if copies < 1.0 { Mark::Note } else { Mark::Good };
        add("copies", mark, format!("{} among the connected peers", fixed(rounded_down(copies), 2)));
    }
    let (mark, text) = match seen.seeds {
        _ if seen.snapshot.left == 0 && seen.snapshot.total > 0 => {
            (Mark::Good, "all of them came".to_owned())
        }
        0 => (Mark::Note, format!("no connected peer was seen to have everything{best}")),
        1 => (Mark::Good, "1 peer has all of them".to_owned()),
        seeds => (Mark::Good, format!("{seeds} peers have all of them")),
    };
    add("pieces", mark, text);
}

/// To two places, and never up: what is nearly one copy is not one.
fn rounded_down(copies: f64) -> f64 {
    (copies * 100.0).floor() / 100.0
}

fn of_the_end(facts: &Facts) -> String {
    match &facts.end {
        End::Came(after) => format!("a piece came and was right after {} s", fixed(after.as_secs_f64(), 2)),
        End::Empty => "there is nothing to come".to_owned(),
        End::Nothing(Some(stall)) => format!("no piece came: {stall}"),
        End::Nothing(None) => "no piece came".to_owned(),
        End::Failed(_, why) => why.clone(),
        End::Interrupted => "stopped".to_owned(),
    }
}
