//! Runs femtotorrent as a user does: as a process, with a deadline that kills it.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a finished run left behind.
pub struct Outcome {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Everything it printed, the standard output first.
    pub output: String,
}

/// A femtotorrent that runs, and that is killed if this is dropped.
pub struct Program {
    /// The process.
    pub child: Child,
    streams: [Receiver<String>; 2],
}

impl Program {
    /// Starts femtotorrent with these arguments.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
        command.args(arguments).stdin(Stdio::null());
        Self::launch(command)
    }

    /// Starts this command, which becomes femtotorrent in the end.
    pub fn launch(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("femtotorrent starts");
        let streams = [drain(child.stdout.take()), drain(child.stderr.take())];
        Self { child, streams }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// If it has not ended by itself within `limit`; it is killed and what it printed is shown.
    pub fn finish(mut self, limit: Duration) -> Outcome {
        let deadline = Instant::now() + limit;
        // A process that ends closes its streams, so waiting for their end is waiting for its end.
        let mut in_time = true;
        let mut output = String::new();
        for stream in &self.streams {
            let left = deadline.saturating_duration_since(Instant::now());
            let text = stream.recv_timeout(left).or_else(|_| {
                in_time = false;
                self.child.kill().expect("a child can be killed");
                stream.recv_timeout(Duration::from_secs(5))
            });
            output.push_str(&text.expect("a killed process closes its streams"));
        }
        let code = self.child.wait().expect("a child can be waited for").code();
        assert!(in_time, "femtotorrent was not done within {limit:?}; it printed:\n{output}");
        Outcome { code, output }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail for a process that has ended already, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end on a thread of its own, so that a full pipe never stops the program.
fn drain(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    let mut stream = stream.expect("the stream is piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
