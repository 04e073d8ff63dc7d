//! What the pages and the completions need to know of the options.

use clap::{Arg, Command, ValueHint};
use femtotorrent::cli::help;

/// What may stand where a value is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    None,
    Folder,
    File,
    /// A file whose name ends with `.torrent`, or a folder on the way to it.
    Torrent,
    /// One of these words.
    Word(Vec<String>),
    /// What nobody can guess.
    Other,
}

/// The commands, without that for the help.
pub fn commands(program: &Command) -> Vec<&Command> {
    program.get_subcommands().collect()
}

/// The name of a command, and its other names.
pub fn names(command: &Command) -> Vec<&str> {
    std::iter::once(command.get_name()).chain(command.get_visible_aliases()).collect()
}

/// The options of a command, and that for the help, which all have.
pub fn options(command: &Command) -> Vec<&Arg> {
    command.get_arguments().filter(|option| help::is_shown(option) && !option.is_positional()).collect()
}

/// What follows the options of a command.
pub fn positional(command: &Command) -> Option<&Arg> {
    command.get_arguments().find(|option| option.is_positional())
}

/// All that the help says of it without the second paragraph.
pub fn about(option: &Arg) -> String {
    option.get_help().unwrap().to_string()
}

pub fn letters(option: &Arg) -> Vec<char> {
    option.get_short_and_visible_aliases().unwrap_or_default()
}

pub fn words(option: &Arg) -> Vec<String> {
    let words = option.get_long_and_visible_aliases().unwrap_or_default();
    words.into_iter().map(str::to_owned).collect()
}

/// All names, as they are typed: `-o`, `-d`, `--output-dir`, `--dir`.
pub fn all_names(option: &Arg) -> Vec<String> {
    let letters = letters(option).into_iter().map(|letter| format!("-{letter}"));
    letters.chain(words(option).into_iter().map(|word| format!("--{word}"))).collect()
}

pub fn value(option: &Arg) -> Value {
    if !option.get_action().takes_values() {
        return Value::None;
    }
    let words = help::values(option);
    match option.get_value_hint() {
        _ if !words.is_empty() => Value::Word(words),
        ValueHint::DirPath => Value::Folder,
        ValueHint::FilePath if option.is_positional() => Value::Torrent,
        ValueHint::FilePath | ValueHint::AnyPath => Value::File,
        _ => Value::Other,
    }
}

/// Whether it may be given several times.
pub fn is_repeatable(option: &Arg) -> bool {
    matches!(option.get_action(), clap::ArgAction::Append | clap::ArgAction::Count)
}

#[test]
fn options_for_files_and_folders_have_a_hint() {
    let program = femtotorrent::cli::program();
    for command in commands(&program) {
        for option in options(command) {
            let names = option.get_value_names().unwrap_or_default();
            let Some(name) = names.first() else { continue };
            let expected = match name.as_str() {
                "DIR" => Value::Folder,
                "FILE" | "LIST" => Value::File,
                _ => continue,
            };
            assert_eq!(value(option), expected, "{} needs a `value_hint`", help::term(option));
        }
    }
}
