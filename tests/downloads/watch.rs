//! The live view in a terminal, which `script` makes: what is shown, and that the terminal is as it was whatever happens.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::MODERN;

const LIMIT: Duration = Duration::from_secs(120);
const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
/// What shows the terminal's second screen, and what brings the first one back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
/// What stands before the mode of the terminal, as `stty -g` tells it.
const MODE: &str = "mode ";

/// A download in a terminal, half of which waits for a gate.
struct Terminal {
    program: Program,
    go_on: Gate,
    _folder: TestFolder,
    _peer: ScriptedPeer,
}

impl Terminal {
    /// Runs this line of a shell, in which GET stands for the download. `None` where this host makes no terminal.
    fn open(line: &str) -> Option<Terminal> {
        if Command::new("script").arg("--version").output().is_err() {
            skip("this host has no `script`");
            return None;
        }
        let sample = Sample::small();
        let (folder, go_on) = (TestFolder::new(), Gate::new());
        let gate = go_on;
        let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
            talk.serve_next(14)?;
            gate.pass()?;
            talk.serve()
        });
        let torrent = folder.path().join("a.torrent");
        std::fs::write(&torrent, &sample.torrent).unwrap();
        let get = format!(
            "{PROGRAM} get {} -o {} --peer {} --no-dht --no-lan --no-listen",
            torrent.display(),
            folder.path().display(),
            peer.address()
        );
        // Signals that are for the program alone do not end the shell around it.
        let line = format!("stty cols 80 rows 24; trap : INT TERM HUP QUIT; {}", line.replace("GET", &get));
        let line = line.replace("MODE", &format!("printf '{MODE}%s\\n' \"$(stty -g)\""));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped());
        command.env("XDG_CACHE_HOME", "/dev/null").env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("SHELL", "/bin/sh");
        Some(Terminal { program: Program::launch(command), go_on, _folder: folder, _peer: peer })
    }

    fn press(&mut self, keys: &str) {
        self.program.press(keys.as_bytes());
    }

    fn sees(&self, text: &str) {
        self.program.wait_for_text(LIMIT, text, 1);
    }

    /// The number of the process that has printed it.
    fn process(&self) -> Pid {
        let number = self.program.wait_for(LIMIT, |line| line.trim().strip_prefix("process ")?.parse().ok());
        Pid::from_raw(number).unwrap()
    }

    fn end(self) -> Outcome {
        self.go_on.open();
        self.program.finish(LIMIT)
    }
}

/// The terminal has the mode that it had, each time that it was asked, and its first screen.
fn is_as_it_was(seen: &str, times: usize) {
    let modes: Vec<&str> =
        seen.lines().filter_map(|line| line.trim().split_once(MODE)).map(|(_, mode)| mode).collect();
    assert_eq!(modes.len(), times, "{seen:?}");
    assert!(modes.iter().all(|mode| *mode == modes[0]), "{modes:?}");
    assert!(seen.rfind(ENTER) < seen.rfind(LEAVE), "{seen:?}");
    assert_eq!(seen.matches(ENTER).count(), seen.matches(LEAVE).count(), "{seen:?}");
}

#[test]
fn the_view_opens_and_closes_and_the_bar_and_the_end_stand_on_the_first_screen() {
    let Some(mut terminal) = Terminal::open("MODE; GET --watch; MODE") else { return };
    terminal.sees("[1 peers]");
    terminal.sees("127.0.0.1:");
    for (key, page) in
        [("2", "[2 pieces]"), ("\t", "[3 sources]"), ("\x1b[Z", "[2 pieces]"), ("?", "Keys"), ("q", "")]
    {
        terminal.press(key);
        terminal.sees(page);
    }
    terminal.press("q");
    terminal.sees(LEAVE);
    terminal.sees("\x1b[2K");
    terminal.press("w");
    terminal.program.wait_for_text(LIMIT, ENTER, 2);
    let seen = terminal.end().output;
    is_as_it_was(&seen, 2);
    let (_, after) = seen.rsplit_once(LEAVE).unwrap();
    assert!(after.contains("done"), "{after:?}");
}

#[test]
fn whatever_ends_the_program_the_terminal_is_as_it_was() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let line = "MODE; sh -c 'echo process $$; exec GET --watch'; MODE";
        let Some(terminal) = Terminal::open(line) else { return };
        terminal.sees("[1 peers]");
        kill_process(terminal.process(), signal).unwrap();
        let seen = terminal.program.finish(LIMIT).output;
        is_as_it_was(&seen, 2);
    }
}

#[test]
fn a_terminal_that_takes_nothing_keeps_no_signal_from_ending_the_program() {
    let Some(mut terminal) = Terminal::open("sh -c 'echo process $$; exec GET -vv'; echo code $?") else {
        return;
    };
    terminal.sees(" handshake ");
    let process = terminal.process();
    // Ctrl-S. What it prints until it ends is more than nothing.
    terminal.press("\x13");
    std::thread::sleep(Duration::from_millis(300));
    kill_process(process, Signal::INT).unwrap();
    let deadline = Instant::now() + LIMIT;
    while test_kill_process(process).is_ok() {
        assert!(Instant::now() < deadline, "it waits for the terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Ctrl-Q.
    terminal.press("\x11");
    terminal.sees("code 130");
    terminal.end();
}

#[test]
fn a_program_that_is_stopped_gives_the_terminal_back_and_takes_it_again() {
    let line = "set -m; MODE; GET --watch; echo; echo stopped; MODE; fg; MODE";
    let Some(mut terminal) = Terminal::open(line) else { return };
    terminal.sees("[1 peers]");
    terminal.press("\x1a");
    terminal.program.wait_for_text(LIMIT, ENTER, 2);
    terminal.press("2");
    terminal.sees("[2 pieces]");
    let seen = terminal.end().output;
    is_as_it_was(&seen, 3);
    let (before, _) = seen.split_once("stopped").unwrap();
    assert!(before.contains(LEAVE), "{before:?}");
}

/// Bash says nothing to a program that it brings to the foreground while it runs; other shells continue it (SIGCONT).
#[test]
fn what_runs_in_the_background_takes_the_keys_when_it_comes_to_the_foreground() {
    if Command::new("bash").arg("--version").output().is_err() {
        return skip("this host has no `bash`");
    }
    for (wish, open) in [(" --watch", ""), ("", "w")] {
        let line = format!("bash -c 'set -m; GET{wish} & sleep 1; echo fore; fg'");
        let Some(mut terminal) = Terminal::open(&line) else { return };
        terminal.sees("fore");
        // What is drawn is drawn in the foreground.
        terminal.sees(if wish.is_empty() { "%" } else { "[1 peers]" });
        std::thread::sleep(Duration::from_secs(1));
        terminal.press(open);
        terminal.sees("[1 peers]");
        terminal.press("2");
        terminal.sees("[2 pieces]");
        terminal.end();
    }
}

#[test]
fn where_no_view_can_be_shown_one_sentence_says_why_and_the_download_goes_on() {
    for (line, why) in [
        ("MODE; TERM=dumb GET --watch; MODE", "TERM does not name"),
        ("MODE; unset TERM; GET --watch; MODE", "TERM does not name"),
        ("MODE; GET --watch < /dev/null; MODE", "standard input is no terminal"),
        ("MODE; GET --watch 2>&1 | cat; MODE", "standard error is no terminal"),
        ("MODE; GET --watch --json; MODE", "events of --json"),
        // Another program reads keys: its mode is not ours to take or to put back.
        ("stty -icanon -echo; MODE; GET --watch; MODE", "another program reads keys"),
    ] {
        let Some(terminal) = Terminal::open(line) else { return };
        terminal.sees("--watch shows nothing");
        let seen = terminal.end().output;
        assert_eq!(seen.matches("--watch shows nothing: ").count(), 1, "{seen:?}");
        assert!(seen.contains(why) && seen.contains("done") && !seen.contains(ENTER), "{line}: {seen:?}");
        // What drew the bar may stand in front of it.
        let modes: Vec<&str> = seen.lines().filter_map(|line| line.get(line.find(MODE)?..)).collect();
        assert_eq!(modes.len(), 2, "{seen:?}");
        assert_eq!(modes[0], modes[1]);
    }
}

#[test]
fn beside_another_program_in_a_pipe_no_keys_are_read() {
    let Some(mut terminal) = Terminal::open("MODE; GET | cat; MODE") else { return };
    terminal.sees("%");
    terminal.press("w");
    // The terminal shows what is typed, as nobody has told it not to.
    terminal.sees("w");
    let seen = terminal.end().output;
    assert!(!seen.contains(ENTER) && seen.contains("done"), "{seen:?}");
}

#[test]
fn what_is_typed_or_pasted_beside_the_bar_is_left_for_the_shell() {
    for parts in [
        // Pasted, with the key that opens the view in it, at its beginning too.
        &["who=first-$((1+1)); echo ran-$who\necho ran-second-$((2+2))\nexit\n"][..],
        // Typed, with Enter first and Backspace in it.
        &["\n", "e", "c", "x", "\x7f", "h", "o ran-first-$((1+1)); echo ran-sec", "ond-$((2+2))\n", "exit\n"],
    ] {
        let Some(mut terminal) = Terminal::open("MODE; GET; MODE; sh -i") else { return };
        terminal.sees("\x1b[2K");
        for part in parts {
            terminal.press(part);
            std::thread::sleep(Duration::from_millis(60));
        }
        // As soon as no keys are read, the terminal shows what is typed.
        for _ in 0..1000 {
            terminal.press("#\n");
            std::thread::sleep(Duration::from_millis(60));
            if terminal.program.output().contains('#') {
                break;
            }
        }
        let seen = terminal.end().output;
        assert!(!seen.contains(ENTER), "{seen:?}");
        assert!(seen.contains("ran-first-2") && seen.contains("ran-second-4"), "{seen:?}");
        let modes: Vec<&str> =
            seen.lines().filter_map(|line| line.split_once(MODE)).map(|(_, mode)| mode).collect();
        assert!(modes.len() == 2 && modes[0] == modes[1], "{seen:?}");
    }
}

#[test]
fn a_terminal_that_lies_about_its_size_is_drawn_on_within_bounds() {
    for (size, sign) in [
        ("cols 0 rows 0", "[1 peers]"),
        ("cols 65535 rows 65535", "[1 peers]"),
        ("cols 12 rows 3", "12x3 is too"),
    ] {
        let Some(mut terminal) = Terminal::open(&format!("MODE; stty {size}; GET --watch; MODE")) else {
            return;
        };
        terminal.sees(sign);
        terminal.press("\x0c2\x0c3");
        let seen = terminal.end().output;
        is_as_it_was(&seen, 2);
        assert!(seen.len() < 250_000, "{size}: {}", seen.len());
    }
}

#[test]
fn a_flood_of_keys_and_sequences_that_are_cut_stop_nothing() {
    let Some(mut terminal) = Terminal::open("MODE; GET --watch; MODE") else { return };
    terminal.sees("[1 peers]");
    terminal.press("\x1b[");
    for _ in 0..50 {
        // More than a terminal keeps of what is not read.
        terminal.press(&"jk\x1b[99;99\x1b[A\u{fffd}\x1b".repeat(400));
    }
    // Keys that come while the others are worked off may be left out.
    for _ in 0..200 {
        terminal.press("\x1b3");
        std::thread::sleep(Duration::from_millis(60));
        terminal.press("3");
        if terminal.program.output().contains("[3 sources]") {
            break;
        }
    }
    terminal.sees("[3 sources]");
    is_as_it_was(&terminal.end().output, 2);
}
