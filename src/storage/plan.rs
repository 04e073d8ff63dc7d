//! Decides what a run may do with the files that it found, before anything is changed.
//!
//! [`decide`] gets the survey of the output folder and the user's choice, and returns a plan or the reason
//! why the run must not start. Pure: it never touches a file.

use std::path::{Path, PathBuf};

use super::claim;
use super::error::{ForeignFile, Shortage, StorageError};
use super::folder::FileStat;
use super::guards::{self, Guards};
use super::layout::Layout;
use super::survey::Survey;
use super::{Allocate, Existing, Options, hard_links, space};

/// What is known before anything is changed.
pub(super) struct Situation<'a> {
    /// The output folder's path, for the errors.
    pub root: &'a Path,
    /// Where the bytes of the payload belong.
    pub layout: &'a Layout,
    /// Which of them are there.
    pub survey: &'a Survey,
    /// What the marker of an earlier run of this download remembers, if there is a marker.
    pub own: Option<&'a Guards>,
    /// If its marker is damaged: the files that its resume file knows, and how many bytes at the start of each
    /// belong to the user.
    pub recognised: &'a Guards,
    /// The files that others have put into the places of ours since an earlier run, by number.
    pub replaced: &'a [usize],
    /// Bytes free on the file system, if the system says so.
    pub free: Option<u64>,
}

/// What the run does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Every piece that is wanted is there.
    pub is_complete: bool,
    /// The bytes that must not be changed.
    pub guards: Guards,
    /// The marker is missing or remembers something else.
    pub write_marker: bool,
    /// All room is taken before the download.
    pub allocate: bool,
    /// Bytes that the rest of the payload takes on the disk.
    pub needed: u64,
}

/// Decides what the run does.
///
/// # Errors
///
/// [`StorageError::Exists`] if a file is not the torrent's and may not be replaced, [`StorageError::Shared`]
/// if two files of a payload that is not complete are one on the disk, [`StorageError::Linked`] if one has a name
/// outside of it, and [`StorageError::NoRoom`] if all
/// room is to be taken and there is not enough.
pub(super) fn decide(situation: &Situation<'_>, options: &Options) -> Result<Plan, StorageError> {
    let Situation { layout, survey, own, recognised, .. } = *situation;
    let is_complete = survey.is_complete(layout);
    let may_change = |number: usize| match options.existing {
        Existing::Keep => false,
        Existing::Continue => claim::right_pieces(layout, survey, number) > 0,
        Existing::Overwrite => true,
    };
    let mut foreign = foreign(situation);
    let may_compare =
        |number| options.existing == Existing::Continue && claim::is_in_question(layout, survey, number);
    foreign.retain(|number| !may_change(*number) && !may_compare(*number));
    if !foreign.is_empty() {
        return Err(refusal(situation, &foreign));
    }
    let mut guards = match own {
        Some(guards) => {
            let mut guards = guards::still_there(guards, &survey.found);
            let in_question = |number: &&usize| claim::is_in_question(layout, survey, **number);
            for number in situation.replaced.iter().filter(in_question) {
                guards.insert(*number, layout.entry(*number).map_or(0, |entry| entry.length));
            }
            guards
        }
        None => {
            let mut guards = claim::guards(layout, survey);
            guards.retain(|number, _| !recognised.contains_key(number));
            guards.extend(recognised.iter().filter(|(_, kept)| **kept > 0));
            guards
        }
    };
    // What is not selected is not changed, not even by a later run that selects it and does not say so.
    guards.retain(|number, _| !layout.is_selected(*number) || !may_change(*number));
    if let Some((one, other)) = claim::shared(&survey.found).filter(|_| !is_complete) {
        return Err(StorageError::Shared { one: path(situation, one), other: path(situation, other) });
    }
    if options.existing != Existing::Overwrite
        && let Some(number) = hard_links::written_to(layout, survey, &guards)
    {
        return Err(StorageError::Linked { path: path(situation, number) });
    }
    let needed = if is_complete { 0 } else { needed(layout, &survey.found) };
    let allocate = options.allocate == Allocate::Full && !is_complete;
    if let Some(free) = situation.free.filter(|free| allocate && *free < needed) {
        let place = space::mount_point(situation.root).map_or(situation.root.to_owned(), |(_, place)| place);
        let shortage = Shortage { needed, others: 0, free, place };
        return Err(StorageError::NoRoom { path: situation.root.join(layout.top()), shortage });
    }
    let write_marker = !is_complete && own != Some(&guards);
    Ok(Plan { is_complete, guards, write_marker, allocate, needed })
}

/// The files that are not the torrent's and that the run would change, by number. A file that is not
/// selected is left as it is.
fn foreign(situation: &Situation<'_>) -> Vec<usize> {
    let Situation { layout, survey, own, recognised, replaced, .. } = *situation;
    let foreign = match own {
        Some(guards) => {
            let mut foreign = claim::kept_and_too_long(layout, survey, guards);
            foreign.extend(claim::kept_and_too_short(layout, survey, guards));
            let is_known = |number: &&usize| {
                foreign.contains(*number) || claim::is_in_question(layout, survey, **number)
            };
            let others: Vec<usize> = replaced.iter().filter(|number| !is_known(number)).copied().collect();
            foreign.extend(others);
            foreign
        }
        None => {
            let mut foreign = claim::foreign(layout, survey);
            foreign.retain(|number| !recognised.contains_key(number));
            foreign.extend(claim::kept_and_too_long(layout, survey, recognised));
            foreign
        }
    };
    foreign.into_iter().filter(|number| layout.is_selected(*number)).collect()
}

/// Why these foreign files end the run. The ones that are proven to be wrong come first: of others it is only known
/// that they share a piece that is wrong.
fn refusal(situation: &Situation<'_>, foreign: &[usize]) -> StorageError {
    let Situation { layout, survey, .. } = *situation;
    let describe = |number: usize, is_suspect: bool| {
        let length = survey.found.get(number).copied().flatten().map_or(0, |found| found.length);
        ForeignFile {
            path: path(situation, number),
            pieces: layout.pieces_in(number).count(),
            right: claim::right_pieces(layout, survey, number),
            beyond: length.saturating_sub(layout.entry(number).map_or(0, |entry| entry.length)),
            is_suspect,
            has_replaced_ours: situation.replaced.contains(&number),
        }
    };
    let of = |suspects: bool| {
        let is_one = move |number: &&usize| claim::is_proven_wrong(layout, survey, **number) != suspects;
        foreign.iter().filter(is_one).map(move |number| describe(*number, suspects))
    };
    StorageError::exists(of(false).chain(of(true)))
}

fn path(situation: &Situation<'_>, number: usize) -> PathBuf {
    situation.layout.entry(number).map(|entry| situation.root.join(&entry.path)).unwrap_or_default()
}

/// Bytes that the rest of the payload takes on the disk. Holes in files are not there yet. Pure.
fn needed(layout: &Layout, found: &[Option<FileStat>]) -> u64 {
    let missing = |(number, found): (usize, &Option<FileStat>)| {
        let there = found.map_or(0, |found| found.allocated);
        layout.bytes_written(number).saturating_sub(there)
    };
    found.iter().enumerate().map(missing).fold(0u64, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Bitfield;
    use crate::storage::folder::FileStat;

    /// Three files of 20, 12 and 16 bytes in pieces of 8: piece 2 is of the first and the second one.
    const LENGTHS: [i64; 3] = [20, 12, 16];

    /// What is on the disk: the length of each file, if there is one.
    type Lengths = [Option<u64>; 3];

    fn survey(layout: &Layout, lengths: Lengths, good: &[u32], bad: &[u32]) -> Survey {
        let mut survey = Survey::empty(layout);
        for ((number, found), length) in (0..).zip(&mut survey.found).zip(lengths) {
            *found = length.map(|length| FileStat {
                length,
                allocated: length,
                identity: (1, number),
                modified: (0, 0),
                changed: (0, 0),
                links: 1,
            });
        }
        for (set, numbers) in [(&mut survey.good, good), (&mut survey.bad, bad)] {
            numbers.iter().for_each(|number| assert!(set.insert(layout.geometry().piece(*number).unwrap())));
        }
        survey
    }

    fn decided(layout: &Layout, survey: &Survey, own: Option<&Guards>, options: Options) -> Result<Plan, u8> {
        let situation = Situation {
            root: Path::new("out"),
            layout,
            survey,
            own,
            recognised: &Guards::new(),
            replaced: &[],
            free: Some(20),
        };
        decide(&situation, &options).map_err(|error| error.exit_code())
    }

    /// The guards of a new download, or the exit code.
    fn guards(lengths: Lengths, good: &[u32], bad: &[u32], own: Option<&Guards>) -> Result<Guards, u8> {
        let layout = Layout::of_lengths(&LENGTHS, 8);
        let survey = survey(&layout, lengths, good, bad);
        decided(&layout, &survey, own, Options::default()).map(|plan| plan.guards)
    }

    #[test]
    fn without_a_marker_only_a_proven_file_is_the_torrents() {
        for (lengths, good, bad, expected) in [
            // Nothing is there, or files that have nothing to lose.
            ([None; 3], &[][..], &[][..], Ok(vec![])),
            ([Some(0); 3], &[], &[], Ok(vec![])),
            // The first file is there; its last bytes share a piece with a file that is missing.
            ([Some(20), None, None], &[0, 1], &[], Ok(vec![(0, 20)])),
            ([Some(20), Some(12), None], &[0, 1, 2, 3], &[], Ok(vec![])),
            ([Some(9), None, None], &[0], &[], Ok(vec![(0, 9)])),
            // Nothing proves the file, or a piece speaks against it.
            ([Some(7), None, None], &[], &[], Err(13)),
            ([Some(20), None, None], &[0], &[1], Err(13)),
            // It is longer than the torrent says.
            ([None, None, Some(17)], &[4, 5], &[], Err(13)),
        ] {
            let expected = expected.map(Guards::from_iter);
            assert_eq!(guards(lengths, good, bad, None), expected, "{lengths:?} {good:?} {bad:?}");
        }
    }

    /// Files of 3, 20 and 9 bytes in pieces of 8: the first one has no piece of its own.
    #[test]
    fn a_file_without_a_piece_of_its_own_is_guarded_and_not_foreign() {
        let layout = Layout::of_lengths(&[3, 20, 9], 8);
        let plan = |lengths, good: &[u32], bad: &[u32], existing| {
            let survey = survey(&layout, lengths, good, bad);
            let options = Options { existing, ..Options::default() };
            decided(&layout, &survey, None, options).map(|plan| plan.guards)
        };
        let (keep, go_on) = (Existing::Keep, Existing::Continue);
        for (lengths, good, bad, existing, expected) in [
            // The file beside it is missing, and comes.
            ([Some(3), None, Some(9)], &[3][..], &[][..], keep, Ok(vec![(0, 3), (2, 9)])),
            // It cannot be this one.
            ([Some(2), None, Some(9)], &[3], &[], keep, Err(13)),
            ([Some(2), None, Some(9)], &[3], &[], go_on, Err(13)),
            // One of the two is wrong, and this one is not changed.
            ([Some(3), Some(20), Some(9)], &[1, 2, 3], &[0], keep, Err(13)),
            ([Some(3), Some(20), Some(9)], &[1, 2, 3], &[0], go_on, Ok(vec![(0, 3)])),
            // The one beside it is certainly wrong.
            ([Some(3), Some(20), Some(9)], &[2, 3], &[0, 1], go_on, Ok(vec![(0, 3)])),
        ] {
            let expected = expected.map(Guards::from_iter);
            assert_eq!(plan(lengths, good, bad, existing), expected, "{lengths:?} {bad:?} {existing:?}");
        }
    }

    #[test]
    fn with_a_marker_only_what_it_remembers_is_kept() {
        let remembers = |list: &[(usize, u64)]| list.iter().copied().collect::<Guards>();
        for (lengths, own, expected) in [
            // Our own damaged work is done again.
            ([Some(99), Some(5), None], remembers(&[]), Ok(remembers(&[]))),
            // What is left of a file that was there before us is still guarded.
            ([None, None, Some(16)], remembers(&[(1, 5), (2, 3)]), Ok(remembers(&[(2, 3)]))),
            // Nor is a byte added to it, if it has become shorter.
            ([Some(4), None, Some(16)], remembers(&[(0, 9), (2, 3)]), Err(13)),
            // A run that did not select the file has left it as it was: longer than the torrent says.
            ([Some(21), None, None], remembers(&[(0, 21)]), Err(13)),
        ] {
            assert_eq!(guards(lengths, &[], &[], Some(&own)), expected, "{lengths:?} {own:?}");
        }
    }

    #[test]
    fn overwriting_replaces_what_is_foreign_and_guards_nothing() {
        let layout = Layout::of_lengths(&LENGTHS, 8);
        let survey = survey(&layout, [Some(99), Some(7), None], &[], &[0, 1]);
        let overwrite = Options { existing: Existing::Overwrite, ..Options::default() };
        for own in [None, Some(Guards::from([(0, 99)]))] {
            let plan = decided(&layout, &survey, own.as_ref(), overwrite).unwrap();
            assert_eq!((plan.guards, plan.write_marker, plan.is_complete), (Guards::new(), true, false));
        }
    }

    #[test]
    fn the_marker_is_written_where_it_is_missing_or_remembers_something_else() {
        let layout = Layout::of_lengths(&LENGTHS, 8);
        let complete = survey(&layout, [Some(20), Some(12), Some(16)], &[0, 1, 2, 3, 4, 5], &[]);
        let partial = survey(&layout, [Some(20), None, None], &[0, 1], &[]);
        for (survey, own, expected) in [
            (&complete, None, false),
            (&complete, Some(Guards::from([(0, 3)])), false),
            (&partial, None, true),
            (&partial, Some(Guards::from([(0, 3)])), false),
            (&partial, Some(Guards::from([(1, 3)])), true),
        ] {
            let plan = decided(&layout, survey, own.as_ref(), Options::default()).unwrap();
            assert_eq!(plan.write_marker, expected, "{own:?}");
        }
    }

    #[test]
    fn two_names_of_one_file_are_refused_unless_nothing_is_to_be_written() {
        let layout = Layout::of_lengths(&[8, 8], 8);
        let same = FileStat {
            length: 8,
            allocated: 8,
            identity: (1, 1),
            modified: (0, 0),
            changed: (0, 0),
            links: 2,
        };
        let mut survey = Survey::empty(&layout);
        survey.found = vec![Some(same), Some(same)];
        let overwrite = Options { existing: Existing::Overwrite, ..Options::default() };
        assert_eq!(decided(&layout, &survey, None, overwrite), Err(13));
        survey.good = Bitfield::all(2);
        assert!(decided(&layout, &survey, None, overwrite).unwrap().is_complete);
    }

    #[test]
    fn too_little_room_is_no_error_unless_all_is_to_be_taken() {
        let full = Options { allocate: Allocate::Full, ..Options::default() };
        for (lengths, good, needed) in [
            ([None; 3], &[][..], Some(48)),
            ([Some(20), None, None], &[0, 1], Some(28)),
            ([Some(20), Some(12), None], &[0, 1, 2, 3], None),
        ] {
            let layout = Layout::of_lengths(&LENGTHS, 8);
            let survey = survey(&layout, lengths, good, &[]);
            let plan = decided(&layout, &survey, None, Options::default()).unwrap();
            assert_eq!(plan.needed, needed.unwrap_or(16));
            assert!(!plan.allocate);
            let allocated = decided(&layout, &survey, None, full).map(|plan| plan.allocate);
            assert_eq!(allocated, if needed.is_some() { Err(9) } else { Ok(true) });
        }
    }
}
