//! `--trace` and `-vv`: each message, what it means, and why we sent it.
//!
//! The threads that speak tell what is seen through the door (`net/tap/door.rs:Tap`). It goes into one queue with a bound
//! (`queue`), from which the thread `trace` takes it, finds the words (`conversation`, `words`, `packets`), makes lines
//! (`line`) and writes them. So nothing waits for a slow disk or terminal: then lines are left out, and a line says how
//! many. If the trace cannot be written the user is told once, and the run goes on.
//!
//! The same lines can be had while the program runs ([`Lines`]), for as long as somebody wants to show them.

mod conversation;
mod gateway_packets;
mod line;
#[cfg(feature = "watch")]
mod lines;
pub(super) mod names;
mod packets;
pub(super) mod queue;
pub(super) mod reasons;
mod story;
mod tracker_packets;
pub mod words;

pub use conversation::Conversations;
pub use line::Line;
#[cfg(feature = "watch")]
pub use lines::Lines;

use super::sandbox::give_up_all;
use super::terminal;
use crate::net::tap::Tap;
use crate::text::reason;
use crate::thread::{self, caught};
use queue::{MOST_WAITING, TraceQueue};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
pub use story::Names;
use story::Told;

/// Whoever shows lines is told them so often. To wake a thread for each message would cost more than to find the words.
const TELL: Duration = Duration::from_millis(200);
/// Bytes that are written at a time, or a little more.
const BATCH: usize = 16 * 1024;

/// How a trace is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for people.
    Text,
    /// A line with an object of JSON.
    Json,
    /// A short line for people, with these names.
    Story(Names),
}

/// Where a trace is written.
pub struct Sink {
    /// What it is called in errors.
    pub name: String,
    /// How it is written.
    pub form: Form,
    /// Where it goes.
    pub out: Box<dyn Write + Send>,
}

/// The trace of one command. Where the user wants none, nothing happens.
#[derive(Default)]
pub struct Trace(Option<Arc<TraceQueue>>);

impl Trace {
    /// A trace that is written to all of these; none, if there are none.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn to(sinks: Vec<Sink>) -> io::Result<Trace> {
        if sinks.is_empty() {
            return Ok(Trace::default());
        }
        start(Writer::new(sinks), MOST_WAITING).map(|queue| Trace(Some(queue)))
    }

    /// The door to it. If there is no trace it is closed, until others listen.
    pub fn tap(&self) -> Tap {
        let Some(queue) = self.0.clone() else { return Tap::switch() };
        Tap::to(move |seen| queue.tell(seen))
    }

    /// Nothing more will be seen: waits until all is written, as long as some of it is.
    pub fn end(self) {
        if let Some(queue) = self.0
            && !queue.finish()
        {
            terminal::say("femtotorrent: the end of the trace is missing: whoever reads it takes nothing");
        }
    }
}

/// Whoever is told each line, and when that was seen.
type Hears = Box<dyn FnMut(Instant, &Line) + Send>;

/// Starts the thread, and returns the queue that it takes from.
fn start(mut writer: Writer, most: usize) -> io::Result<Arc<TraceQueue>> {
    let queue = Arc::new(TraceQueue::of_at_most(most));
    let writing = Arc::clone(&queue);
    let life = move || {
        give_up_all();
        // A panic is in the log, and ends the trace alone.
        let _ = caught(|| writer.run(&writing));
        writing.has_ended();
    };
    thread::spawn("trace", 256 * 1024, life)?;
    Ok(queue)
}

/// What the thread has.
struct Writer {
    began: Instant,
    conversations: Conversations,
    /// What a story told last.
    told: Told,
    /// With the lines that are not written yet.
    sinks: Vec<(Sink, String)>,
    hear: Option<Hears>,
}

impl Writer {
    fn new(sinks: Vec<Sink>) -> Writer {
        let sinks = sinks.into_iter().map(|sink| (sink, String::new())).collect();
        Writer {
            began: Instant::now(),
            conversations: Conversations::default(),
            told: Told::default(),
            sinks,
            hear: None,
        }
    }

    /// Until the queue is closed and empty, or nothing can be written.
    fn run(&mut self, queue: &TraceQueue) {
        while let Some(waiting) = queue.take() {
            for (at, seen) in waiting.seen {
                if let Some(line) = self.conversations.line(&seen) {
                    self.add(at, &line);
                }
                self.write(BATCH, queue);
            }
            if waiting.lost > 0 {
                self.conversations.lost_some();
                self.add(Instant::now(), &Line::lost(waiting.lost));
            }
            self.write(0, queue);
            match self.hear {
                Some(_) => std::thread::sleep(TELL),
                None if self.sinks.is_empty() => return,
                None => {}
            }
        }
    }

    fn add(&mut self, at: Instant, line: &Line) {
        if let Some(hear) = &mut self.hear {
            hear(at, line);
        }
        let time = at.saturating_duration_since(self.began);
        for (sink, lines) in &mut self.sinks {
            match &sink.form {
                Form::Text => line.write_text(time, lines),
                Form::Json => line.write_json(time, lines),
                Form::Story(names) => line.write_story(time, names, &mut self.told, lines),
            }
        }
    }

    /// Writes the lines of each sink where they are more than `least` bytes. One that cannot be written is given up.
    fn write(&mut self, least: usize, queue: &TraceQueue) {
        self.sinks.retain_mut(|(sink, lines)| {
            if lines.len() <= least {
                return true;
            }
            let written = sink.out.write_all(lines.as_bytes()).and_then(|()| sink.out.flush());
            lines.clear();
            queue.has_written();
            match written {
                Ok(()) => true,
                Err(error) => {
                    let why = reason(&error);
                    terminal::say(&format!(
                        "femtotorrent: cannot write the trace to {}: {why} (it ends here; all else goes on)",
                        sink.name
                    ));
                    false
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
