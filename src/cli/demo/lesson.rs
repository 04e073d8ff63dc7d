//! One connection of a student's client to the seeder of `demo --serve`.
//!
//! The seeder speaks BEP 3 and nothing more, as the one in `seeder.rs` does, and is patient where a real client hangs up
//! without a word: it says what is wrong, and after some silence what it waits for. A connection has an end all the same:
//! it may be silent for two minutes, last half an hour and fill some pages.

use super::mood::{CHOKE_TIME, Mood};
use super::seeder::handshake;
use super::student::client::{Answer, Client};
use super::student::report::{Fault, Report};
use super::student::{Expected, Student};
use super::voice::Voice;
use crate::cli::trace::words;
use crate::piece::{Bitfield, Geometry};
use crate::wire::{BlockRequest, HANDSHAKE_LENGTH, Handshake, Message};
use crossbeam_channel::Sender;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After this long without a word the client is told what it may have forgotten.
const HINT: Duration = Duration::from_secs(3);
/// After this long the connection ends.
const SILENCE: Duration = Duration::from_secs(120);
/// The longest that a connection lasts.
const MAX_DURATION: Duration = Duration::from_secs(1800);
/// The most requests that wait to be answered. Further ones are ignored.
const MAX_REQUESTS: usize = 500;

/// The seeder.
pub struct Teacher {
    /// How the payload is cut.
    pub geometry: Geometry,
    /// All bytes of it.
    pub payload: Arc<[u8]>,
    /// What a handshake has to say.
    pub expected: Expected,
    /// How it behaves.
    pub mood: Mood,
    /// Where it says what it sees.
    pub voice: Voice,
    /// Something was wrong with a client.
    pub was_wrong: Arc<AtomicBool>,
    /// A client took everything.
    pub done: Sender<()>,
}

impl Teacher {
    /// Serves one connection until it ends, and tells of it.
    ///
    /// # Errors
    ///
    /// It had ended before it began.
    pub fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let peer = stream.peer_addr()?;
        self.voice.tell("client", format_args!("{peer} has connected"));
        let mut lesson = Lesson {
            teacher: self,
            student: Student::new(self.expected, self.geometry),
            client: Client::new(self.geometry),
            report: Report::default(),
            requests: VecDeque::new(),
            out: Vec::new(),
            sent: 0,
            due: Instant::now(),
            is_choked: false,
        };
        let end = lesson.run(stream).unwrap_or_else(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                "the client reads nothing, so we hang up".to_owned()
            }
            _ => "the connection is broken: the client has ended without closing it".to_owned(),
        });
        let Lesson { client, mut report, .. } = lesson;
        report.conclude("end", end);
        let (sent, all) = client.count();
        let summary = match report.is_clean() && !client.has_all() {
            true => "no rule was broken, and not all was asked for".to_owned(),
            false => report.summary(),
        };
        report.conclude("result", format!("{sent} of {all} blocks were sent; {summary}"));
        self.voice.say(&mut report);
        if !report.is_clean() {
            self.was_wrong.store(true, Ordering::Relaxed);
        }
        if client.has_all() {
            // If one was told of already, this one makes no difference.
            let _ = self.done.try_send(());
        }
        Ok(())
    }

    /// The bytes of a block whose numbers were looked at.
    fn block(&self, request: BlockRequest) -> Option<&[u8]> {
        let piece = self.geometry.part(request.index, request.begin, request.length)?;
        let start = self.geometry.offset(piece).checked_add(u64::from(request.begin))?;
        self.payload.get(usize::try_from(start).ok()?..)?.get(..usize::try_from(request.length).ok()?)
    }
}

/// One connection.
struct Lesson<'a> {
    teacher: &'a Teacher,
    student: Student,
    client: Client,
    report: Report,
    requests: VecDeque<BlockRequest>,
    out: Vec<u8>,
    /// How many blocks were sent.
    sent: usize,
    /// When the next block may leave, or the choke ends.
    due: Instant,
    is_choked: bool,
}

impl Lesson<'_> {
    /// Listens and answers. Returns how it ended.
    fn run(&mut self, mut stream: &TcpStream) -> io::Result<String> {
        let end = Instant::now() + MAX_DURATION;
        let (mut heard, mut is_hinted) = (Instant::now(), false);
        let mut buffer = [0; 4096];
        loop {
            if let Err(fault) = self.hear() {
                self.report.wrong(fault);
                return Ok(self.student.broken_off().to_owned());
            }
            self.act();
            stream.write_all(&self.out)?;
            self.out.clear();
            self.teacher.voice.say(&mut self.report);
            let now = Instant::now();
            let is_busy = !self.requests.is_empty() || self.is_choked;
            if now >= end || self.report.is_full() {
                return Ok("we hang up: that is enough for one connection".to_owned());
            }
            let patience = if is_hinted { SILENCE } else { HINT };
            let wake = if is_busy { self.due } else { heard + patience };
            let wait = wake.min(end).saturating_duration_since(now).max(Duration::from_millis(1));
            stream.set_read_timeout(Some(wait))?;
            match stream.read(&mut buffer) {
                Ok(0) => {
                    self.student.unfinished().into_iter().for_each(|fault| self.report.wrong(fault));
                    return Ok("the client has closed the connection".to_owned());
                }
                Ok(read) => {
                    self.student.push(buffer.get(..read).unwrap_or_default());
                    (heard, is_hinted) = (Instant::now(), false);
                }
                // We were stopped (Ctrl-Z), and go on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(error);
                }
                Err(_) if is_busy => heard = Instant::now(),
                Err(_) if is_hinted => return Ok("we hang up: two minutes without a word".to_owned()),
                Err(_) => {
                    is_hinted = true;
                    if !self.student.has_greeted() {
                        self.report.tell("hint", "Whoever connects speaks first, and says its handshake.");
                    }
                    let hint = self.student.stuck().unwrap_or_else(|| self.client.stuck());
                    self.report.tell("hint", hint);
                }
            }
        }
    }

    /// Takes in what has come. An unchoke that it earns comes at the end: what came with it was said before that was
    /// heard.
    fn hear(&mut self) -> Result<(), Fault> {
        let mut earns_unchoke = false;
        loop {
            let is_first = !self.student.has_greeted();
            let Some(bytes) = self.student.take()? else {
                if earns_unchoke {
                    self.unchoke("unchoke: now you may request");
                }
                return Ok(());
            };
            if is_first {
                self.greet(&bytes);
                continue;
            }
            let Some(message) = Message::of_start(&bytes) else { continue };
            let (name, meaning) = words::message(&message, bytes.len() as u64, Some(&self.teacher.geometry));
            self.report.tell("client", format!("{name}: {meaning}"));
            match self.client.hear(&message, &mut self.report) {
                Answer::Unchoke => earns_unchoke = true,
                Answer::Send(request) if self.requests.len() < MAX_REQUESTS => {
                    self.requests.push_back(request)
                }
                Answer::Forget(request) => self.requests.retain(|other| *other != request),
                Answer::Send(_) | Answer::Nothing => {}
            }
        }
    }

    fn greet(&mut self, bytes: &[u8]) {
        let Some(theirs) =
            bytes.first_chunk::<HANDSHAKE_LENGTH>().and_then(|it| Handshake::from_wire(it).ok())
        else {
            return;
        };
        self.report.tell("client", format!("handshake: {}", words::handshake(theirs)));
        self.out.extend(handshake(theirs.info_hash).to_wire());
        Message::Bitfield(&Bitfield::all(self.teacher.geometry.piece_count()).to_wire())
            .write_to(&mut self.out);
        self.report.tell("seeder", "handshake, then bitfield: we have every piece");
    }

    fn unchoke(&mut self, text: &str) {
        Message::Unchoke.write_to(&mut self.out);
        self.client.was_told(true);
        self.report.tell("seeder", text);
    }

    /// Sends a block, if it is time, or ends a choke.
    fn act(&mut self) {
        if Instant::now() < self.due {
            return;
        }
        if std::mem::take(&mut self.is_choked) {
            return self.unchoke(
                "unchoke again: what you asked for before the choke is forgotten, so request it again",
            );
        }
        let Some(request) = self.requests.pop_front() else { return };
        let mood = self.teacher.mood;
        let Some(right) = self.teacher.block(request) else { return };
        let data = mood.block(self.sent, right);
        let BlockRequest { index, begin, .. } = request;
        Message::Piece { index, begin, data: &data }.write_to(&mut self.out);
        self.client.was_sent(request, data != right, &mut self.report);
        self.sent = self.sent.saturating_add(1);
        if mood.is_slow {
            self.due = Instant::now() + mood.interval();
        }
        if mood.chokes_after(self.sent) {
            Message::Choke.write_to(&mut self.out);
            self.requests.clear();
            self.client.was_told(false);
            (self.is_choked, self.due) = (true, Instant::now() + CHOKE_TIME);
            self.report.tell(
                "seeder",
                "choke: all your requests are void, and new ones are thrown away until we unchoke you",
            );
        }
    }
}
