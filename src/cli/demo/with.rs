//! `demo --with HOST:PORT`: downloads the demo's torrent from a student's own seeder, and says what it does and what is
//! wrong with it.
//!
//! A small client of its own, on the main thread, that speaks BEP 3 and nothing more and keeps what comes in memory. Each
//! wait has a deadline, and the whole has one.

use super::super::exit::{CommandFailure, Exit};
use super::super::trace::words;
use super::material::Material;
use super::seeder::handshake;
use super::student::report::{Fault, PROTOCOL, Report};
use super::student::seeder::TheirSeeder;
use super::student::{Expected, Student};
use super::voice::Voice;
use crate::text::{reason, shown};
use crate::wire::{HANDSHAKE_LENGTH, Handshake, Message};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the seeder may take to be there.
const START: Duration = Duration::from_secs(60);
/// Time between two tries to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it all may take.
const MAX_DURATION: Duration = Duration::from_secs(600);

/// Downloads from this host and port.
///
/// # Errors
///
/// Nothing can be written to the folder, or nobody listens at that address.
pub fn run(address: &str, material: &Material, folder: &Path, voice: Voice) -> Result<Exit, CommandFailure> {
    let (torrent, saved) = material.save_torrent(folder, "http://127.0.0.1:6969/announce")?;
    let payload = material.save_payload(folder)?;
    voice.tell("torrent", shown(&torrent));
    voice.tell("info-hash", material.metainfo.info_hash);
    voice.tell("payload", format_args!("{}: this is what your seeder is to serve", shown(&payload)));
    let stream = connect(address, voice)?;
    voice.tell("we", format_args!("have connected to {address}"));
    let mut visit = Visit {
        student: Student::new(Expected::of(&saved), material.geometry),
        seeder: TheirSeeder::new(material.geometry, material.digests()),
        report: Report::default(),
        material,
        voice,
    };
    let end = match visit.run(&stream) {
        Ok(end) => end,
        Err(_) => visit.closed(),
    };
    let Visit { seeder, mut report, .. } = visit;
    report.conclude("end", end);
    let (pieces, all) = seeder.count();
    report
        .conclude("result", format!("{pieces} of {all} pieces are here and verified; {}", report.summary()));
    voice.say(&mut report);
    Ok(match (report.is_clean(), seeder.is_done()) {
        (true, true) => Exit::DONE,
        (true, false) => Exit::UNFINISHED,
        (false, _) => Exit::NOT_VERIFIED,
    })
}

/// Connects, and waits for the seeder if it is not there yet.
fn connect(address: &str, voice: Voice) -> Result<TcpStream, CommandFailure> {
    let end = Instant::now() + START;
    let mut is_told = false;
    loop {
        let error = match try_to_connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        // What does not exist will not come.
        let may_come = matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::TimedOut);
        if !may_come || Instant::now() >= end {
            let text = format!("cannot connect to {address}: {} (start your seeder there)", reason(&error));
            return Err((Exit::NETWORK, text));
        }
        if !std::mem::replace(&mut is_told, true) {
            voice.explain("waiting", "Nobody listens there yet. Start your seeder; we try for a minute.");
        }
        std::thread::sleep(PAUSE);
    }
}

fn try_to_connect(address: &str) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(ErrorKind::NotFound);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The download.
struct Visit<'a> {
    student: Student,
    seeder: TheirSeeder,
    report: Report,
    material: &'a Material,
    voice: Voice,
}

impl Visit<'_> {
    /// Downloads all. Returns how it ended.
    fn run(&mut self, mut stream: &TcpStream) -> io::Result<String> {
        let end = Instant::now() + MAX_DURATION;
        let mut out = handshake(self.material.metainfo.info_hash).to_wire();
        self.report.tell("we", "handshake: we connect, so we speak first");
        let mut buffer = vec![0; 32 * 1024];
        let mut heard = Instant::now();
        loop {
            stream.write_all(&out)?;
            out.clear();
            self.voice.say(&mut self.report);
            if self.seeder.is_done() {
                return Ok("all is here, and we hang up".to_owned());
            }
            if self.seeder.is_hopeless() {
                return Ok("we hang up: the same piece was wrong twice".to_owned());
            }
            if Instant::now() >= end || self.report.is_full() {
                return Ok("we hang up: that is enough for one connection".to_owned());
            }
            let wait = PATIENCE.saturating_sub(heard.elapsed()).max(Duration::from_millis(1));
            stream.set_read_timeout(Some(wait))?;
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(self.closed()),
                Ok(read) => {
                    self.student.push(buffer.get(..read).unwrap_or_default());
                    heard = Instant::now();
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.report.wrong(self.silence());
                    return Ok("we hang up: ten seconds without a word".to_owned());
                }
                // We were stopped (Ctrl-Z), and go on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if let Err(fault) = self.hear(&mut out) {
                self.report.wrong(fault);
                return Ok(self.student.broken_off().to_owned());
            }
        }
    }

    /// Takes in what has come, and notes in `out` what we say to it.
    fn hear(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let is_first = !self.student.has_greeted();
            let Some(bytes) = self.student.take()? else { return Ok(()) };
            if is_first {
                let theirs =
                    bytes.first_chunk::<HANDSHAKE_LENGTH>().and_then(|it| Handshake::from_wire(it).ok());
                let theirs = theirs.map(words::handshake).unwrap_or_default();
                self.report.tell("seeder", format!("handshake: {theirs}"));
                continue;
            }
            let Some(message) = Message::of_start(&bytes) else { continue };
            let (name, meaning) = words::message(&message, bytes.len() as u64, Some(&self.material.geometry));
            self.report.tell("seeder", format!("{name}: {meaning}"));
            self.seeder.hear(&message, &mut self.report, out);
        }
    }

    fn closed(&mut self) -> String {
        let fault = self.silence();
        let text = format!("it has closed the connection before we had all. {}", fault.text);
        self.report.wrong(Fault { title: "closed too early", text, ..fault });
        "the seeder has closed the connection".to_owned()
    }

    /// What it has left out.
    fn silence(&self) -> Fault {
        match self.student.stuck() {
            Some(text) if !self.student.has_greeted() => {
                let answer = "To answer our handshake is the first thing that a seeder does.";
                Fault::new("silence", PROTOCOL, format!("{answer} {text}"))
            }
            Some(text) => Fault::new("silence", PROTOCOL, text),
            None => self.seeder.silence(),
        }
    }
}
