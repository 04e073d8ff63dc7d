//! What is said where the command line is not understood.
//!
//! It is one sentence, which names the option, the reason and the way out; a password in what was typed is not in it. An
//! option that we do not have may be a slip, or one of another program: then the answer is ours that was meant.

use super::exit::Exit;
use super::first_word::no_command;
use super::foreign_words;
use super::help;
use super::nearest_word::nearest;
use super::printed::printed;
use super::{option_words, source, terminal};
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;
use std::io::Write;

/// Prints why `words` are refused. `clap` reports --help and --version as errors too. They go to standard output and
/// are successes. Returns the exit code, and what was said of an error.
pub fn refused(error: clap::Error, words: &[OsString], program: &Command) -> (Exit, String) {
    match error.kind() {
        ErrorKind::DisplayHelp => {
            return print(&help_asked_for(words, program));
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal::say(help_asked_for(words, program).trim_end());
            return (Exit::BAD_OPTION, "there are no arguments".to_owned());
        }
        _ => {}
    }
    if !error.use_stderr() {
        return print(&error.render().to_string());
    }
    let answer = missing(&error, words, program)
        .or_else(|| unknown(&error, words, program))
        .or_else(|| unusable(&error))
        .or_else(|| conflict(&error))
        .unwrap_or_else(|| first_paragraph(&error.render().to_string()));
    terminal::say_error(&answer);
    (Exit::BAD_OPTION, answer)
}

/// Prints what was asked for.
fn print(text: &str) -> (Exit, String) {
    let mut out = terminal::output();
    match printed(write!(out, "{text}").and_then(|()| out.flush())) {
        Ok(()) => (Exit::DONE, String::new()),
        Err((exit, why)) => {
            terminal::say_error(&why);
            (exit, why)
        }
    }
}

/// What `clap` says, in one line and without the advice under it.
fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = paragraph.lines().map(str::trim).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

/// The help of the command that the words name: the short one for `-h`, the whole one for `--help` and `help`.
fn help_asked_for(words: &[OsString], program: &Command) -> String {
    let is_word = |at: usize, word: &str| words.get(at).is_some_and(|one| one == word);
    let named = words.get(if is_word(1, "help") { 2 } else { 1 });
    let command = named.and_then(|word| program.find_subcommand(word)).unwrap_or(program);
    let is_whole = is_word(1, "help") || words.iter().any(|word| word == "--help");
    help::page(command, is_whole, terminal::columns())
}

/// The answer where there is nothing to work on.
fn missing(error: &clap::Error, words: &[OsString], program: &Command) -> Option<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let command = program.find_subcommand(words.get(1)?)?.get_name();
    let missing = name(missing.first()?);
    Some(format!("{command} needs a {missing} (see femtotorrent {command} --help)"))
}

/// The answer to a word that the command does not have: an option, a further argument, a command to have help on.
fn unknown(error: &clap::Error, words: &[OsString], program: &Command) -> Option<String> {
    if let (ErrorKind::InvalidSubcommand, Some(typed)) =
        (error.kind(), text(error, ContextKind::InvalidSubcommand))
    {
        return Some(
            no_command(typed, program).unwrap_or_else(|shown| format!("{shown} (see femtotorrent --help)")),
        );
    }
    let typed = text(error, ContextKind::InvalidArg)?;
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let command = program.find_subcommand(words.get(1)?)?;
    let name = command.get_name();
    if !typed.starts_with('-') {
        let shown = source::shown(typed);
        let way_out = one_too_many(name, typed, words);
        return Some(format!("'{shown}' is one argument too many ({way_out})"));
    }
    // What is behind the sign may be a secret.
    let typed = typed.split('=').next().unwrap_or_default();
    let value = value_behind(typed, words);
    let typed = foreign_words::whole(typed, value);
    let shown = source::shown(typed);
    if let Some(answer) = foreign_words::answer(name, typed, value) {
        return Some(format!("there is no option '{shown}': {answer}"));
    }
    let known = command.get_arguments().flat_map(option_words::names).chain(["help"]);
    let near = typed.strip_prefix("--").and_then(|typed| nearest(typed, known));
    let hint = match near {
        Some(near) => format!("did you mean '--{near}'?"),
        None => format!("see femtotorrent {name} --help"),
    };
    Some(format!("there is no option '{shown}' ({hint})"))
}

/// What to do with the argument that is too many.
fn one_too_many(command: &str, typed: &str, words: &[OsString]) -> String {
    let is_torrent = |word: &str| word.ends_with(".torrent");
    // As tar has it: what is made comes first.
    let first = words.iter().skip(2).filter_map(|word| word.to_str()).find(|word| is_torrent(word));
    match (command, first) {
        ("create", _) if typed.contains("://") => {
            format!("if it is a tracker: --tracker {}", source::shown(typed))
        }
        ("create", Some(torrent)) => format!("if it is to be written: --output {}", source::shown(torrent)),
        ("create", None) => "a torrent is made of one file or folder: put them into one folder".to_owned(),
        ("doctor", _) => "it looks at one torrent at a time".to_owned(),
        _ => format!("see femtotorrent {command} --help"),
    }
}

/// The value of this short option: behind it in the same word, or the next one.
fn value_behind<'a>(typed: &str, words: &'a [OsString]) -> &'a str {
    let mut words = words.iter().filter_map(|word| word.to_str()).skip_while(|word| !word.starts_with(typed));
    match words.next().and_then(|word| word.strip_prefix(typed)) {
        Some("") => words.next().unwrap_or_default(),
        value => value.unwrap_or_default(),
    }
}

/// The answer to a value that the option does not take, or to none.
fn unusable(error: &clap::Error) -> Option<String> {
    let usage = text(error, ContextKind::InvalidArg)?;
    let option = name(usage);
    if error.kind() == ErrorKind::TooManyValues {
        return Some(format!("{option} takes no value (write {option} alone)"));
    }
    let value = text(error, ContextKind::InvalidValue)?;
    if error.kind() == ErrorKind::InvalidValue && value.is_empty() {
        if !option.starts_with('-') {
            return Some(format!("{option}: there is nothing in it (is a variable of the shell not set?)"));
        }
        return Some(format!("{option} needs a value (write {})", usage.replace(['<', '>', '[', ']'], "")));
    }
    let why = option_words::why_refused(error)?;
    let shown = option_words::shown(option.trim_start_matches('-'), value);
    Some(format!("{option}: '{shown}' cannot be used: {why}"))
}

/// The answer to options that cannot be used together.
fn conflict(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::ArgumentConflict {
        return None;
    }
    let option = name(text(error, ContextKind::InvalidArg)?);
    let others = match error.get(ContextKind::PriorArg)? {
        ContextValue::String(other) => name(other).to_owned(),
        ContextValue::Strings(others) => others.iter().map(|it| name(it)).collect::<Vec<_>>().join(" or "),
        _ => return None,
    };
    Some(format!("{option} cannot be used with {others} (leave one of them out)"))
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// The option that `clap` writes with its value, as `--stdout[=<FORMAT>]`; or the argument, as `[COMMAND]`.
fn name(usage: &str) -> &str {
    match usage.starts_with('-') {
        true => usage.split([' ', '[', '=']).next().unwrap_or_default(),
        false => usage.trim_matches(['<', '>', '[', ']', '.']),
    }
}
