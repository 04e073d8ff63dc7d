//! What a user types and sees: arguments, progress, exit codes.
//!
//! [`run`] is the whole program without the process around it. Each subcommand has its own file. They run on
//! the main thread, which waits for the threads of the torrents and draws the progress. Nothing here decides
//! anything about a download, and no other module prints anything, except to the log.

pub mod arenas;
mod arguments;
mod create;
mod demo;
mod encryption_option;
mod exit;
mod get;
mod json;
mod meter;
mod network_options;
mod port_mapping_options;
mod progress;
mod proxy_options;
mod resources;
mod runs;
mod sandbox;
pub mod saved_port;
mod scraped;
mod seed;
mod selection_options;
mod sharing_options;
pub mod show;
mod signals;
pub mod source;
mod source_name;
mod supervisor;
mod terminal;
mod thread_limit;
mod turns;
mod verify;
mod web_seed_options;

use arguments::{Arguments, CliCommand};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;
use std::io::Write;
use terminal::start_log;

pub use exit::Exit;

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments::with_default_command(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => return refused(error),
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
        CliCommand::Create(create) => create::run(&create, &mut terminal::output()),
        CliCommand::Verify(verify) => {
            start_log(0, verify.quiet);
            verify::run(&verify, &mut terminal::output())
        }
        CliCommand::Show(show) => {
            start_log(show.verbose, show.quiet);
            show::run(&show, &mut terminal::output())
        }
        CliCommand::Demo { output_dir } => {
            start_log(0, false);
            demo::run(output_dir.as_deref())
        }
    };
    outcome.unwrap_or_else(|(exit, message)| {
        terminal::say(&format!("femtotorrent: {message}"));
        exit
    })
}

/// Prints why the arguments are refused. `clap` reports --help and --version as errors too. They go to standard
/// output and are successes.
fn refused(mut error: clap::Error) -> Exit {
    // What was typed may be an address with a password in it.
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg] {
        if let Some(ContextValue::String(typed)) = error.get(kind) {
            let shown = source::shown(typed);
            if shown != *typed {
                // A hint repeats it.
                error.remove(ContextKind::Suggested);
            }
            error.insert(kind, ContextValue::String(shown));
        }
    }
    let text = error.render().to_string();
    if error.use_stderr() {
        terminal::say(text.trim_end());
        return Exit::BAD_OPTION;
    }
    // This fails if the reader of standard output is gone.
    let _ = write!(terminal::output(), "{text}");
    Exit::DONE
}
