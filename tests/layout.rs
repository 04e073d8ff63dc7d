//! Which module may import which: a module knows the modules in the layers below it, and none above it or beside
//! it.
//!
//! Reads the sources as text: every `crate::` path outside the tests of a file counts as an import.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the bottom to the top. Modules of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["address", "bencode", "chance", "text", "thread"],
    &["piece"],
    &["metainfo"],
    &["wire"],
    &["strategy"],
    &["net"],
    &["message"],
    &["storage"],
    &["peer"],
    &["web_seed"],
    &["swarm", "magnet", "discovery", "tracker", "port_mapping"],
    &["session"],
    &["cli"],
    &["main", "lib"],
];

/// Modules that are plain functions: they get the time and their input as arguments.
const PURE: &[&str] = &["address", "chance", "wire", "metainfo", "piece", "strategy", "bencode", "text"];

/// As pure are the node of the distributed hash table, without its service, and what goes to a router and comes from
/// it: all of these folders but these files.
const PARTLY_PURE: &[(&str, &[&str])] = &[
    (
        "discovery/dht/",
        &["bootstrap.rs", "host_names.rs", "mod.rs", "saved_nodes.rs", "service.rs", "shared.rs"],
    ),
    ("port_mapping/", &["datagrams.rs", "halt.rs", "keeper.rs", "mod.rs", "side.rs", "upnp/device.rs"]),
];

/// What a pure module has no use for. Addresses of sockets are values and are allowed.
const WORLD: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::sync::mpsc",
    "crossbeam_channel",
    "rustix",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "Instant::now",
    "SystemTime",
];

/// Libraries that few files know, so that they can be replaced.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("ureq", &["net/http/"]),
    ("rustls", &["net/http/"]),
    ("webpki_roots", &["net/http/"]),
    ("webpki", &["net/http/"]),
    ("miniz_oxide", &["net/http/gzip.rs"]),
    ("bendy", &["bencode/"]),
    ("clap", &["cli/"]),
    ("serde_json", &["cli/"]),
    ("signal_hook", &["cli/"]),
    ("socket2", &["net/"]),
    ("env_logger", &["cli/terminal/log.rs"]),
    // The terminal is asked for its size, and for single keys.
    ("rustix", &["storage/", "net/", "cli/terminal.rs", "cli/terminal/full/", "cli/terminal/pen.rs"]),
];

struct Source {
    /// Below `src`, with `/`.
    path: String,
    /// Its lines of code, up to its tests.
    lines: Vec<String>,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// The modules whose names follow `crate::` in its code.
    fn imports(&self) -> Vec<String> {
        let mut modules = Vec::new();
        for line in &self.lines {
            for rest in line.split("crate::").skip(1) {
                let names = match rest.strip_prefix('{') {
                    Some(list) => list.split('}').next().unwrap().split(',').collect(),
                    None => vec![rest],
                };
                for name in names {
                    let name =
                        name.trim().split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                    modules.extend(name.take(1).filter(|name| !name.is_empty()).map(str::to_owned));
                }
            }
        }
        modules
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).unwrap();
                let parts: Vec<_> = below.iter().map(|part| part.to_str().unwrap()).collect();
                // A file of tests may know the whole world.
                if !parts.iter().any(|part| ["tests", "tests.rs"].contains(part)) {
                    sources.push(Source { path: parts.join("/"), lines: code(&path) });
                }
            }
        }
    }
    assert!(sources.len() > 40, "the sources are not where they belong");
    sources
}

fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    lines.map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned).collect()
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("the module {module} is in no layer: give it one here"))
}

#[test]
fn a_module_imports_from_the_layers_below_it_only() {
    let mut faults = Vec::new();
    for source in sources() {
        for module in source.imports() {
            let own = module == source.module();
            if !own && layer(&module) >= layer(source.module()) {
                faults.push(format!("src/{} imports {module}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn in_the_storage_only_the_writer_knows_what_threads_say_to_each_other() {
    // It is a thread that reports to the coordinator. The rest is called by it, and answers with values.
    for source in sources().iter().filter(|source| source.module() == "storage") {
        let knows = source.imports().iter().any(|module| module == "message");
        assert_eq!(knows, source.path == "storage/writer.rs", "src/{}", source.path);
    }
}

#[test]
fn the_pure_modules_know_no_file_no_thread_no_socket_and_no_clock() {
    let mut faults = Vec::new();
    let is_pure = |source: &&Source| {
        let is_part = |(folder, others): &(&str, &[&str])| {
            source.path.strip_prefix(folder).is_some_and(|file| !others.contains(&file))
        };
        PURE.contains(&source.module()) || PARTLY_PURE.iter().any(is_part)
    };
    for source in sources().iter().filter(is_pure) {
        for line in &source.lines {
            for thing in WORLD.iter().filter(|thing| line.contains(**thing)) {
                faults.push(format!("src/{} uses {thing}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_library_is_known_where_it_is_needed_and_nowhere_else() {
    let mut faults = Vec::new();
    for source in sources() {
        for (library, homes) in KEPT_IN {
            let path = format!("{library}::");
            let used = source.lines.iter().any(|line| {
                let mut before = line.split(&path).map(|part| part.chars().next_back());
                line.contains(&path) && before.next().flatten().is_none_or(|letter| !letter.is_alphanumeric())
            });
            if used && !homes.iter().any(|home| source.path.starts_with(home)) {
                faults.push(format!("src/{} uses {library}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn text_leaves_the_program_in_one_place_which_looks_after_it() {
    const WAYS: &[&str] = &["stdout", "stderr", "println!", "eprintln!", "print!", "eprint!", "dbg!"];
    let mut faults = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !["cli/terminal.rs", "cli/terminal/pen.rs"].contains(&source.path.as_str()))
    {
        for line in &source.lines {
            let is_one = |way: &&&str| {
                // Names of other things: an argument that `clap` refuses, an option, a path.
                let names = ["use_stderr", "/dev/stdout", "--stdout", "\"stdout\""];
                line.contains(**way) && !names.iter().any(|name| line.contains(name))
            };
            faults.extend(WAYS.iter().find(is_one).map(|way| format!("src/{} writes by {way}", source.path)));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The library prints fractions with 12 KB of code and tables, however few there are.
#[test]
fn fractions_are_printed_with_whole_numbers() {
    let places = |line: &&String| {
        let mut ends = line.split(':').skip(1).filter_map(|rest| rest.split_once('}'));
        ends.any(|(how, _)| {
            how.split_once('.').is_some_and(|(width, _)| width.len() < 4 && !how.contains(' '))
        })
    };
    for source in sources() {
        let fraction = source.lines.iter().find(places);
        assert_eq!(fraction, None, "src/{}: text.rs:fixed prints fractions", source.path);
    }
}

#[test]
fn nothing_is_asynchronous() {
    for source in sources() {
        let waits = source.lines.iter().find(|line| line.contains("async ") || line.contains(".await"));
        assert_eq!(waits, None, "src/{}", source.path);
    }
}

#[test]
fn the_tour_and_the_readme_list_every_module_from_the_bottom_up() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (document, before, after) in [("src/lib.rs", "//! - [`", "`]"), ("README.md", "| `", "` |")] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let names = text.lines().filter_map(|line| line.strip_prefix(before)?.split_once(after));
        let names = names.map(|(name, _)| name.trim_end_matches('/').trim_end_matches(".rs"));
        let listed: Vec<&str> = names.collect();
        let layers: Vec<usize> = listed.iter().map(|name| layer(name)).collect();
        assert!(layers.is_sorted(), "{document} does not list them from the bottom up: {listed:?}");
        for module in
            LAYERS.iter().flat_map(|modules| *modules).filter(|name| !["main", "lib"].contains(name))
        {
            assert!(listed.contains(module), "{document} does not list {module}");
        }
    }
}
