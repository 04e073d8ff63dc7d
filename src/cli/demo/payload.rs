//! What the demo downloads: every integer from 2 up as a product of primes, a line each.
//!
//! The same bytes as `sample-torrents/payload/factors.txt`, which is too large to be carried inside a
//! program that should fit on a router. The torrent, which is carried inside, says whether they are.

use std::fmt::Write;

/// The lines, until the text has `length` bytes.
pub fn factors(length: u64) -> Vec<u8> {
    let mut text = String::new();
    let mut number = 2_u32;
    while (text.len() as u64) < length {
        let _ = write!(text, "{number} =");
        let (mut rest, mut divisor, mut sign) = (number, 2_u32, " ");
        while rest > 1 {
            if divisor.saturating_mul(divisor) > rest {
                divisor = rest;
            }
            while rest.is_multiple_of(divisor) {
                let _ = write!(text, "{sign}{divisor}");
                rest /= divisor;
                sign = " * ";
            }
            divisor += 1;
        }
        text.push('\n');
        number += 1;
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_that_of_the_sample_torrent() {
        let sample = include_bytes!("../../../sample-torrents/payload/factors.txt");
        assert!(factors(sample.len() as u64) == sample);
    }
}
