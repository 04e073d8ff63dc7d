//! Runs femtotorrent as a user does: as a process, with a deadline that kills it.
//!
//! One thread a stream collects what it prints, so that a full pipe never stops the program and a
//! test can wait for it to say something.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::signals::let_programs_hear;

/// A killed process closes its streams within this.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The exit code of a run that [`Program::terminate`] has ended, as a shell tells it.
pub const TERMINATED: i32 = 128 + 15;

/// What a finished run left behind.
pub struct Outcome {
    /// The exit code, as a shell tells it: 128 and the number of the signal where it died of one.
    pub code: Option<i32>,
    /// Everything it printed, the standard output first.
    pub output: String,
    /// The bytes of its standard output.
    pub stdout: Vec<u8>,
}

impl Outcome {
    /// Its standard output, which is text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A femtotorrent that runs, and that is killed if this is dropped.
pub struct Program {
    /// The process.
    pub child: Child,
    printed: Arc<Printed>,
}

#[derive(Default)]
struct Printed {
    streams: Mutex<[Stream; 2]>,
    more: Condvar,
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

impl Program {
    /// Starts femtotorrent with these arguments. Where it speaks with peers, it finds none but those that
    /// the arguments and the torrent name: tests must not find each other.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut arguments: Vec<OsString> = arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
        if arguments
            .first()
            .is_some_and(|command| ["get", "seed", "show", "doctor"].iter().any(|it| command == it))
        {
            arguments.extend(["--no-dht".into(), "--no-lan".into()]);
        }
        Self::start_in_public(arguments)
    }

    /// The same as a user starts it, but for what is kept from one run to the next.
    pub fn start_in_public<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        // No folder can be there. What the user has is no business of a test, and what one test would
        // leave is none of another's.
        Self::start_with_cache("/dev/null".as_ref(), arguments)
    }

    /// The same with what is kept in this folder.
    pub fn start_with_cache<A: AsRef<OsStr>>(cache: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
        let arguments: Vec<OsString> = arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
        let may_map =
            arguments.first().is_some_and(|command| ["get", "seed", "doctor"].iter().any(|it| command == it));
        command.args(&arguments);
        // The router of whoever runs the tests is none of their business.
        command.args(may_map.then_some("--no-map-port"));
        command.stdin(Stdio::null()).env("XDG_CACHE_HOME", cache);
        Self::launch(command)
    }

    /// Starts this command, which becomes femtotorrent in the end. The proxies and the settings of whoever runs the tests
    /// are none of theirs.
    pub fn launch(mut command: Command) -> Self {
        let_programs_hear();
        without_settings(&mut command);
        for kind in ["http", "https", "all", "no"] {
            for name in [format!("{kind}_proxy"), format!("{kind}_proxy").to_uppercase()] {
                let is_of_the_test = command.get_envs().any(|(known, _)| known.to_str() == Some(&name));
                if !is_of_the_test {
                    command.env_remove(&name);
                }
            }
        }
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("femtotorrent starts");
        let printed = Arc::<Printed>::default();
        collect(child.stdout.take(), &printed, 0);
        collect(child.stderr.take(), &printed, 1);
        Self { child, printed }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// What it printed so far, the standard output first.
    pub fn output(&self) -> String {
        let streams = self.printed.streams.lock().unwrap();
        streams.iter().map(|stream| String::from_utf8_lossy(&stream.bytes)).collect()
    }

    /// What it printed to standard output so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.printed.streams.lock().unwrap()[0].bytes).into_owned()
    }

    /// Waits until a whole line that it prints, or has printed, passes, and returns what was made of it.
    ///
    /// # Panics
    ///
    /// If there is none within `limit` or before its end; what it printed is shown.
    pub fn wait_for<T>(&self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + limit;
        let mut streams = self.printed.streams.lock().unwrap();
        loop {
            // Seen before the search, so that the last line of a program that ends is looked at.
            let over = streams.iter().all(|stream| stream.ended) || Instant::now() >= deadline;
            for stream in streams.iter() {
                let text = String::from_utf8_lossy(&stream.bytes);
                let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
                if let Some(found) = whole.into_iter().find_map(&find) {
                    return found;
                }
            }
            if over {
                drop(streams);
                panic!("femtotorrent did not say it within {limit:?}; it printed:\n{}", self.output());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            (streams, _) = self.printed.more.wait_timeout(streams, left).unwrap();
        }
    }

    /// Presses these keys, where its standard input is a pipe.
    pub fn press(&mut self, keys: &[u8]) {
        let input = self.child.stdin.as_mut().expect("standard input is a pipe");
        // It fails where the program has ended: what it printed tells why.
        let _ = input.write_all(keys).and_then(|()| input.flush());
    }

    /// Waits until it has printed this so many times, also within a line.
    ///
    /// # Panics
    ///
    /// If it has not within `limit` or before its end; what it printed is shown.
    pub fn wait_for_text(&self, limit: Duration, text: &str, times: usize) {
        let deadline = Instant::now() + limit;
        let mut streams = self.printed.streams.lock().unwrap();
        loop {
            let over = streams.iter().all(|stream| stream.ended) || Instant::now() >= deadline;
            let has = |stream: &Stream| String::from_utf8_lossy(&stream.bytes).matches(text).count() >= times;
            if streams.iter().any(has) {
                return;
            }
            if over {
                drop(streams);
                panic!(
                    "femtotorrent did not show {text:?} within {limit:?}; it printed:\n{:?}",
                    self.output()
                );
            }
            let left = deadline.saturating_duration_since(Instant::now());
            (streams, _) = self.printed.more.wait_timeout(streams, left).unwrap();
        }
    }

    /// Asks it to end, as a service manager does.
    pub fn terminate(&self) {
        // It fails where the program has ended already, which is what is wanted.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// Stops it for so long, as Ctrl-Z and `fg` do.
    pub fn pause_for(&self, time: Duration) {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::STOP).expect("it runs");
        std::thread::sleep(time);
        kill_process(process, Signal::CONT).expect("it is stopped");
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// If it has not ended by itself within `limit`; it is killed and what it printed is shown.
    pub fn finish(mut self, limit: Duration) -> Outcome {
        // A process that ends closes its streams, so waiting for their end is waiting for its end.
        let in_time = self.printed.wait_for_end(limit);
        if !in_time {
            self.child.kill().expect("a child can be killed");
            assert!(self.printed.wait_for_end(LAST_WORDS), "a killed process closes its streams");
        }
        let output = self.output();
        let status = self.child.wait().expect("a child can be waited for");
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        assert!(in_time, "femtotorrent was not done within {limit:?}; it printed:\n{output}");
        let stdout = self.printed.streams.lock().unwrap()[0].bytes.clone();
        Outcome { code, output, stdout }
    }
}

/// Leaves out what the user has set, but not what the test has.
pub fn without_settings(command: &mut Command) {
    let set: Vec<OsString> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    if !set.iter().any(|name| name == "XDG_CONFIG_HOME") {
        // No folder can be there.
        command.env("XDG_CONFIG_HOME", "/dev/null");
    }
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"FEMTOTORRENT_") && !set.contains(&name) {
            command.env_remove(name);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail for a process that has ended already, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Printed {
    fn wait_for_end(&self, limit: Duration) -> bool {
        let streams = self.streams.lock().unwrap();
        let runs = |streams: &mut [Stream; 2]| streams.iter().any(|stream| !stream.ended);
        let (_streams, waited) = self.more.wait_timeout_while(streams, limit, runs).unwrap();
        !waited.timed_out()
    }
}

/// Reads a stream to its end on a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>, printed: &Arc<Printed>, at: usize) {
    let mut stream = stream.expect("the stream is piped");
    let printed = Arc::clone(printed);
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        loop {
            let length = stream.read(&mut chunk).unwrap_or(0);
            let mut streams = printed.streams.lock().unwrap();
            streams[at].bytes.extend(&chunk[..length]);
            streams[at].ended = length == 0;
            drop(streams);
            printed.more.notify_all();
            if length == 0 {
                break;
            }
        }
    });
}
