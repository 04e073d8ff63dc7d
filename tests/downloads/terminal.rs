//! What a terminal shows, with the help of `script`, which makes one.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::MODERN;

const LIMIT: Duration = Duration::from_secs(120);
const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const GREEN: &str = "\x1b[1;32m";

/// All that a terminal of 40 columns gets while a torrent is downloaded, half of which comes a second later. `None` where
/// this host makes no terminal.
fn seen(variables: &[(&str, &str)]) -> Option<String> {
    let sample = Sample::small();
    let (folder, go_on) = (TestFolder::new(), Gate::new());
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
        talk.serve_next(14)?;
        go_on.pass()?;
        talk.serve()
    });
    let torrent = folder.path().join("a.torrent");
    std::fs::write(&torrent, &sample.torrent).unwrap();
    let line = format!(
        "stty cols 40 rows 24; exec {PROGRAM} get {} -o {} --peer {} --no-dht --no-lan --no-listen",
        torrent.display(),
        folder.path().display(),
        peer.address()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
    command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.envs(variables.iter().copied());
    if Command::new("script").arg("--version").output().is_err() {
        skip("this host has no `script`");
        return None;
    }
    let program = Program::launch(command);
    // What the run says while the peer waits: a drawn line or a printed one.
    program.wait_for(LIMIT, |line| (line.contains('%') || line.contains("into")).then_some(()));
    go_on.open();
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    Some(outcome.output)
}

#[test]
fn lines_that_fit_are_drawn_on_a_terminal_and_the_end_is_green() {
    let Some(seen) = seen(&[]) else { return };
    assert!(seen.contains(&format!("payload.bin: {GREEN}done\x1b[0m, ")), "{seen:?}");
    let drawn: Vec<&str> = seen.split("\x1b[2K").skip(1).filter_map(|part| part.split('\r').next()).collect();
    assert!(drawn.iter().any(|line| line.contains('%')), "{seen:?}");
    assert!(drawn.iter().all(|line| line.chars().count() <= 40), "{drawn:?}");
    let last = seen.rsplit("\x1b[J").next().unwrap();
    assert!(!last.contains('%'), "the line is gone at the end: {seen:?}");
}

#[test]
fn no_color_means_none_and_a_dumb_terminal_gets_plain_lines() {
    let Some(colourless) = seen(&[("NO_COLOR", "1")]) else { return };
    assert!(!colourless.contains(GREEN) && colourless.contains("payload.bin: done, "), "{colourless:?}");
    assert!(colourless.contains("\x1b[2K"), "{colourless:?}");
    let Some(plain) = seen(&[("TERM", "dumb")]) else { return };
    assert!(!plain.contains('\x1b') && plain.contains(", into "), "{plain:?}");
}
