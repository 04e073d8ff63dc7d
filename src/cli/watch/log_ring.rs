//! The last lines of the log, for the live view: also those that the level on the terminal hides.
//!
//! It stands in front of the logger that writes to the terminal, and is off by default. While a view may be opened it
//! keeps what is `info`, a few lines for each torrent. While one is open it keeps `debug` too: some lines for each peer.
//! There is one log in a process, so there is one ring.

use super::lines::LastLines;
use crate::text::{excerpt, fixed, without_error_numbers};
use crate::thread::lock;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The most lines that are kept.
const MOST_LINES: usize = 500;
/// The most characters of one, which may have words of strangers in it.
const LONGEST: usize = 400;

/// The one of this process.
static RING: LogRing = LogRing::new();

/// The lines, and up to which level they are kept.
struct LogRing {
    /// As a number of [`LevelFilter`]; none while it is off.
    level: AtomicUsize,
    lines: Mutex<LastLines>,
}

/// The logger of the process: the ring, and behind it what writes to the terminal.
struct Logger<Behind> {
    ring: &'static LogRing,
    began: Instant,
    behind: Behind,
}

/// Makes this the logger of the process, which takes in what is up to this level. Nothing happens if there is one.
pub fn start(behind: impl Log + 'static, level: LevelFilter) {
    TERMINAL.store(level as usize, Ordering::Relaxed);
    let logger = Logger { ring: &RING, began: Instant::now(), behind };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

/// The level of what is behind the ring.
static TERMINAL: AtomicUsize = AtomicUsize::new(0);

/// From now on lines up to this level are kept.
pub fn keep(level: LevelFilter) {
    RING.level.store(level as usize, Ordering::Relaxed);
    log::set_max_level(filter(TERMINAL.load(Ordering::Relaxed)).max(level));
    if level == LevelFilter::Off {
        lock(&RING.lines).clear();
    }
}

/// The lines that are kept, the oldest first.
pub fn last() -> Vec<String> {
    lock(&RING.lines).to_vec()
}

fn filter(number: usize) -> LevelFilter {
    LevelFilter::iter().nth(number).unwrap_or(LevelFilter::Off)
}

impl LogRing {
    const fn new() -> LogRing {
        LogRing { level: AtomicUsize::new(0), lines: Mutex::new(LastLines::new(MOST_LINES)) }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        // A library would show the headers of requests, with the passwords in them.
        let is_ours = || metadata.target().split("::").next() == Some("femtotorrent");
        metadata.level() as usize <= self.level.load(Ordering::Relaxed) && is_ours()
    }

    fn add(&self, record: &Record<'_>, seconds: f64) {
        let text = without_error_numbers(&record.args().to_string());
        let text = text.strip_prefix("femtotorrent: ").unwrap_or(&text);
        let grave = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            _ => "",
        };
        let line = format!("{} {grave}{}", fixed(seconds, 3), excerpt(text, LONGEST));
        lock(&self.lines).push(line.into());
    }
}

impl<Behind: Log> Log for Logger<Behind> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.ring.wants(metadata) || self.behind.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.ring.wants(record.metadata()) {
            self.ring.add(record, self.began.elapsed().as_secs_f64());
        }
        // It looks at the level itself.
        self.behind.log(record);
    }

    fn flush(&self) {
        self.behind.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// What writes to the terminal: up to warnings.
    struct Terminal(Arc<Mutex<Vec<String>>>);

    impl Log for Terminal {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.level() <= Level::Warn
        }
        fn log(&self, record: &Record<'_>) {
            if self.enabled(record.metadata()) {
                lock(&self.0).push(record.args().to_string());
            }
        }
        fn flush(&self) {}
    }

    fn say(logger: &impl Log, target: &str, level: Level, text: &str) {
        let mut record = Record::builder();
        record.target(target).level(level);
        logger.log(&record.args(format_args!("{text}")).build());
    }

    #[test]
    fn it_keeps_what_the_terminal_hides_and_no_more_than_its_level() {
        let ring: &LogRing = Box::leak(Box::new(LogRing::new()));
        let written = Arc::<Mutex<Vec<String>>>::default();
        let logger = Logger { ring, began: Instant::now(), behind: Terminal(Arc::clone(&written)) };
        let kept = || {
            let lines = lock(&ring.lines).to_vec();
            lines.iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        say(&logger, "femtotorrent", Level::Warn, "a");
        assert_eq!(kept(), [""; 0]);
        ring.level.store(LevelFilter::Info as usize, Ordering::Relaxed);
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
            say(&logger, "femtotorrent::swarm", level, "femtotorrent: b (os error 5)");
            say(&logger, "ureq", level, "a password");
        }
        assert_eq!(kept(), ["error: b", "warning: b", "b"]);
        assert!(!lock(&written).iter().any(|line| line.is_empty()) && lock(&written).len() == 5);
    }

    #[test]
    fn it_has_bounds_and_a_stranger_cannot_draw_with_it() {
        let ring: &LogRing = Box::leak(Box::new(LogRing::new()));
        ring.level.store(LevelFilter::Debug as usize, Ordering::Relaxed);
        let logger = Logger { ring, began: Instant::now(), behind: Terminal(Arc::default()) };
        let text = format!("\x1b[2J\u{202e}\n{}", "x".repeat(100_000));
        (0..2000).for_each(|_| say(&logger, "femtotorrent", Level::Debug, &text));
        let lines = lock(&ring.lines).to_vec();
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines.iter().all(|line| line.chars().count() < LONGEST + 20), "{}", lines[0]);
        assert!(lines[0].contains(" \u{fffd}[2J\u{fffd} xxx"), "{}", lines[0]);
    }
}
