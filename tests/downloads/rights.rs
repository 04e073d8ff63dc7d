//! What a running process may still do to files.

use crate::support::folder::TestFolder;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use std::fs;
use std::time::Duration;

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
        for thread in fs::read_dir(format!("/proc/{}/task", program.child.id())).unwrap() {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
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
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{}/task", program.child.id())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
        let Some(name) = status.lines().find_map(|line| line.strip_prefix("Name:\t")) else { continue };
        let is_hook = name == "hook";
        assert!(status.contains(if is_hook { "NoNewPrivs:\t0" } else { "NoNewPrivs:\t1" }), "{status}");
        found.push(name.to_owned());
    }
    for name in ["events", "hook", "pcap", "trace"] {
        assert!(found.iter().any(|thread| thread == name), "{name}: {found:?}");
    }
}
