//! One peer in full: how it stands, what it has done so far, and its history.

use super::super::body::Body;
use super::super::scene::PeerSight;
use super::super::ui_state::UiState;
use super::super::words::without_start;
use super::peers::{carrier, flags};
use crate::cli::progress::figures::{percent, rate, time};
use crate::cli::progress::peer_table::source_name;
use crate::cli::terminal::full::{Look, StyledLine};
use crate::message::PeerState;
use crate::text::size;

/// The page. `None` for a peer that is gone.
pub fn body<'a>(peer: Option<&PeerSight>, ui: &UiState) -> Body<'a> {
    let mut lines = Vec::new();
    if let Some(peer) = peer {
        lines.extend(facts(&peer.state, carrier(peer)));
        lines.push((Look::Strong, " history".to_owned()));
        lines.extend(
            peer.history.iter().map(|line| (Look::Plain, format!("  {}", without_start(line, ui.left)))),
        );
    }
    let count = lines.len();
    let line = move |number: usize| {
        lines.get(number).map(|(look, text)| StyledLine::of(*look, text.as_str())).unwrap_or_default()
    };
    Body {
        head: Vec::new(),
        count,
        line: Box::new(line),
        cursor: None,
        note: String::new(),
        empty: "this peer is no longer connected (Escape goes back)",
    }
}

fn facts(state: &PeerState, carrier: String) -> Vec<(Look, String)> {
    let record = &state.record;
    let yes = |is: bool, yes: &str, no: &str| if is { yes.to_owned() } else { no.to_owned() };
    let set = state.flags;
    let we = yes(set.am_interested, "want something that it has", "want nothing of it");
    let us = yes(set.peer_choking, "it chokes us", "it answers our requests");
    let it = yes(set.peer_interested, "it wants something that we have", "it wants nothing");
    let choked = yes(set.am_choking, "we choke it", "we answer its requests");
    let snubs = match state.snubs {
        0 => String::new(),
        snubs => format!(", silent {snubs} times in a row"),
    };
    let share = percent(state.pieces.into(), state.of.into());
    let facts = [
        ("peer", format!("{}  {}", state.name, state.client)),
        ("found by", format!("{}, {carrier}", source_name(state.source))),
        ("connected", format!("for {}", time(record.age.as_secs()))),
        ("has", format!("{} of {} pieces ({share}%)", state.pieces, state.of)),
        ("flags", flags(set)),
        ("", format!("we {we}; {us}")),
        ("", format!("{it}; {choked}")),
        (
            "down",
            format!(
                "{}, {} so far, {} of no use",
                rate(state.down_rate),
                size(record.received),
                size(record.wasted)
            ),
        ),
        ("up", format!("{}, {} so far", rate(state.up_rate), size(record.sent))),
        ("requests", format!("{} in flight, where we aim at {}{snubs}", state.in_flight, state.depth)),
        ("it sends", state.why.down.as_ref().map_or("yes".to_owned(), |why| format!("nothing: {why}"))),
        ("we send", state.why.up.unwrap_or("-").to_owned()),
    ];
    facts.into_iter().map(|(name, text)| (Look::Plain, format!(" {name:<10} {text}"))).collect()
}
