//! Decompresses gzip (RFC 1952), one member after the other.
//!
//! Runs on the thread of the reader. A stranger made the bytes: what is no gzip is an error of the kind `InvalidData`,
//! and one that ends too early of `UnexpectedEof`. What is in memory does not depend on them: 8 KiB of input and the
//! 32 KiB that the format may refer back to.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// Bytes of input that are read at once.
const INPUT: usize = 8 * 1024;

/// Flags of a member's head: which parts follow the ten bytes that every head has.
const HEAD_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
/// Nobody has said yet what these mean, so they cannot be skipped.
const RESERVED: u8 = 0b1110_0000;

/// Reads what the compressed bytes of another reader stand for.
pub(super) struct Gunzip<Raw> {
    raw: Raw,
    input: Box<[u8]>,
    /// What of `input` is not decompressed yet.
    unread: Range<usize>,
    state: Box<InflateState>,
    next: Part,
    /// Of the bytes of this member: their checksum and their number, modulo 2^32.
    checksum: u32,
    length: u32,
}

/// The part of a member that comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Data,
    End,
    /// There are no more members.
    Nothing,
}

impl<Raw: Read> Gunzip<Raw> {
    pub(super) fn new(raw: Raw) -> Gunzip<Raw> {
        let (input, state) = (vec![0; INPUT].into_boxed_slice(), InflateState::new_boxed(DataFormat::Raw));
        Gunzip { raw, input, unread: 0..0, state, next: Part::Head, checksum: 0, length: 0 }
    }

    /// Reads more input if there is none. False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while self.unread.is_empty() {
            match self.raw.read(&mut self.input) {
                Ok(0) => return Ok(false),
                Ok(count) => self.unread = 0..count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn byte(&mut self) -> io::Result<u8> {
        if !self.fill()? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let next = self.unread.next();
        next.and_then(|at| self.input.get(at).copied()).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn number(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes([self.byte()?, self.byte()?, self.byte()?, self.byte()?]))
    }

    fn head(&mut self) -> io::Result<()> {
        let [magic, number, method, flags] = [self.byte()?, self.byte()?, self.byte()?, self.byte()?];
        if (magic, number, method) != (0x1f, 0x8b, 8) || flags & RESERVED != 0 {
            return Err(nonsense("it is not gzip"));
        }
        // The time, and the system that it was made on.
        self.skip(6)?;
        if flags & EXTRA != 0 {
            let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
            self.skip(length)?;
        }
        for part in [NAME, COMMENT] {
            while flags & part != 0 && self.byte()? != 0 {}
        }
        self.skip(if flags & HEAD_CHECKSUM != 0 { 2 } else { 0 })
    }

    fn skip(&mut self, count: u16) -> io::Result<()> {
        (0..count).try_for_each(|_| self.byte().map(drop))
    }

    /// Decompresses. Returns how many bytes are in `out`: 0 if the member's data end.
    fn data(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.get(self.unread.clone()).unwrap_or_default();
            let done = inflate(&mut self.state, input, out, MZFlush::None);
            self.unread.start = self.unread.end.min(self.unread.start.saturating_add(done.bytes_consumed));
            let new = out.get(..done.bytes_written).unwrap_or_default();
            self.checksum = crc32(self.checksum, new);
            self.length = self.length.wrapping_add(u32::try_from(new.len()).unwrap_or_default());
            match done.status {
                Ok(MZStatus::StreamEnd) => {
                    self.next = Part::End;
                    return Ok(new.len());
                }
                Ok(_) | Err(MZError::Buf) if !new.is_empty() => return Ok(new.len()),
                Ok(_) | Err(MZError::Buf) => {
                    if !self.fill()? {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(_) => return Err(nonsense("its compression is damaged")),
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match (self.number()?, self.number()?) == (self.checksum, self.length) {
            true => Ok(()),
            false => Err(nonsense("its compressed bytes have another checksum")),
        }
    }
}

impl<Raw: Read> Read for Gunzip<Raw> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match self.next {
                Part::Head => {
                    if !self.fill()? {
                        self.next = Part::Nothing;
                        continue;
                    }
                    self.head()?;
                    self.state.reset(DataFormat::Raw);
                    (self.checksum, self.length, self.next) = (0, 0, Part::Data);
                }
                Part::Data => match self.data(out)? {
                    0 => {}
                    count => return Ok(count),
                },
                Part::End => {
                    self.end()?;
                    self.next = Part::Head;
                }
                Part::Nothing => return Ok(0),
            }
        }
    }
}

fn nonsense(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// The checksum of more bytes behind those that `before` is the checksum of (RFC 1952, section 8).
fn crc32(before: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!before, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        sum >> 8 ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default()
    })
}

/// What each byte adds to a checksum.
static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xedb8_8320 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "the compiler computes this")]
        {
            table[byte] = sum;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(gzip: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Gunzip::new(gzip).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn what_was_compressed_comes_out() {
        let noise: Vec<u8> =
            (0..200_000_u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let large = [vec![0; 1 << 20], noise].concat();
        for bytes in [&b""[..], b"a", b"abcabcabcabc", &large] {
            assert!(read(&compressed(bytes)).unwrap() == bytes);
        }
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926, "the check value of this checksum");
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn one_member_may_follow_another_and_heads_may_say_more() {
        let mut gzip = compressed(b"one, ");
        let more = compressed(b"two");
        gzip.extend([0x1f, 0x8b, 8, EXTRA | NAME | COMMENT | HEAD_CHECKSUM, 0, 0, 0, 0, 0, 255, 2, 0, 7, 7]);
        gzip.extend(b"name\0words\0\x01\x02");
        gzip.extend(more.get(10..).unwrap());
        assert_eq!(read(&gzip).unwrap(), b"one, two");
    }

    #[test]
    fn each_byte_that_is_wrong_or_missing_is_noticed() {
        let good = compressed(b"a text that is long enough to be compressed, compressed, compressed");
        for length in 1..good.len() {
            let error = read(good.get(..length).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}");
        }
        // The last bits before the checksum may belong to nothing.
        let padding = good.len() - 9;
        for at in (0..4).chain(10..good.len()).filter(|at| *at != padding) {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            assert!(read(&bad).is_err(), "{at}");
        }
        let trailing = [&good[..], b"more"].concat();
        assert_eq!(read(&trailing).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
