//! Which bytes of which file a stretch of the payload begins with.
//!
//! Pure. The payload is all files, one after the other; a web server has them one by one.

use crate::metainfo::{File, Metainfo};
use std::ops::Range;

/// Bytes of one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The number of the file in the torrent.
    pub number: usize,
    /// The file. Padding is not on the server: its bytes are zeros.
    pub file: &'a File,
    /// Which bytes of it.
    pub bytes: Range<u64>,
}

/// The beginning of this stretch of the payload, as far as it is in one file. `None` for one that is empty or not in
/// the payload.
pub fn first_segment<'a>(metainfo: &'a Metainfo, stretch: &Range<u64>) -> Option<Segment<'a>> {
    let end = |file: &File| file.offset.saturating_add(file.length);
    // The first file that ends behind it is not empty.
    let number = metainfo.files.partition_point(|file| end(file) <= stretch.start);
    let file = metainfo.files.get(number)?;
    let start = stretch.start.checked_sub(file.offset)?;
    let bytes = start..stretch.end.min(end(file)).checked_sub(file.offset)?;
    (!bytes.is_empty()).then_some(Segment { number, file, bytes })
}
