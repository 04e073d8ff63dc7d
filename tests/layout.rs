//! Who may import whom: a room knows the rooms below it and none above or beside it.
//!
//! Reads the sources as text: every `crate::` path outside the tests of a file counts as an import.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the bottom to the top. Rooms of one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["address", "bencode", "text", "piece", "thread"],
    &["metainfo"],
    &["wire"],
    &["strategy"],
    &["net"],
    &["message"],
    &["storage"],
    &["peer"],
    &["swarm", "magnet", "discovery", "tracker"],
    &["session"],
    &["cli"],
    &["main", "lib"],
];

/// Rooms that are plain functions: they get the time and their input as arguments.
const PURE: &[&str] = &["address", "wire", "metainfo", "piece", "strategy", "bencode", "text"];

/// The node of the distributed hash table, without its service, is as pure: all of its folder but these.
const DHT: &str = "discovery/dht/";
const NOT_PURE_IN_DHT: &[&str] = &["bootstrap.rs", "mod.rs", "saved_nodes.rs", "service.rs"];

/// What a pure room has no use for. Addresses of sockets are values and are allowed.
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

/// Libraries that few know, so that they can be replaced.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("ureq", &["tracker/http.rs", "cli/source.rs", "net/http.rs"]),
    ("bendy", &["bencode/"]),
    ("clap", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("serde_json", &["cli/"]),
    ("signal_hook", &["cli/"]),
    ("env_logger", &["cli/"]),
    ("rustix", &["storage/", "net/", "cli/runs.rs"]),
];

struct Source {
    /// Below `src`, with `/`.
    path: String,
    /// Its lines of code, up to its tests.
    lines: Vec<String>,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// The rooms whose names follow `crate::` in its code.
    fn imports(&self) -> Vec<String> {
        let mut rooms = Vec::new();
        for line in &self.lines {
            for rest in line.split("crate::").skip(1) {
                let names = match rest.strip_prefix('{') {
                    Some(list) => list.split('}').next().unwrap().split(',').collect(),
                    None => vec![rest],
                };
                for name in names {
                    let name =
                        name.trim().split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                    rooms.extend(name.take(1).filter(|name| !name.is_empty()).map(str::to_owned));
                }
            }
        }
        rooms
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
                if parts.last() != Some(&"tests.rs") {
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

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&room))
        .unwrap_or_else(|| panic!("the room {room} stands on no floor: give it one here"))
}

/// The writer is a thread of the storage that speaks with the coordinator, so it must know what is
/// said over its channels; nothing else in the storage knows of any conversation.
fn is_the_writer(source: &Source, room: &str) -> bool {
    source.path == "storage/writer.rs" && room == "message"
}

#[test]
fn a_room_imports_from_the_floors_below_it_only() {
    let mut faults = Vec::new();
    for source in sources() {
        for room in source.imports() {
            let own = room == source.room();
            if !own && !is_the_writer(&source, &room) && floor(&room) >= floor(source.room()) {
                faults.push(format!("src/{} imports {room}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_pure_rooms_know_no_file_no_thread_no_socket_and_no_clock() {
    let mut faults = Vec::new();
    let is_pure = |source: &&Source| {
        let node = source.path.strip_prefix(DHT).is_some_and(|file| !NOT_PURE_IN_DHT.contains(&file));
        PURE.contains(&source.room()) || node
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
fn nothing_waits_for_a_promise() {
    for source in sources() {
        let waits = source.lines.iter().find(|line| line.contains("async ") || line.contains(".await"));
        assert_eq!(waits, None, "src/{}", source.path);
    }
}
