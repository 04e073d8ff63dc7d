//! How much of what is there is read at the start: the user's choice, and what is kept from run to run.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::{Program, TERMINATED};
use crate::support::sample::Sample;

/// For any one run here, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Changes a byte of a file and sets its time back.
fn change_in_secret(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut content = fs::read(path).unwrap();
    content[100] ^= 1;
    fs::write(path, content).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
}

#[test]
fn what_is_shared_is_read_as_the_user_wants_it() {
    let sample = Sample::single(10 * 65_536, 65_536);
    let (folder, cache) = (TestFolder::new(), TestFolder::new());
    sample.write_payload(folder.path());
    let torrent = sample.write_torrent(folder.path());
    let shared = |check: &[&str]| {
        let dir = folder.path().to_str().unwrap();
        let fixed = ["seed", &torrent, "-d", dir, "--bind", "127.0.78.1", "--no-dht", "--no-lan"];
        let seed = Program::start_with_cache(cache.path(), [&fixed, check].concat());
        let all = |line: &str| line.contains("seeding").then(|| !line.contains("we have 9 of 10 pieces"));
        let all = seed.wait_for(LIMIT, all);
        seed.terminate();
        assert_eq!(seed.finish(LIMIT).code, Some(TERMINATED));
        all
    };
    assert!(shared(&[]));
    change_in_secret(&folder.path().join(sample.name()));
    assert!(shared(&["--check", "never"]));
    assert!(!shared(&[]));
    assert!(!shared(&["--check", "always"]));
    assert_eq!(fs::read_dir(cache.path().join("femtotorrent/resume")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn what_was_complete_and_changed_is_not_called_complete() {
    let sample = Sample::single(10 * 65_536, 65_536);
    let (folder, cache) = (TestFolder::new(), TestFolder::new());
    sample.write_payload(folder.path());
    let torrent = sample.write_torrent(folder.path());
    let code = |check: &[&str]| {
        let dir = folder.path().to_str().unwrap();
        let fixed = ["get", &torrent, "-o", dir, "--bind", "127.0.78.2", "--no-dht", "--no-lan"];
        let outcome = Program::start_with_cache(cache.path(), [&fixed, check].concat()).finish(LIMIT);
        // What was not read is not said to be verified.
        assert_eq!(outcome.output.contains("not read"), check == ["--check", "never"], "{}", outcome.output);
        outcome.code
    };
    assert_eq!(code(&[]), Some(0));
    assert_eq!(code(&["--check", "changed"]), Some(0));
    change_in_secret(&folder.path().join(sample.name()));
    assert_eq!(code(&["--check", "never"]), Some(0));
    assert_eq!(code(&[]), Some(13));
    assert_eq!(code(&["--check", "sometimes"]), Some(28));
}
