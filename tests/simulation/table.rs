//! The table of `docs/SIMULATION.md`.

use crate::catalogue::all;

#[test]
#[ignore = "takes a minute in a debug build: `make simulate`"]
fn table() {
    println!("\n| scene | seconds | ideal | ratio | sent | what it is |\n|---|--:|--:|--:|--:|---|");
    for entry in all() {
        println!("| {} {} {} |", entry.name, entry.scene.run(), entry.about);
    }
}

#[test]
fn the_document_has_every_scene() {
    let document = include_str!("../../docs/SIMULATION.md");
    for entry in all() {
        let line = document.lines().find(|line| line.starts_with(&format!("| {} |", entry.name)));
        assert!(line.is_some_and(|line| line.ends_with(&format!("| {} |", entry.about))), "{}", entry.name);
    }
}
