//! What is said where the command line is not understood.
//!
//! An option that we do not have may be a slip, or one of another program: then the answer is ours that was meant.

use super::exit::Exit;
use super::foreign_words;
use super::help;
use super::nearest_word::nearest;
use super::{source, terminal};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use std::ffi::OsString;
use std::io::Write;

/// Prints why `words` are refused. `clap` reports --help and --version as errors too. They go to standard output and
/// are successes. Returns the exit code, and what was said of an error.
pub fn refused(mut error: clap::Error, words: &[OsString], program: &Command) -> (Exit, String) {
    match error.kind() {
        ErrorKind::DisplayHelp => {
            // This fails if the reader of standard output is gone.
            let _ = write!(terminal::output(), "{}", help_asked_for(words, program));
            return (Exit::DONE, String::new());
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal::say(help_asked_for(words, program).trim_end());
            return (Exit::BAD_OPTION, "there are no arguments".to_owned());
        }
        _ => {}
    }
    if let Some(answer) = missing(&error, words, program).or_else(|| unknown_option(&error, words, program)) {
        terminal::say_error(&answer);
        return (Exit::BAD_OPTION, answer);
    }
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
        match text.trim_end().strip_prefix("error:") {
            Some(text) => terminal::say_in_colour("", terminal::Tone::Error, "error:", text),
            None => terminal::say(text.trim_end()),
        }
        return (Exit::BAD_OPTION, reason(&text));
    }
    let _ = write!(terminal::output(), "{text}");
    (Exit::DONE, text)
}

/// The first paragraph of what `clap` says, in one line.
fn reason(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = paragraph.lines().map(str::trim).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

/// The help of the command that the words name: the short one for `-h`, the whole one for `--help` and `help`.
fn help_asked_for(words: &[OsString], program: &Command) -> String {
    let is_word = |at: usize, word: &str| words.get(at).is_some_and(|one| one == word);
    let named = words.get(if is_word(1, "help") { 2 } else { 1 });
    let command = named.and_then(|word| command(word.to_str()?, program)).unwrap_or(program);
    let is_whole = is_word(1, "help") || words.iter().any(|word| word == "--help");
    help::page(command, is_whole, terminal::columns())
}

/// The command with this name, or this other name.
fn command<'a>(name: &str, program: &'a Command) -> Option<&'a Command> {
    let mut commands = program.get_subcommands();
    commands.find(|one| one.get_name() == name || one.get_all_aliases().any(|it| it == name))
}

/// The answer where there is nothing to work on.
fn missing(error: &clap::Error, words: &[OsString], program: &Command) -> Option<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let command = command(words.get(1)?.to_str()?, program)?.get_name();
    let missing = missing.first()?.trim_matches(['<', '>', '[', ']', '.']);
    Some(format!("{command} needs a {missing} (see femtotorrent {command} --help)"))
}

/// The answer to an option that the command does not have.
fn unknown_option<'a>(error: &clap::Error, words: &[OsString], program: &'a Command) -> Option<String> {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::UnknownArgument || !typed.starts_with('-') {
        return None;
    }
    let command = command(words.get(1)?.to_str()?, program)?;
    // What is behind the sign may be a secret.
    let typed = typed.split('=').next().unwrap_or_default();
    let shown = source::shown(typed);
    if let Some(answer) = foreign_words::answer(command.get_name(), typed) {
        return Some(format!("there is no option '{shown}': {answer}"));
    }
    let names =
        |option: &'a Arg| option.get_long().into_iter().chain(option.get_all_aliases().unwrap_or_default());
    let known = command.get_arguments().flat_map(names).chain(["help"]);
    let near = typed.strip_prefix("--").and_then(|typed| nearest(typed, known));
    let hint = match near {
        Some(near) => format!("did you mean '--{near}'?"),
        None => format!("see femtotorrent {} --help", command.get_name()),
    };
    Some(format!("there is no option '{shown}' ({hint})"))
}
