//! What the user has set once and for all: the options of a file and those of variables of the environment.
//!
//! The command line is understood first, alone. Then what the settings say is put in front of the user's own words, and
//! all is understood once more. So a setting means what the option of its name means, and the last word counts:
//! the top of the file (`file`), the part of it for this command, the variables (`environment`), the command line.
//! What says otherwise later beats what was said before (`merge`), and nobody is told, but for `-v` and the command
//! `config`. `--no-config` leaves all settings out, file and variables, so that a script does the same everywhere.

mod environment;
pub mod file;
mod location;
mod merge;
mod options;
mod origin;

use super::exit::{CommandFailure, Exit};
use super::help::headings::SETTINGS;
use clap::{Arg, ArgAction, ArgMatches, Command};
use log::{debug, warn};
use std::ffi::OsString;

pub use location::{ConfigFile, config_file, from_home};
pub use merge::{Verdict, verdicts};
pub use options::{COMMANDS, can_be_set, named, takes_settings};
pub use origin::Origin;

/// One option, as a file or a variable sets it.
#[derive(Debug)]
pub struct Setting {
    /// The command that it is for. `None` for all that have the option.
    pub command: Option<String>,
    /// The long name of the option, without the dashes.
    pub key: String,
    /// What stands behind the name, if anything does.
    pub value: Option<String>,
    /// Where it stands.
    pub origin: Origin,
}

/// All of them, the later ones behind.
#[derive(Debug, Default)]
pub struct Settings {
    all: Vec<Setting>,
    /// Variables that mean nothing to us, and what else there is to say of what is left out.
    warnings: Vec<String>,
    /// Variables that are no settings and no surprise.
    notes: Vec<String>,
}

/// What the settings add to a command line.
#[derive(Debug, Default)]
pub struct Additions {
    words: Vec<OsString>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

impl Settings {
    /// Reads the file and the environment. Each key is one of an option; whether the values are good is not known yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or says what nobody understands.
    pub fn read(program: &Command) -> Result<Settings, CommandFailure> {
        let mut all = Vec::new();
        if let Some(file) = config_file() {
            all = file.settings().map_err(bad)?;
            all.iter_mut().try_for_each(|setting| options::settle(setting, program)).map_err(bad)?;
        }
        let found = environment::settings(std::env::vars_os(), program).map_err(bad)?;
        all.extend(found.settings);
        Ok(Settings { all, warnings: found.warnings, notes: found.notes })
    }

    /// What they add to a command line that means this.
    ///
    /// # Errors
    ///
    /// A value is not one of its option, be it of another command, or the command line goes against a setting that
    /// protects the user.
    pub fn beside(&self, typed: &ArgMatches, program: &Command) -> Result<Additions, CommandFailure> {
        let (warnings, notes) = (self.warnings.clone(), self.notes.clone());
        let mut additions = Additions { warnings, notes, words: Vec::new() };
        let Some((name, typed)) = typed.subcommand() else { return Ok(additions) };
        let Some(command) = named(program, name) else { return Ok(additions) };
        for other in options::commands(program) {
            verdicts(self, other, None).map_err(bad)?;
        }
        for verdict in verdicts(self, command, Some(typed)).map_err(bad)? {
            let Verdict { setting, beaten_by, .. } = &verdict;
            match beaten_by {
                Some(winner) => {
                    let Setting { origin, key, .. } = setting;
                    additions.notes.push(format!("{origin}: {key} is not used, because of {winner}"));
                }
                None => additions.words.extend(verdict.words()),
            }
        }
        Ok(additions)
    }

    /// Warns of the variables that mean nothing to us. The log has to be there by then.
    pub fn warn(&self) {
        self.warnings.iter().for_each(|warning| warn!("{warning}"));
    }
}

impl Additions {
    /// Whether they are without effect.
    pub fn are_none(&self) -> bool {
        self.words.is_empty()
    }

    /// The words of a command line, the second of which is the command, with ours in front of the user's.
    pub fn in_front_of(&self, words: &[OsString]) -> Vec<OsString> {
        let (command, typed) = words.split_at(words.len().min(2));
        [command, self.words.as_slice(), typed].concat()
    }

    /// Says what is not used. The log has to be there by then.
    pub fn say(&self) {
        self.warnings.iter().for_each(|warning| warn!("{warning}"));
        self.notes.iter().for_each(|note| debug!("{note}"));
    }
}

/// What is settled before the command begins: what the settings add to a command line that means this.
///
/// # Errors
///
/// As [`Settings::read`] and [`Settings::beside`].
pub fn additions(typed: &ArgMatches, program: &mut Command) -> Result<Additions, CommandFailure> {
    let is_for_settings = typed.subcommand_name().is_some_and(takes_settings);
    if !is_for_settings || is_without(typed) {
        return Ok(Additions::default());
    }
    program.build();
    Settings::read(program)?.beside(typed, program)
}

/// Whether the user wants no settings.
pub fn is_without(typed: &ArgMatches) -> bool {
    typed.subcommand().is_some_and(|(_, typed)| matches!(typed.try_get_one("no_config"), Ok(Some(true))))
}

/// The program with the option for that, which each command has.
pub fn with_option(program: Command) -> Command {
    program.mut_subcommands(|command| {
        let option = Arg::new("no_config").long("no-config").alias("no-conf").action(ArgAction::SetTrue);
        let meaning = "Ignore the settings file and FEMTOTORRENT_* variables";
        command.arg(option.help(meaning).help_heading(SETTINGS))
    })
}

fn bad(message: String) -> CommandFailure {
    (Exit::BAD_OPTION, message)
}

#[cfg(test)]
mod tests;
