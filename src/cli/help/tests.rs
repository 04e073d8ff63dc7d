//! Each option has a heading, `-h` fits a screen, and both say what there is.

use super::super::arguments::program;
use super::headings::ALL;
use super::*;

/// Lines and columns of the smallest screen that people have.
const SCREEN: (usize, usize) = (24, 80);

fn pages(is_whole: bool, width: usize) -> Vec<(String, String)> {
    let program = program();
    let all = std::iter::once(&program).chain(program.get_subcommands());
    all.map(|command| (command.get_name().to_owned(), page(command, is_whole, width))).collect()
}

#[test]
fn each_option_stands_below_a_heading_and_says_what_it_does() {
    for command in program().get_subcommands() {
        for option in command.get_arguments().filter(|option| is_shown(option)) {
            let name = format!("{} {}", command.get_name(), term(option).trim());
            assert!(option.get_help().is_some(), "{name} has no doc comment, which is its help");
            let heading = option.get_help_heading();
            assert!(
                option.is_positional() || heading.is_some_and(|heading| ALL.contains(&heading)),
                "{name} stands below the heading {heading:?}; give it a `help_heading` of {ALL:?}"
            );
        }
    }
}

#[test]
fn the_whole_help_has_every_option_and_the_short_one_those_of_every_day() {
    let program = program();
    for command in program.get_subcommands() {
        let name = command.get_name();
        let chapter = Chapter::of(name).filter(|chapter| chapter.command == name);
        let chapter = chapter.unwrap_or_else(|| panic!("{name} has no chapter in `help/chapters.rs`"));
        let (whole, short) = (page(command, true, 80), page(command, false, 80));
        for option in command.get_arguments().filter(|option| is_shown(option)) {
            assert!(whole.contains(&term(option)), "{name} --help lacks {}", term(option));
        }
        for id in chapter.every_day {
            let option = command.get_arguments().find(|option| option.get_id() == id);
            let option =
                option.unwrap_or_else(|| panic!("`help/chapters.rs` names {id}, which {name} lacks"));
            assert!(short.contains(&term(option)), "{name} -h lacks {id}");
        }
    }
}

#[test]
fn the_short_help_fits_a_screen_and_has_examples() {
    for (name, short) in pages(false, SCREEN.1) {
        let widest = short.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= SCREEN.1, "{name} -h has a line of {widest} columns:\n{short}");
        let lines = short.lines().count();
        assert!(lines < SCREEN.0, "{name} -h has {lines} lines, and the prompt needs one:\n{short}");
        assert!(short.contains("\nExamples:\n  femtotorrent "), "{short}");
    }
}

#[test]
fn the_program_is_introduced_with_its_commands_and_three_examples() {
    let program = program();
    for is_whole in [false, true] {
        let page = page(&program, is_whole, 80);
        assert!(page.starts_with("A BitTorrent client"), "{page}");
        assert_eq!(page.matches("\n  femtotorrent ").count(), 3, "{page}");
        for command in program.get_subcommands() {
            assert!(page.contains(&format!("\n  {} ", command.get_name())), "{page}");
        }
    }
}

#[test]
fn the_whole_help_keeps_within_the_width_and_ends_with_the_exit_codes() {
    for width in [40, 60, 80, 100] {
        for (name, whole) in pages(true, width) {
            let (text, codes) = whole.split_once("\nExit codes:\n").unwrap();
            let options = text.split("\nExamples:\n").next().unwrap();
            // What has no blank cannot be broken.
            let is_wide = |line: &&str| line.chars().count() > width && line.trim().contains(' ');
            let wide = options.lines().filter(|line| !line.contains(" femtotorrent ")).find(is_wide);
            assert_eq!(wide, None, "{name} at {width} columns");
            assert!(codes.contains("28  bad option") && !whole.contains("\n\n\n"), "{whole}");
        }
    }
}

#[test]
fn every_example_is_understood() {
    for chapter in CHAPTERS {
        for (words, _) in chapter.examples {
            let words = format!("femtotorrent {words}");
            let words = words.split(' ').map(|word| word.trim_matches('\'').into());
            let mut words: Vec<std::ffi::OsString> = words.collect();
            super::super::first_word::with_command(&mut words, &program()).unwrap();
            let parsed = program().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
        }
    }
}
