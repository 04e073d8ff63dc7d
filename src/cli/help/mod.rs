//! What `-h` and `--help` print.
//!
//! `clap` knows the options and reads them; how they are shown is decided here. `-h` fits a screen of 24 lines of 80
//! columns: what the command is for, its options of every day, and examples. `--help` has every option, by headings and
//! wrapped to the width of the terminal, and the exit codes. The manual page and the completions are made from the same
//! options (`tests/pages/`).

mod chapters;
pub mod headings;
mod option;
mod rows;

use super::exit;
use clap::{Arg, Command};
use rows::{push_rows, push_wrapped};

pub use chapters::{CHAPTERS, Chapter};
pub use option::{is_shown, meaning, term, values};

/// The widest term that has its meaning beside it: of an option, and of an example.
const WIDEST_OPTION: usize = 26;
const WIDEST_EXAMPLE: usize = 48;
/// Lays out the help of `command` (the program itself, or one of its commands): the short or the whole one.
pub fn page(command: &Command, is_whole: bool, width: usize) -> String {
    let is_program = command.has_subcommands();
    let name = if is_program { "" } else { command.get_name() };
    let Some(chapter) = Chapter::of(name) else { return String::new() };
    let mut page = String::new();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    push_wrapped(&mut page, &about, 0, width);
    page.push_str("\n\nUsage: femtotorrent ");
    page.push_str(chapter.usage);
    page.push_str("\n\n");
    match (is_program, is_whole) {
        (true, _) => push_rows(&mut page, &commands(command, is_whole), WIDEST_OPTION, width),
        (false, true) => push_all(&mut page, command, width),
        (false, false) => push_rows(&mut page, &every_day(command, chapter), WIDEST_OPTION, width),
    }
    page.push_str("\nExamples:\n");
    let examples = chapter.examples.iter();
    let examples: Vec<_> =
        examples.map(|(words, what)| (format!("femtotorrent {words}"), format!("# {what}"))).collect();
    push_rows(&mut page, &examples, WIDEST_EXAMPLE, width);
    page.push('\n');
    page.push_str(&match (is_program, is_whole) {
        (_, true) => exit::TABLE.to_owned(),
        (true, false) => "femtotorrent COMMAND -h lists common options, --help all of them.".to_owned(),
        (false, false) => format!("femtotorrent {name} --help lists all options and the exit codes."),
    });
    page.push('\n');
    page
}

/// The commands and what they do.
fn commands(program: &Command, is_whole: bool) -> Vec<(String, String)> {
    let row = |command: &Command| {
        let mut about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let aliases: Vec<&str> = command.get_visible_aliases().collect();
        if is_whole && !aliases.is_empty() {
            about.push_str(" [also: ");
            about.push_str(&aliases.join(", "));
            about.push(']');
        }
        (command.get_name().to_owned(), about)
    };
    // Without an own one, `clap` adds a command for help.
    program.get_subcommands().filter(|command| command.get_name() != "help").map(row).collect()
}

fn every_day(command: &Command, chapter: &Chapter) -> Vec<(String, String)> {
    let named = |id: &&str| command.get_arguments().find(|option| option.get_id() == id);
    chapter.every_day.iter().filter_map(named).map(|option| (term(option), meaning(option, false))).collect()
}

/// All options, each heading with its own.
fn push_all(page: &mut String, command: &Command, width: usize) {
    let below = |heading: Option<&str>| -> Vec<(String, String)> {
        let options = command.get_arguments().filter(|option| is_shown(option));
        let below = options.filter(|option: &&Arg| option.get_help_heading() == heading);
        below.map(|option| (term(option), meaning(option, true))).collect()
    };
    push_rows(page, &below(None), WIDEST_OPTION, width);
    for heading in headings::ALL {
        let rows = below(Some(heading));
        if !rows.is_empty() {
            // One blank line, whether anything stands above it.
            page.push_str(if page.ends_with("\n\n") { "" } else { "\n" });
            page.push_str(heading);
            page.push_str(":\n");
            push_rows(page, &rows, WIDEST_OPTION, width);
        }
    }
}

#[cfg(test)]
mod tests;
