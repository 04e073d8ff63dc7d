//! What comes from others: where each library is from, under which license, and what it may do while it is built.
//!
//! It asks cargo, without a network. `make deny` asks more: whether a fault of one of them is known.

#![cfg(test)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_PKG_NAME");
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Libraries that run a program of their own while they are built. Such a program may do anything on the machine that
/// builds, so a new one is to be read first.
const BUILD_SCRIPTS: &[&str] = &[
    "crc32fast",
    "crossbeam-utils",
    "httparse",
    "libc",
    "proc-macro2",
    "quote",
    "ring",
    "rustix",
    "rustls",
    "rustversion",
    "serde_core",
    "serde_json",
    "signal-hook",
    "thiserror",
    "zmij",
];

/// Libraries that run in the compiler.
const IN_THE_COMPILER: &[&str] = &["clap_derive", "enumflags2_derive", "rustversion", "thiserror-impl"];

/// Libraries that are there in two versions, and count once: they only run in the compiler, for macros of libraries of which
/// some have not moved to the newer one.
const TWICE: &[&str] = &["syn"];

/// What cargo knows of this program and everything below it on this system.
struct Tree {
    /// The libraries, by name.
    libraries: BTreeMap<String, Value>,
    /// What each package needs in a normal build, by name.
    needs: BTreeMap<String, BTreeSet<String>>,
}

impl Tree {
    fn read() -> Tree {
        let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
        let processor = if cfg!(target_arch = "x86") { "i686" } else { std::env::consts::ARCH };
        let system = format!("{processor}-unknown-linux-{environment}");
        let said = cargo(&["metadata", "--format-version", "1", "--filter-platform", &system]);
        let said: Value = serde_json::from_str(&said).unwrap();
        let mut libraries = BTreeMap::new();
        for package in said["packages"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap();
            let before = libraries.insert(name.to_owned(), package.clone());
            assert!(before.is_none() || TWICE.contains(&name), "{name} is there in two versions");
        }
        libraries.remove(PROGRAM);

        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut path: Vec<String> = Vec::new();
        for line in cargo(&["tree", "--edges", "normal", "--prefix", "depth", "--target", &system]).lines() {
            let name = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let depth = line[..line.len() - name.len()].parse().unwrap();
            let name = name.split(' ').next().unwrap();
            path.truncate(depth);
            if let Some(parent) = path.last() {
                needs.entry(parent.clone()).or_default().insert(name.to_owned());
            }
            path.push(name.to_owned());
        }
        Tree { libraries, needs }
    }

    /// A package and everything below it in a normal build.
    fn below(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([name.to_owned()]);
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            let needs = self.needs.get(&name).into_iter().flatten();
            open.extend(needs.filter(|need| found.insert((*need).clone())).cloned());
        }
        found
    }
}

/// What cargo says, without a network.
fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
    let said = Command::new(program)
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn each_library_is_from_the_registry_with_its_checksum() {
    // Here are those of all systems.
    let lock = read("Cargo.lock");
    let packages: Vec<&str> = lock.split("[[package]]\n").skip(1).collect();
    assert!(packages.len() > 50);
    for package in packages {
        let field = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.map(|line| line.trim_end_matches('"').to_owned())
        };
        let name = field("name").unwrap();
        if name != PROGRAM {
            assert_eq!(field("source").as_deref(), Some(CRATES_IO), "{name}");
            assert_eq!(field("checksum").map(|sum| sum.len()), Some(64), "{name}");
        }
    }
}

#[test]
fn each_library_has_a_license_that_deny_toml_allows() {
    let deny = read("deny.toml");
    let list = deny.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(
        allowed.contains(&"MIT") && !allowed.iter().any(|license| license.contains("GPL")),
        "{allowed:?}"
    );
    let tree = Tree::read();
    for (name, package) in &tree.libraries {
        let license = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(license, &allowed), "{name}: {license}");
    }
    assert!(is_allowed("GPL-3.0 OR (MIT AND ISC)", &allowed) && is_allowed("MIT/Apache-2.0", &allowed));
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-3.0) AND MIT"] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

/// Whether a license expression (SPDX) can be met: *or* binds less than *and*.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.trim().replace('/', " OR ");
    let parts = |word: &str| -> Vec<String> {
        // A word in brackets separates nothing.
        let (mut parts, mut depth) = (vec![String::new()], 0);
        for token in expression.replace('(', "( ").replace(')', " )").split_whitespace() {
            depth += i32::from(token == "(") - i32::from(token == ")");
            match token {
                _ if token == word && depth == 0 => parts.push(String::new()),
                _ => parts.last_mut().unwrap().extend([token, " "]),
            }
        }
        parts
    };
    let (any, all) = (parts("OR"), parts("AND"));
    if any.len() > 1 {
        return any.iter().any(|part| is_allowed(part, allowed));
    }
    if all.len() > 1 {
        return all.iter().all(|part| is_allowed(part, allowed));
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(&expression.as_str()),
    }
}

#[test]
fn no_library_that_is_not_known_for_it_runs_while_it_is_built() {
    let tree = Tree::read();
    let running = |kind: &str| -> BTreeSet<&str> {
        let runs = |package: &Value| {
            let mut targets = package["targets"].as_array().unwrap().iter();
            targets.any(|target| target["kind"].as_array().unwrap().iter().any(|one| one == kind))
        };
        tree.libraries.iter().filter(|(_, package)| runs(package)).map(|(name, _)| name.as_str()).collect()
    };
    let unknown = |kind: &str, known: &[&str]| -> Vec<String> {
        running(kind).into_iter().filter(|name| !known.contains(name)).map(str::to_owned).collect()
    };
    assert_eq!(unknown("custom-build", BUILD_SCRIPTS), [""; 0]);
    assert_eq!(unknown("proc-macro", IN_THE_COMPILER), [""; 0]);
    assert!(running("custom-build").contains("ring") && running("proc-macro").contains("clap_derive"));
}

#[test]
fn the_table_of_dependencies_counts_right() {
    let (tree, document) = (Tree::read(), read("docs/ARCHITECTURE.md"));
    let all = tree.below(PROGRAM).len() - 1;
    assert!(document.contains(&format!("many are shared, {all} in all")), "{all} in all");
    let table = document.split_once("\n## Dependencies\n").unwrap().1;
    let mut listed = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for (name, count) in cells[1].split(", ").zip(cells[5].split(", ")) {
            assert_eq!(count, tree.below(name).len().to_string(), "{name}");
            listed.insert(name.to_owned());
        }
    }
    assert_eq!(listed, tree.needs[PROGRAM]);
}
