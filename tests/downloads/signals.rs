//! What signals do: one that asks how things stand, and those that ask to end.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::program::{Program, TERMINATED};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::{Reply, Tracker};

const LIMIT: Duration = Duration::from_secs(120);

/// A torrent in a folder, and a peer that serves 14 of its blocks and then waits.
struct Scene {
    torrents: TestFolder,
    output: TestFolder,
    peer: ScriptedPeer,
    served: Gate,
    go_on: Gate,
    /// Whether the program is told of the peer.
    knows_peer: bool,
}

impl Scene {
    fn new(sample: Sample) -> Scene {
        let torrents = TestFolder::new();
        std::fs::write(torrents.path().join("a.torrent"), &sample.torrent).unwrap();
        let (served, go_on) = (Gate::new(), Gate::new());
        let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
            talk.serve_next(14)?;
            served.open();
            go_on.pass()?;
            talk.serve()
        });
        Scene { torrents, output: TestFolder::new(), peer, served, go_on, knows_peer: true }
    }

    fn start(&self, more: &[&str]) -> Program {
        let torrent = self.torrents.path().join("a.torrent");
        let mut arguments = vec!["get".to_owned(), torrent.to_str().unwrap().to_owned()];
        arguments.extend(["-o".to_owned(), self.output.path().to_str().unwrap().to_owned()]);
        if self.knows_peer {
            arguments.extend(["--peer".to_owned(), self.peer.address().to_string()]);
        }
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        let program = Program::start(arguments);
        self.served.pass().unwrap();
        program
    }
}

fn send(program: &Program, signal: Signal) {
    kill_process(Pid::from_child(&program.child), signal).unwrap();
}

/// Sends these so that they are there together, however long this takes.
fn send_at_once(program: &Program, signals: [Signal; 2]) {
    send(program, Signal::STOP);
    // Until it stands still.
    waitpid(Some(Pid::from_child(&program.child)), WaitOptions::UNTRACED).unwrap();
    for signal in signals.into_iter().chain([Signal::CONT]) {
        send(program, signal);
    }
}

#[test]
fn whoever_asks_hears_how_it_stands_and_of_each_peer_also_from_a_quiet_run() {
    for more in [&[][..], &["--quiet"]] {
        let scene = Scene::new(Sample::small());
        let program = scene.start(more);
        send(&program, Signal::USR1);
        let address = scene.peer.address().to_string();
        let row =
            program.wait_for(LIMIT, |line| line.trim_start().starts_with(&address).then(|| line.to_owned()));
        assert!(
            row.contains(" 100% ") && row.contains("interested/unchoked") && row.contains("--peer"),
            "{row}"
        );
        program.wait_for(LIMIT, |line| line.contains(" downloaded, 0 bytes of no use, ").then_some(()));
        scene.go_on.open();
        assert_eq!(program.finish(LIMIT).code, Some(0), "the run went on");
    }
}

#[test]
fn two_signals_at_once_are_one_and_a_later_one_ends_at_once() {
    // A peer that the tracker names serves only once the tracker has answered: to one that never did, no farewell is
    // said.
    let mut scene = Scene::new(Sample::small());
    let tracker = Tracker::start(&[scene.peer.address()]);
    scene.knows_peer = false;
    let program = scene.start(&["--tracker", &tracker.url()]);
    // The farewell takes as long as it may.
    tracker.script(Reply::Hang);
    let begun = Instant::now();
    send_at_once(&program, [Signal::INT, Signal::TERM]);
    program.wait_for(LIMIT, |line| line.contains("press Ctrl-C again to quit now").then_some(()));
    let in_order = begun.elapsed() > Duration::from_millis(500);
    send(&program, Signal::TERM);
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(TERMINATED), "{}", outcome.output);
    assert!(in_order, "the second signal was heard");
    assert!(!outcome.output.contains("Run the same command"), "the third was not: {}", outcome.output);
    scene.go_on.open();
}

#[test]
fn a_run_that_is_done_when_the_signal_comes_has_not_failed() {
    let tracker = Tracker::start(&[]);
    let scene = Scene::new(Sample::small().with_tracker(&tracker.url()));
    let program = scene.start(&[]);
    tracker.wait_for(1);
    tracker.script(Reply::Hang);
    scene.go_on.open();
    // It says so when all is over, so this asks the tracker, which hears of it before.
    tracker.wait_for(2);
    send(&program, Signal::TERM);
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("payload.bin: done, "), "{}", outcome.output);
}

#[test]
fn a_line_says_at_once_what_is_downloaded_and_where_and_then_hardly_more() {
    let scene = Scene::new(Sample::small());
    let mut program = scene.start(&[]);
    let folder = scene.output.path().join("payload.bin");
    let place = format!(", into {}", folder.display());
    program.wait_for(LIMIT, |line| line.contains(&place).then_some(()));
    assert!(program.is_running());
    scene.go_on.open();
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.output.lines().count(), 2, "{}", outcome.output);
    assert!(outcome.output.ends_with(&format!("saved in {}\n", folder.display())), "{}", outcome.output);
}

#[test]
fn a_quiet_run_that_gives_up_says_why() {
    let sample = Sample::small();
    let scene = Scene::new(sample);
    let program = scene.start(&["--quiet", "--timeout", "3"]);
    let outcome = program.finish(LIMIT);
    scene.go_on.open();
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    let said = outcome.output;
    // How long it was is counted, and a slow machine notices it late.
    assert!(said.starts_with("payload.bin: timed out: no data for "), "{said}");
    assert!(said.contains(" s: the peers "), "{said}");
}
