//! `--pcap`: what was said, as packets that Wireshark reads.
//!
//! The threads that speak tell what is seen through the door (`net/tap/door.rs:Tap`), here with the bytes of blocks. It goes
//! into a queue with a bound, as for a trace (`cli/trace/queue.rs`), from which the thread `pcap` takes it, makes packets
//! (`conversations`, `headers`) and writes them (`blocks`). So nothing waits for a slow disk: then messages are left out,
//! sequence numbers show where, and the user is told how many. If nothing can be written the user is told once, and the
//! run goes on.

mod batch;
mod blocks;
mod conversations;
mod headers;
mod keys;

use super::sandbox::give_up_all;
use super::terminal;
use super::trace::queue::TraceQueue;
use crate::net::BindAddress;
use crate::net::tap::{Listening, Spares, Tap};
use crate::text::reason;
use crate::thread::{self, caught};
use batch::Batch;
use conversations::Conversations;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Bytes of messages that wait, as those of blocks do too.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that are written at a time, or a little more.
const BATCH: usize = 256 * 1024;

/// Where packets are written.
pub struct PcapSink {
    /// What it is called in errors.
    pub name: String,
    /// Where they go.
    pub out: Box<dyn Write + Send>,
}

/// The capture of one command. Where the user wants none, nothing happens.
#[derive(Default)]
pub struct Pcap(Option<(Arc<TraceQueue>, Option<Listening>)>);

impl Pcap {
    /// A capture of what is seen at this door, written to this sink. Datagrams leave by `bind_address`.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn of(tap: &Tap, sink: PcapSink, bind_address: BindAddress) -> io::Result<Pcap> {
        let queue = Arc::new(TraceQueue::with_room(MOST_BYTES));
        let (writing, spares) = (Arc::clone(&queue), tap.spares());
        let life = move || {
            give_up_all();
            // A panic is in the log, and ends the capture alone.
            let _ = caught(|| Writer::new(sink, bind_address, spares).run(&writing));
            writing.has_ended();
        };
        thread::spawn("pcap", 128 * 1024, life)?;
        let told = Arc::clone(&queue);
        Ok(Pcap(Some((queue, tap.listen_to_blocks(move |seen| told.tell(seen))))))
    }

    /// Nothing more will be seen: waits until all is written, as long as some of it is.
    pub fn end(self) {
        if let Some((queue, _listening)) = self.0
            && !queue.finish()
        {
            terminal::say("femtotorrent: the end of the capture is missing: whoever reads it takes nothing");
        }
    }
}

/// What the thread has.
struct Writer {
    sink: PcapSink,
    conversations: Conversations,
    /// What is not written yet.
    bytes: Batch,
    began: (Instant, SystemTime),
    /// Messages that were left out.
    lost: usize,
}

impl Writer {
    fn new(sink: PcapSink, bind_address: BindAddress, spares: Spares) -> Writer {
        let conversations = Conversations::new(bind_address);
        let mut bytes = Batch::new(spares);
        blocks::beginning(&mut bytes);
        Writer { sink, conversations, bytes, began: (Instant::now(), SystemTime::now()), lost: 0 }
    }

    /// Until the queue is closed and empty, or nothing can be written.
    fn run(&mut self, queue: &TraceQueue) {
        let written = self.write_all(queue);
        if self.lost > 0 {
            let (lost, name) = (self.lost, &self.sink.name);
            terminal::say(&format!(
                "femtotorrent: {lost} messages are missing in {name}: they could not be written fast enough"
            ));
        }
        if let Err(error) = written {
            let (why, name) = (reason(&error), &self.sink.name);
            terminal::say(&format!(
                "femtotorrent: cannot write the capture to {name}: {why} (it ends here; all else goes on)"
            ));
        }
    }

    fn write_all(&mut self, queue: &TraceQueue) -> io::Result<()> {
        // Whoever reads a pipe learns at once what comes.
        self.write(0, queue)?;
        while let Some(waiting) = queue.take() {
            for (at, seen) in waiting.seen {
                let time = self.time(at);
                self.conversations.add(time, seen, &mut self.bytes);
                self.write(BATCH, queue)?;
            }
            if waiting.lost > 0 {
                self.lost = self.lost.saturating_add(waiting.lost);
                self.conversations.lost_some(waiting.lost);
            }
            self.write(0, queue)?;
        }
        let now = self.time(Instant::now());
        blocks::end(&mut self.bytes, now, self.lost);
        self.write(0, queue)
    }

    /// Nanoseconds since 1970. What was seen first may have been seen before we began.
    fn time(&self, at: Instant) -> u64 {
        let (instant, time) = self.began;
        let time = match at.checked_duration_since(instant) {
            Some(later) => time.checked_add(later),
            None => time.checked_sub(instant.saturating_duration_since(at)),
        };
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Writes what is there, if it is more than `least` bytes.
    fn write(&mut self, least: usize, queue: &TraceQueue) -> io::Result<()> {
        if self.bytes.len() > least {
            self.bytes.write_to(&mut *self.sink.out)?;
            self.sink.out.flush()?;
            queue.has_written();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
