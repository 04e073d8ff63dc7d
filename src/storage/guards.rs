//! The bytes of others that are in our files (see `claim`).

use super::folder::FileStat;
use std::collections::BTreeMap;

/// How many bytes at the start of each file were there before us and are not verified, by the file's number.
pub(super) type Guards = BTreeMap<usize, u64>;

/// What is left of the bytes that the marker guards.
pub(super) fn still_there(guards: &Guards, found: &[Option<FileStat>]) -> Guards {
    let left = |(number, kept): (&usize, &u64)| {
        let there = (*found.get(*number)?)?.length;
        Some((*number, there.min(*kept)))
    };
    guards.iter().filter_map(left).collect()
}
