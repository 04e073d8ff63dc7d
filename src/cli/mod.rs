//! What a user types and sees: arguments, progress, exit codes.
//!
//! [`run`] is the whole program without the process around it. Each subcommand has its own file. They run on
//! the main thread, which waits for the threads of the torrents and draws the progress. Nothing here decides
//! anything about a download, and no other module prints anything, except to the log.

pub mod arenas;
mod arguments;
mod client_name_options;
mod columns;
mod config;
mod create;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "doctor")]
mod doctor;
mod each;
mod encryption_option;
mod events;
mod exit;
mod first_word;
mod folder_options;
mod foreground;
mod foreign_words;
mod get;
pub mod help;
mod hook;
mod json;
mod meter;
mod naming_options;
mod nearest_file;
mod nearest_word;
mod network_options;
mod option_words;
#[cfg(feature = "trace")]
pub mod pcap;
#[cfg_attr(not(feature = "trace"), path = "no_pcap.rs")]
mod pcap_option;
mod port_mapping_options;
mod printed;
mod progress;
mod proxy_options;
mod refusal;
mod resources;
mod runs;
mod sandbox;
pub mod saved_port;
mod scraped;
mod seed;
mod selection_options;
pub mod settings;
mod sharing_options;
pub mod show;
mod signals;
mod slow_folder;
pub mod source;
mod source_list;
mod source_name;
mod stream_options;
mod supervisor;
mod terminal;
mod thread_limit;
#[cfg(feature = "trace")]
pub mod trace;
#[cfg_attr(not(feature = "trace"), path = "no_trace.rs")]
mod trace_option;
mod turns;
mod utc;
mod utp_option;
mod values;
mod verify;
#[cfg(feature = "watch")]
mod watch;
#[cfg(not(feature = "watch"))]
#[path = "no_watch.rs"]
mod watch;
mod watch_option;
mod web_seed_options;

use arguments::{Arguments, CliCommand};
use clap::FromArgMatches;
use events::Events;
use refusal::refused;
use std::ffi::OsString;
use terminal::start_log;

pub use arguments::program;
pub use exit::{CommandFailure, Exit};
pub use signals::end;
#[cfg(feature = "watch")]
pub use watch::rehearsal;

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let mut program = arguments::program();
    let mut words: Vec<OsString> = arguments.into_iter().collect();
    if let Err(failure) = first_word::with_command(&mut words, &program) {
        return with_events(events::command_of(&words, &program), |_| Err(failure));
    }
    let typed = match program.try_get_matches_from_mut(&words) {
        Ok(typed) => typed,
        Err(error) => return refuse(error, &words, &program),
    };
    let additions = match settings::additions(&typed, &mut program) {
        Ok(additions) => additions,
        Err(failure) => return with_events(events::command_of(&words, &program), |_| Err(failure)),
    };
    let is_without = settings::is_without(&typed);
    let words = additions.in_front_of(&words);
    let parsed = if additions.are_none() { Ok(typed) } else { program.try_get_matches_from_mut(&words) };
    let arguments = match parsed.and_then(|mut parsed| Arguments::from_arg_matches_mut(&mut parsed)) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(error, &words, &program),
    };
    signals::outlive_file_limit();
    start_log(arguments.command.verbose(), arguments.command.is_quiet());
    additions.say();
    let is_json = match &arguments.command {
        CliCommand::Create(create) => create.json,
        CliCommand::Verify(verify) => verify.json,
        CliCommand::Show(show) => show.json,
        #[cfg(feature = "doctor")]
        CliCommand::Doctor(doctor) => doctor.json,
        _ => false,
    };
    let outcome = match arguments.command {
        CliCommand::Get(get) => {
            return with_events(get.sharing.json.then_some("get"), |events| get::run(&get, events));
        }
        CliCommand::Seed(seed) => {
            return with_events(seed.sharing.json.then_some("seed"), |events| seed::run(&seed, events));
        }
        CliCommand::Create(create) => create::run(&create, &mut terminal::output()),
        CliCommand::Verify(verify) => verify::run(&verify, &mut terminal::output()),
        CliCommand::Show(show) => show::run(&show, &mut terminal::output()),
        #[cfg(feature = "doctor")]
        CliCommand::Doctor(doctor) => doctor::run(*doctor, &mut terminal::output()),
        CliCommand::Config(config) => config::run(&config, is_without, &mut program, &mut terminal::output()),
        #[cfg(feature = "demo")]
        CliCommand::Demo(demo) => {
            return with_events(demo.json.then_some("demo"), |events| demo::run(&demo, events));
        }
    };
    outcome.unwrap_or_else(|(exit, message)| {
        if is_json {
            // This fails if the reader is gone.
            let _ = json::write(&mut terminal::output(), &json::failure(exit, &message));
        }
        failed((exit, message))
    })
}

/// Says why these words are refused, to people and to programs. The words may also ask for help, and get it.
fn refuse(error: clap::Error, words: &[OsString], program: &clap::Command) -> Exit {
    let (exit, sentence) = refused(error, words, program);
    match Events::begin(events::command_of(words, program).filter(|_| exit != Exit::DONE)) {
        Ok(events) => events.end_after(exit, sentence),
        Err(failure) => failed(failure),
    }
}

/// Runs this, and tells the events of the command if it is to have any.
fn with_events(
    command: Option<&'static str>,
    run: impl FnOnce(&mut Events) -> Result<Exit, CommandFailure>,
) -> Exit {
    match Events::begin(command) {
        Ok(mut events) => {
            let outcome = run(&mut events);
            events.end(outcome)
        }
        Err(failure) => failed(failure),
    }
}

fn failed((exit, message): CommandFailure) -> Exit {
    terminal::say_error(&message);
    exit
}
