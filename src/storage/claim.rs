//! Which of the existing files belong to the torrent.
//!
//! A file under one of the torrent's names may be our own unfinished download, a finished copy, or
//! something else that only has the same name. Without a marker (see `marker`), a file belongs to the
//! torrent only if that is proven:
//!
//! - it is not longer than the torrent says,
//! - each piece that overlaps it and can be read from the disk verifies, and
//! - at least one piece that overlaps it verifies.
//!
//! A small file may have no piece of its own: all its bytes are in pieces that other files have a part in. If it has its
//! right length, and these pieces cannot be read because a file beside it is missing, nothing speaks against it. It is
//! in question until they come, and is guarded (see below) as a whole. So whoever removes a file gets it again, whatever
//! lies beside it.
//!
//! Any other file is foreign. A run that would change it ends (exit code 13) before anything is changed,
//! unless the user says `--overwrite`, or `--continue` where a piece of it verifies. An empty file has no content that
//! could be lost, and is never foreign.
//!
//! If something is under the marker's name that cannot be believed, a download of ours was here. Then a piece
//! of nothing but zeros speaks neither for nor against a file: it is what we have not written.
//!
//! A proven file may still have bytes that no piece vouches for: at its edges, in pieces that it shares with
//! a file that is missing. They are *guarded*: a piece is written only if it has the same bytes in that place, or if
//! there are only zeros, or else the run ends (exit code 13) and nothing of the piece is written. So a byte that was
//! there before us, other than such zeros, is changed in two cases only: if it is part of our own unfinished download
//! and its piece was proven wrong, and with the user's `--continue` or `--overwrite`. Pure.

use std::collections::HashMap;

use super::folder::FileStat;
use super::guards::Guards;
use super::layout::Layout;
use super::survey::Survey;
use crate::piece::PieceIndex;

/// The numbers of the files that are not the torrent's.
pub(super) fn foreign(layout: &Layout, survey: &Survey) -> Vec<usize> {
    let blamed = blamed(layout, survey);
    let is_foreign = |number: &usize| {
        let (Some(entry), Some(Some(found))) = (layout.entry(*number), survey.found.get(*number)) else {
            return false;
        };
        let is_known = |piece| survey.good.has(piece) || survey.blank.has(piece);
        let proven = || layout.pieces_in(*number).any(is_known) || is_in_question(layout, survey, *number);
        let wrong = || blamed.get(*number).is_some_and(|blamed| *blamed);
        found.length > entry.length || (found.length > 0 && (wrong() || !proven()))
    };
    (0..layout.entries().len()).filter(is_foreign).collect()
}

/// How many of the pieces that this file has bytes of are right.
pub(super) fn right_pieces(layout: &Layout, survey: &Survey, number: usize) -> usize {
    layout.pieces_in(number).filter(|piece| survey.good.has(*piece)).count()
}

fn length_on_disk(survey: &Survey, number: usize) -> Option<u64> {
    survey.found.get(number).copied().flatten().map(|found| found.length)
}

/// Whether this file cannot be judged: it has its right length, and none of its pieces is right or its own.
pub(super) fn is_in_question(layout: &Layout, survey: &Survey, number: usize) -> bool {
    let length = length_on_disk(survey, number);
    layout.entry(number).is_some_and(|entry| Some(entry.length) == length)
        && !layout.pieces_in(number).any(|piece| survey.good.has(piece) || is_own(layout, piece, number))
}

/// Whether all bytes of the piece are of this file.
fn is_own(layout: &Layout, piece: PieceIndex, number: usize) -> bool {
    layout.slices(piece).filter(|slice| !slice.padding).all(|slice| slice.file == number)
}

/// Whether a foreign file is certainly wrong, and not only in a piece that another file may have spoiled.
pub(super) fn is_proven_wrong(layout: &Layout, survey: &Survey, number: usize) -> bool {
    let length = length_on_disk(survey, number).unwrap_or_default();
    layout.entry(number).is_some_and(|entry| length > entry.length)
        || (right_pieces(layout, survey, number) == 0 && !is_in_question(layout, survey, number))
        || layout.pieces_in(number).any(|piece| survey.bad.has(piece) && is_own(layout, piece, number))
}

/// The proven files that are not complete, with the number of bytes that were in them before us.
pub(super) fn guards(layout: &Layout, survey: &Survey) -> Guards {
    let files = layout.entries().iter().zip(&survey.found).enumerate();
    let existing = files.filter_map(|(number, (entry, found))| Some((number, entry, (*found)?.length)));
    // One by one: `collect` would add another copy of the sort function to the binary, for a few entries.
    let mut guards = Guards::new();
    for (number, entry, length) in existing {
        if length > 0 && !layout.pieces(entry.range()).all(|piece| survey.good.has(piece)) {
            guards.insert(number, length);
        }
    }
    guards
}

/// The numbers of the files that the marker guards and that are longer than they should be: an earlier run
/// did not select them and left them alone, or somebody has added something since.
pub(super) fn kept_and_too_long(layout: &Layout, survey: &Survey, guards: &Guards) -> Vec<usize> {
    let too_long = |(number, kept): (&usize, &u64)| {
        let there = length_on_disk(survey, *number).unwrap_or_default().max(*kept);
        let is_shorter = layout.entry(*number).is_some_and(|entry| entry.length < there);
        is_shorter.then_some(*number)
    };
    guards.iter().filter_map(too_long).collect()
}

/// The numbers of the files that are too short, have no byte beyond those that the marker guards, and are not the
/// torrent's: an earlier run did not select them and left them alone. Not even a byte is to be added to them. Of
/// files that are long enough the guard speaks when they are written to.
pub(super) fn kept_and_too_short(layout: &Layout, survey: &Survey, guards: &Guards) -> Vec<usize> {
    let mut wrong = foreign(layout, survey);
    wrong.retain(|number| {
        let length = length_on_disk(survey, *number).unwrap_or_default();
        let is_short = layout.entry(*number).is_some_and(|entry| entry.length > length);
        // It may have been longer when the marker was written.
        is_short && guards.get(number).is_some_and(|kept| *kept >= length)
    });
    wrong
}

/// Two files of the torrent that are one file on the disk, if there are any: to write one would destroy the
/// other. On a file system that ignores case, two names can be one.
pub(super) fn shared(found: &[Option<FileStat>]) -> Option<(usize, usize)> {
    let mut seen = HashMap::new();
    let existing = found.iter().enumerate().filter_map(|(number, found)| Some((number, (*found)?.identity)));
    existing.into_iter().find_map(|(number, identity)| Some((seen.insert(identity, number)?, number)))
}

/// Which files are blamed for bad pieces. A bad piece that crosses files does not show which of them is
/// wrong. So all are blamed, unless one of them also has a bad piece of its own: then that one is to blame.
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
