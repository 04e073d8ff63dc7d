//! The head of an answer, cut down to what we read of it.
//!
//! The HTTP library takes 128 headers and no more, and none with a blank behind its name, and has no use for the answer
//! otherwise. Servers behind several proxies send more, and browsers and curl read them. So on its way in, a head is
//! collected whole, bounded by its bytes and not by the number of its headers, and the library gets the status and the
//! headers that anybody here asks for. Blanks between a name and its colon are taken away, as RFC 9112 has proxies do
//! (section 5.1), and lines that go on with a blank are joined (section 5.2). Answers that only say that another one
//! follows (1xx) are left out. What is no header stays, so that the library refuses it, and says why.
//!
//! Bodies pass as they are, and are not copied. But where requests were sent ahead (`ahead.rs`), an answer may be followed
//! by the next one. What is behind the end of a body then waits here until the library asks for it.

use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers};

/// The headers that are read here or by the library.
const READ: [&str; 9] = [
    "age",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "location",
    "retry-after",
    "transfer-encoding",
];
/// The longest head: curl takes 300 KiB.
const LONGEST: usize = 256 * 1024;
/// So many answers that say only that another one follows come before it, at most.
const MOST_INTERIM: u32 = 16;
/// How an answer begins.
const BEGINNING: &[u8] = b"HTTP/";

/// The heads of the answers on one connection.
#[derive(Debug, Default)]
pub struct Heads {
    /// What has come of a head, if one is awaited.
    head: Option<Vec<u8>>,
    /// How many answers before it said only that it follows.
    interim: u32,
    /// What is for the library and found no place yet.
    ready: Vec<u8>,
    /// How many bytes of a body are to come, if its head says how long it is.
    body: Option<u64>,
    /// What came behind the body, where another answer is to follow.
    behind: Vec<u8>,
    /// Another answer follows this one.
    is_followed: bool,
    /// The last answer was of a known length, and its connection stays open.
    persists: bool,
}

impl Heads {
    /// A request leaves, or has left before: what comes next is a head. `is_followed` says that another answer is to come
    /// behind this one.
    ///
    /// # Errors
    ///
    /// The head is there already, and is too long.
    pub fn asked(&mut self, is_followed: bool) -> Result<(), Error> {
        self.head.get_or_insert_default();
        self.is_followed = is_followed;
        self.interim = 0;
        let came = std::mem::take(&mut self.behind);
        if came.is_empty() { Ok(()) } else { self.take(&came).map(drop) }
    }

    /// Whether requests may be sent ahead: the last answer was whole, and another one may follow it.
    pub fn persists(&self) -> bool {
        self.persists
    }

    /// What came and was not handed on yet.
    pub fn rest(&self) -> &[u8] {
        &self.ready
    }

    /// Hands on what is ready, if something is.
    pub fn hand_on(&mut self, buffers: &mut LazyBuffers) -> bool {
        let place = buffers.input_append_buf();
        let length = place.len().min(self.ready.len());
        let (Some(place), Some(first)) = (place.get_mut(..length), self.ready.get(..length)) else {
            return false;
        };
        place.copy_from_slice(first);
        self.ready.drain(..length);
        buffers.input_appended(length);
        length > 0
    }

    /// So many bytes were read to the end of the buffer: takes them in. False if nothing more will come.
    ///
    /// # Errors
    ///
    /// The head is too long.
    pub fn read(&mut self, length: usize, buffers: &mut LazyBuffers) -> Result<bool, Error> {
        let came = buffers.input_append_buf().get(..length).unwrap_or_default();
        if !self.take(came)? {
            let of_body = self.of_body(length);
            self.behind.extend_from_slice(came.get(of_body..).unwrap_or_default());
            buffers.input_appended(of_body);
        }
        Ok(self.hand_on(buffers) || length > 0)
    }

    /// How many of so many bytes that came are of the body: all, where nothing else may follow.
    fn of_body(&mut self, length: usize) -> usize {
        let Some(left) = self.body.as_mut().filter(|_| self.is_followed) else { return length };
        let of_body = usize::try_from(*left).map_or(length, |left| left.min(length));
        *left = left.saturating_sub(of_body as u64);
        of_body
    }

    /// Takes this in, if it is of a head. Nothing: the connection has ended.
    ///
    /// # Errors
    ///
    /// The head is too long.
    pub fn take(&mut self, came: &[u8]) -> Result<bool, Error> {
        let Some(mut head) = self.head.take() else { return Ok(false) };
        let mut searched = head.len().saturating_sub(END.len());
        head.extend_from_slice(came);
        loop {
            let is_one = head.iter().zip(BEGINNING).all(|(byte, expected)| byte == expected);
            if came.is_empty() || !is_one {
                // The library says what is wrong with it.
                self.ready = head;
                return Ok(true);
            }
            let Some(length) = length(&head, searched) else { break };
            let mut behind = head.split_off(length);
            if !is_interim(&head) || self.interim >= MOST_INTERIM {
                self.ready = shortened(&head);
                (self.body, self.persists) = framing(&self.ready);
                self.behind = behind.split_off(self.of_body(behind.len()));
                self.ready.extend(behind);
                return Ok(true);
            }
            (head, searched) = (behind, 0);
            self.interim += 1;
        }
        if head.len() > LONGEST {
            return Err(Error::LargeResponseHeader(head.len(), LONGEST));
        }
        self.head = Some(head);
        Ok(true)
    }
}

/// What ends a head, at its longest.
const END: &[u8] = b"\n\r\n";

/// The length of the head with the empty line behind it, if that is there. Nothing ends before `searched`.
fn length(head: &[u8], searched: usize) -> Option<usize> {
    let rest = head.get(searched..)?;
    rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| {
        let behind = rest.get(at..)?;
        let end = [END, b"\n\n"].into_iter().find(|end| behind.starts_with(end))?;
        Some(searched.saturating_add(at).saturating_add(end.len()))
    })
}

/// Whether another answer follows this one: all 1xx but the one that changes the protocol.
fn is_interim(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    status.starts_with(b"1") && !status.starts_with(b"101")
}

/// How long the body is behind this head, if it says so in a way that leaves no doubt, and whether an answer to another
/// request may follow it on the same connection.
fn framing(head: &[u8]) -> (Option<u64>, bool) {
    let text = str::from_utf8(head).unwrap_or_default();
    let headers = || text.lines().filter_map(|line| line.split_once(':'));
    let get =
        |wanted: &str| headers().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, it)| it.trim());
    let length = get("content-length").and_then(|length| length.parse().ok());
    let length = length.filter(|_| get("transfer-encoding").is_none());
    let closes = get("connection").is_some_and(|it| it.to_ascii_lowercase().contains("close"));
    (length, length.is_some() && text.starts_with("HTTP/1.1 ") && !closes)
}

/// The head with the headers that are read and what is no header.
fn shortened(head: &[u8]) -> Vec<u8> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut short = lines.next().unwrap_or_default().to_vec();
    let mut is_kept = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if is_kept {
                short.push(b' ');
                short.extend(line.trim_ascii());
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(0));
        let name = name.trim_ascii_end();
        is_kept = name.is_empty() || READ.iter().any(|read| read.as_bytes().eq_ignore_ascii_case(name));
        if is_kept {
            short.extend(b"\r\n");
            short.extend(name);
            short.extend(value);
        }
    }
    short.extend(b"\r\n\r\n");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library gets of an answer that comes in parts of so many bytes.
    fn got(answer: &[u8], part: usize) -> Result<Vec<u8>, Error> {
        let (mut heads, mut got) = (Heads::default(), Vec::new());
        let mut buffers = LazyBuffers::new(50, 1);
        heads.asked(false).unwrap();
        for part in answer.chunks(part).chain([&[][..]]) {
            let place = buffers.input_append_buf();
            place[..part.len()].copy_from_slice(part);
            heads.read(part.len(), &mut buffers)?;
            loop {
                let length = buffers.input().len();
                got.extend(buffers.input());
                buffers.input_consume(length);
                if !heads.hand_on(&mut buffers) {
                    break;
                }
            }
        }
        Ok(got)
    }

    fn assert_got(answer: &str, expected: &str) {
        for part in [1, 2, 3, 7, 50] {
            let got = got(answer.as_bytes(), part).unwrap();
            assert_eq!(String::from_utf8_lossy(&got), expected, "in parts of {part}");
        }
    }

    #[test]
    fn of_any_number_of_headers_those_that_are_read_are_left_and_the_body_is_as_it_was() {
        let many = "X-Cache: hit from a proxy\r\n".repeat(1000);
        let body = "a\r\n\r\nb\n\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n".repeat(9);
        assert_got(
            &format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 5\r\n{many}DATE: x\r\n\r\n{body}"),
            &format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDATE: x\r\n\r\n{body}"),
        );
    }

    #[test]
    fn blanks_behind_a_name_and_lines_that_go_on_are_mended() {
        assert_got(
            "HTTP/1.0 302 Found\nSet Cookie: a b\nX-A : b\n  c\nLocation \t : http://a/\r\n b\r\n\t c\n\nx",
            "HTTP/1.0 302 Found\r\nLocation: http://a/ b c\r\n\r\nx",
        );
    }

    #[test]
    fn answers_before_the_answer_are_left_out() {
        assert_got(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx",
            "HTTP/1.1 200 OK\r\n\r\nx",
        );
        let (one, last) = ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nx");
        let most = one.repeat(MOST_INTERIM as usize);
        assert_got(&format!("{most}{last}"), last);
        assert_got(&format!("{most}{one}{last}"), &format!("{one}{last}"));
        // The status is in the first line, or nowhere.
        assert_got(
            "HTTP/1.1\r\nAge: 100\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1\r\nAge: 100\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        );
        // What follows is no answer, so it is not taken for one that is only longer.
        let none = "\nLocation: a\n b\n\nx";
        assert_got(&format!("{one}{none}"), none);
        assert_got("HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\nx", "HTTP/1.1 101 Other\r\n\r\nx");
    }

    #[test]
    fn what_is_no_answer_or_no_header_reaches_the_library_which_refuses_it() {
        for same in ["SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nDate: ", "HTT", "", "d5:peers0:e"] {
            assert_got(same, same);
        }
        assert_got(
            "HTTP/1.1 200 OK\r\nno header\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n: x\r\n\r\n",
        );
    }

    #[test]
    fn what_is_behind_a_body_waits_until_it_was_asked_for() {
        let answer = |number: usize| {
            format!("HTTP/1.1 206 So\r\nContent-Length: {number}\r\n\r\n{}", "x".repeat(number))
        };
        let all: String = (0..40).map(answer).collect();
        for part in [1, 7, 50, 100, all.len()] {
            let (mut heads, mut buffers) = (Heads::default(), LazyBuffers::new(10_000, 1));
            let mut parts = all.as_bytes().chunks(part);
            for number in 0..40 {
                heads.asked(number < 39).unwrap();
                let mut got = Vec::new();
                while got.len() < answer(number).len() {
                    if !heads.hand_on(&mut buffers) {
                        let part = parts.next().unwrap();
                        buffers.input_append_buf()[..part.len()].copy_from_slice(part);
                        heads.read(part.len(), &mut buffers).unwrap();
                    }
                    let length = buffers.input().len();
                    got.extend(buffers.input());
                    buffers.input_consume(length);
                }
                assert_eq!(String::from_utf8(got).unwrap(), answer(number), "in parts of {part}");
                assert!(heads.persists() && heads.rest().is_empty());
            }
        }
    }

    #[test]
    fn nothing_is_sent_ahead_where_it_is_unclear_what_follows() {
        let persists = |head: &str| framing(head.as_bytes()).1;
        assert!(persists("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"));
        for unclear in [
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: Close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        ] {
            assert!(!persists(unclear), "{unclear:?}");
        }
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let mut heads = Heads::default();
        heads.asked(false).unwrap();
        assert!(heads.take(b"HTTP/1.1 200 OK\r\n").unwrap());
        let result = (0..LONGEST).try_for_each(|_| heads.take(b"X: y\r\n").map(drop));
        assert!(matches!(result, Err(Error::LargeResponseHeader(length, _)) if length < LONGEST + 7));
    }
}
