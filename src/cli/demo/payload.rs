//! The payload of the demo: every integer from 2 upwards as a product of primes, one in each line.
//!
//! These are the bytes of `sample-torrents/payload/factors.txt`. That file is too large to be part of a
//! program that should fit on a router, so the program computes it. The torrent is part of the program, and
//! its digests prove that the bytes are the same.

use std::fmt::Write;

/// The lines, until the text has at least `length` bytes.
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
    fn the_payload_is_the_one_of_the_sample_torrent() {
        let sample = include_bytes!("../../../sample-torrents/payload/factors.txt");
        assert!(factors(sample.len() as u64) == sample);
    }
}
