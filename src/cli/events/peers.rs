//! Events about those that we speak to: peers, trackers, web seeds.

use super::line::Line;
use crate::message::{Announced, Greeting, OtherEnd, PeerError};
use crate::strategy::{Security, Source};
use std::time::Instant;

pub(super) fn connected(line: &mut Line<'_>, end: OtherEnd, greeting: Greeting) {
    other_end(line, "connected", end);
    line.text("client", &greeting.peer_id.client());
    line.word(
        "encryption",
        match greeting.encryption {
            Security::Plain => "none",
            Security::Handshake => "handshake",
            Security::Rc4 => "rc4",
        },
    );
    line.word("transport", if greeting.is_utp { "utp" } else { "tcp" });
}

pub(super) fn ended(line: &mut Line<'_>, state: &str, end: OtherEnd, why: &PeerError) {
    other_end(line, state, end);
    reason(line, why);
}

pub(super) fn tracker(line: &mut Line<'_>, announced: &Announced, now: Instant) {
    line.text("tracker", &announced.tracker);
    match &announced.outcome {
        Ok(peers) => line.count("peers", *peers),
        Err(why) => line.text("sentence", why),
    }
    if let Some(next) = announced.next {
        line.seconds("next", next.saturating_duration_since(now));
    }
}

pub(super) fn web_seed(line: &mut Line<'_>, host: &str, gone: Option<&PeerError>) {
    line.word("state", if gone.is_some() { "gone" } else { "asked" });
    line.text("host", host);
    if let Some(why) = gone {
        reason(line, why);
    }
}

fn other_end(line: &mut Line<'_>, state: &str, end: OtherEnd) {
    line.word("state", state);
    line.word("address", &end.address.to_string());
    line.word("direction", if end.incoming { "in" } else { "out" });
    if let Some(source) = end.source {
        line.word("source", word(source));
    }
}

fn reason(line: &mut Line<'_>, why: &PeerError) {
    line.word("reason", why.word());
    line.text("sentence", &why.to_string());
}

fn word(source: Source) -> &'static str {
    match source {
        Source::User => "user",
        Source::Tracker => "tracker",
        Source::Magnet => "magnet",
        Source::Dht => "dht",
        Source::Lan => "lan",
        Source::Incoming => "incoming",
        Source::Pex(_) => "pex",
    }
}
