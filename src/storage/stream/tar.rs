//! Files in a tar archive, as POSIX has it ("pax interchange format", a ustar archive with extended headers).
//!
//! Each file is a head of 512 bytes, its bytes, and zeros up to the next multiple of 512. What the head has no room
//! for, a long name or a size of 8 GiB and more, stands before it in a head of its own with records `LENGTH KEY=VALUE`.
//! Nothing depends on the run: no time, no user, so the same torrent is always the same archive. Folders follow from
//! the names of the files.

use crate::metainfo::FilePath;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Bytes in a block of an archive.
const BLOCK: usize = 512;
/// Bytes of a name for which a head has room.
const MAX_NAME: usize = 100;
/// The first size for which it has no room: eleven octal digits.
const TOO_LARGE: u64 = 1 << 33;

/// The end of an archive.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What comes before the bytes of a file.
pub(super) fn head(path: &FilePath, size: u64) -> Vec<u8> {
    // The name that the file would have on the disk: none that attacks the terminal of whoever lists the archive.
    let path = path.to_write().into_iter().next().unwrap_or_else(|| PathBuf::from(&**path));
    head_of(path.as_os_str().as_bytes(), size)
}

/// The zeros behind the bytes of a file.
pub(super) fn padding(length: u64) -> &'static [u8] {
    let over = (length % BLOCK as u64) as usize;
    END.get(..BLOCK.saturating_sub(over) % BLOCK).unwrap_or_default()
}

fn head_of(name: &[u8], size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if name.len() > MAX_NAME || !name.is_ascii() {
        if std::str::from_utf8(name).is_err() {
            // Otherwise a record is UTF-8.
            records.extend(record(b"hdrcharset", b"BINARY"));
        }
        records.extend(record(b"path", name));
    }
    if size >= TOO_LARGE {
        records.extend(record(b"size", size.to_string().as_bytes()));
    }
    let mut bytes = Vec::new();
    if !records.is_empty() {
        let length = records.len() as u64;
        bytes.extend(block(b"././@PaxHeader", length, b'x'));
        bytes.extend(records);
        bytes.extend(padding(length));
    }
    bytes.extend(block(name, if size < TOO_LARGE { size } else { 0 }, b'0'));
    bytes
}

/// A record of an extended header. Its length counts its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + b" =\n".len();
    let digits = |length: usize| length.to_string().len();
    // One digit more may make the number of digits grow once.
    let length = rest + digits(rest + digits(rest));
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// A head without extensions. Of a long name it has the beginning.
fn block(name: &[u8], size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        block.iter_mut().skip(at).zip(text).for_each(|(byte, new)| *byte = *new);
    };
    put(0, name.get(..MAX_NAME).unwrap_or(name));
    put(100, b"0000644\0");
    // User and group.
    put(108, b"0000000\x000000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum counts as blanks in itself.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0");
    block.iter_mut().skip(148).zip(sum.bytes()).for_each(|(byte, new)| *byte = new);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        for (value, expected) in
            [(1, "6 k=x\n"), (4, "9 k=xxxx\n"), (5, "11 k=xxxxx\n"), (6, "12 k=xxxxxx\n")]
        {
            assert_eq!(record(b"k", "x".repeat(value).as_bytes()), expected.as_bytes());
        }
        for length in 0..2000 {
            let bytes = record(b"path", &vec![b'a'; length]);
            let said = bytes.split(|byte| *byte == b' ').next().unwrap();
            assert_eq!(std::str::from_utf8(said).unwrap().parse(), Ok(bytes.len()));
        }
    }

    #[test]
    fn only_what_a_head_has_no_room_for_stands_in_front_of_it() {
        assert_eq!(head_of(b"many/a", 7).len(), BLOCK);
        assert_eq!(head_of(&[b'a'; 100], TOO_LARGE - 1).len(), BLOCK);
        assert_eq!(head_of(&[b'a'; 101], 7).len(), 3 * BLOCK);
        assert_eq!(head_of(b"a", TOO_LARGE).len(), 3 * BLOCK);
        assert_eq!(head_of(&[b'a'; 1010], 7).len(), 4 * BLOCK);
        let text = |name: &[u8]| String::from_utf8_lossy(&head_of(name, 0)).into_owned();
        assert!(text("ü".as_bytes()).contains(" path=ü\n") && !text("ü".as_bytes()).contains("BINARY"));
        assert!(text(b"\xfc").contains("21 hdrcharset=BINARY\n"));
    }

    #[test]
    fn what_follows_begins_at_a_multiple_of_a_block() {
        for (length, zeros) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (u64::MAX, 1)] {
            assert_eq!(padding(length).len(), zeros);
        }
    }
}
