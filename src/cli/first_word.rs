//! What the first word of a command line means: a command, or a torrent, which `get` then downloads.
//!
//! A word that is neither ends the run before anything starts: whoever mistypes `verify` wants no download. Options may
//! stand in front of it. They are read as those of `get`, and are those of the command that follows.

use super::exit::{CommandFailure, Exit};
use super::nearest_file::nearest_file;
use super::nearest_word::nearest;
use super::option_words;
use super::settings::from_home;
use super::source::shown;
use super::source_name;
use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Puts the command in front of its options, or `get` where the first word is none of this program. What follows `--` is
/// no command.
///
/// # Errors
///
/// The first word is a bare one that names no command, no file and no torrent.
pub fn with_command(arguments: &mut Vec<OsString>, program: &Command) -> Result<(), CommandFailure> {
    arguments.iter_mut().for_each(make_home);
    let Some(first) = arguments.get(1) else { return Ok(()) };
    if ["-h", "--help", "-V", "--version"].iter().any(|option| first == option) {
        return Ok(());
    }
    let at = program.find_subcommand("get").and_then(|get| first_word(arguments, get));
    let version = arguments.iter().position(|word| word == "-V" || word == "--version");
    if let (None, Some(words)) = (at, version.and_then(|version| arguments.get_mut(1..=version))) {
        words.rotate_right(1);
        return Ok(());
    }
    let named = at.and_then(|at| arguments.get_mut(1..=at));
    if let Some(words) = named
        && commands(program).any(|command| words.last().is_some_and(|word| word == command))
    {
        words.rotate_right(1);
        return Ok(());
    }
    let word = at.and_then(|at| arguments.get(at)).filter(|word| is_nothing(word));
    let word = word.map(|word| word.to_string_lossy().into_owned());
    arguments.insert(1, "get".into());
    word.map_or(Ok(()), |word| {
        let answer = no_command(&word, program).unwrap_or_else(|answer| match nearest_file(&word) {
            Some(near) => format!("{answer} nor a file of that name (did you mean {}?)", shown(&near)),
            None => format!("{answer}; there is no file of that name either (see femtotorrent --help)"),
        });
        Err((Exit::BAD_OPTION, answer))
    })
}

/// Where the first word stands that is neither an option of this command nor the value of one. `None` also where an
/// option stands in front that the command does not have.
fn first_word(words: &[OsString], command: &Command) -> Option<usize> {
    let mut is_value = false;
    for (at, word) in words.iter().enumerate().skip(1) {
        let word = word.to_string_lossy();
        match word.strip_prefix('-') {
            _ if is_value => is_value = false,
            None | Some("") => return Some(at),
            Some("-") => return None,
            Some(option) => is_value = has_value_behind(option, command)?,
        }
    }
    None
}

/// Whether the next word is the value of this option, which has lost its first dash.
fn has_value_behind(option: &str, command: &Command) -> Option<bool> {
    let takes_one = |it: &Arg| it.get_action().takes_values() && !it.is_require_equals_set();
    if let Some(long) = option.strip_prefix('-') {
        let (long, is_alone) = long.split_once('=').map_or((long, true), |(long, _)| (long, false));
        let named = command.get_arguments().find(|it| option_words::names(it).any(|name| name == long))?;
        return Some(is_alone && takes_one(named));
    }
    let mut letters = option.chars();
    while let Some(letter) = letters.next() {
        let of = |it: &&Arg| option_words::letters(it).any(|one| one == letter);
        // What takes a value has the rest of the word for it.
        if takes_one(command.get_arguments().find(of)?) {
            return Some(letters.next().is_none());
        }
    }
    Some(false)
}

/// Whether a word that is no command is a bare one that names no torrent either.
fn is_nothing(word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    let is_bare = !text.is_empty() && text != "-" && !text.contains(['/', '.', ':']);
    is_bare && !Path::new(word).exists() && !source_name::is_like_an_info_hash(&source_name::in_text(word))
}

/// `~/` is the home folder also where no shell has made it that: behind the `=` of an option, or in the file of a
/// service.
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
        let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        with_command(&mut words, &program()).map_err(|(exit, message)| {
            assert_eq!(exit, Exit::BAD_OPTION);
            message
        })?;
        Ok(words[1].to_string_lossy().into_owned())
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
    fn options_may_stand_in_front_of_the_command() {
        for line in [
            "x -q verify a.torrent",
            "x --no-dht verify a.torrent",
            "x -o d verify a.torrent",
            "x -od verify a.torrent",
            "x -qo d verify a.torrent",
            "x --output-dir d verify a.torrent",
            "x --directory-prefix d verify a.torrent",
            "x --output-dir=d verify a.torrent",
            "x --stdout verify a.torrent",
            "x -qq --no-dht --stdout=tar verify a.torrent",
        ] {
            assert_eq!(second(line).as_deref(), Ok("verify"), "{line}");
        }
        for line in [
            "x -o verify a.torrent",
            "x -q -- verify",
            "x -i show",
            "x -qoverify a.torrent",
            "x - verify",
            "x -q src",
            "x -q a.torrent verfy",
            "x --no-such-option verify a.torrent",
            "x -qZ verify a.torrent",
        ] {
            assert_eq!(second(line).as_deref(), Ok("get"), "{line}");
        }
        for line in ["x -v verfy a.torrent", "x -o d verfy", "x -i l verfy"] {
            let why = second(line).unwrap_err();
            assert_eq!(why, "there is no command 'verfy' (did you mean 'verify'?)", "{line}");
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
