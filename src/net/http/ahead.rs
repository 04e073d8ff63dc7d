//! Requests that are sent before the answers to those before them have come (RFC 9112, section 9.3.2, "pipelining").
//!
//! A folder of small files costs a request for each, and a server that is far away answers one in a round trip. The HTTP
//! library waits for an answer before it asks again. So what will be asked for next is written out behind the request that
//! the library makes, on the same connection. When the library comes to that request, it is held back, since it has gone
//! out, and its answer may be there already (`Heads` keeps it).
//!
//! It is done only on a connection that has answered before, in HTTP/1.1, with a body of a known length, and that stays
//! open; and not at a proxy that is asked itself, which may be unfit for it. If the library asks for something else than
//! was foreseen, or the server closes, the connection is lost and nothing else: what did not come is asked for on another
//! one.

use super::head::Heads;
use crate::thread::lock;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use ureq::Error;
use ureq::http::Uri;

/// Requests on their way, at most...
pub const MOST_REQUESTS: usize = 64;
/// ...and bytes of their bodies: they come, also where others have sent the same meanwhile.
const MOST_BYTES: u64 = 1024 * 1024;

/// What will be asked for, at the same server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The address of the file. Only its path counts.
    pub address: String,
    /// All of its bytes are wanted: so many.
    pub length: u64,
}

/// What a client and its connections know of requests that are sent ahead.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    /// What will be asked for, behind the request that is made now.
    pub next: Mutex<Vec<Foreseen>>,
    /// How many requests are on their way behind it.
    pub sent: AtomicUsize,
}

/// What is said on one connection: requests, and the heads of their answers.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The heads of the answers.
    pub heads: Heads,
    ahead: Ahead,
    foresight: Arc<Foresight>,
}

impl Conversation {
    /// One in which what is foreseen may be asked for ahead.
    pub fn with(foresight: &Arc<Foresight>) -> Conversation {
        foresight.sent.store(0, Ordering::Relaxed);
        Conversation { foresight: Arc::clone(foresight), ..Conversation::default() }
    }

    /// The library makes a request, or a part of one. Returns what is to be written.
    ///
    /// # Errors
    ///
    /// Another request went out before it, so that its answer cannot come here.
    pub fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let next = lock(&self.foresight.next);
        let foreseen = if self.heads.persists() { next.as_slice() } else { &[] };
        let written = match self.ahead.goes_out(request, foreseen) {
            Outgoing::Sent(behind) => [request, &behind].concat(),
            Outgoing::Was(behind) => behind,
            Outgoing::Lost => {
                let why = "something else was asked for before";
                return Err(Error::Io(io::Error::new(ErrorKind::ConnectionAborted, why)));
            }
        };
        self.foresight.sent.store(self.ahead.sent.len(), Ordering::Relaxed);
        self.heads.asked(self.ahead.is_waited_for())?;
        Ok(written)
    }

    /// Whether another request may use this connection: `None` where nothing may be there to be read, and something may
    /// have come all the same.
    pub fn may_go_on(&self) -> Option<bool> {
        match (self.heads.rest().is_empty(), self.ahead.is_waited_for()) {
            (true, false) => None,
            (is_read, _) => Some(is_read && self.heads.persists()),
        }
    }
}

/// What is to be done with a request of the library.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// It is sent, and this behind it.
    Sent(Vec<u8>),
    /// It went out before. This is sent now.
    Was(Vec<u8>),
    /// Another one went out before it, so this connection is of no use.
    Lost,
}

/// The requests that went out on one connection and that the library has not come to.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    sent: VecDeque<(Vec<u8>, u64)>,
}

impl Ahead {
    /// Whether answers are to come that the library has not asked for.
    pub fn is_waited_for(&self) -> bool {
        !self.sent.is_empty()
    }

    /// The library makes this request. These may be sent behind it, if any.
    pub fn goes_out(&mut self, request: &[u8], foreseen: &[Foreseen]) -> Outgoing {
        let was_sent = match self.sent.pop_front() {
            Some((first, _)) if first == request => true,
            Some(_) => return Outgoing::Lost,
            None => false,
        };
        // Those that are on their way are the first of what is foreseen.
        let mut bytes: u64 = self.sent.iter().map(|(_, length)| length).sum();
        let mut behind = Vec::new();
        for next in foreseen.iter().skip(self.sent.len()) {
            bytes = bytes.saturating_add(next.length);
            if self.sent.len() >= MOST_REQUESTS || bytes > MOST_BYTES {
                break;
            }
            let Some(text) = like(request, next) else { break };
            behind.extend_from_slice(&text);
            self.sent.push_back((text, next.length));
        }
        if was_sent { Outgoing::Was(behind) } else { Outgoing::Sent(behind) }
    }
}

/// A request as this one, for another file. `None` if this is not the whole of a request for a part of a file.
fn like(request: &[u8], next: &Foreseen) -> Option<Vec<u8>> {
    let request = str::from_utf8(request).ok()?.strip_suffix("\r\n\r\n")?;
    let uri: Uri = next.address.parse().ok()?;
    let path = uri.path_and_query()?.as_str();
    let last = next.length.checked_sub(1)?;
    let mut lines = request.split("\r\n");
    let first = lines.next()?;
    if !first.starts_with("GET /") {
        return None;
    }
    let version = first.rsplit(' ').next()?;
    let (mut text, mut has_range) = (format!("GET {path} {version}\r\n"), false);
    for line in lines {
        match line.split_once(": ") {
            Some((name, _)) if name.eq_ignore_ascii_case("range") => {
                text.push_str(&format!("{name}: bytes=0-{last}"));
                has_range = true;
            }
            _ => text.push_str(line),
        }
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    has_range.then(|| text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, last: u64) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nhost: h:8080\r\nrange: bytes=0-{last}\r\naccept: */*\r\n\r\n")
            .into_bytes()
    }

    fn foreseen(number: usize, length: u64) -> Foreseen {
        Foreseen { address: format!("http://h:8080/f/{number}"), length }
    }

    #[test]
    fn what_is_foreseen_goes_out_behind_a_request_and_not_again_when_its_turn_comes() {
        let files: Vec<Foreseen> = (1..200).map(|number| foreseen(number, 1000)).collect();
        let mut ahead = Ahead::default();
        let expected: Vec<u8> = (1..65).flat_map(|number| request(&format!("/f/{number}"), 999)).collect();
        assert_eq!(ahead.goes_out(&request("/f/0", 999), &files), Outgoing::Sent(expected));
        assert!(ahead.is_waited_for());
        // One has come, and one more goes out.
        let more = request("/f/65", 999);
        assert_eq!(ahead.goes_out(&request("/f/1", 999), &files[1..]), Outgoing::Was(more));
        for number in 2..66 {
            let was = ahead.goes_out(&request(&format!("/f/{number}"), 999), &[]);
            assert_eq!(was, Outgoing::Was(Vec::new()), "{number}");
        }
        assert!(!ahead.is_waited_for());
        assert_eq!(ahead.goes_out(&request("/f/99", 0), &[]), Outgoing::Sent(Vec::new()));
    }

    #[test]
    fn what_was_not_foreseen_costs_the_connection() {
        let mut ahead = Ahead::default();
        assert!(matches!(ahead.goes_out(&request("/f/0", 9), &[foreseen(1, 10)]), Outgoing::Sent(_)));
        assert_eq!(ahead.goes_out(&request("/f/1", 8), &[]), Outgoing::Lost);
    }

    #[test]
    fn no_more_goes_out_than_may_come_in_vain_and_nothing_behind_what_is_no_such_request() {
        let mut ahead = Ahead::default();
        let large: Vec<Foreseen> = (1..9).map(|number| foreseen(number, MOST_BYTES / 2)).collect();
        assert!(matches!(ahead.goes_out(&request("/f/0", 9), &large), Outgoing::Sent(_)));
        assert_eq!(ahead.sent.len(), 2);
        for other in
            ["POST / HTTP/1.1\r\nrange: x\r\n\r\n", "GET / HTTP/1.1\r\nhost: h\r\n\r\n", "GET / HTTP/1.1\r\n"]
        {
            let mut ahead = Ahead::default();
            let files = [foreseen(1, 10)];
            assert_eq!(ahead.goes_out(other.as_bytes(), &files), Outgoing::Sent(Vec::new()), "{other:?}");
        }
        assert_eq!(like(&request("/f/0", 9), &foreseen(1, 0)), None, "an empty file");
    }
}
