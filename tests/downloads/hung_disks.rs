//! A disk that does not answer, such as a server of files that is gone: a file system of FUSE whose program answers nothing.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::{Program, TERMINATED};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;

const LIMIT: Duration = Duration::from_secs(120);
const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
/// In a name space of its own: a file system that never answers at the folder that comes first, then the words behind it.
const HUNG: &str = r#"exec 3<>/dev/fuse && hung="$1" && shift &&
    mount -i -t fuse hung "$hung" -o fd=3,rootmode=40000,user_id=0,group_id=0 && exec "$@""#;

/// This command beside a folder that does not answer. `None` where this host lets no user make one: few let every
/// user, and what is tested here needs nothing of the host but that.
fn hung(folder: &str) -> Option<Command> {
    let unshared = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", HUNG, "sh", folder]).stdin(Stdio::null());
        command
    };
    let is_there = unshared().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: this host lets no user mount a file system that does not answer");
        return None;
    }
    let mut command = unshared();
    command.env("XDG_CACHE_HOME", "/dev/null");
    Some(command)
}

#[test]
fn a_torrent_whose_disk_does_not_answer_is_named_and_left_behind_and_others_are_done() {
    let (folder, sample) = (TestFolder::new(), Sample::small());
    let other = Sample::multi(&[("one", 70_000)], 65_536);
    let (whole, stuck) = (sample.write_torrent(folder.path()), folder.path().join("stuck.torrent"));
    std::fs::write(&stuck, &other.torrent).unwrap();
    let output = folder.path().join("out");
    std::fs::create_dir_all(output.join(other.name())).unwrap();
    let peer = ScriptedPeer::honest(&sample);
    let Some(mut command) = hung(output.join(other.name()).to_str().unwrap()) else { return };
    command.args([PROGRAM, "get", "-o", output.to_str().unwrap(), stuck.to_str().unwrap(), &whole]);
    command.args(["--no-dht", "--no-lan", "--no-listen", "--on-complete", "true"]);
    command.args(["--peer", &peer.address().to_string()]);
    let program = Program::launch(command);
    let place = format!("/out/{}", other.name());
    program.wait_for(LIMIT, |line| line.contains("payload.bin: done").then_some(()));
    program.wait_for(LIMIT, |line| {
        (line.contains("waiting for the disk: no answer yet about ") && line.contains(&place)).then_some(())
    });
    program.terminate();
    let outcome = program.finish(LIMIT);
    assert!(std::fs::read(output.join("payload.bin")).unwrap() == sample.payload);
    assert_eq!(outcome.code, Some(TERMINATED), "{}", outcome.output);
    for sentence in ["press Ctrl-C again to quit now", "left as it is: the disk gives no answer about "] {
        assert_eq!(outcome.output.matches(sentence).count(), 1, "{}", outcome.output);
    }
    assert!(!outcome.output.contains("telling the trackers"), "{}", outcome.output);
}

#[test]
fn where_the_output_folder_does_not_answer_the_user_is_told_and_a_signal_ends_the_program() {
    let (folder, sample) = (TestFolder::new(), Sample::small());
    let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().join("out"));
    std::fs::create_dir(&output).unwrap();
    let Some(mut command) = hung(output.to_str().unwrap()) else { return };
    command.args([PROGRAM, "get", &torrent, "-o", output.to_str().unwrap()]);
    let program = Program::launch(command);
    program.wait_for(LIMIT, |line| {
        (line.starts_with("waiting for the disk: no answer yet about ")
            && line.contains("(Ctrl-C ends this)"))
        .then_some(())
    });
    program.terminate();
    assert_eq!(program.finish(LIMIT).code, Some(TERMINATED));
}
