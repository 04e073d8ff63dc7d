//! `demo`: a download to watch, with everything that it needs inside this process; and a partner for a client that a
//! student writes.
//!
//! By default (`download`) a tracker and two seeders run on threads of their own and on real sockets, all on loopback,
//! and the ordinary code of `get` downloads from them. The torrent is part of the program, which also computes the
//! payload (`material`), so that the result can be compared byte by byte. `--liar`, `--slow` and `--choke` change how a
//! seeder behaves (`mood`), and `narrator` says what comes of it. `--serve` (`serve`) is a seeder for a student's client,
//! `--with` (`with`) a client for a student's seeder, and `student` knows what can be wrong with either.
//!
//! Standard output says what happens, standard error shows the progress.

mod account;
mod arguments;
mod cast;
mod download;
mod folder;
mod lesson;
mod material;
mod mood;
mod narrator;
mod payload;
mod proof;
mod seeder;
mod serve;
mod server;
pub mod student;
mod tracker;
mod voice;
mod with;

use super::events::Events;
use super::exit::{CommandFailure, Exit};
use super::progress::Style;
use crate::text::reason;
pub use arguments::DemoArguments;
use download::View;
use material::Material;
use mood::Mood;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use voice::Voice;

/// Runs the demo.
///
/// # Errors
///
/// An address or a folder cannot be used, or the downloaded file is wrong (exit code 32).
pub fn run(arguments: &DemoArguments, events: &mut Events) -> Result<Exit, CommandFailure> {
    let DemoArguments { liar, slow, choke, .. } = arguments;
    if arguments.once && arguments.serve.is_none() {
        return Err((Exit::BAD_OPTION, "--once ends --serve (give both, or leave it out)".to_owned()));
    }
    let (speaks, speech) = (!arguments.quiet || arguments.json, "what the demo says");
    arguments.pcap.check(speaks, speech)?;
    arguments.trace_option().check(speaks, speech)?;
    arguments.pcap.check(arguments.trace_option().goes_to_output(), "the trace")?;
    let material = Material::new()?;
    let wanted = arguments.watch().wanted(arguments.style() == Style::Bars, false);
    let is_watched = wanted.opens_at_once();
    let mood = Mood { lies: *liar, is_slow: *slow, chokes: *choke, is_watched, ..Mood::default() };
    let voice = match (arguments.quiet, arguments.json) {
        (true, _) => Voice::Silent,
        (false, true) => Voice::Errors,
        (false, false) => Voice::Output,
    };
    let folder = arguments.output.folder();
    if let Some(address) = &arguments.with {
        return with::run(address, &material, folder, voice);
    }
    if let Some(address) = arguments.serve {
        let address = address.unwrap_or(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
        return serve::run(serve::Wish { address, once: arguments.once, mood }, &material, folder, voice);
    }
    let (prints_trace, style, pcap) = (arguments.prints_trace(), arguments.style(), &arguments.pcap);
    let view = View { voice, prints_trace, pcap, style, wanted, events };
    let kept = arguments.output.output_dir.as_deref();
    download::run(material, mood, kept, view, |names| arguments.begin_trace(names))
}

/// Listens on this address, on a free port if that is 0. The port that it is.
fn listen(address: SocketAddrV4) -> Result<(TcpListener, SocketAddr), CommandFailure> {
    TcpListener::bind(address)
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
        .map(|(address, listener)| (listener, address))
        .map_err(|error| (Exit::NETWORK, format!("cannot listen on {address}: {}", reason(&error))))
}
