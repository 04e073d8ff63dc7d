//! Patterns for files, and the paths of a torrent.
//!
//! The first line is the pattern, each other line a path. No pattern takes long, a path that is written with a
//! backslash before each character means its file, and what an error says does nothing to a terminal.

#![no_main]

use femtotorrent::metainfo::{File, FileChoice, FilePattern};
use femtotorrent_fuzz::only_shows;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let pattern = lines.next().unwrap_or_default();
    let is_path = |line: &&str| line.split('/').all(|name| !["", ".", ".."].contains(&name));
    let file = |path: &str| File { path: path.into(), offset: 0, length: 1, padding: false };
    let files: Vec<File> = lines.filter(is_path).map(file).collect();
    for any_case in [false, true] {
        let select = vec![FilePattern::new(pattern, any_case)];
        match (FileChoice { select, ..FileChoice::default() }).selected(&files, &[]) {
            Ok(selected) => assert!(selected.is_some_and(|selected| selected.contains(&true))),
            Err(error) => assert!(only_shows(&error.to_string())),
        }
    }
    for (number, file) in files.iter().enumerate() {
        let written: String =
            file.path.to_string_lossy().chars().flat_map(|character| ['\\', character]).collect();
        let select = vec![FilePattern::new(&written, false)];
        let selected = FileChoice { select, ..FileChoice::default() }.selected(&files, &[]);
        assert!(selected.is_ok_and(|selected| selected.is_some_and(|selected| selected[number])));
    }
});
