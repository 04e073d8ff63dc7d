//! The manual page, in roff: one for all commands. An option that several commands have in common stands there once.

use super::catalog::{commands, names, options};
use clap::{Arg, Command};
use femtotorrent::cli::{help, program};

/// When the page was last read as a whole.
const DATE: &str = "2026-11-26";

/// Bytes of a line in the source of the page.
const LONGEST_LINE: usize = 80;
/// What stands before the options, and what behind them.
const DESCRIPTION: &str = include_str!("description.roff");
const LAST_SECTIONS: &str = include_str!("last_sections.roff");

/// The whole page.
pub fn page() -> String {
    let program = program();
    let version = env!("CARGO_PKG_VERSION");
    let mut page =
        ".\\\" Made from the options of the program by `make pages`; not to be edited.\n".to_owned();
    page += &format!(".TH FEMTOTORRENT 1 {DATE} \"femtotorrent {version}\" \"User Commands\"\n");
    page += ".SH NAME\nfemtotorrent \\- download, seed, create and verify torrents\n.SH SYNOPSIS\n";
    let usages = help::CHAPTERS.iter().filter(|chapter| !chapter.command.is_empty());
    let usages = usages.map(|chapter| format!(".B femtotorrent\n{}\n", escaped(chapter.usage)));
    page += &usages.collect::<Vec<_>>().join(".br\n");
    page += ".SH DESCRIPTION\n";
    page += DESCRIPTION;
    page += ".SH COMMANDS\n";
    for command in commands(&program) {
        let (all, about) = (names(command), command.get_about().unwrap().to_string());
        page += &format!(".TP\n{}\n{}.\n", bold_list(&all), escaped(&about));
    }
    page += ".SH OPTIONS\nIn parentheses stand the commands that have an option.\n";
    for heading in help::headings::ALL {
        push_options(&mut page, heading, &program);
    }
    page += ".SH EXAMPLES\n";
    for (words, what) in help::CHAPTERS.iter().flat_map(|chapter| chapter.examples) {
        page += &format!(".TP\n.B femtotorrent {}\n{}\n", escaped(words), escaped(what));
    }
    page += ".SH EXIT STATUS\n";
    for (code, meaning) in exit_codes(&program) {
        page += &format!(".TP\n.B {code}\n{}\n", escaped(&meaning));
    }
    page + LAST_SECTIONS
}

/// The options below a heading, each once, with the commands that have it.
fn push_options(page: &mut String, heading: &str, program: &Command) {
    let mut rows: Vec<(String, String, Vec<&str>)> = Vec::new();
    for command in commands(program) {
        for option in options(command).into_iter().filter(|one| one.get_help_heading() == Some(heading)) {
            let (term, meaning) = (term(option), help::meaning(option, true));
            match rows.iter_mut().find(|row| row.0 == term && row.1 == meaning) {
                Some(row) => row.2.push(command.get_name()),
                None => rows.push((term, meaning, vec![command.get_name()])),
            }
        }
    }
    if !rows.is_empty() {
        *page += &format!(".SS {heading}\n");
    }
    for (term, meaning, commands) in rows {
        *page += &format!(".TP\n{term} ({})\n{}\n", commands.join(", "), escaped(&meaning));
    }
}

/// The names in bold and the value in italics.
fn term(option: &Arg) -> String {
    let term = help::term(option);
    let words = term.split_whitespace().map(|word| match word.strip_prefix('-') {
        Some(_) if word.ends_with(',') => format!("\\fB{}\\fR,", escaped(word.trim_end_matches(','))),
        Some(_) => format!("\\fB{}\\fR", escaped(word)),
        None => format!("\\fI{}\\fR", escaped(word)),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn bold_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("\\fB{name}\\fR")).collect::<Vec<_>>().join(", ")
}

/// The table of the help, read back.
fn exit_codes(program: &Command) -> Vec<(u8, String)> {
    let whole = help::page(program, true, 80);
    let (_, table) = whole.split_once("\nExit codes:\n").unwrap();
    let cells =
        table.lines().flat_map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()));
    let cells: Vec<&str> = cells.collect();
    let mut codes: Vec<_> =
        cells.chunks(2).map(|pair| (pair[0].parse().unwrap(), pair[1].to_owned())).collect();
    codes.sort();
    codes
}

/// Text as roff has it, in short lines: hyphens stay as they are, what stands in backticks is bold, and no line begins
/// with a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let parts = text.split('`').enumerate();
    let text: String = parts
        .map(|(index, part)| match index % 2 {
            1 => format!("\\fB{part}\\fR"),
            _ => part.to_owned(),
        })
        .collect();
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        // A sentence begins a line, so that roff sees where it ends.
        let is_full =
            line.len() + 1 + word.len() > LONGEST_LINE || line.ends_with('.') && !line.ends_with("..");
        if is_full && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line += if line.is_empty() { "" } else { " " };
        line += word;
    }
    lines.push(line);
    let guarded = lines.into_iter().map(|line| match line.starts_with('.') {
        true => format!("\\&{line}"),
        false => line,
    });
    guarded.collect::<Vec<_>>().join("\n")
}
