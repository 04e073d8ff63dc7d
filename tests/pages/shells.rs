//! The completions at work in the shells that they are for, and the manual page in programs that read such pages.

use super::folder::TestFolder;
use super::skip::skip;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// Runs a program in a folder with a torrent, a list, a folder, and what is none of them.
///
/// Says `None` where the host does not have it.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    let folder = TestFolder::new();
    for name in ["one.torrent", "list.txt"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    fs::create_dir(folder.path().join("on the disk")).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("DOCS", DOCS);
    command.env("HOME", folder.path()).env("LC_ALL", "C").env("TERM", "dumb");
    match command.output() {
        Ok(output) => Some(output),
        Err(_) => {
            skip(&format!("{program} is not installed"));
            None
        }
    }
}

/// What a line is completed to, sorted, if the script says one completion a line.
fn completed(program: &str, arguments: &[&str]) -> Option<Vec<String>> {
    let output = run(program, arguments)?;
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(errors, "", "{arguments:?}");
    let lines = text.lines().map(|line| line.split('\t').next().unwrap_or_default().trim_end());
    let mut lines: Vec<String> = lines.map(|line| line.trim_end_matches('/').to_owned()).collect();
    lines.sort();
    lines.dedup();
    Some(lines)
}

/// Lines, the last word of which is completed, and what it may become.
const LINES: &[(&[&str], &[&str])] = &[
    (&["get", "--sel"], &["--select"]),
    (&["seed", "--sup"], &["--super"]),
    (&["check", "--js"], &["--json"]),
    (&["ver"], &["verify"]),
    (&["get", "--check", "al"], &["always"]),
    (&["get", "one.torrent", "--no-d"], &["--no-dht"]),
    (&["one.torrent", "--no-d"], &["--no-dht"]),
    (&["get", "o"], &["on the disk", "one.torrent"]),
    (&["get", "-o", "o"], &["on the disk"]),
    (&["get", "-i", "l"], &["list.txt"]),
    (&["create", "l"], &["list.txt"]),
    (&["get", "--tracker", "o"], &[]),
];

#[test]
fn bash_completes_commands_options_values_and_torrents() {
    let script = r#"
        compopt() { :; }
        source "$DOCS/completions/femtotorrent.bash" || exit
        COMP_WORDS=(femtotorrent "$@") COMP_CWORD=$#
        _femtotorrent femtotorrent
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for (line, expected) in LINES {
        let arguments = [&["--norc", "-c", script, "bash"], *line].concat();
        let Some(found) = completed("bash", &arguments) else { return };
        let found: Vec<_> = found.into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(found, *expected, "{line:?}");
    }
    for (line, expected) in [
        (&["get", "--check", "=", "nev"][..], "never"),
        // No torrent's name begins so. The other shells offer all files then.
        (&["get", "-q", "l"], ""),
    ] {
        let arguments = [&["--norc", "-c", script, "bash"], line].concat();
        assert_eq!(completed("bash", &arguments).unwrap(), [expected]);
    }
}

#[test]
fn fish_completes_commands_options_values_and_torrents() {
    let script =
        "source $DOCS/completions/femtotorrent.fish; complete -C (string join -- ' ' femtotorrent $argv)";
    for (line, expected) in LINES {
        let arguments = [&["--no-config", "-c", script], *line].concat();
        let Some(found) = completed("fish", &arguments) else { return };
        let found: Vec<_> = found.into_iter().map(|line| line.replace('\\', "")).collect();
        assert_eq!(found, *expected, "{line:?}");
    }
}

#[test]
fn zsh_completes_commands_options_values_and_torrents() {
    // In a terminal of its own each line is typed, completed and run.
    let script = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1= PROMPT_SP=; fpath=($DOCS/completions $fpath)'
        zpty -w shell 'autoload -U compinit; compinit -D -u'
        zpty -w shell 'femtotorrent() { print -r -- "<<${(j:|:)@}>>" }'
        for line; do zpty -w -n shell "femtotorrent $line"$'\t\n'; done
        zpty -w shell exit
        while zpty -r shell line; do print -r -- $line; done
    "#;
    let lines: Vec<String> = LINES.iter().map(|(line, _)| line.join(" ")).collect();
    let arguments = ["-f", "-c", script, "zsh"].into_iter().chain(lines.iter().map(String::as_str));
    let Some(output) = run("zsh", &arguments.collect::<Vec<_>>()) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let run = text.split("\n<<").skip(1).filter_map(|rest| rest.split_once(">>"));
    let run: Vec<&str> = run.map(|(words, _)| words).collect();
    assert_eq!(run.len(), LINES.len(), "{text}");
    for ((line, expected), words) in LINES.iter().zip(run) {
        let last = words.rsplit('|').next().unwrap_or_default().trim_end_matches('/');
        let expected = match expected {
            [] => line.last().unwrap(),
            [one] => one,
            // What they have in common.
            _ => "on",
        };
        assert_eq!(last, expected, "{line:?}: {text}");
    }
}

#[test]
fn the_manual_page_is_read_without_a_warning() {
    let page = format!("{DOCS}/man/femtotorrent.1");
    assert!(Path::new(&page).exists());
    for (program, arguments) in [
        ("groff", &["-man", "-ww", "-T", "utf8", &page][..]),
        ("mandoc", &["-T", "lint", "-W", "style", &page][..]),
    ] {
        let Some(output) = run(program, arguments) else { continue };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program}");
        if program == "mandoc" {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        }
    }
}
