//! No file imports one that imports it, in however many steps: a reader who begins at the bottom meets nothing that was
//! not explained before.
//!
//! Reads the sources as text: each `use` of a file, and each path with `::` in its code, outside its tests. A name that a
//! module only hands on leads to the file that has it. That a folder's `mod.rs` knows what is in the folder is no import.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module by the names that lead to it.
type Module = Vec<String>;

/// A file, as the others see it.
struct File {
    /// Its code, without comments and tests, in one line.
    code: String,
    /// The names that it hands on, and the paths that they stand for.
    handed_on: BTreeMap<String, Vec<String>>,
}

/// The files of the program, by their modules.
fn files() -> BTreeMap<Module, File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let below = path.strip_prefix(&root).unwrap().with_extension("");
                let names = below.iter().map(|name| name.to_str().unwrap().to_owned());
                let module: Module =
                    names.filter(|name| !["mod", "lib", "main"].contains(&&**name)).collect();
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim);
                let code = lines.filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join(" ");
                files.insert(module, file(code));
            }
        }
    }
    files
}

fn file(code: String) -> File {
    let mut handed_on = BTreeMap::new();
    let mut imports = String::new();
    for statement in code.split_inclusive(';') {
        let Some((before, tree)) = statement.split_once("use ").filter(|_| statement.ends_with(';')) else {
            imports.push_str(statement);
            continue;
        };
        let is_handed_on = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        match is_handed_on {
            true => paths(&[], tree.trim_end_matches(';')).into_iter().for_each(|mut path| {
                if !["crate", "super", "self"].contains(&&*path[0]) {
                    path.insert(0, "self".to_owned());
                }
                handed_on.insert(path.last().unwrap().clone(), path);
            }),
            false => imports.push_str(statement),
        }
    }
    File { code: imports, handed_on }
}

/// The paths that a tree of imports has: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(before: &[String], tree: &str) -> Vec<Vec<String>> {
    let (mut depth, mut from, mut branches) = (0, 0, Vec::new());
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&tree[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    branches.push(&tree[from..]);
    let mut found = Vec::new();
    for branch in branches.into_iter().map(str::trim).filter(|branch| !branch.is_empty()) {
        let (head, rest) = match branch.split_once('{') {
            Some((head, rest)) => (head, rest.trim_end().strip_suffix('}')),
            None => (branch.split(" as ").next().unwrap(), None),
        };
        let names = head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let path: Vec<String> = before.iter().cloned().chain(names).collect();
        match rest {
            Some(rest) => found.extend(paths(&path, rest)),
            None => found.push(path),
        }
    }
    found
}

/// The file that a path leads to, seen from a module, and what is left of the path.
fn find(files: &BTreeMap<Module, File>, from: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
    let mut names = path.iter();
    let mut at = match names.as_slice().first().map(String::as_str)? {
        "crate" => Vec::new(),
        "self" | "super" => from.clone(),
        _ => return None,
    };
    let mut rest: Vec<String> = Vec::new();
    for name in names.by_ref() {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => _ = at.pop(),
            _ => rest.push(name.clone()),
        }
    }
    while let Some(name) = rest.first() {
        let below: Module = at.iter().cloned().chain([name.clone()]).collect();
        if files.contains_key(&below) {
            at = below;
            rest.remove(0);
        } else if let Some(handed_on) = files.get(&at).and_then(|file| file.handed_on.get(name)) {
            let (there, more) = find(files, &at, handed_on)?;
            rest.splice(0..1, more);
            at = there;
            break;
        } else {
            break;
        }
    }
    files.contains_key(&at).then_some((at, rest))
}

/// What each file imports.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let files = files();
    assert!(files.len() > 300, "the sources are not where they belong");
    let mut imports = BTreeMap::new();
    for (module, file) in &files {
        let mut found: BTreeSet<Module> = BTreeSet::new();
        for start in ["crate::", "super::", "self::"] {
            for (at, _) in file.code.match_indices(start) {
                let before = file.code[..at].chars().next_back();
                if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                    continue;
                }
                let is_use = file.code[..at].ends_with("use ");
                let ends = |letter: char| match is_use {
                    true => letter == ';',
                    false => !letter.is_alphanumeric() && letter != '_' && letter != ':',
                };
                let text = file.code[at..].split(ends).next().unwrap();
                let paths = if is_use { paths(&[], text) } else { paths(&[], text.trim_end_matches(':')) };
                found.extend(paths.iter().filter_map(|path| Some(find(&files, module, path)?.0)));
            }
        }
        found.remove(module);
        imports.insert(module.clone(), found);
    }
    imports
}

/// All that a module imports, and that these import, and so on.
fn reached<'a>(imports: &'a BTreeMap<Module, BTreeSet<Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        next.extend(imports[module].iter().filter(|other| reached.insert(*other)));
    }
    reached
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let imports = imports();
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(count > 2000, "only {count} imports were found");
    let mut circles = Vec::new();
    for (module, others) in &imports {
        let back = others.iter().filter(|other| reached(&imports, other).contains(module));
        circles.extend(back.map(|other| format!("{} imports {}", module.join("::"), other.join("::"))));
    }
    assert!(circles.is_empty(), "they lead back to where they begin: {circles:#?}");
}
