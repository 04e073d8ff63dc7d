//! The options of `demo`, and what follows from them for what it shows.

use super::narrator::Name;
use crate::cli::exit::{CommandFailure, Exit};
use crate::cli::folder_options::OutputOption;
use crate::cli::help::headings::{FILES, LESSONS, OUTPUT};
use crate::cli::pcap_option::PcapOption;
use crate::cli::progress::Style;
use crate::cli::terminal;
use crate::cli::trace::{Form, Sink, Trace};
use crate::cli::trace_option::TraceOption;
use crate::cli::values::host_and_port;
use crate::cli::watch_option::WatchOption;
use crate::text::reason;
use clap::{Args, ValueHint};
use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::path::PathBuf;

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
    /// As `get --trace` does: its meaning, and why we sent it. The file must not exist; - is standard output, as
    /// in `get`.
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

impl DemoArguments {
    /// Begins the trace, if there is to be one.
    pub(super) fn begin_trace(&self, names: Vec<Name>) -> Result<Trace, CommandFailure> {
        if self.prints_trace() {
            let sink =
                Sink { name: "standard output".to_owned(), form: Form::Story(names), out: Box::new(Output) };
            return Trace::to(vec![sink]).map_err(|error| {
                (Exit::OTHER, format!("cannot start the thread of --trace: {}", reason(&error)))
            });
        }
        self.trace_option().begin(self.verbose)
    }

    /// Where messages are written as `get` does it, if anywhere.
    pub(super) fn trace_option(&self) -> TraceOption {
        TraceOption { trace: self.trace.clone().flatten() }
    }

    /// Whether the live view is shown at once.
    pub(super) fn watch(&self) -> WatchOption {
        WatchOption {
            #[cfg(feature = "watch")]
            watch: self.watch,
        }
    }

    /// Whether each message is printed among what the demo says.
    pub(super) fn prints_trace(&self) -> bool {
        matches!(self.trace, Some(None)) && !self.json && !self.quiet
    }

    /// How the progress is shown.
    pub(super) fn style(&self) -> Style {
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
