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

/// Whether these bytes are the whole head of an answer that says that there is a connection. It is asked again with
/// each byte, so nothing can be behind the head.
///
/// # Errors
///
/// They are none, it has no end, or it is a refusal.
pub(super) fn is_connected(has_login: bool, came: &[u8]) -> Result<bool, ProxyFault> {
    // A server that speaks another protocol is known by its first bytes.
    if !came.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected) {
        return Err(ProxyFault::Nonsense("it does not speak HTTP"));
    }
    // Some servers end lines without the carriage return.
    if !came.ends_with(b"\n\n") && !came.ends_with(b"\n\r\n") {
        let is_short = came.len() < MAX_HEAD;
        return if is_short { Ok(false) } else { Err(ProxyFault::Nonsense("its answer does not end")) };
    }
    let status = came.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let status = status.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match status {
        Some(200..=299) => Ok(true),
        Some(407) if has_login => Err(ProxyFault::WrongPassword),
        Some(407) => Err(ProxyFault::WantsPassword),
        // It knows no such method.
        Some(status @ (405 | 501)) => Err(ProxyFault::Useless(status)),
        // What it was to connect to does not answer, or its rules do not allow it. Proxies choose among many numbers.
        Some(status @ 100..=999) => Err(ProxyFault::Status(status)),
        _ => Err(ProxyFault::Nonsense("its answer has no status")),
    }
}
