//! What the program says in its log while a test runs it in this process.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};

const DEADLINE: Duration = Duration::from_secs(40);

static CAPTURE: LogCapture = LogCapture { lines: Mutex::new(Vec::new()), written: Condvar::new() };

struct LogCapture {
    lines: Mutex<Vec<String>>,
    written: Condvar,
}

impl LogCapture {
    /// A test that failed at them says nothing about the others.
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for LogCapture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("femtotorrent")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.lines().push(record.args().to_string());
            self.written.notify_all();
        }
    }

    fn flush(&self) {}
}

/// Starts to write the log down.
pub fn open() {
    static OPEN: Once = Once::new();
    OPEN.call_once(|| {
        log::set_logger(&CAPTURE).unwrap();
        log::set_max_level(LevelFilter::Debug);
    });
}

/// Waits until the log says this of a peer: a reason for the end of its connection, or a sentence. Panics when it
/// does not.
pub fn wait_for(address: SocketAddr, what: impl Display) {
    let text = what.to_string();
    let start = format!("{address}: ");
    let of_it = |lines: &[String]| -> Vec<String> {
        lines.iter().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    };
    let says = |lines: &[String]| of_it(lines).iter().any(|line| line.contains(&text));
    let lines = CAPTURE.lines();
    let (lines, _) = CAPTURE
        .written
        .wait_timeout_while(lines, DEADLINE, |lines| !says(lines))
        .unwrap_or_else(PoisonError::into_inner);
    let (said, all) = (says(&lines), of_it(&lines));
    drop(lines);
    assert!(said, "not a word of {text:?}; of that peer it says: {all:#?}");
}
