//! What a running process may still do to files.

use crate::support::folder::TestFolder;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use std::fs;
use std::time::{Duration, Instant};

/// How long a start may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_run_gives_up_the_rights_that_it_does_not_need_unless_it_is_told_not_to() {
    let sample = Sample::small();
    let folder = TestFolder::new();
    let torrent = sample.write_torrent(folder.path());
    let peer = ScriptedPeer::seed(&sample).choking().serving();
    for keeps_all in [false, true] {
        let mut arguments = vec!["get".to_owned(), torrent.clone(), "-v".to_owned()];
        arguments.extend(["-o".to_owned(), folder.path().join("new/folder").display().to_string()]);
        arguments.extend(["--peer".to_owned(), peer.address().to_string()]);
        arguments.extend(keeps_all.then(|| "--no-sandbox".to_owned()));
        let program = Program::start(arguments);
        program.wait_for(LIMIT, |line| line.contains(": connected: ").then_some(()));
        let says = |words: &str| program.output().contains(words);
        if says("this kernel restricts nothing") {
            return;
        }
        assert_eq!(says("from now on we write only to"), !keeps_all, "{}", program.output());
        // Every thread that speaks with strangers has given them up.
        for (_, status) in threads_of(program.child.id()) {
            let no_new_rights = status.lines().find(|line| line.starts_with("NoNewPrivs:"));
            let expected = if keeps_all { "NoNewPrivs:\t0" } else { "NoNewPrivs:\t1" };
            assert!(no_new_rights.is_none_or(|line| line == expected), "{status}");
        }
    }
}

#[test]
fn whoever_writes_down_what_strangers_say_can_touch_no_file_and_only_the_users_program_keeps_all_rights() {
    if !cfg!(feature = "trace") {
        return;
    }
    let sample = Sample::small();
    let folder = TestFolder::new();
    let torrent = sample.write_torrent(folder.path());
    let peer = ScriptedPeer::seed(&sample).choking().serving();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut arguments = vec!["get".to_owned(), torrent, "-v".to_owned(), "--json".to_owned()];
    arguments.extend(["-o".to_owned(), path("new"), "--trace".to_owned(), path("trace.txt")]);
    arguments.extend([
        "--pcap".to_owned(),
        path("capture.pcapng"),
        "--on-complete".to_owned(),
        "/bin/true".to_owned(),
    ]);
    arguments.extend(["--peer".to_owned(), peer.address().to_string()]);
    let program = Program::start(arguments);
    program.wait_for(LIMIT, |line| line.contains(": connected: ").then_some(()));
    if program.output().contains("this kernel restricts nothing") {
        return;
    }
    // A thread takes its name only when it runs.
    let deadline = Instant::now() + LIMIT;
    let threads = loop {
        let threads = threads_of(program.child.id());
        let has = |name: &str| threads.iter().any(|(thread, _)| thread == name);
        if ["events", "hook", "pcap", "trace"].into_iter().all(has) {
            break threads;
        }
        assert!(Instant::now() < deadline, "{threads:?}");
        std::thread::sleep(Duration::from_millis(10));
    };
    for (name, status) in threads {
        let expected = if name == "hook" { "NoNewPrivs:\t0" } else { "NoNewPrivs:\t1" };
        assert!(status.contains(expected), "{status}");
    }
}

/// The threads of a process: the name of each, and what the kernel knows of it.
fn threads_of(process: u32) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that has ended meanwhile has no status.
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let named = |status: String| {
        let name = status.lines().find_map(|line| line.strip_prefix("Name:\t"))?.to_owned();
        Some((name, status))
    };
    statuses.filter_map(named).collect()
}
