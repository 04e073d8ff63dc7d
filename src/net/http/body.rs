//! The body of an HTTP response, decompressed.
//!
//! Runs on the thread of the caller. The HTTP library knows one spelling of one compression. Servers also say
//! `x-gzip`, as RFC 9110 (section 8.4.1.3) allows, and case does not count.

use super::gzip::Gunzip;
use std::io::Read;
use ureq::Body;
use ureq::http::Response;

/// What we accept, as the value of `Accept-Encoding`.
pub const ENCODINGS: &str = "gzip";

/// A reader of the decompressed body. What comes over the network is bounded by `limit`; the caller bounds what it
/// reads.
pub fn reader(response: &mut Response<Body>, limit: u64) -> Box<dyn Read + '_> {
    let encoding = response.headers().get("content-encoding").and_then(|value| value.to_str().ok());
    let encoding = encoding.map(str::trim).unwrap_or_default();
    let is_gzip = ["gzip", "x-gzip"].iter().any(|known| encoding.eq_ignore_ascii_case(known));
    let raw = response.body_mut().with_config().limit(limit).reader();
    if is_gzip { Box::new(Gunzip::new(raw)) } else { Box::new(raw) }
}
