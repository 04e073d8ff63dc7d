//! The body of an answer over HTTP, plain or compressed.
//!
//! It ends, and no more is read of it than was asked for: a small answer does not become a huge one.

#![no_main]

use femtotorrent::net::http::body;
use libfuzzer_sys::fuzz_target;
use std::io::Read;
use ureq::Body;
use ureq::http::Response;

const MOST: u64 = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    for encoding in ["", "gzip", " X-GZip"] {
        let response = Response::builder().header("content-encoding", encoding);
        let whole = Body::builder().data(bytes.to_vec());
        let mut response = response.body(whole).expect("a good head");
        let mut read = Vec::new();
        let ended = body::reader(&mut response, MOST).take(MOST).read_to_end(&mut read);
        assert!(read.len() as u64 <= MOST);
        if encoding.is_empty() && (bytes.len() as u64) < MOST {
            assert!(ended.is_ok() && read == bytes);
        }
    }
});
