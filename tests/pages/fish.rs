//! Completions for fish.

use super::catalog::{Value, about, commands, letters, names, options, positional, value, words};
use femtotorrent::cli::program;

const HEAD: &str =
    "# Completions of femtotorrent for fish, made from its options by `make pages`; not to be edited.

function __femtotorrent_command
    set -l words (commandline -opc)
    switch \"$words[2]\"
";

const TAIL: &str = "        case '*'
            echo get
    end
end

function __femtotorrent_is
    contains -- (__femtotorrent_command) $argv
end

complete -c femtotorrent -f
complete -c femtotorrent -s h -l help -d 'Print the help'
";

/// The script.
pub fn script() -> String {
    let program = program();
    let mut script = HEAD.to_owned();
    for command in commands(&program) {
        let names = names(command).join(" ");
        script += &format!("        case {names}\n            echo {}\n", command.get_name());
    }
    script += TAIL;
    for command in commands(&program) {
        let about = quoted(&command.get_about().unwrap().to_string());
        for name in names(command) {
            script += &format!("complete -c femtotorrent -n __fish_use_subcommand -a {name} -d '{about}'\n");
        }
    }
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for command in commands(&program) {
        let rest = positional(command).map(|rest| format!(" -a '{}'", action(&value(rest))));
        let options = options(command).into_iter().map(|option| {
            let letters = letters(option).into_iter().map(|letter| format!(" -s {letter}"));
            let words = words(option).into_iter().map(|word| format!(" -l {word}"));
            let names: String = letters.chain(words).collect();
            let value = match value(option) {
                Value::None => String::new(),
                Value::Other => " -x".to_owned(),
                value => format!(" -x -a '{}'", action(&value)),
            };
            format!("{names}{value} -d '{}'", quoted(&about(option)))
        });
        for row in options.chain(rest) {
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, commands)) => commands.push(command.get_name()),
                None => rows.push((row, vec![command.get_name()])),
            }
        }
    }
    for (row, commands) in rows {
        script += &format!("complete -c femtotorrent -n '__femtotorrent_is {}'{row}\n", commands.join(" "));
    }
    script
}

/// What may stand there.
fn action(value: &Value) -> String {
    match value {
        Value::Folder => "(__fish_complete_directories)".to_owned(),
        Value::File => "(__fish_complete_path)".to_owned(),
        Value::Torrent => "(__fish_complete_suffix .torrent)".to_owned(),
        Value::Word(words) => words.join(" "),
        Value::None | Value::Other => String::new(),
    }
}

/// Text inside of single quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
