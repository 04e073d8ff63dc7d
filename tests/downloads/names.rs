//! What a download is called on the disk, what it does with files that are there, and the room that it takes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::MODERN;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(60);
const PIECE: u32 = 64 * 1024;

fn torrent(sample: &Sample, folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, &sample.torrent).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A folder with two files, of which the second begins within a piece of the first.
fn several() -> Sample {
    Sample::multi(&[("a.jpg", 200_000), ("b.jpg", 150_000)], PIECE)
}

fn run(words: &[&str], peers: &[&ScriptedPeer]) -> Outcome {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    for peer in peers {
        words.extend(["--peer".to_owned(), peer.address().to_string()]);
    }
    Program::start(words).finish(LIMIT)
}

fn ends_with(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.output);
    for word in words {
        assert!(outcome.output.contains(word), "{word:?} is not in: {}", outcome.output);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[test]
fn a_download_gets_another_name_which_verify_finds_and_of_which_the_next_run_knows() {
    let (sample, root) = (Sample::small(), TestFolder::new());
    let out = root.path().join("out");
    let (file, out_name) = (torrent(&sample, root.path(), "x.torrent"), out.to_str().unwrap().to_owned());
    let get = |more: &[&str], peers: &[&ScriptedPeer]| {
        run(&[&["get", &file, "-o", &out_name], more].concat(), peers)
    };
    // A run that fetches nothing but the first piece.
    let partial = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece == 0).serving();
    ends_with(&get(&["-O", "mine.bin", "--part", "--timeout", "2"], &[&partial]), 2, &["mine.bin"]);
    assert_eq!(names(&out), ["mine.bin.part"]);
    ends_with(&get(&["-O", "other.bin"], &[&partial]), 13, &["mine.bin", "leave out -O"]);
    let peer = ScriptedPeer::honest(&sample);
    ends_with(&get(&[], &[&peer]), 0, &["an earlier run named it mine.bin", "mine.bin: done"]);
    assert_eq!(names(&out), ["mine.bin"]);
    assert!(fs::read(out.join("mine.bin")).unwrap() == sample.payload);
    assert!(peer.record().requests().iter().all(|wanted| wanted.index != 0), "the first piece came again");

    let verify = |more: &[&str]| run(&[&["verify", &file, "-d", &out_name], more].concat(), &[]);
    ends_with(&verify(&["-O", "mine.bin"]), 0, &["good        mine.bin"]);
    ends_with(&verify(&[]), 32, &["missing"]);
}

#[test]
fn a_seed_says_that_it_shares_what_an_earlier_run_has_named() {
    let (sample, root) = (Sample::small(), TestFolder::new());
    let (file, out) = (torrent(&sample, root.path(), "x.torrent"), root.path().join("out"));
    let out = out.to_str().unwrap();
    let partial = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece == 0).serving();
    ends_with(&run(&["get", &file, "-o", out, "-O", "mine.bin", "--timeout", "2"], &[&partial]), 2, &[]);
    let seed = ["seed", &file, "-d", out, "--no-dht", "--no-lan", "--seed-time", "1s"];
    ends_with(&run(&seed, &[]), 0, &["payload.bin: an earlier run named it mine.bin", "mine.bin: seed"]);
    let outcome = run(&[&seed[..], &["-O", "mine.bin"]].concat(), &[]);
    assert!(!outcome.output.contains("earlier run"), "{}", outcome.output);
}

#[test]
fn a_name_is_for_one_torrent_and_is_no_path() {
    let root = TestFolder::new();
    let file = torrent(&Sample::small(), root.path(), "x.torrent");
    for (words, said) in [
        (vec!["get", &file, &file, "-O", "x"], "for one torrent, and there are 2"),
        (vec!["seed", &file, &file, "-O", "x"], "for one torrent, and there are 2"),
        (vec!["get", &file, "-O", "../x"], "a name is expected and not a path"),
        (vec!["get", &file, "-O", ".."], "names a folder"),
        (vec!["get", &file, "-O", ""], "a name is expected"),
        (vec!["verify", &file, "-O", "a\nb"], "control a terminal"),
    ] {
        ends_with(&run(&words, &[]), 28, &[said]);
    }
    assert_eq!(names(root.path()), ["x.torrent"]);
}

#[test]
fn a_hidden_name_is_refused_in_the_home_folder() {
    let root = TestFolder::new();
    let file = torrent(&Sample::small(), root.path(), "x.torrent");
    let home = root.path().join("home");
    fs::create_dir(&home).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["get", &file, "-o"]).arg(&home).args(["-O", ".bashrc", "--no-dht", "--no-lan"]);
    command.args(["--peer", "127.0.0.1:1"]).env("HOME", &home);
    ends_with(&Program::launch(command).finish(LIMIT), 16, &[".bashrc"]);
    assert_eq!(
        fs::read_dir(&home).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count(),
        0
    );
}

#[test]
fn a_damaged_file_is_mended_where_the_user_says_so() {
    let (sample, root) = (several(), TestFolder::new());
    let file = torrent(&sample, root.path(), "x.torrent");
    let out = root.path().to_str().unwrap();
    fs::create_dir(root.path().join("many")).unwrap();
    let (a, b) = (root.path().join("many/a.jpg"), root.path().join("many/b.jpg"));
    let mut damaged = sample.payload[..200_000].to_vec();
    damaged[70_000] ^= 1;
    fs::write(&a, &damaged).unwrap();
    fs::write(&b, &sample.payload[200_000..]).unwrap();
    let peer = ScriptedPeer::honest(&sample);
    let refused = run(&["get", &file, "-o", out], &[&peer]);
    ends_with(
        &refused,
        13,
        &["many/a.jpg: 3 of 4 pieces are right, 1 is wrong or missing. Run again with --continue"],
    );
    assert!(!refused.output.contains("b.jpg") && fs::read(&a).unwrap() == damaged);
    ends_with(&run(&["get", &file, "-o", out, "-c"], &[&peer]), 0, &["done"]);
    assert!(fs::read(&a).unwrap() == sample.payload[..200_000]);
    let asked = peer.record().requests();
    assert!(asked.iter().all(|wanted| wanted.index == 1), "{asked:?}");

    // Nothing is right of it.
    fs::write(&b, "a diary").unwrap();
    let refused = run(&["get", &file, "-o", out, "--continue"], &[&peer]);
    ends_with(&refused, 13, &["b.jpg exists and has nothing in common with the torrent", "--overwrite"]);
    assert_eq!(fs::read(&b).unwrap(), b"a diary");
}

#[test]
fn a_file_that_was_removed_comes_back_beside_a_small_one_that_stays() {
    let sample = Sample::multi(&[("note.nfo", 30), ("song.flac", 200_000)], PIECE);
    let root = TestFolder::new();
    let file = torrent(&sample, root.path(), "x.torrent");
    let (note, song) = (root.path().join("many/note.nfo"), root.path().join("many/song.flac"));
    let get = ["get", &file, "-o", root.path().to_str().unwrap()];
    sample.write_payload(root.path());
    fs::remove_file(&song).unwrap();
    let peer = ScriptedPeer::honest(&sample);
    ends_with(&run(&get, &[&peer]), 0, &["done"]);
    sample.assert_downloaded(root.path());

    // The note is of the same length, and another.
    fs::remove_file(&song).unwrap();
    fs::write(&note, [7; 30]).unwrap();
    let peer = ScriptedPeer::honest(&sample);
    ends_with(&run(&get, &[&peer]), 13, &["many/note.nfo existed before, and a piece", "--overwrite"]);
    assert_eq!(fs::read(&note).unwrap(), [7; 30]);
    let peer = ScriptedPeer::honest(&sample);
    ends_with(&run(&[&get[..], &["--overwrite"]].concat(), &[&peer]), 0, &["done"]);
    sample.assert_downloaded(root.path());
}

/// Runs the test below in a mount namespace of its own, with a disk of 1 MiB at `$SMALL_DISK`.
#[test]
fn the_room_is_named_before_anything_is_fetched() {
    let root = TestFolder::new();
    let script = r#"mount -t tmpfs -o size=1m tmpfs "$SMALL_DISK" && echo mounted && exec "$0" --exact names::on_a_small_disk --nocapture"#;
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let output = Command::new("unshare")
        .args([namespace, "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("SMALL_DISK", root.path())
        .output();
    match output {
        Ok(output) if String::from_utf8_lossy(&output.stdout).starts_with("mounted") => {
            assert!(output.status.success(), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("the disk was small"), "{output:?}");
        }
        _ => skip("this host lets no user mount a small file system"),
    }
}

#[test]
fn on_a_small_disk() {
    let Some(disk) = std::env::var_os("SMALL_DISK") else { return };
    let (disk, root) = (disk.to_str().unwrap(), TestFolder::new());
    let large = torrent(&Sample::multi(&[("large", 1_500_000)], PIECE), root.path(), "large.torrent");
    let full = run(&["get", &large, "-o", disk, "--allocate", "full", "--peer", "127.0.0.1:1"], &[]);
    ends_with(
        &full,
        9,
        &[&format!("many: 1.5 MiB are needed on {disk}, and 1 MiB are free (free some space")],
    );
    let warned = run(&["get", &large, "-o", disk, "--timeout", "1", "--peer", "127.0.0.1:1"], &[]);
    let needed = format!("1.5 MiB are needed on {disk}, and ");
    ends_with(&warned, 2, &[&needed, " are free: the disk will be full before the end"]);
    // Each of these fits, and both together do not.
    let one = torrent(&Sample::multi(&[("one", 700_000)], PIECE), root.path(), "one.torrent");
    let other = torrent(&Sample::multi(&[("other", 600_000)], PIECE), root.path(), "other.torrent");
    let both = run(&["get", &one, &other, "-o", disk, "--timeout", "3", "--peer", "127.0.0.1:1"], &[]);
    ends_with(&both, 2, &[" by the other torrents, and ", " are free: the disk will be full before the end"]);
    let alone = run(&["get", &one, "-o", disk, "--timeout", "1", "--peer", "127.0.0.1:1"], &[]);
    assert!(!alone.output.contains("are needed on"), "{}", alone.output);
    println!("the disk was small");
}

#[test]
fn of_two_torrents_that_write_to_one_file_the_later_one_is_told_of_the_earlier_one() {
    // The check of the smaller one is the first to begin, whichever comes first on the command line.
    let (small, large) = (Sample::named("twice", 200_000, PIECE), Sample::named("twice", 900_000, PIECE));
    for (first, second) in [(&small, &large), (&large, &small)] {
        let (folder, output) = (TestFolder::new(), TestFolder::new());
        let torrents =
            [torrent(first, folder.path(), "one.torrent"), torrent(second, folder.path(), "other.torrent")];
        let peers = [ScriptedPeer::honest(first), ScriptedPeer::honest(second)];
        let words = ["get", &torrents[0], &torrents[1], "-o", output.path().to_str().unwrap()];
        let by = format!("twice is written by {}, another torrent of this command", torrents[0]);
        ends_with(&run(&words, &[&peers[0], &peers[1]]), 13, &[&by, "-O", "--output-dir"]);
        first.assert_downloaded(output.path());
        // Who has all that it wants takes nothing from another one, which meets a file that is not its own.
        let again = ["get", &torrents[1], &torrents[0], "-o", output.path().to_str().unwrap()];
        ends_with(&run(&again, &[]), 13, &["already complete", "--overwrite"]);
        first.assert_downloaded(output.path());
    }
}
