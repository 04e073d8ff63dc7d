//! One request to a device on the local network over plain HTTP, such as a router's page that describes it.
//!
//! Not for servers on the internet: those are asked through [`http`](super::http). Here nothing is looked up,
//! redirected, compressed, encrypted, kept open or sent through a proxy: one address, one question, one answer,
//! all of it in memory and within a deadline. Everything that comes back is a stranger's.

use super::BindAddress;
use super::tap::{Direction, Tap, WebTap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest answer, with its headers. Descriptions of routers have up to 30 KiB.
pub const MAX_ANSWER: usize = 128 * 1024;
/// The longest that connecting may take: it cannot be interrupted, and the device is in our own network.
const CONNECT: Duration = Duration::from_secs(1);
/// The shortest wait that the system accepts.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// What a device answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainAnswer {
    /// The status, such as 200.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// How far an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// It is complete.
    All(PlainAnswer),
    /// More is to come.
    Part,
    /// It is no answer.
    Nonsense,
}

/// Asks `to`, and waits for the answer until then. `connected` is given the connection: shutting it down ends the
/// wait.
///
/// # Errors
///
/// What the system says, [`ErrorKind::TimedOut`], and [`ErrorKind::InvalidData`] if the answer is none or is too
/// long.
pub fn ask(
    tap: &Tap,
    bind_address: BindAddress,
    to: SocketAddr,
    request: &[u8],
    until: Instant,
    connected: impl FnOnce(TcpStream),
) -> io::Result<PlainAnswer> {
    let left = || until.saturating_duration_since(Instant::now()).max(MIN_WAIT);
    let mut stream = bind_address.connect(to, left().min(CONNECT))?;
    connected(stream.try_clone()?);
    stream.set_write_timeout(Some(left()))?;
    let mut tap = WebTap::of(tap, &stream, false);
    tap.iter_mut().for_each(|tap| tap.pass(Direction::Out, request));
    stream.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if Instant::now() >= until {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left()))?;
        let length = match stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let came = buffer.get(..length).unwrap_or_default();
        tap.iter_mut().for_each(|tap| tap.pass(Direction::In, came));
        answer.extend(came);
        if answer.len() > MAX_ANSWER {
            return Err(io::Error::new(ErrorKind::InvalidData, "its answer is too long"));
        }
        match arrived(&answer, length == 0) {
            Arrived::All(answer) => return Ok(answer),
            Arrived::Part if length > 0 => {}
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "its answer is not HTTP")),
        }
    }
}

/// Reads what has come so far. `has_ended`: nothing more will come.
pub fn arrived(bytes: &[u8], has_ended: bool) -> Arrived {
    const END: &[u8] = b"\r\n\r\n";
    let Some(at) = bytes.windows(END.len()).position(|window| window == END) else {
        return if has_ended || !may_begin_so(bytes) { Arrived::Nonsense } else { Arrived::Part };
    };
    let (head, body) = bytes.split_at(at.saturating_add(END.len()));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let Some(status) = lines.next().and_then(status) else { return Arrived::Nonsense };
    let header = |name: &str| {
        let is_it = |(key, _): &(&str, &str)| key.trim().eq_ignore_ascii_case(name);
        head.split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(is_it)
            .map(|(_, value)| value.trim())
    };
    let body = if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        unchunked(body)
    } else {
        match header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if length <= MAX_ANSWER => body.get(..length).map(<[u8]>::to_vec).ok_or(true),
            Some(_) => Err(false),
            None if has_ended => Ok(body.to_vec()),
            None => Err(true),
        }
    };
    match body {
        Ok(body) => Arrived::All(PlainAnswer { status, body }),
        Err(true) if !has_ended => Arrived::Part,
        Err(_) => Arrived::Nonsense,
    }
}

fn may_begin_so(bytes: &[u8]) -> bool {
    let begins = b"HTTP/1.";
    bytes.iter().zip(begins).all(|(byte, expected)| byte == expected)
}

fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// The bytes of a body that comes in chunks (RFC 9112, section 7.1). The error says whether more may come.
fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, bool> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return Err(rest.len() < 64);
        };
        let (line, after) = rest.split_at(end);
        let line = String::from_utf8_lossy(line);
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length =
            usize::from_str_radix(digits, 16).ok().filter(|length| *length <= MAX_ANSWER).ok_or(false)?;
        let after = after.get(2..).ok_or(true)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend(after.get(..length).ok_or(true)?);
        rest = after.get(length.saturating_add(2)..).ok_or(true)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(status: u16, body: &str) -> Arrived {
        Arrived::All(PlainAnswer { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_body_ends_where_its_length_its_chunks_or_the_connection_say() {
        for (text, has_ended, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-LENGTH: 3\r\n\r\nabc", false, all(200, "abc")),
            ("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nabcdef", false, all(500, "abc")),
            ("HTTP/1.0 200 OK\r\n\r\nabc", true, all(200, "abc")),
            ("HTTP/1.0 200 OK\r\n\r\nabc", false, Arrived::Part),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
                false,
                all(200, "abc"),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1", false, Arrived::Part),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", false, Arrived::Part),
            ("HTTP/1.1 200 OK\r\nContent-", false, Arrived::Part),
            ("", false, Arrived::Part),
        ] {
            assert_eq!(arrived(text.as_bytes(), has_ended), expected, "{text}");
        }
    }

    #[test]
    fn what_breaks_off_or_is_no_http_is_refused() {
        for (text, has_ended) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nab", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nab", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\nab", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", true),
            ("HTTP/1.1\r\n\r\n", false),
            ("SSH-2.0-x\r\n", false),
            ("", true),
        ] {
            assert_eq!(arrived(text.as_bytes(), has_ended), Arrived::Nonsense, "{text}");
        }
    }
}
