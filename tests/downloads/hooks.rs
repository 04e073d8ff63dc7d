//! `--on-complete`: the program that runs when a torrent is complete.

use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(60);
/// Writes down what it was told, outside of the output folder, and says something.
const TELLS: &str = "#!/bin/sh\n\
    echo \"$FEMTOTORRENT_NAME|$FEMTOTORRENT_PATH|$FEMTOTORRENT_SIZE|$FEMTOTORRENT_INFO_HASH|${FEMTOTORRENT_TORRENT_FILE-none}\" >> \"$0.log\"\n\
    cat\necho told\n";

/// A folder with a script in it, and a folder in it to download into.
struct Setup {
    folder: TestFolder,
}

impl Setup {
    fn new(script: &str) -> Setup {
        let folder = TestFolder::new();
        // A process of its own writes it. If this one did, a program that another test starts in that moment would have
        // the file open for writing until it is its own, and the system runs no file that is open so.
        let mut write = Command::new("sh");
        write.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]);
        assert!(write.arg(folder.path().join("script")).arg(script).status().unwrap().success());
        Setup { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("script.log")).unwrap_or_default()
    }

    /// Starts a download of these torrents, with what it prints on standard output in a file.
    fn start(&self, peer: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" > \"$OUT\"", env!("CARGO_BIN_EXE_femtotorrent"), "get"]);
        command.args(["--no-dht", "--no-lan", "--no-listen", "--on-complete", &self.path("script")]);
        command.args(["-o", &self.path("out"), "--peer", peer]).args(arguments);
        command.env("OUT", self.path("stdout")).env("XDG_CACHE_HOME", "/dev/null").stdin(Stdio::null());
        Program::launch(command)
    }

    fn get(&self, peer: &ScriptedPeer, arguments: &[&str]) -> Outcome {
        self.start(&peer.address().to_string(), arguments).finish(LIMIT)
    }

    fn wait_for(&self, is_there: impl Fn(&Setup) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_there(self) {
            assert!(Instant::now() < deadline, "the script did not do it");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn hex(sample: &Sample) -> String {
    sample.metainfo().info_hash.to_string()
}

#[test]
fn it_is_told_the_facts_once_and_has_all_rights_and_our_standard_output_stays_clean() {
    let sample = Sample::small();
    let setup = Setup::new(TELLS);
    let torrent = sample.write_torrent(setup.folder.path());
    let peer = ScriptedPeer::honest(&sample);
    let outcome = setup.get(&peer, &[&torrent, "-v"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let (length, hash, path) = (sample.payload.len(), hex(&sample), setup.path("out/payload.bin"));
    let expected = format!("payload.bin|{path}|{length}|{hash}|{torrent}\n");
    assert_eq!(setup.log(), expected, "{}", outcome.output);
    assert!(outcome.output.lines().any(|line| line == "told"), "{}", outcome.output);
    assert_eq!(fs::read_to_string(setup.path("stdout")).unwrap(), "");
    // Where all was there at the start, there is nothing to tell, whether it is seeded then or not.
    for more in [&[][..], &["--seed-time", "1s"]] {
        let again = setup.get(&peer, &[&[torrent.as_str()], more].concat());
        assert_eq!((again.code, setup.log()), (Some(0), expected.clone()), "{}", again.output);
    }
}

#[test]
fn no_name_of_a_torrent_is_a_command() {
    let name = "$(touch harmed) `touch harmed`; touch harmed \"'";
    let sample = Sample::named(name, 40_000, 16_384);
    let setup = Setup::new(TELLS);
    let torrent = setup.path("x.torrent");
    fs::write(&torrent, &sample.torrent).unwrap();
    let outcome = setup.get(&ScriptedPeer::honest(&sample), &[&torrent]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(setup.log().starts_with(&format!("{name}|{}/{name}|", setup.path("out"))), "{}", setup.log());
    assert!(!PathBuf::from("harmed").exists());
}

#[test]
fn it_is_told_of_a_folder_of_a_part_and_of_a_magnet_which_has_no_torrent_file() {
    let sample = Sample::multi(&[("a", 40_000), ("b", 50_000)], 16_384);
    let setup = Setup::new(TELLS);
    let torrent = sample.write_torrent(setup.folder.path());
    let peer = ScriptedPeer::honest(&sample);
    let part = setup.get(&peer, &[&torrent, "--select", "0"]);
    assert_eq!(part.code, Some(0), "{}", part.output);
    let (path, hash) = (PathBuf::from(setup.path("out")).join(sample.name()), hex(&sample));
    let line =
        |size: usize, file: &str| format!("{}|{}|{size}|{hash}|{file}\n", sample.name(), path.display());
    assert_eq!(setup.log(), line(3 * 16_384, &torrent));
    fs::remove_dir_all(setup.path("out")).unwrap();
    let payload = TestFolder::new();
    sample.write_payload(payload.path());
    let (_seeder, address) = Instance::seed(torrent.as_ref(), payload.path(), &[]);
    let magnet = setup.start(&address.to_string(), &[&format!("magnet:?xt=urn:btih:{hash}")]).finish(LIMIT);
    assert_eq!(magnet.code, Some(0), "{}", magnet.output);
    assert_eq!(setup.log(), line(3 * 16_384, &torrent) + &line(90_000, "none"));
}

#[test]
fn it_is_told_the_name_that_the_file_has_in_the_end() {
    let sample = Sample::small();
    let setup = Setup::new(TELLS);
    let torrent = sample.write_torrent(setup.folder.path());
    for more in [&["--part"][..], &["-O", "mine"], &["--part", "-O", "ours", "--seed-time", "1s"]] {
        let outcome = setup.get(&ScriptedPeer::honest(&sample), &[&[torrent.as_str()], more].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        let log = setup.log();
        let path = log.lines().last().unwrap().split('|').nth(1).unwrap();
        assert!(fs::read(path).is_ok_and(|bytes| bytes == sample.payload), "{more:?}: {path}");
    }
    assert_eq!(setup.log().lines().count(), 3);
}

#[test]
fn it_runs_when_the_download_is_complete_and_not_when_the_seeding_ends() {
    let sample = Sample::small();
    let setup = Setup::new(TELLS);
    let torrent = sample.write_torrent(setup.folder.path());
    let peer = ScriptedPeer::honest(&sample);
    let program = setup.start(&peer.address().to_string(), &[&torrent, "--seed"]);
    setup.wait_for(|setup| !setup.log().is_empty());
    program.terminate();
    let outcome = program.finish(LIMIT);
    assert!(outcome.output.contains("payload.bin: seeded"), "{}", outcome.output);
    assert_eq!(setup.log().lines().count(), 1, "{}", outcome.output);
}

#[test]
fn one_that_fails_is_told_and_the_download_is_a_success_all_the_same() {
    let sample = Sample::small();
    let peer = ScriptedPeer::honest(&sample);
    for (script, words) in [
        ("#!/bin/sh\nexit 3\n", "failed (exit status: 3)"),
        ("#!/bin/sh\nkill -9 $$\n", "failed (signal: 9"),
        ("no program at all\n", "cannot be run"),
        ("#!/no/such/interpreter\n", "cannot be run"),
    ] {
        let setup = Setup::new(script);
        let torrent = sample.write_torrent(setup.folder.path());
        let outcome = setup.get(&peer, &[&torrent, "-q"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        let told = outcome.output.trim_end();
        let start = "femtotorrent: payload.bin: the download is complete, but ";
        assert!(told.starts_with(start) && told.contains(words) && !told.contains('\n'), "{told}");
    }
}

#[test]
fn one_that_is_not_there_is_told_before_anything_is_downloaded() {
    let sample = Sample::small();
    let setup = Setup::new(TELLS);
    let torrent = sample.write_torrent(setup.folder.path());
    let peer = ScriptedPeer::honest(&sample);
    let outcome = setup.get(&peer, &[&torrent, "--on-complete", "no-such-program"]);
    assert_eq!(outcome.code, Some(28), "{}", outcome.output);
    assert!(outcome.output.contains("no such program is in PATH"), "{}", outcome.output);
    assert!(!PathBuf::from(setup.path("out")).exists());
}

#[test]
fn one_runs_at_a_time_and_the_last_one_is_waited_for() {
    let samples = [Sample::named("one", 40_000, 16_384), Sample::named("two", 40_000, 16_384)];
    let setup = Setup::new("#!/bin/sh\necho begin >> \"$0.log\"\nsleep 0.3\necho end >> \"$0.log\"\n");
    let mut arguments = Vec::new();
    let peers = samples.each_ref().map(ScriptedPeer::honest);
    for (number, sample) in samples.iter().enumerate() {
        let folder = setup.folder.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        arguments.push(sample.write_torrent(&folder));
        arguments.extend(["--peer".to_owned(), peers[number].address().to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = setup.start(&peers[0].address().to_string(), &arguments).finish(LIMIT);
    assert_eq!(
        (outcome.code, setup.log().as_str()),
        (Some(0), "begin\nend\nbegin\nend\n"),
        "{}",
        outcome.output
    );
}

#[test]
fn the_user_need_not_wait_for_one_that_has_no_end() {
    let sample = Sample::small();
    let setup =
        Setup::new("#!/bin/sh\necho $$ > \"$0.new\"\nmv \"$0.new\" \"$0.log\"\nexec sleep 600 2>&- >&-\n");
    let torrent = sample.write_torrent(setup.folder.path());
    let peer = ScriptedPeer::honest(&sample);
    let program = setup.start(&peer.address().to_string(), &[&torrent]);
    program.wait_for(LIMIT, |line| line.contains("waiting for ").then_some(()));
    program.terminate();
    program.finish(LIMIT);
    let sleeper = Pid::from_raw(setup.log().trim().parse().unwrap()).unwrap();
    kill_process(sleeper, Signal::KILL).expect("it was left alone");
    sample.assert_downloaded(PathBuf::from(setup.path("out")).as_path());
}

#[test]
fn a_settings_file_can_name_it_and_its_facts_are_no_settings_where_it_runs_us() {
    let sample = Sample::small();
    let nested = format!("#!/bin/sh\n{} config > \"$0.log\"\n", env!("CARGO_BIN_EXE_femtotorrent"));
    let setup = Setup::new(&nested);
    let torrent = sample.write_torrent(setup.folder.path());
    fs::create_dir(setup.path("femtotorrent")).unwrap();
    let config = format!("[get]\non-complete = {}\nno-dht\nno-lan\n", setup.path("script"));
    fs::write(setup.path("femtotorrent/config"), config).unwrap();
    let peer = ScriptedPeer::honest(&sample);
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args([&torrent, "-o", &setup.path("out"), "--peer", &peer.address().to_string(), "--no-listen"]);
    command
        .env("XDG_CONFIG_HOME", setup.folder.path())
        .env("XDG_CACHE_HOME", "/dev/null")
        .stdin(Stdio::null());
    let outcome = Program::launch(command).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(setup.log().contains("on-complete = "), "{}{}", setup.log(), outcome.output);
    assert!(!outcome.output.contains("no variable of ours"), "{}", outcome.output);
}
