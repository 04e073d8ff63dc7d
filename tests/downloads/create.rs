//! `create` and `verify` as a user starts them: what they make, find and leave alone.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use femtotorrent::metainfo::Metainfo;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::folder::TestFolder;
use crate::support::program::{Outcome, Program, TERMINATED};
use crate::support::skip::skip;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(60);

fn ended_with(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.output);
    for words in words {
        assert!(outcome.output.contains(words), "{words:?} is not in: {}", outcome.output);
    }
}

/// A folder to work in, with the payload `things` in it.
struct WorkFolder(TestFolder);

impl WorkFolder {
    fn new() -> WorkFolder {
        let work = WorkFolder(TestFolder::new());
        work.put("things/b/ž 世.bin", 70_000);
        work.put("things/b.txt", 3);
        work.put("things/a/none", 0);
        work.put("things/z", 40_000);
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, length: usize) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    fn start(&self, arguments: &[&str]) -> Program {
        self.launch(Command::new(PROGRAM), arguments)
    }

    /// Starts this command, which becomes femtotorrent, with these arguments.
    fn launch(&self, mut command: Command, arguments: &[&str]) -> Program {
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        Program::launch(command)
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).finish(LIMIT)
    }

    fn ends_with(&self, arguments: &[&str], code: i32, words: &[&str]) {
        ended_with(&self.run(arguments), code, words);
    }

    fn torrent(&self, name: &str) -> Metainfo {
        Metainfo::parse(fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Everything here with what would tell of a change.
    fn listing(&self) -> Vec<(PathBuf, u64, i64, i64)> {
        let (mut folders, mut seen) = (vec![self.0.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let is = fs::symlink_metadata(&path).unwrap();
                seen.push((path.clone(), is.len(), is.mtime_nsec(), is.ctime_nsec()));
                if is.is_dir() {
                    folders.push(path);
                }
            }
        }
        seen.sort();
        seen
    }
}

#[test]
fn what_is_created_can_be_shown_and_verified() {
    let work = WorkFolder::new();
    let created =
        work.run(&["create", "things", "--tracker", "http://a/x,udp://b/y", "--tracker", "http://c/"]);
    assert_eq!(created.code, Some(0), "{}", created.output);
    let torrent = work.torrent("things.torrent");
    let line = format!("{}  things.torrent\n", torrent.info_hash);
    assert!(created.output.starts_with(&line), "{}", created.output);
    assert_eq!(torrent.trackers, [vec!["http://a/x", "udp://b/y"], vec!["http://c/"]]);
    let paths: Vec<_> = torrent.files.iter().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["things/a/none", "things/b.txt", "things/b/ž 世.bin", "things/z"]);
    work.ends_with(&["show", "things.torrent"], 0, &[&torrent.info_hash.to_string()]);
    let before = work.listing();
    work.ends_with(
        &["verify", "things.torrent"],
        0,
        &["good        things/b/ž 世.bin\n", "4 of 4 files are good, 7 of 7 pieces verify"],
    );
    assert_eq!(work.listing(), before);
}

#[test]
fn the_same_files_make_the_same_torrent() {
    let (one, other) = (WorkFolder::new(), WorkFolder::new());
    one.ends_with(&["create", "things", "--comment", "ž", "--web-seed", "http://w/", "--private"], 0, &[]);
    let arguments =
        ["create", "--private", "--web-seed", "http://w/", "--comment", "ž", "-o", "../x.torrent", "."];
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(arguments).current_dir(other.path("things")).stdin(Stdio::null());
    assert_eq!(Program::launch(command).finish(LIMIT).code, Some(0));
    let bytes = fs::read(one.path("things.torrent")).unwrap();
    assert!(bytes == fs::read(other.path("x.torrent")).unwrap());
    assert!(!bytes.escape_ascii().to_string().contains("creation date"));
    one.ends_with(&["create", "things", "-o", "dated.torrent", "--date", "1234567890"], 0, &[]);
    let dated = fs::read(one.path("dated.torrent")).unwrap().escape_ascii().to_string();
    assert!(dated.contains("13:creation datei1234567890e"), "{dated}");
}

#[test]
fn one_file_has_no_list_and_the_piece_length_that_was_chosen() {
    let work = WorkFolder::new();
    work.ends_with(&["create", "things/z", "--piece-length", "32K", "--quiet"], 0, &["  z.torrent\n"]);
    let torrent = work.torrent("z.torrent");
    assert_eq!(
        (torrent.name.as_str(), torrent.geometry.piece_length(), torrent.files.len()),
        ("z", 32_768, 1)
    );
    work.ends_with(&["verify", "z.torrent", "-d", "things"], 0, &["good        z\n"]);
    work.ends_with(&["verify", "z.torrent"], 32, &["missing     z\n", "name the folder that contains z"]);
    for bad in ["48K", "8K", "0", "256M", "x"] {
        work.ends_with(&["create", "things/z", "--piece-length", bad], 28, &["power of two from 16K"]);
    }
    // More pieces than are read of a torrent: said before hours of hashing.
    fs::File::create(work.path("huge")).unwrap().set_len((16_384 << 21) + 1).unwrap();
    work.ends_with(
        &["create", "huge", "--piece-length", "16K"],
        28,
        &["2,097,152 pieces", "larger --piece-length"],
    );
    for bad in ["", "a/announce", "http://", "http://a b/", "file:///x", "http://a,"] {
        work.ends_with(&["create", "things/z", "--tracker", bad], 28, &["an address is expected"]);
    }
    // A link to the payload is followed, and gives its own name.
    symlink("things/z", work.path("link")).unwrap();
    work.ends_with(&["create", "link"], 0, &["  link.torrent\n"]);
    assert_eq!(work.torrent("link.torrent").piece_digest(0), {
        work.ends_with(&["create", "things/z", "-o", "again.torrent"], 0, &[]);
        work.torrent("again.torrent").piece_digest(0)
    });
}

#[test]
fn what_is_not_as_it_should_be_is_told_and_left_alone_code_32() {
    let work = WorkFolder::new();
    work.ends_with(&["create", "things"], 0, &[]);
    let large = fs::File::options().write(true).open(work.path("things/b/ž 世.bin")).unwrap();
    large.write_all_at(b"?", 40_000).unwrap();
    let before = work.listing();
    let words = ["bad         things/b/ž 世.bin (4 of 5 pieces verify)\n", "bad pieces: 2\n", "3 of 4 files"];
    work.ends_with(&["verify", "things.torrent"], 32, &words);
    assert_eq!(work.listing(), before);
    let json = work.run(&["verify", "things.torrent", "--json"]).output;
    for words in [r#""state": "bad""#, r#""good": false"#, r#""bad_pieces": 1"#] {
        assert!(json.contains(words), "{words} is not in {json}");
    }

    fs::remove_file(work.path("things/a/none")).unwrap();
    large.set_len(20_000).unwrap();
    let z = fs::File::options().append(true).open(work.path("things/z")).unwrap();
    z.set_len(40_001).unwrap();
    let words = [
        "missing     things/a/none\n",
        "good        things/b.txt\n",
        "incomplete  things/b/ž 世.bin (1 of 5 pieces verify; it ends at 20,000 of 70,000 bytes)\n",
        "too long    things/z (40,001 of 40,000 bytes)\n",
        "missing pieces: 1-4\n",
        "1 of 4 files is good",
    ];
    let before = work.listing();
    work.ends_with(&["verify", "things.torrent", "--dir", "."], 32, &words);
    let quiet = work.run(&["verify", "things.torrent", "--quiet"]);
    assert_eq!((quiet.code, quiet.output.as_str()), (Some(32), ""));
    assert_eq!(work.listing(), before);

    work.ends_with(&["verify", "things.torrent", "-d", "nowhere"], 32, &["missing pieces: 0-6\n"]);
    assert!(!work.path("nowhere").exists());
    work.ends_with(&["verify", "no.torrent"], 3, &["no.torrent"]);
}

#[test]
fn an_existing_torrent_is_kept_unless_it_may_be_overwritten_code_13() {
    let work = WorkFolder::new();
    fs::write(work.path("things.torrent"), "mine").unwrap();
    work.ends_with(&["create", "things"], 13, &["things.torrent", "--overwrite"]);
    assert_eq!(fs::read(work.path("things.torrent")).unwrap(), b"mine");
    work.ends_with(&["create", "things", "--overwrite"], 0, &[]);
    work.ends_with(&["create", "things", "-o", "no/x.torrent"], 16, &["no/x.torrent"]);
    // A torrent inside its own payload is left out, so that it does not change with every run.
    work.ends_with(&["create", "things", "-o", "things/x.torrent"], 0, &[]);
    let again = ["create", "things", "-o", "things/x.torrent", "--overwrite"];
    work.ends_with(&again, 0, &["things/x.torrent: left out, it is the torrent itself"]);
    assert_eq!(work.torrent("things/x.torrent").info_hash, work.torrent("things.torrent").info_hash);
    work.ends_with(&["create", "things/z", "-o", "things/z", "--overwrite"], 1, &["written over it"]);
}

#[test]
fn nothing_is_left_out_in_silence() {
    let work = WorkFolder::new();
    symlink("/etc", work.path("things/link")).unwrap();
    symlink("z", work.path("things/b/other link")).unwrap();
    fs::create_dir(work.path("things/hollow")).unwrap();
    assert!(Command::new("mkfifo").arg(work.path("things/pipe")).status().unwrap().success());
    let words = [
        "things/link: left out, it is a symbolic link",
        "things/b/other link: left out, it is a symbolic link",
        "things/hollow: left out, it is an empty folder",
        "things/pipe: left out, it is a device, a pipe or a socket",
    ];
    work.ends_with(&["create", "things"], 0, &words);
    assert_eq!(work.torrent("things.torrent").files.len(), 4);

    work.put("things/NUL.txt", 5);
    work.put("things/Z", 5);
    let words =
        ["not every system takes the names of 2 files: others will call 'things/NUL.txt' 'things/_NUL.txt'"];
    work.ends_with(&["create", "things", "--overwrite"], 0, &words);
}

#[test]
fn what_no_torrent_can_be_made_of_is_named() {
    let work = WorkFolder::new();
    work.ends_with(&["create", "missing"], 15, &["missing"]);
    work.put("empty/none", 0);
    work.ends_with(&["create", "empty"], 1, &["empty: it is empty"]);
    work.ends_with(&["create", "/dev/null"], 15, &["not an ordinary file"]);
    work.put("padded/_____padding_file_7", 7);
    work.ends_with(&["create", "padded"], 1, &["_____padding_file_7"]);
}

#[test]
fn a_torrent_may_go_to_standard_output_or_into_a_pipe() {
    let work = WorkFolder::new();
    work.ends_with(&["create", "things"], 0, &[]);
    let torrent = fs::read(work.path("things.torrent")).unwrap();
    for name in ["-", "/dev/stdout"] {
        let mut command = Command::new(PROGRAM);
        command.args(["create", "--no-config", "things", "-o", name]).current_dir(work.path(""));
        assert!(command.output().unwrap().stdout == torrent, "{name}");
        // It may as well be a file, and then the torrent is all that is in it.
        let file = fs::File::create(work.path("copy.torrent")).unwrap();
        assert!(command.stdout(file).status().unwrap().success());
        assert!(fs::read(work.path("copy.torrent")).unwrap() == torrent, "{name}");
    }
    assert!(!work.path("-").exists());

    assert!(Command::new("mkfifo").arg(work.path("pipe")).status().unwrap().success());
    let reader = {
        let pipe = work.path("pipe");
        std::thread::spawn(move || fs::read(pipe).unwrap())
    };
    work.ends_with(&["create", "things", "-o", "pipe"], 0, &["  pipe\n"]);
    assert!(reader.join().unwrap() == torrent);
}

#[test]
fn a_report_that_cannot_be_written_is_no_success_code_17() {
    let work = WorkFolder::new();
    for arguments in [
        &["create", "things"][..],
        &["create", "things", "-o", "-"],
        &["show", "things.torrent"],
        &["config"],
        &["get", "-h"],
        &["--version"],
    ] {
        let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
            return skip("this host has no /dev/full");
        };
        let mut command = Command::new(PROGRAM);
        let status = command
            .arg("--no-config")
            .args(arguments)
            .current_dir(work.path(""))
            .stdout(full)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(17), "{arguments:?}");
    }
    work.ends_with(&["verify", "things.torrent"], 0, &[]);
}

#[test]
fn a_file_that_may_not_be_read_is_named_code_15() {
    let work = WorkFolder::new();
    let file = work.path("things/z");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let mut command = Command::new(PROGRAM);
    if fs::File::open(&file).is_ok() {
        // The superuser may read every file, unless these capabilities are taken away.
        let limited = || {
            let mut command = Command::new("setpriv");
            command.arg("--bounding-set=-dac_override,-dac_read_search");
            command
        };
        if !limited().arg("true").status().is_ok_and(|status| status.success()) {
            return skip("this user may read every file, and there is no setpriv");
        }
        command = limited();
        command.arg(PROGRAM);
    }
    let outcome = work.launch(command, &["create", "things"]).finish(LIMIT);
    ended_with(&outcome, 15, &["things/z", "permission denied"]);
    assert!(!work.path("things.torrent").exists());
}

#[test]
fn an_interrupted_run_leaves_nothing_behind_code_7() {
    let work = WorkFolder::new();
    let large = fs::File::create(work.path("large")).unwrap();
    // Islands of data, so that it takes long to read and needs little space.
    large.set_len(64 << 30).unwrap();
    for begin in (0..64_u64 << 30).step_by(16 << 20) {
        large.write_all_at(b"x", begin).unwrap();
    }
    let before = work.listing();
    for arguments in [&["create", "large"][..], &["verify", "large.torrent"]] {
        if arguments[0] == "verify" {
            let digests = vec![b'x'; 20 * 4096];
            let head = format!(
                "d4:infod6:lengthi{}e4:name5:large12:piece lengthi{}e6:pieces{}:",
                64_u64 << 30,
                16 << 20,
                digests.len()
            );
            fs::write(work.path("large.torrent"), [head.as_bytes(), &digests, b"ee"].concat()).unwrap();
        }
        let program = work.start(arguments);
        wait_until_reading(program.child.id(), &work.path("large"));
        kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
        let outcome = program.finish(LIMIT);
        assert_eq!(outcome.code, Some(TERMINATED), "{}", outcome.output);
        if arguments[0] == "create" {
            assert!(outcome.output.contains("stopped, nothing was written"), "{}", outcome.output);
            assert_eq!(work.listing(), before);
        }
    }
}

/// Returns when the process has the file open, which it has for as long as it reads.
fn wait_until_reading(process: u32, file: &Path) {
    let deadline = std::time::Instant::now() + LIMIT;
    let folder = PathBuf::from(format!("/proc/{process}/fd"));
    let is_open = || {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|open| open.ends_with(file))
    };
    while !is_open() {
        assert!(std::time::Instant::now() < deadline, "the file is never opened");
        std::thread::yield_now();
    }
}

/// Standard output and standard error of a run that does well.
fn both(work: &WorkFolder, arguments: &[&str]) -> [String; 2] {
    let run = Command::new(PROGRAM).args(arguments).current_dir(work.0.path()).output().unwrap();
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn a_new_torrent_comes_with_its_magnet_link_and_the_next_step_beside_the_line_for_scripts() {
    let work = WorkFolder::new();
    let tracker = ["--tracker", "udp://t.example:1/announce"];
    let [out, said] = both(&work, &["create", "things", tracker[0], tracker[1]]);
    let torrent = Metainfo::parse(fs::read(work.path("things.torrent")).unwrap()).unwrap();
    assert_eq!(out, format!("{}  things.torrent\n", torrent.info_hash));
    let hash = torrent.info_hash;
    let magnet = format!("magnet:?xt=urn:btih:{hash}&dn=things&tr=udp%3A%2F%2Ft.example%3A1%2Fannounce");
    let end = format!("magnet: {magnet}\nshare it: femtotorrent seed things.torrent\n");
    assert!(said.ends_with(&end), "{said}");
    assert_eq!(both(&work, &["create", "things", "-q", "--overwrite"])[1], "");
    let [out, said] = both(&work, &["create", "things/z", "-o", "-"]);
    assert!(out.starts_with("d4:info") && said.contains("magnet: ") && !said.contains("share it"), "{said}");
    let [_, said] =
        both(&work, &["create", "things", "-o", "p.torrent", "--private", tracker[0], tracker[1]]);
    assert!(!said.contains("magnet") && said.contains("share it: femtotorrent seed p.torrent"), "{said}");
}

#[test]
fn show_says_what_create_was_told_and_where_the_hashed_bytes_are() {
    use sha1::{Digest, Sha1};
    let work = WorkFolder::new();
    both(&work, &["create", "things", "-q", "--comment", "a\u{1b}b", "--date", "1795676640"]);
    let [out, _] = both(&work, &["show", "things.torrent"]);
    for line in
        ["Comment      a\u{fffd}b", "Created      2026-11-26T07:04:00Z", "Magnet       magnet:?xt=urn:btih:"]
    {
        assert!(out.lines().any(|shown| shown.starts_with(line)), "{line} is not in {out}");
    }
    let place = out.lines().find_map(|line| line.strip_prefix("Info value   bytes ")).unwrap();
    let (first, last) = place.split_once('-').unwrap();
    let bytes = fs::read(work.path("things.torrent")).unwrap();
    let info = &bytes[first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap()];
    let digest: String = Sha1::digest(info).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(out.contains(&format!("Info-hash    {digest}\n")), "{digest} is not in {out}");

    let [out, _] = both(&work, &["show", "things.torrent", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["info_hash"], digest);
    assert_eq!(
        value["info_range"],
        serde_json::json!([first.parse::<u32>().unwrap(), last.parse::<u32>().unwrap()])
    );
    assert_eq!((&value["comment"], &value["creation_date"]), (&"a\u{1b}b".into(), &1_795_676_640.into()));
    assert!(value["magnet"].as_str().unwrap().contains(&digest) && value.get("created_by").is_none());
}
