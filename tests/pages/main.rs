//! The manual page and the completions for shells are made from the options of the program, and those in `docs/` are
//! current. When an option has changed, `make pages` writes them again.
#![cfg(test)]

// Not all of it is used here.
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/skip.rs"]
mod skip;

mod bash;
mod catalog;
mod fish;
mod installing;
mod man;
mod shells;
mod zsh;

use std::fs;

/// Each file below `docs`, and what it has to say.
fn pages() -> [(&'static str, String); 4] {
    [
        ("man/femtotorrent.1", man::page()),
        ("completions/femtotorrent.bash", bash::script()),
        ("completions/_femtotorrent", zsh::script()),
        ("completions/femtotorrent.fish", fish::script()),
    ]
}

#[test]
fn the_manual_page_and_the_completions_are_current() {
    for (name, text) in pages() {
        let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("REWRITE").is_some() {
            fs::write(path, text).unwrap();
            continue;
        }
        let found = fs::read_to_string(path).unwrap_or_default();
        let differs = found.lines().zip(text.lines()).find(|(old, new)| old != new);
        assert!(found == text, "docs/{name} is not current (run `make pages`): {differs:?}");
    }
}
