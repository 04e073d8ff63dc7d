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

mod cast;
mod download;
mod lesson;
mod material;
mod mood;
mod narrator;
mod payload;
mod seeder;
mod serve;
mod server;
pub mod student;
mod tracker;
mod voice;
mod with;

use super::events::Events;
use super::exit::Exit;
use super::folder_options::OutputOption;
use super::help::headings::{FILES, LESSONS, OUTPUT};
use super::pcap_option::PcapOption;
use super::progress::Style;
use super::runs::CommandFailure;
use super::terminal;
use super::trace::{Form, Sink, Trace};
use super::trace_option::TraceOption;
use super::values::host_and_port;
use super::watch_option::WatchOption;
use crate::text::reason;
use clap::{Args, ValueHint};
use download::View;
use material::Material;
use mood::Mood;
use narrator::Name;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::PathBuf;
use voice::Voice;

/// What the user wants of the demo.
#[derive(Args, Debug)]
#[command(mut_args(|argument| OutputOption::changed(argument, |folder| {
    let theirs = "--serve and --with write theirs to the current folder otherwise.";
    let keep = "Keep the files in this folder";
    folder.help(keep).long_help(format!("{keep}\n\n{theirs}")).help_heading(FILES)
})))]
pub struct DemoArguments {
    /// Print each message, or write them to this file
    ///
    /// As `get --trace` does: its meaning, and why we sent it. The file must not exist.
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub trace: Option<Option<PathBuf>>,
    /// Whether all bytes are written down.
    #[command(flatten)]
    pub pcap: PcapOption,
    /// With a seeder that sends a wrong byte
    #[arg(long, help_heading = LESSONS)]
    pub liar: bool,
    /// With a slow seeder beside a fast one
    #[arg(long, help_heading = LESSONS)]
    pub slow: bool,
    /// With a seeder that chokes us for a while
    #[arg(long, help_heading = LESSONS)]
    pub choke: bool,
    /// Seed for a client of your own, and say what it does wrong
    ///
    /// Until Ctrl-C, at a free port of 127.0.0.1 or at this address. The torrent is written to the output folder.
    #[arg(
        long,
        value_name = "IP:PORT",
        num_args = 0..=1,
        value_parser = own_address,
        conflicts_with = "pcap",
        help_heading = LESSONS
    )]
    pub serve: Option<Option<SocketAddrV4>>,
    /// With --serve: end after one client took everything
    #[arg(long, help_heading = LESSONS)]
    pub once: bool,
    /// Download from a seeder of your own, and say what it does wrong
    ///
    /// The torrent and the payload are written to the output folder first.
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_parser = host_and_port,
        conflicts_with_all = ["serve", "liar", "slow", "choke", "trace", "pcap", "json"],
        help_heading = LESSONS
    )]
    pub with: Option<String>,
    /// Where the files are kept, if they are.
    #[command(flatten)]
    pub output: OutputOption,
    /// Print what happens as JSON, one object a line
    #[arg(long, conflicts_with = "serve", help_heading = OUTPUT)]
    pub json: bool,
    /// Show it on a full screen, and let it last five times as long
    ///
    /// As `get --watch` does.
    #[cfg(feature = "watch")]
    #[arg(long, conflicts_with_all = ["serve", "with", "trace", "json", "quiet"], help_heading = OUTPUT)]
    pub watch: bool,
    /// Print only errors
    #[arg(short, long, overrides_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,
    /// Log what peers and trackers do (-vv: each message)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
}

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
    arguments.pcap.check(!arguments.quiet || arguments.json, "what the demo says")?;
    let material = Material::new()?;
    let wanted = arguments.watch().wanted(arguments.style() == Style::Bars, false);
    let is_watched = arguments.watch() != WatchOption::default();
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

impl DemoArguments {
    /// Begins the trace, if there is to be one.
    fn begin_trace(&self, names: Vec<Name>) -> Result<Trace, CommandFailure> {
        if self.prints_trace() {
            let sink =
                Sink { name: "standard output".to_owned(), form: Form::Story(names), out: Box::new(Output) };
            return Trace::to(vec![sink]).map_err(|error| {
                (Exit::OTHER, format!("cannot start the thread of --trace: {}", reason(&error)))
            });
        }
        TraceOption { trace: self.trace.clone().flatten() }.begin(self.verbose)
    }

    /// Whether the live view is shown at once.
    fn watch(&self) -> WatchOption {
        WatchOption {
            #[cfg(feature = "watch")]
            watch: self.watch,
        }
    }

    /// Whether each message is printed among what the demo says.
    fn prints_trace(&self) -> bool {
        matches!(self.trace, Some(None)) && !self.json && !self.quiet
    }

    /// How the progress is shown.
    fn style(&self) -> Style {
        match Style::of(self.quiet) {
            // The messages say it.
            Style::Bars | Style::Lines if self.prints_trace() => Style::Quiet,
            Style::Bars if self.verbose > 0 || self.json || self.liar || self.slow || self.choke => {
                Style::Lines
            }
            style => style,
        }
    }
}

/// Standard output, of which a line is locked at a time.
struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        terminal::output().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        terminal::output().flush()
    }
}

/// An address of this machine at which others can be told to connect.
fn own_address(text: &str) -> Result<SocketAddrV4, String> {
    let address = text.parse::<SocketAddrV4>().ok().filter(|address| !address.ip().is_unspecified());
    address.ok_or_else(|| {
        "an IPv4 address of this machine and a port are expected, such as 127.0.0.1:7000".to_owned()
    })
}

/// Listens on this address, on a free port if that is 0. The port that it is.
fn listen(address: SocketAddrV4) -> Result<(TcpListener, SocketAddr), CommandFailure> {
    TcpListener::bind(address)
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
        .map(|(address, listener)| (listener, address))
        .map_err(|error| (Exit::NETWORK, format!("cannot listen on {address}: {}", reason(&error))))
}
