//! Many torrents at once, where the system has not enough for all of them.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::folder::TestFolder;
use crate::support::process::{peak_address_space, peak_memory};
use crate::support::program::{Program, TERMINATED};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::tracker::Tracker;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(180);
/// A user of which no other process is, we hope: the limit of threads counts all that it has.
const USER: u32 = 61_744;

/// Torrents of which each has a tracker and a peer of its own.
struct Swarms {
    torrents: TestFolder,
    output: TestFolder,
    samples: Vec<Sample>,
    peers: Vec<ScriptedPeer>,
    trackers: Vec<Tracker>,
}

impl Swarms {
    fn new(count: usize, length: usize, piece: u32, peer: impl Fn(&Sample) -> ScriptedPeer) -> Swarms {
        Swarms::with(count, length, piece, |sample| Some(peer(sample)))
    }

    fn with(
        count: usize,
        length: usize,
        piece: u32,
        peer: impl Fn(&Sample) -> Option<ScriptedPeer>,
    ) -> Swarms {
        let (torrents, output) = (TestFolder::new(), TestFolder::new());
        let (mut samples, mut peers, mut trackers) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let sample = Sample::named(&format!("payload{number:03}"), length, piece);
            let peer = peer(&sample);
            trackers.push(Tracker::start(&peer.iter().map(ScriptedPeer::address).collect::<Vec<_>>()));
            peers.extend(peer);
            let sample = sample.with_tracker(&trackers[number].url());
            let torrent = torrents.path().join(format!("{number:03}.torrent"));
            std::fs::write(torrent, &sample.torrent).unwrap();
            samples.push(sample);
        }
        Swarms { torrents, output, samples, peers, trackers }
    }

    /// The arguments that download all of them.
    fn get(&self) -> Vec<String> {
        let path = |number| self.torrents.path().join(format!("{number:03}.torrent")).display().to_string();
        let mut arguments = vec!["get".to_owned()];
        arguments.extend((0..self.samples.len()).map(path));
        arguments
            .extend(["-o", self.output.path().to_str().unwrap(), "--no-dht", "--no-lan"].map(str::to_owned));
        arguments
    }

    fn assert_downloaded(&self) {
        for sample in &self.samples {
            let there = std::fs::read(self.output.path().join(sample.name())).unwrap();
            assert!(there == sample.payload, "{} is not what the peer sent", sample.name());
        }
        let files = std::fs::read_dir(self.output.path()).unwrap().count();
        assert_eq!(files, self.samples.len(), "a marker is left over");
    }
}

/// The command, with at most so many open files.
fn with_files(limit: u32, arguments: &[String]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM]).args(arguments).stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", "/dev/null");
    command
}

#[test]
fn more_torrents_than_there_are_open_files_for_wait_for_their_turn_and_all_are_downloaded() {
    let swarms = Swarms::new(40, 40_000, 16_384, ScriptedPeer::honest);
    let outcome = Program::launch(with_files(64, &swarms.get())).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    swarms.assert_downloaded();
    assert!(
        outcome.output.contains("at most 4 of the 40 torrents run at once, because 64 files may be open"),
        "{}",
        outcome.output
    );
    for tracker in &swarms.trackers {
        let events: Vec<String> = tracker.announces().iter().map(|one| one.get("event")).collect();
        assert_eq!(events, ["started", "completed", "stopped"]);
    }
}

#[test]
fn more_torrents_than_there_are_open_files_for_seed_at_once_and_each_is_served() {
    const SEEDED: usize = 60;
    let swarms = Swarms::with(SEEDED, 40_000, 16_384, |_| None);
    let mut arguments = swarms.get();
    let payload = TestFolder::new();
    swarms.samples.iter().for_each(|sample| sample.write_payload(payload.path()));
    let output = arguments.iter().position(|argument| argument == "-o").unwrap();
    arguments.splice(output..output + 2, ["-d".to_owned(), payload.path().display().to_string()]);
    arguments[0] = "seed".to_owned();
    // Fewer than there are torrents.
    let seed = Program::launch(with_files(48, &arguments));
    swarms.trackers.iter().for_each(|tracker| _ = tracker.wait_for(1));
    let mut get = Command::new(PROGRAM);
    get.args(swarms.get()).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
    let outcome = Program::launch(get).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    swarms.assert_downloaded();
    if cfg!(target_os = "linux") {
        wait_until_none_is_open(&seed, payload.path());
    }
    seed.terminate();
    let outcome = seed.finish(LIMIT);
    assert!(!outcome.output.contains("wait for their turn"), "{}", outcome.output);
    for tracker in &swarms.trackers {
        assert!(tracker.announces().iter().any(|one| one.get("event") == "stopped"));
    }
}

/// Waits until the program has no file of this folder open.
fn wait_until_none_is_open(program: &Program, folder: &Path) {
    let began = Instant::now();
    let open = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", program.child.id())).unwrap();
        let paths = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        paths.filter(|path| path.starts_with(folder) && path != folder).count()
    };
    while open() > 0 {
        assert!(began.elapsed() < LIMIT, "{} files are open", open());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn few_open_files_are_enough_and_hardly_any_are_an_error_that_says_so() {
    let swarms = Swarms::new(2, 40_000, 16_384, ScriptedPeer::honest);
    for limit in [8, 12, 19] {
        let outcome = Program::launch(with_files(limit, &swarms.get())).finish(LIMIT);
        assert_eq!(outcome.code, Some(1), "{limit}: {}", outcome.output);
        assert!(outcome.output.contains("raise it with ulimit -n"), "{limit}: {}", outcome.output);
    }
    let outcome = Program::launch(with_files(20, &swarms.get())).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    swarms.assert_downloaded();
}

#[test]
fn ctrl_c_ends_the_torrents_that_wait_at_once() {
    let swarms = Swarms::new(7, 40_000, 16_384, |sample| ScriptedPeer::seed(sample).choking().serving());
    let program = Program::launch(with_files(64, &swarms.get()));
    swarms.trackers[..4].iter().for_each(|tracker| _ = tracker.wait_for(1));
    program.terminate();
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(TERMINATED), "{}", outcome.output);
    // One sentence for all of them.
    assert!(outcome.output.contains("7 torrents stopped at 0 %"), "{}", outcome.output);
    assert_eq!(outcome.output.matches("stopped").count(), 1, "{}", outcome.output);
    assert!(swarms.peers[4..].iter().all(|peer| peer.record().connections == 0));
    assert!(swarms.trackers[4..].iter().all(|tracker| tracker.announces().is_empty()));
}

#[test]
fn more_torrents_than_there_are_threads_for_wait_and_hardly_any_threads_are_an_error() {
    let limited = |threads: usize, arguments: &[String]| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={threads}")).arg(PROGRAM).args(arguments).stdin(Stdio::null());
        command.uid(USER).gid(USER).env("HOME", "/nonexistent").current_dir("/");
        command
    };
    if !limited(20, &["--version".to_owned()]).output().is_ok_and(|output| output.status.success()) {
        return skip("limits of threads need root, and a prlimit and a program that all users may run");
    }
    let swarms = Swarms::new(12, 40_000, 16_384, ScriptedPeer::honest);
    for folder in [&swarms.torrents, &swarms.output] {
        set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    }
    for threads in [4, 6] {
        let outcome = Program::launch(limited(threads, &swarms.get())).finish(LIMIT);
        assert_eq!(outcome.code, Some(1), "{threads}: {}", outcome.output);
        assert!(outcome.output.contains("threads may be started, and 6 are needed"), "{}", outcome.output);
    }
    let outcome = Program::launch(limited(20, &swarms.get())).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(
        outcome.output.contains("of the 12 torrents run at once, because few threads"),
        "{}",
        outcome.output
    );
    swarms.assert_downloaded();
}

#[test]
fn long_pieces_of_many_torrents_take_turns_within_the_memory() {
    const PIECE: u32 = 4 << 20;
    const TORRENTS: usize = 12;
    let swarms = Swarms::new(TORRENTS, 2 * PIECE as usize, PIECE, ScriptedPeer::honest);
    let mut arguments = swarms.get();
    // Less than two pieces. If each torrent had one, that would be 48 MiB. A process that waits keeps its peak in view.
    arguments.extend(["--memory", "6M", "--seed"].map(str::to_owned));
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
    let program = Program::launch(command);
    for (number, tracker) in swarms.trackers.iter().enumerate() {
        assert_eq!(tracker.wait_for(2)[1].get("event"), "completed", "{number}");
    }
    let peak = peak_memory(program.child.id());
    program.terminate();
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(TERMINATED), "{}", outcome.output);
    swarms.assert_downloaded();
    assert!(peak < 40 << 20, "{peak} bytes");
}

#[test]
fn where_the_address_space_is_limited_little_of_it_is_reserved() {
    let swarms = Swarms::new(6, 40_000, 16_384, ScriptedPeer::honest);
    let mut command = Command::new("sh");
    let script = format!("ulimit -v {} && exec \"$0\" \"$@\" --seed", 2 << 20);
    command.args(["-c", &script, PROGRAM]).args(swarms.get()).stdin(Stdio::null());
    let program = Program::launch({
        command
            .env("XDG_CACHE_HOME", "/dev/null")
            .env_remove("MALLOC_ARENA_MAX")
            .env_remove("GLIBC_TUNABLES");
        command
    });
    for tracker in &swarms.trackers {
        assert_eq!(tracker.wait_for(2)[1].get("event"), "completed");
    }
    let peak = peak_address_space(program.child.id());
    let name = std::fs::read_to_string(format!("/proc/{}/comm", program.child.id())).unwrap();
    program.terminate();
    assert_eq!(program.finish(LIMIT).code, Some(TERMINATED));
    swarms.assert_downloaded();
    assert!(peak < 256 << 20, "{peak} bytes");
    assert_eq!(name.trim(), "femtotorrent", "it is found under its name");
}
