//! The live view, for any bytes that a terminal sends, in any split, and any size that it claims to have, with names and
//! messages of strangers on its pages.
//!
//! No key leads astray: the screen has no more rows than the terminal, shows nothing that acts, and what is typed is
//! bounded.

#![no_main]

use femtotorrent::cli::rehearsal::Rehearsal;
use femtotorrent_fuzz::{Choices, only_shows};
use libfuzzer_sys::fuzz_target;

/// The most characters of a filter.
const MOST_TYPED: usize = 60;

fuzz_target!(|bytes: &[u8]| {
    let (words, keys) = bytes.split_at(bytes.len() / 3);
    let words = String::from_utf8_lossy(words).into_owned();
    let lines: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let mut view = Rehearsal::of(&words, &lines, words.len() as u32 % 50);
    let mut choices = Choices::new(keys);
    let mut size = (80, 24);
    while !choices.is_over() {
        if choices.below(4) == 0 {
            // Terminals say that they have no column, or 65,535 of them; no more than these are drawn.
            size = (choices.below(501) as usize, choices.below(201) as usize);
        }
        let part: Vec<u8> = (0..choices.below(6)).map(|_| choices.byte()).collect();
        if !view.press(&part, size) {
            return;
        }
        let screen = view.screen(size);
        assert!(screen.len() <= size.1, "{} rows of {}", screen.len(), size.1);
        assert!(screen.iter().all(|row| only_shows(row)), "{screen:?}");
        assert!(view.typed() <= MOST_TYPED);
    }
});
