//! The last messages, in words, for the live view: all of them, and those of each peer, which are its history.
//!
//! The lines are those of a trace (`cli/trace/mod.rs`), and come on its thread while a view is open.

use super::lines::LastLines;
use crate::cli::trace::{Line, Lines};
use crate::net::tap::Tap;
use crate::text::excerpt;
use crate::thread::lock;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The most lines that are kept of all peers together.
const MOST_LINES: usize = 2000;
/// The most that are kept of one.
const MOST_OF_A_PEER: usize = 100;
/// The most peers whose lines are kept.
const MOST_PEERS: usize = 1000;
/// The most characters of a line.
const LONGEST: usize = 500;

/// They are collected until this is dropped.
pub struct WireRing {
    inside: Arc<Mutex<Inside>>,
    _lines: Lines,
}

/// What is kept.
struct Inside {
    /// Lines begin with the seconds since then.
    began: Instant,
    last: LastLines,
    /// By the addresses of the peers.
    peers: HashMap<String, History>,
    /// How many lines there were in all.
    count: u64,
}

/// What was said to one peer, and by it.
struct History {
    last: LastLines,
    /// The number of its latest line.
    latest: u64,
}

impl WireRing {
    /// Begins to collect what is seen at this door. Lines begin with the seconds since `began`.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn open(tap: &Tap, began: Instant) -> io::Result<WireRing> {
        let inside = Arc::new(Mutex::new(Inside::new(began)));
        let told = Arc::clone(&inside);
        let lines = Lines::of(tap, move |at, line| lock(&told).add(at, line))?;
        Ok(WireRing { inside, _lines: lines })
    }

    /// The last messages, the oldest first.
    pub fn last(&self) -> Vec<String> {
        lock(&self.inside).last.to_vec()
    }

    /// Those to and from the peer at this address.
    pub fn history(&self, address: &str) -> Vec<String> {
        lock(&self.inside).peers.get(address).map(|history| history.last.to_vec()).unwrap_or_default()
    }
}

impl Inside {
    fn new(began: Instant) -> Inside {
        Inside { began, last: LastLines::new(MOST_LINES), peers: HashMap::new(), count: 0 }
    }

    fn add(&mut self, at: Instant, line: &Line) {
        let seconds = at.saturating_duration_since(self.began).as_secs_f64();
        let short = line.short();
        let text = |text: String| Arc::<str>::from(excerpt(&text, LONGEST));
        self.count += 1;
        if !line.peer.is_empty() {
            self.add_to_history(&line.peer, text(format!("{seconds:.3} {short}")));
        }
        self.last.push(text(format!("{seconds:.3} {:<21} {short}", line.peer)));
    }

    fn add_to_history(&mut self, peer: &str, text: Arc<str>) {
        if !self.peers.contains_key(peer) {
            if self.peers.len() >= MOST_PEERS {
                // The one that was silent for longest.
                let oldest = self.peers.iter().min_by_key(|(_, history)| history.latest);
                let oldest = oldest.map(|(peer, _)| peer.clone());
                oldest.into_iter().for_each(|peer| _ = self.peers.remove(&peer));
            }
            let none = History { last: LastLines::new(MOST_OF_A_PEER), latest: 0 };
            self.peers.insert(peer.to_owned(), none);
        }
        if let Some(history) = self.peers.get_mut(peer) {
            history.latest = self.count;
            history.last.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tap::{Direction, Seen};
    use std::time::Duration;

    fn line(peer: &str, meaning: &str) -> Line {
        Line::event(peer.to_owned(), "have", meaning.to_owned())
    }

    #[test]
    fn each_peer_has_its_history_and_all_have_bounds() {
        let began = Instant::now();
        let mut inside = Inside::new(began);
        for number in 0..5000_u32 {
            let peer = format!("10.0.{}.{}:1", number / 2 / 256, number / 2 % 256);
            inside.add(began + Duration::from_millis(1500), &line(&peer, "\x1b[2J\n"));
        }
        (0..300).for_each(|number| inside.add(began, &line("10.1.0.1:1", &number.to_string())));
        assert_eq!(inside.last.to_vec().len(), MOST_LINES);
        assert_eq!(inside.peers.len(), MOST_PEERS);
        let history = inside.peers["10.1.0.1:1"].last.to_vec();
        assert_eq!(history.len(), MOST_OF_A_PEER);
        assert!(history[99].starts_with("0.000   have ") && history[99].ends_with("299"));
        assert!(!inside.peers.contains_key("10.0.0.0:1"), "it was silent for longest");
        let first = &inside.last.to_vec()[0];
        assert!(first.starts_with("1.500 ") && !first.contains(['\x1b', '\n']), "{first}");
        inside.add(began, &line("10.1.0.1:1", &"x".repeat(100_000)));
        assert!(inside.last.to_vec().iter().all(|line| line.chars().count() <= LONGEST + 1));
    }

    #[test]
    fn it_collects_while_it_is_there_and_the_door_is_closed_behind_it() {
        let tap = Tap::switch();
        let tell = |meaning: &str| {
            let (site, meaning) = ("udp://a:1".to_owned(), meaning.to_owned());
            tap.tell(|| Seen::Tracker { site, direction: Direction::In, message: "announce", meaning });
        };
        tell("before");
        let ring = WireRing::open(&tap, Instant::now()).unwrap();
        assert!(tap.is_open());
        tell("5 peers");
        let deadline = Instant::now() + Duration::from_secs(60);
        while ring.history("udp://a:1").is_empty() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let lines = ring.last();
        assert!(lines.len() == 1 && lines[0].ends_with("5 peers"), "{lines:?}");
        drop(ring);
        assert!(!tap.is_open());
    }
}
