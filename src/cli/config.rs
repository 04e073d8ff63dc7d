//! `config`: prints what the settings file and the environment set, and what becomes of it.

use super::exit::{CommandFailure, Exit};
use super::help::headings::OUTPUT;
use super::option_words::shown;
use super::printed::printed;
use super::settings::{
    COMMANDS, Settings, Verdict, can_be_set, config_file, named, takes_settings, verdicts,
};
use crate::text;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command};
use std::io::Write;

/// The width of what stands in front of the origin.
const WIDTH: usize = 36;

#[derive(Args, Debug)]
pub struct ConfigArguments {
    /// Only the settings of this command
    #[arg(value_name = "COMMAND", value_parser = PossibleValuesParser::new(COMMANDS))]
    pub command: Option<String>,
    /// Print the options that are not set, too, with their defaults
    #[arg(long, help_heading = OUTPUT)]
    pub all: bool,
}

/// Prints the settings, all of which are looked at: those of other commands, too.
///
/// # Errors
///
/// The file cannot be read, or a setting means nothing.
pub fn run(
    arguments: &ConfigArguments,
    is_without: bool,
    program: &mut Command,
    out: &mut impl Write,
) -> Result<Exit, CommandFailure> {
    program.build();
    let settings = if is_without { Settings::default() } else { Settings::read(program)? };
    settings.warn();
    let mut report = Vec::new();
    report.push(match config_file() {
        _ if is_without => "no settings (--no-config)".to_owned(),
        Some(file) if file.path().exists() => text::shown(file.path()),
        Some(file) => format!("{} (there is no such file)", text::shown(file.path())),
        None => "no settings file (neither XDG_CONFIG_HOME nor HOME names a folder)".to_owned(),
    });
    for command in program.get_subcommands().map(Command::get_name).filter(|name| takes_settings(name)) {
        let Some(command) = named(program, command) else { continue };
        let found = verdicts(&settings, command, None).map_err(|why| (Exit::BAD_OPTION, why))?;
        let is_asked_for = arguments.command.as_deref().is_none_or(|name| name == command.get_name());
        let mut lines: Vec<String> = found.iter().map(set).collect();
        if arguments.all {
            let is_set =
                |option: &&Arg| found.iter().any(|verdict| verdict.option.get_id() == option.get_id());
            lines.extend(command.get_arguments().filter(|option| !is_set(option)).filter_map(unset));
        }
        if is_asked_for && !lines.is_empty() {
            report.push(format!("\n[{}]", command.get_name()));
            report.append(&mut lines);
        }
    }
    if report.len() == 1 {
        report.push("nothing is set".to_owned());
    }
    printed(writeln!(out, "{}", report.join("\n")).and_then(|()| out.flush()))?;
    Ok(Exit::DONE)
}

/// An option that is set, where, and what has beaten it.
fn set(verdict: &Verdict<'_>) -> String {
    let Verdict { setting, option, beaten_by, .. } = verdict;
    let name = option.get_long().unwrap_or_default();
    let what = match &setting.value {
        Some(value) => format!("{name} = {}", shown(name, value)),
        None => name.to_owned(),
    };
    let why = beaten_by.as_ref().map(|winner| format!(", not used: {winner}")).unwrap_or_default();
    format!("{what:WIDTH$} {}{why}", setting.origin.short())
}

/// An option that is not set. `None` for what cannot be.
fn unset(option: &Arg) -> Option<String> {
    let name = option.get_long().filter(|_| can_be_set(option))?;
    let values: Vec<String> =
        option.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    Some(match option.get_action().takes_values() && !values.is_empty() {
        true => format!("{:WIDTH$} default", format!("{name} = {}", values.join(" "))),
        false => format!("{name:WIDTH$} not set"),
    })
}
