//! Completions for zsh.

use super::catalog::{Value, about, all_names, commands, is_repeatable, names, options, positional, value};
use clap::{Arg, Command};
use femtotorrent::cli::program;

/// The script. It is found by its name, `_femtotorrent`, in a folder of `fpath`.
pub fn script() -> String {
    let program = program();
    let mut script = "#compdef femtotorrent
# Completions of femtotorrent for zsh, made from its options by `make pages`; not to be edited.

_femtotorrent() {
    local -a commands=(
"
    .to_owned();
    for command in commands(&program) {
        let about = quoted(&command.get_about().unwrap().to_string());
        script.extend(names(command).iter().map(|name| format!("        '{name}:{about}'\n")));
    }
    script += "    )
    if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
        _describe command commands
        _files -g '*.torrent'
        return
    fi
    local command=get
    case $words[2] in
";
    for command in commands(&program) {
        script += &format!("        {}) command={} ;;\n", names(command).join("|"), command.get_name());
    }
    script += "        *) words=($words[1] get $words[2,-1]); ((CURRENT++)) ;;
    esac
    shift words
    ((CURRENT--))
    case $command in
";
    for command in commands(&program) {
        push_command(&mut script, command);
    }
    script
        + "    esac
}

_femtotorrent \"$@\"
"
}

fn push_command(script: &mut String, command: &Command) {
    *script += &format!("        {})\n            _arguments -s -S \\\n", command.get_name());
    for option in options(command) {
        push_option(script, option);
    }
    *script += "                '(-h --help)'{-h,--help}'[print the help]'";
    if let Some(rest) = positional(command) {
        let many = if is_repeatable(rest) { "*" } else { "1" };
        *script += &format!(" \\\n                '{many}{}'", action(rest));
    }
    *script += " ;;\n";
}

fn push_option(script: &mut String, option: &Arg) {
    let names = all_names(option);
    let (value, about) = (action(option), quoted(&about(option)));
    let star = if is_repeatable(option) { "*" } else { "" };
    for name in &names {
        // What is not repeatable excludes its other names.
        let others = if star.is_empty() { format!("({})", names.join(" ")) } else { star.to_owned() };
        let sign = if name.starts_with("--") && !value.is_empty() { "=" } else { "" };
        *script += &format!("                '{others}{name}{sign}[{about}]{value}' \\\n");
    }
}

/// What may stand there, in the words of `_arguments`.
fn action(option: &Arg) -> String {
    let names = option.get_value_names().unwrap_or_default();
    let name = names.first().map(|name| name.to_lowercase().replace(':', "\\:")).unwrap_or_default();
    match value(option) {
        Value::None => String::new(),
        Value::Folder => format!(":{name}:_files -/"),
        Value::File => format!(":{name}:_files"),
        Value::Torrent => format!(":{name}:_files -g \"*.torrent\""),
        Value::Word(words) => format!(":{name}:({})", words.join(" ")),
        Value::Other => format!(":{name}: "),
    }
}

/// Text inside of single quotes and square brackets.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}
