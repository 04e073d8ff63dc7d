//! Completions for bash. They need nothing but bash itself.

use super::catalog::{Value, all_names, commands, names, options, positional, value};
use clap::Command;
use femtotorrent::cli::program;

const HEAD: &str = r#"# Completions of femtotorrent for bash, made from its options by `make pages`; not to be edited.

_femtotorrent() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=get options= kind=
    # Bash takes `--check=always` for three words.
    if [[ $word == "=" ]]; then
        word=
    elif [[ $before == "=" ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
"#;

const TAIL: &str = r#"    if [[ -z $kind ]]; then
        if [[ $word == -* ]]; then
            kind="words $options"
        elif ((COMP_CWORD == 1)); then
            kind="torrent COMMANDS"
        fi
    fi
    case $kind in
        folder) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        torrent*)
            compopt -o filenames
            mapfile -t COMPREPLY < <(
                compgen -d -- "$word"
                compgen -f -X '!*.torrent' -- "$word"
                compgen -W "${kind#torrent}" -- "$word"
            ) ;;
        words*) mapfile -t COMPREPLY < <(compgen -W "${kind#words}" -- "$word") ;;
    esac
}

complete -F _femtotorrent femtotorrent
"#;

/// The script.
pub fn script() -> String {
    let program = program();
    let mut script = HEAD.to_owned();
    script += "    case ${COMP_WORDS[1]} in\n";
    let mut all = Vec::new();
    for command in commands(&program) {
        let names = names(command);
        script += &format!("        {}) command={} ;;\n", names.join("|"), names[0]);
        all.extend(names);
    }
    script += "    esac\n    ((COMP_CWORD == 1)) && command=get\n    case $command in\n";
    for command in commands(&program) {
        push_command(&mut script, command);
    }
    script += "    esac\n";
    script + &TAIL.replace("COMMANDS", &all.join(" "))
}

fn push_command(script: &mut String, command: &Command) {
    let options = options(command);
    let words: Vec<String> = options.iter().flat_map(|option| all_names(option)).collect();
    *script +=
        &format!("        {})\n            options=\"{} --help\"\n", command.get_name(), words.join(" "));
    *script += "            case $before in\n";
    for option in options {
        let Some(kind) = kind(&value(option)) else { continue };
        *script += &format!("                {}) kind={kind} ;;\n", all_names(option).join("|"));
    }
    let rest = positional(command).and_then(|option| kind(&value(option)));
    // After an option that has no value stands what is to be worked on.
    if let Some(rest) = rest {
        *script +=
            &format!("                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind={rest} ;;\n");
    }
    *script += "            esac ;;\n";
}

/// What may stand there, in the words of the script.
fn kind(value: &Value) -> Option<String> {
    match value {
        Value::None => None,
        Value::Folder => Some("folder".to_owned()),
        Value::File => Some("file".to_owned()),
        Value::Torrent => Some("torrent".to_owned()),
        Value::Word(words) => Some(format!("\"words {}\"", words.join(" "))),
        Value::Other => Some("none".to_owned()),
    }
}
