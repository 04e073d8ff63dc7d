//! The options that can be set, and what their names and values mean.

use super::Setting;
use crate::cli::first_word::ABSENT;
use crate::cli::nearest_word::nearest;
use crate::cli::option_words::{self, shown};
use crate::text::excerpt;
use clap::{Arg, ArgAction, Command};

/// The commands that settings are for. A demonstration is the same everywhere.
pub const COMMANDS: &[&str] = &[
    "get",
    "seed",
    "create",
    "verify",
    "show",
    #[cfg(feature = "doctor")]
    "doctor",
];

/// Options that are about one command line, with what they would do as a setting in mind.
const NOT_TO_SET: [&str; 10] = [
    "help",
    "version",
    "no-config",
    "input-file",
    "save",
    "output",
    "output-name",
    "stdout",
    "trace",
    "pcap",
];

/// The most characters of a value that an error shows.
const MOST_SHOWN: usize = 60;

/// What a setting says about its option.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It has this value.
    Value(String),
    /// It is there so many times; 0 is *no*.
    Times(u8),
}

/// Whether settings are for the command of this name.
pub fn takes_settings(command: &str) -> bool {
    COMMANDS.contains(&command)
}

/// The commands that settings are for.
pub fn commands(program: &Command) -> impl Iterator<Item = &Command> {
    program.get_subcommands().filter(|command| takes_settings(command.get_name()))
}

/// The command of this name, which may be one of its other names.
pub fn named<'a>(program: &'a Command, name: &str) -> Option<&'a Command> {
    program.find_subcommand(name).filter(|command| takes_settings(command.get_name()))
}

/// The option of a command that has this name and can be set.
pub fn option<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .filter(|option| can_be_set(option))
        .find(|option| option_words::names(option).any(|name| name == key))
}

/// Whether the command has such an option.
pub fn is_fit(command: &Command, key: &str) -> bool {
    option(command, key).is_some()
}

/// Whether it can be set once and for all.
pub fn can_be_set(option: &Arg) -> bool {
    option.get_long().is_some_and(|long| !NOT_TO_SET.contains(&long))
}

/// The name that was probably meant: with a *no* in front, or spelt in another way.
pub fn near<'a>(program: &'a Command, key: &str) -> Option<&'a str> {
    let all = || {
        commands(program)
            .flat_map(Command::get_arguments)
            .filter(|it| can_be_set(it))
            .flat_map(option_words::names)
    };
    all().find(|name| name.strip_prefix("no-") == Some(key)).or_else(|| nearest(key, all()))
}

/// Has the setting name its command by the first of its names, and makes sure that its key is one of an option.
///
/// # Errors
///
/// There is no such command or option, or the option cannot be set here.
pub fn settle(setting: &mut Setting, program: &Command) -> Result<(), String> {
    let Setting { command, key, origin, .. } = setting;
    let shown = excerpt(key, MOST_SHOWN);
    let Some(head) = command else {
        return match commands(program).any(|command| is_fit(command, key)) {
            true => Ok(()),
            false => Err(format!("{origin}: {}", unknown(program, key, &shown))),
        };
    };
    if ABSENT.contains(&head.as_str()) {
        return Err(format!(
            "{origin}: [{head}] is for a command that this build does not have (use the full build)"
        ));
    }
    let Some(of) = named(program, head) else {
        let known = commands(program).map(Command::get_name);
        let way_out = match nearest(head, known) {
            Some(near) => format!("did you mean [{near}]?"),
            None => format!("the heads are [{}]", COMMANDS.join("], [")),
        };
        return Err(format!(
            "{origin}: [{}] is no command that can be set ({way_out})",
            excerpt(head, MOST_SHOWN)
        ));
    };
    *head = of.get_name().to_owned();
    if is_fit(of, key) {
        return Ok(());
    }
    let others: Vec<&str> = commands(program).filter(|one| is_fit(one, key)).map(Command::get_name).collect();
    Err(match others.as_slice() {
        [] => format!("{origin}: {}", unknown(program, key, &shown)),
        some => {
            format!("{origin}: '{shown}' is no option of {head} (put it under [{}])", some.join("] or ["))
        }
    })
}

fn unknown(program: &Command, key: &str, shown: &str) -> String {
    if NOT_TO_SET.contains(&key) {
        return format!("'{shown}' cannot be set once and for all (it belongs on the command line)");
    }
    match near(program, key) {
        Some(near) => format!("there is no option '{shown}' (did you mean '{near}'?)"),
        None => format!("there is no option '{shown}' (see femtotorrent get --help)"),
    }
}

/// What the setting says about this option.
///
/// # Errors
///
/// The option does not take the value.
pub fn meaning(setting: &Setting, option: &Arg) -> Result<Meaning, String> {
    let Setting { key, value, origin, .. } = setting;
    if !option.get_action().takes_values() {
        let counts = matches!(option.get_action(), ArgAction::Count);
        return times(value.as_deref(), counts).ok_or_else(|| {
            let shown = shown(key, value.as_deref().unwrap_or_default());
            format!("{origin}: {key}: '{shown}' is not understood (write yes or no, or the name alone)")
        });
    }
    let Some(value) = value else {
        return match option.get_num_args().is_some_and(|range| range.min_values() == 0) {
            true => Ok(Meaning::Times(1)),
            false => Err(format!("{origin}: {key} needs a value, as in {key} = {}", placeholder(option))),
        };
    };
    match refusal(option, value) {
        None => Ok(Meaning::Value(value.clone())),
        Some(why) => {
            let hint = if value.contains(" #") { " (a comment has a line of its own)" } else { "" };
            Err(format!("{origin}: {key}: '{}' cannot be used: {why}{hint}", shown(key, value)))
        }
    }
}

fn times(value: Option<&str>, counts: bool) -> Option<Meaning> {
    let value = value.unwrap_or("yes").to_ascii_lowercase();
    match value.as_str() {
        "yes" | "true" | "on" | "1" => Some(Meaning::Times(1)),
        "no" | "false" | "off" | "0" => Some(Meaning::Times(0)),
        other if counts && other.len() == 1 => other.parse().ok().map(Meaning::Times),
        _ => None,
    }
}

fn placeholder(option: &Arg) -> String {
    let names = option.get_value_names().unwrap_or_default();
    names.first().map_or("VALUE".to_owned(), |name| name.to_string())
}

/// Why the option does not take this value. It is asked alone, since on a command line other options would have to be
/// there.
fn refusal(option: &Arg, value: &str) -> Option<String> {
    let alone = Arg::new("it").long("it").value_parser(option.get_value_parser().clone());
    let command = Command::new("it").no_binary_name(true).arg(alone);
    let error = command.try_get_matches_from([format!("--it={value}")]).err()?;
    Some(option_words::why_refused(&error).unwrap_or_else(|| "a value is expected".to_owned()))
}
