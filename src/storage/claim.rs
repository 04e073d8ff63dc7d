//! Whose the existing files are.
//!
//! A file under one of the torrent's names may be our own unfinished download, a finished copy, or
//! something else that only has the same name. Without a marker (see `marker`) a file belongs to
//! the torrent only where that is proven:
//!
//! - it is not longer than the torrent says,
//! - every piece that can be read from the disk and touches it verifies, and
//! - at least one piece that touches it verifies.
//!
//! Anything else is foreign and stops the run. An empty file has nothing to lose and is never
//! foreign.
//!
//! A proven file may still have bytes that nothing vouches for: at its edges, in pieces that it
//! shares with a file that is missing. They are *guarded*: a piece is written over them only where
//! it says the same bytes. So no byte that was there before us is ever changed without a piece that
//! was proven wrong in our own download, or the user's `--overwrite`. Pure.

use std::collections::{BTreeMap, HashMap};

use super::folder::FileStat;
use super::layout::Layout;
use super::survey::Survey;

/// How many bytes at the start of a file were there before us and are not vouched for, by file.
pub(super) type Guards = BTreeMap<usize, u64>;

/// The files that are not the torrent's, by number.
pub(super) fn foreign(layout: &Layout, survey: &Survey) -> Vec<usize> {
    let blamed = blamed(layout, survey);
    let is_foreign = |number: &usize| {
        let (Some(entry), Some(Some(found))) = (layout.entry(*number), survey.found.get(*number)) else {
            return false;
        };
        let proven = || layout.pieces(entry.range()).any(|piece| survey.good.has(piece));
        let wrong = || blamed.get(*number).is_some_and(|blamed| *blamed);
        found.length > entry.length || (found.length > 0 && (wrong() || !proven()))
    };
    (0..layout.entries().len()).filter(is_foreign).collect()
}

/// The proven files that are not complete, with what was in them before us.
pub(super) fn guards(layout: &Layout, survey: &Survey) -> Guards {
    let files = layout.entries().iter().zip(&survey.found).enumerate();
    let existing = files.filter_map(|(number, (entry, found))| Some((number, entry, (*found)?.length)));
    // One by one: to collect them would bring a sort of its own into the program, for a few entries.
    let mut guards = Guards::new();
    for (number, entry, length) in existing {
        if length > 0 && !layout.pieces(entry.range()).all(|piece| survey.good.has(piece)) {
            guards.insert(number, length);
        }
    }
    guards
}

/// The files that the marker keeps from being changed and that are longer than they should be, by number:
/// they were left alone by a run that did not want them.
pub(super) fn kept_and_too_long(layout: &Layout, guards: &Guards) -> Vec<usize> {
    let too_long = |(number, kept): (&usize, &u64)| {
        let is_shorter = layout.entry(*number).is_some_and(|entry| entry.length < *kept);
        is_shorter.then_some(*number)
    };
    guards.iter().filter_map(too_long).collect()
}

/// What is left of the files that the marker keeps from being changed.
pub(super) fn still_there(guards: &Guards, found: &[Option<FileStat>]) -> Guards {
    let left = |(number, kept): (&usize, &u64)| {
        let there = (*found.get(*number)?)?.length;
        Some((*number, there.min(*kept)))
    };
    guards.iter().filter_map(left).collect()
}

/// Two files of the torrent that are one on the disk, if there are such: writing one would destroy
/// the other. File systems that ignore case make one of two names.
pub(super) fn shared(found: &[Option<FileStat>]) -> Option<(usize, usize)> {
    let mut seen = HashMap::new();
    let existing = found.iter().enumerate().filter_map(|(number, found)| Some((number, (*found)?.identity)));
    existing.into_iter().find_map(|(number, identity)| Some((seen.insert(identity, number)?, number)))
}

/// The files that bad pieces lie in. A piece that crosses files does not say which one is at fault:
/// all are blamed, unless a piece inside one of them was bad too and settles it.
pub(super) fn blamed(layout: &Layout, survey: &Survey) -> Vec<bool> {
    let stored = |piece| layout.slices(piece).filter(|slice| !slice.padding).map(|slice| slice.file);
    let mut blamed = vec![false; layout.entries().len()];
    let bad = || layout.geometry().pieces().filter(|piece| survey.bad.has(*piece));
    for piece in bad() {
        let mut files = stored(piece);
        if let (Some(file), None) = (files.next(), files.next()) {
            blame(&mut blamed, file);
        }
    }
    for piece in bad() {
        if !stored(piece).any(|file| blamed.get(file).is_some_and(|blamed| *blamed)) {
            stored(piece).for_each(|file| blame(&mut blamed, file));
        }
    }
    blamed
}

fn blame(blamed: &mut [bool], file: usize) {
    if let Some(blamed) = blamed.get_mut(file) {
        *blamed = true;
    }
}
