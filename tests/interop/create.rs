//! Torrents that `create` made, as other programs read them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::LIMIT;
use crate::support::folder::TestFolder;
use crate::support::program::Program;

/// The info-hash by libtorrent, the number of files, and what it found besides.
const LIBTORRENT: &str = "
import libtorrent, sys
info = libtorrent.torrent_info(sys.argv[1])
files = info.files()
trackers = sorted((t.tier, t.url) for t in info.trackers())
print(info.info_hash(), files.num_files(), files.file_path(files.num_files() - 1), info.priv(),
      ' '.join('%d=%s' % t for t in trackers), ' '.join(s['url'] for s in info.web_seeds()))
";

fn femtotorrent<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    outcome.output
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("make interop installs it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Creates a torrent with these options and returns it and its info-hash by our own `show`.
fn create(folder: &TestFolder, payload: &Path, options: &[&str]) -> (PathBuf, String) {
    let torrent = folder.path().join("created.torrent");
    let mut arguments: Vec<&OsStr> =
        vec!["create".as_ref(), payload.as_ref(), "--output".as_ref(), torrent.as_ref()];
    arguments.extend(options.iter().map(|option| OsStr::new(*option)));
    let printed = femtotorrent(arguments);
    let shown = femtotorrent(["show".as_ref(), torrent.as_os_str(), "--json".as_ref()]);
    let info_hash = shown.split("\"info_hash\": \"").nth(1).unwrap().get(..40).unwrap().to_owned();
    assert!(printed.starts_with(&info_hash), "{printed}");
    (torrent, info_hash)
}

/// Panics unless both programs load the torrent and call it the same. Returns what libtorrent says.
fn loads_elsewhere(torrent: &Path, info_hash: &str) -> String {
    let found = output(Command::new("python3").args(["-c", LIBTORRENT]).arg(torrent));
    assert!(found.starts_with(info_hash), "{info_hash} is {found}");
    let shown = output(Command::new("transmission-show").arg(torrent));
    assert!(shown.contains(info_hash), "{info_hash} is not in {shown}");
    found
}

fn noise(path: &Path, length: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_created_torrent_of_one_file_loads_everywhere() {
    let folder = TestFolder::new();
    let payload = folder.path().join("jeden soubor č.bin");
    noise(&payload, 3_000_001);
    let (torrent, info_hash) = create(&folder, &payload, &[]);
    let found = loads_elsewhere(&torrent, &info_hash);
    assert!(found.contains(" 1 jeden soubor č.bin False"), "{found}");
}

#[test]
fn a_created_torrent_of_nested_folders_loads_everywhere() {
    let folder = TestFolder::new();
    let payload = folder.path().join("složka");
    for (name, length) in [("z/世界/ž.bin", 400_000), ("z/a", 1), ("a.b/c", 70_000), ("a/b", 0), ("🎈", 17)]
    {
        noise(&payload.join(name), length);
    }
    let (torrent, info_hash) = create(&folder, &payload, &["--piece-length", "32K"]);
    let found = loads_elsewhere(&torrent, &info_hash);
    assert!(found.contains(" 5 složka/🎈 False"), "{found}");
}

#[test]
fn trackers_in_tiers_web_seeds_and_privacy_are_read_everywhere() {
    let folder = TestFolder::new();
    let payload = folder.path().join("payload.bin");
    noise(&payload, 100_000);
    let (one, other) = ("http://a.example/announce", "udp://b.example:6969/announce");
    let last = "https://c.example/announce";
    let tier = format!("{one},{other}");
    let web_seed = "https://d.example/payload.bin";
    let options = ["--private", "--tracker", &tier, "--tracker", last, "--web-seed", web_seed];
    let (torrent, info_hash) = create(&folder, &payload, &options);
    let found = loads_elsewhere(&torrent, &info_hash);
    let expected = format!("True 0={one} 0={other} 1={last} {web_seed}");
    assert!(found.contains(&expected), "{expected} is not in {found}");
    let shown = output(Command::new("transmission-show").arg(&torrent));
    for words in ["Private torrent", "Tier #1", "Tier #2", one, other, last, web_seed] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
}
