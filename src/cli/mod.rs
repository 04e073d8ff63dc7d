//! What a user types and sees: arguments, progress, exit codes.
//!
//! [`run`] is the whole program without the process around it. Each subcommand has its own file. They run on
//! the main thread, which waits for the threads of the torrents and draws the progress. Nothing here decides
//! anything about a download, and no other module prints anything, except to the log.

mod arguments;
mod create;
mod demo;
mod exit;
mod get;
mod json;
mod meter;
mod network_options;
mod progress;
mod resources;
mod runs;
mod saved_port;
mod scraped;
mod seed;
mod sharing_options;
pub mod show;
mod signals;
pub mod source;
mod source_name;
mod thread_limit;
mod verify;

use crate::text::printable;
use arguments::{Arguments, CliCommand};
use clap::Parser;
use std::ffi::OsString;
use std::io::{self, Write};

pub use exit::Exit;

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments::with_default_command(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // `clap` reports --help and --version as errors too. They go to standard output and are
            // successes.
            let _ = error.print();
            return if error.use_stderr() { Exit::BAD_OPTION } else { Exit::DONE };
        }
    };
    signals::outlive_file_limit();
    let outcome = match arguments.command {
        CliCommand::Get(get) => {
            start_log(get.sharing.verbose, get.sharing.quiet);
            get::run(&get)
        }
        CliCommand::Seed(seed) => {
            start_log(seed.sharing.verbose, seed.sharing.quiet);
            seed::run(&seed)
        }
        CliCommand::Create(create) => create::run(&create, &mut io::stdout().lock()),
        CliCommand::Verify(verify) => {
            start_log(0, verify.quiet);
            verify::run(&verify, &mut io::stdout().lock())
        }
        CliCommand::Show(show) => {
            start_log(show.verbose, show.quiet);
            show::run(&show, &mut io::stdout().lock())
        }
        CliCommand::Demo { output_dir } => {
            start_log(0, false);
            demo::run(output_dir.as_deref())
        }
    };
    outcome.unwrap_or_else(|(exit, message)| {
        let _ = writeln!(io::stderr(), "femtotorrent: {message}");
        exit
    })
}

/// Starts the log on standard error, without time or colour. `RUST_LOG` can select more than `-v`.
fn start_log(verbose: u8, quiet: bool) {
    let level = match (verbose, quiet) {
        (_, true) => log::LevelFilter::Error,
        (0, false) => log::LevelFilter::Warn,
        (1, false) => log::LevelFilter::Debug,
        (2.., false) => log::LevelFilter::Trace,
    };
    let _ = env_logger::Builder::new()
        .filter_module("femtotorrent", level)
        .parse_default_env()
        // Names and messages in it come from strangers.
        .format(|out, record| writeln!(out, "{}", printable(&record.args().to_string())))
        .try_init();
}
