//! What the first word of a command line means: a command, or a torrent, which `get` then downloads.
//!
//! A word that is neither ends the run before anything starts: whoever mistypes `verify` wants no download.

use super::exit::{CommandFailure, Exit};
use super::nearest_file::nearest_file;
use super::nearest_word::nearest;
use super::settings::from_home;
use super::source::shown;
use super::source_name;
use clap::Command;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Inserts `get` where the first argument is not a command of this program.
///
/// # Errors
///
/// The first argument is a bare word that names no command, no file and no torrent.
pub fn with_command(
    arguments: impl IntoIterator<Item = OsString>,
    program: &Command,
) -> Result<Vec<OsString>, CommandFailure> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    arguments.iter_mut().for_each(make_home);
    // This option is looked for before all else, so it may stand before the command.
    let at = 1 + arguments.iter().skip(1).take_while(|word| is_without_settings(word)).count();
    if let Some(words) = arguments.get_mut(1..=at) {
        words.rotate_right(1);
    }
    let Some(first) = arguments.get(1) else { return Ok(arguments) };
    let word = first.to_string_lossy().into_owned();
    let is_about_the_program = ["-h", "--help", "-V", "--version"].contains(&word.as_str());
    if is_about_the_program || commands(program).any(|command| command == word) {
        return Ok(arguments);
    }
    let is_bare = !word.is_empty() && !word.starts_with('-') && !word.contains(['/', '.', ':']);
    if is_bare
        && !Path::new(first).exists()
        && !source_name::is_like_an_info_hash(&source_name::in_text(first))
    {
        let answer = no_command(&word, program).unwrap_or_else(|answer| match nearest_file(&word) {
            Some(near) => format!("{answer} nor a file of that name (did you mean {}?)", shown(&near)),
            None => format!("{answer}; there is no file of that name either (see femtotorrent --help)"),
        });
        return Err((Exit::BAD_OPTION, answer));
    }
    arguments.insert(1, "get".into());
    Ok(arguments)
}

/// `~/` is the home folder also where no shell has made it that: behind the `=` of an option, or in the file of a service.
fn make_home(word: &mut OsString) {
    let Some(text) = word.to_str() else { return };
    let value = if text.starts_with("--") { text.find('=').map_or(0, |at| at + 1) } else { 0 };
    let (option, value) = text.split_at(value);
    if value.starts_with("~/") {
        *word = (option.to_owned() + &from_home(value.to_owned())).into();
    }
}

/// The commands that were left out of this build.
pub const ABSENT: &[&str] = &[
    #[cfg(not(feature = "doctor"))]
    "doctor",
    #[cfg(not(feature = "demo"))]
    "demo",
];

/// That there is no such command, with the one that was probably meant. If there is none like it, the way out is not
/// in the sentence, and that is the error.
pub fn no_command(word: &str, program: &Command) -> Result<String, String> {
    if ABSENT.contains(&word) {
        return Ok(format!("this build has no command '{word}' (use the full build)"));
    }
    let answer = format!("there is no command '{}'", shown(word));
    match nearest(word, commands(program)) {
        Some(near) => Ok(format!("{answer} (did you mean '{near}'?)")),
        None => Err(answer),
    }
}

/// Whether this is our option that leaves the settings out, or aria2's.
fn is_without_settings(word: &OsStr) -> bool {
    word == "--no-config" || word == "--no-conf"
}

/// The names of the commands and the other names that they have.
fn commands(program: &Command) -> impl Iterator<Item = &str> {
    let named = program.get_subcommands();
    named
        .flat_map(|command| std::iter::once(command.get_name()).chain(command.get_all_aliases()))
        .chain(["help"])
}

#[cfg(test)]
mod tests {
    use super::super::arguments::program;
    use super::*;

    fn second(line: &str) -> Result<String, String> {
        let words = with_command(line.split(' ').map(OsString::from), &program());
        words.map(|words| words[1].to_string_lossy().into_owned()).map_err(|(exit, message)| {
            assert_eq!(exit, Exit::BAD_OPTION);
            message
        })
    }

    #[test]
    fn get_is_the_default_wherever_the_torrent_stands() {
        for line in [
            "x x.torrent",
            "x -o d x.torrent",
            "x ./x",
            "x -",
            "x magnet:?xt=urn:btih:0",
            "x http://a/b",
            "x 0123456789abcdef0123456789abcdef01234567",
            "x 0123456789abcdef0123456789abcdef0123456",
            "x abcdefghijklmnopqrstuvwxyz234567",
            "x 0x0123456789abcdef0123456789abcdef01234567",
            "x src",
        ] {
            assert_eq!(second(line).as_deref(), Ok("get"), "{line}");
        }
    }

    #[test]
    fn the_home_folder_needs_no_shell() {
        let in_home = from_home("~/a".to_owned());
        for (typed, expected) in [
            ("~/a", in_home.clone()),
            ("--dir=~/a", format!("--dir={in_home}")),
            ("./~/a", "./~/a".to_owned()),
            ("--comment=a ~/b", "--comment=a ~/b".to_owned()),
            ("--dir", "--dir".to_owned()),
            ("~", "~".to_owned()),
        ] {
            let mut word = OsString::from(typed);
            make_home(&mut word);
            assert_eq!(word, OsString::from(expected));
        }
    }

    #[test]
    fn every_command_and_each_of_its_names_is_one() {
        for word in [
            "get", "download", "seed", "share", "create", "make", "verify", "check", "show", "info", "list",
            "ls",
        ] {
            assert_eq!(second(&format!("x {word} y")).as_deref(), Ok(word));
        }
        for line in ["x --no-config seed y", "x --no-config --no-conf seed y"] {
            assert_eq!(second(line).as_deref(), Ok("seed"));
        }
        assert_eq!(second("x --no-config a.torrent").as_deref(), Ok("get"));
        for word in ["config", "help", "-h", "--help", "-V", "--version"] {
            assert_eq!(second(&format!("x {word}")).as_deref(), Ok(word));
        }
    }

    #[test]
    fn a_bare_word_that_is_neither_starts_nothing() {
        assert_eq!(
            second("x verfy a.torrent").unwrap_err(),
            "there is no command 'verfy' (did you mean 'verify'?)"
        );
        assert!(second("x Get a.torrent").unwrap_err().contains("'get'"));
        assert!(second("x frobnicate").unwrap_err().contains("--help"));
    }
}
