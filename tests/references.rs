//! What documents and comments name exists: files of the source, items in them, and the targets of links.
//!
//! A name stands in backticks: `peer/outbox.rs` is a file below `src`, `peer/outbox.rs:run` an item that it
//! defines, `storage/` a folder. A file may be named by the end of its path, `outbox.rs`.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// Where source files are, below the project's folder.
const SOURCE_FOLDERS: &[&str] = &["src", "tests", "examples"];

/// What stands before the name of an item where it is defined.
const DEFINITIONS: &[&str] =
    &["fn ", "struct ", "enum ", "trait ", "const ", "static ", "type ", "mod ", "macro_rules! "];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn below_root(path: &Path) -> &str {
    path.strip_prefix(root()).unwrap().to_str().unwrap()
}

/// All files below a folder, but for what was built.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if !path.ends_with("target") => folders.push(path),
                true => {}
                false => files.push(path),
            }
        }
    }
    files
}

/// The source files, by their paths below the project's folder.
struct Sources(Vec<(String, String)>);

impl Sources {
    fn read() -> Sources {
        let files = SOURCE_FOLDERS.iter().flat_map(|folder| files_below(&root().join(folder)));
        let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        let read = |path: PathBuf| (below_root(&path).to_owned(), fs::read_to_string(path).unwrap());
        let sources: Vec<_> = sources.map(read).collect();
        assert!(sources.len() > 100, "the sources are not where they belong");
        Sources(sources)
    }

    /// The text of the file with this path, or of each below `src` whose path ends with it.
    fn named(&self, path: &str) -> Vec<&str> {
        let end = format!("/{path}");
        let named = |(other, _): &&(String, String)| {
            other == path || other.starts_with("src/") && other.ends_with(&end)
        };
        self.0.iter().filter(named).map(|(_, text)| text.as_str()).collect()
    }

    /// What is wrong with a name in backticks. `None` also where it names no source.
    fn fault(&self, name: &str) -> Option<String> {
        let is_path = |text: &str| {
            text.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_/.".contains(letter)
            })
        };
        if let Some(folder) =
            name.strip_suffix('/').filter(|folder| is_path(folder) && !folder.starts_with('.'))
        {
            let exists = [root().to_owned(), root().join("src")].iter().any(|at| at.join(folder).is_dir());
            return (!exists).then(|| format!("there is no folder {name}"));
        }
        let (path, item) = name.split_once(':').map_or((name, None), |(path, item)| (path, Some(item)));
        if !path.ends_with(".rs") || !is_path(path) {
            return None;
        }
        let files = self.named(path);
        if files.is_empty() {
            return Some(format!("there is no file {path}"));
        }
        let item = item?;
        let parts = || item.trim_matches(':').split("::");
        let defined = files.iter().any(|text| parts().all(|part| defines(text, part.trim_end_matches("()"))));
        (!defined).then(|| format!("{path} defines no {item}"))
    }
}

/// Whether a source defines an item with this name, or a variant of an enum.
fn defines(text: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    let at_definition = |line: &str| {
        DEFINITIONS.iter().any(|word| {
            let mut found = line.match_indices(word);
            found.any(|(at, _)| line[at + word.len()..].strip_prefix(name).is_some_and(ends))
        })
    };
    let is_type = name.starts_with(|letter: char| letter.is_ascii_uppercase());
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| {
        at_definition(line)
            || is_type && line.strip_prefix(name).is_some_and(|rest| rest.starts_with([',', '(', ' ']))
    })
}

/// The names in backticks, each with the number of its line. Blocks between fences hold none.
fn names_in(text: &str) -> Vec<(usize, &str)> {
    let (mut names, mut fenced) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start_matches(['/', '!', ' ']).starts_with("```");
        fenced ^= fence;
        if !fenced && !fence {
            names.extend(line.split('`').skip(1).step_by(2).map(|name| (number, name)));
        }
    }
    names
}

/// The documents that a reader begins with.
fn documents() -> Vec<PathBuf> {
    let mut documents = files_below(&root().join("docs"));
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.extend(["README.md", "src/lib.rs"].map(|path| root().join(path)));
    documents
}

#[test]
fn every_file_and_item_that_a_document_names_exists() {
    let (sources, mut faults, mut count) = (Sources::read(), Vec::new(), 0);
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (number, name) in names_in(&text) {
            count += usize::from(name.contains(".rs"));
            if let Some(fault) = sources.fault(name) {
                faults.push(format!("{}:{number}: {fault}", below_root(&document)));
            }
        }
    }
    assert!(count > 20, "documents name {count} files: are they still read?");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_that_a_doc_comment_names_exists() {
    let (sources, mut faults) = (Sources::read(), Vec::new());
    for (path, text) in sources.0.iter().filter(|(path, _)| path.starts_with("src/")) {
        let is_comment = |line: &str| line.trim_start().starts_with("//");
        let comments: String = text
            .lines()
            .map(|line| if is_comment(line) { line } else { "" })
            .flat_map(|line| [line, "\n"])
            .collect();
        for (number, name) in names_in(&comments) {
            if let Some(fault) = sources.fault(name) {
                faults.push(format!("{path}:{number}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_link_of_a_document_to_a_file_leads_somewhere() {
    let mut faults = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            if !document.parent().unwrap().join(file).exists() {
                faults.push(format!("{}: {target}", below_root(&document)));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_name_of_what_is_not_there_is_a_fault() {
    let sources = Sources::read();
    for good in [
        "src/lib.rs",
        "lib.rs",
        "net/throttle.rs",
        "tests/layout.rs",
        "storage/",
        "tests/fuzz/",
        "cargo test",
    ] {
        assert_eq!(sources.fault(good), None);
    }
    assert_eq!(sources.fault("tests/references.rs:Sources::fault"), None);
    for bad in [
        "no_such_file.rs",
        "documents.rs",
        "no_such_folder/",
        "tests/references.rs:no_such_item",
        "tests/references.rs:faul",
    ] {
        assert!(sources.fault(bad).is_some(), "{bad}");
    }
}
