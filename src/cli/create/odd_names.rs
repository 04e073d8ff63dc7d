//! Names in a new torrent that some systems do not take: what others will have in their place. Pure.

use crate::metainfo::Metainfo;
use crate::text::{grouped, is_printable, shown};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::Utf8Chunk;

/// That some names are not what everybody will get. They are valid here, so one line is enough.
pub(super) fn odd_names(read: &Metainfo) -> Option<String> {
    let mut odd = read.files.iter().filter(|file| !file.path.is_portable());
    let first = odd.next()?;
    // In quotes, without which a space at the end could not be seen.
    let (path, becomes) = (spelled(&first.path), shown(first.path.portable()));
    Some(match odd.count() as u64 {
        0 => format!("not every system takes the name '{path}': others will call it '{becomes}'"),
        more => format!(
            "not every system takes the names of {} files: others will call '{path}' '{becomes}'",
            grouped(more.saturating_add(1))
        ),
    })
}

/// The path with what cannot be shown spelled out: others get something else in its place.
fn spelled(path: &Path) -> String {
    let spelled_letter = |letter: char| match is_printable(letter) {
        true => letter.to_string(),
        false => letter.escape_default().to_string(),
    };
    let spelled_chunk = |chunk: Utf8Chunk<'_>| {
        let text: String = chunk.valid().chars().map(spelled_letter).collect();
        text + &chunk.invalid().escape_ascii().to_string()
    };
    path.as_os_str().as_bytes().utf8_chunks().map(spelled_chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_space_at_the_end_of_a_name_can_be_seen() {
        let said = |names: &[&str]| {
            let file = |name: &&str| format!("d6:lengthi1e4:pathl{}:{name}ee", name.len());
            let files: String = names.iter().map(file).collect();
            let (size, digest) = ("12:piece lengthi16384e", "6:pieces20:....................");
            let torrent = format!("d4:infod5:filesl{files}e4:name1:t{size}{digest}ee");
            odd_names(&Metainfo::parse(torrent.into_bytes()).unwrap())
        };
        assert_eq!(said(&["a", "b"]), None);
        let one = "not every system takes the name 't/a ': others will call it 't/a'";
        assert_eq!(said(&["a ", "b"]).as_deref(), Some(one));
        let two = "not every system takes the names of 2 files: others will call 't/a ' 't/a'";
        assert_eq!(said(&["a ", "b", "c "]).as_deref(), Some(two));
    }

    #[test]
    fn what_cannot_be_shown_of_a_name_is_spelled_out() {
        for (name, expected) in [
            (&b"d/bad\xff.x"[..], r"d/bad\xff.x"),
            ("d/a\u{202e}b".as_bytes(), r"d/a\u{202e}b"),
            (b"a\tb ", r"a\tb "),
            ("ž 世".as_bytes(), "ž 世"),
        ] {
            assert_eq!(spelled(OsStr::from_bytes(name).as_ref()), expected);
        }
    }
}
