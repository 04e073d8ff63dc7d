//! HTTP CONNECT: the request, and the head of its answer (RFC 9110, section 9.3.6).
//!
//! Pure. The head ends with an empty line; what follows it belongs to the connection.

use super::{Proxy, ProxyFault, Target};

/// Bytes of the head of an answer. Pages of errors come behind it and are not read.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// The request for a connection.
pub(super) fn request(proxy: &Proxy, target: &Target) -> Vec<u8> {
    let mut text = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = proxy.authorization() {
        text += &format!("Proxy-Authorization: {authorization}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

/// Reads the head of an answer of which so much has come: how many bytes it has if it says that there is a connection,
/// or `None` if there is more to come.
///
/// # Errors
///
/// It is none, it has no end, or it is a refusal.
pub(super) fn head(has_login: bool, came: &[u8]) -> Result<Option<usize>, ProxyFault> {
    // A server that speaks another protocol is known by its first bytes.
    if !came.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected) {
        return Err(ProxyFault::Nonsense("it does not speak HTTP"));
    }
    let Some(length) = length(came) else {
        let is_short = came.len() < MAX_HEAD;
        return if is_short { Ok(None) } else { Err(ProxyFault::Nonsense("its answer has no end")) };
    };
    let status = came.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let status = status.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match status {
        Some(200..=299) => Ok(Some(length)),
        Some(407) if has_login => Err(ProxyFault::WrongPassword),
        Some(407) => Err(ProxyFault::WantsPassword),
        // What it was to connect to does not answer, or its rules do not allow it.
        Some(status @ (403 | 404 | 502 | 503 | 504)) => Err(ProxyFault::Status(status)),
        Some(status @ 100..=999) => Err(ProxyFault::Useless(status)),
        _ => Err(ProxyFault::Nonsense("its answer has no status")),
    }
}

/// Bytes up to the end of the empty line. Some servers end lines without the carriage return.
fn length(came: &[u8]) -> Option<usize> {
    let ends = came.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let is_empty = |end: &usize| {
        let line = came.get(..*end).unwrap_or_default();
        line.ends_with(b"\n\n") || line.ends_with(b"\n\r\n")
    };
    let mut ends = ends;
    ends.find(is_empty)
}
