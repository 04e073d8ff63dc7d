//! How much of a resume file is believed, now that the files are what they are. Pure.
//!
//! Each file is judged by itself. One that is what it was, by its inode, its length and its times, has the
//! pieces that the record vouches for. A run that was killed wrote after its last record, so its files have
//! other times. They may lie as far behind the record as the next record would have been, and no further:
//! then no run of ours that went on has written them. But another program may have. So what is vouched for in
//! such files is read as well, up to 512 MiB, which takes a few seconds; of more than that so much is read,
//! spread evenly. Of the files that are what they were a sample is read. Any other file is read.

use super::record::{KnownFile, ResumeRecord, Time};
use super::{BEHIND, Check};
use crate::piece::{Bitfield, PieceIndex};
use crate::storage::folder::FileStat;
use crate::storage::layout::{FileEntry, Layout};

/// How many bytes that are vouched for are read, of the files that were written on after the record.
const THOROUGH_BYTES: u64 = 512 << 20;
/// Seconds by which the times of a file may lie before the record, since file systems count in steps, of
/// which the longest are two seconds.
const BEFORE: u64 = 2;
/// Of so many believed pieces one is read after an end that was not clean.
const SAMPLE: u32 = 100;
/// How many pieces a sample has.
const SAMPLE_SIZES: std::ops::RangeInclusive<u32> = 2..=64;

/// What a survey need not read.
pub struct Belief {
    /// The pieces that are there.
    pub good: Bitfield,
    /// The pieces that are known not to be there.
    pub missing: Bitfield,
    /// The pieces that are read all the same, to see whether the others can be believed.
    pub sample: Bitfield,
    /// The files that are not what they were, and are believed all the same because the user says so.
    pub unproven: Vec<usize>,
}

impl Belief {
    /// Everything is read.
    pub fn none(layout: &Layout) -> Belief {
        let none = || Bitfield::none(layout.geometry().piece_count());
        Belief { good: none(), missing: none(), sample: none(), unproven: Vec::new() }
    }

    /// What another record vouches for need not be read either, but for what this one knows to be missing: it may have
    /// read that since.
    pub fn add(&mut self, other: Belief, layout: &Layout) {
        for piece in other.good.iter(layout.geometry()).filter(|piece| !self.missing.has(*piece)) {
            self.good.insert(piece);
        }
        other.sample.iter(layout.geometry()).for_each(|piece| _ = self.sample.insert(piece));
        self.unproven.extend(other.unproven);
    }
}

/// Where a record was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Beside the download, with which it is moved and copied.
    Beside,
    /// In the cache. The torrent's payload may lie in more than one folder, and a record knows the files of one.
    Cache,
}

/// How much a file is what it was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Changed,
    /// It is ours, and was written after the record.
    WrittenOn,
    Same,
}

/// Judges the record by the files that were found. `candidates` are the pieces that can be there by the
/// lengths of the files; no other is believed. `start` chooses the sample.
pub fn judge(
    record: &ResumeRecord,
    layout: &Layout,
    found: &[Option<FileStat>],
    candidates: &Bitfield,
    (place, check): (Place, Check),
    start: u32,
) -> Belief {
    let Belief { mut good, mut missing, mut sample, mut unproven } = Belief::none(layout);
    if check == Check::Always {
        return Belief { good, missing, sample, unproven };
    }
    // What a run did not vouch for may have been written by it before it was killed.
    let is_whole = record.is_whole && (record.is_final || check == Check::Never);
    for piece in candidates.iter(layout.geometry()) {
        if record.pieces.has(piece) {
            good.insert(piece);
        } else if is_whole {
            missing.insert(piece);
        }
    }
    let files = layout.entries().iter().zip(found).zip(&record.files).enumerate();
    let mut written_on = Vec::new();
    let has_data = |number, entry: &FileEntry| entry.has_data() || layout.part_file() == Some(number);
    for (number, ((_, found), known)) in files.filter(|(number, ((entry, _), _))| has_data(*number, entry)) {
        let is_other = found.is_some_and(|found| known.is_none_or(|known| !known.is_still(&found)));
        if check == Check::Never && is_other {
            unproven.push(number);
        }
        let trust = match check {
            Check::Never if place == Place::Beside || is_known(known.as_ref(), found.as_ref()) => Trust::Same,
            Check::Never => Trust::Changed,
            _ => trust(record, known.as_ref(), found.as_ref()),
        };
        if trust == Trust::WrittenOn {
            written_on.push(number);
        }
        for piece in layout.pieces_in(number).filter(|_| trust != Trust::Same) {
            missing.remove(piece);
            if trust == Trust::Changed {
                good.remove(piece);
            }
        }
    }
    if !record.is_final && check == Check::Changed {
        sample = choose(&good, layout, &record.newest, start);
        add_written_on(&mut sample, &good, layout, &written_on, start);
    }
    Belief { good, missing, sample, unproven }
}

/// Whether it is the file that the record knows, whatever became of it.
fn is_known(known: Option<&KnownFile>, found: Option<&FileStat>) -> bool {
    known.zip(found).is_some_and(|(known, found)| known.has_number(found) && !known.is_doubtful)
}

fn trust(record: &ResumeRecord, known: Option<&KnownFile>, found: Option<&FileStat>) -> Trust {
    let (Some(known), Some(found)) = (known, found) else { return Trust::Changed };
    if known.is_still(found) && !is_unclear(record, found) {
        return Trust::Same;
    }
    let is_ours = known.has_number(found) && !known.is_doubtful && found.length >= known.length;
    let is_recent = [found.modified, found.changed].into_iter().all(|time| is_within(record.at, time));
    if !record.is_final && is_ours && is_recent { Trust::WrittenOn } else { Trust::Changed }
}

/// Whether the file may have changed after the record without another time: its file system counts in whole
/// seconds, and it was written just before.
fn is_unclear(record: &ResumeRecord, found: &FileStat) -> bool {
    let is_coarse = (found.modified.1, found.changed.1) == (0, 0);
    is_coarse && found.changed.0.saturating_add(BEFORE) >= record.at.0
}

/// Whether a run that wrote this record, and no later one, can have written at this time.
fn is_within((at, _): Time, (time, _): Time) -> bool {
    (at.saturating_sub(BEFORE)..=at.saturating_add(BEHIND.as_secs())).contains(&time)
}

/// A few of these pieces, spread evenly, and the newest ones.
fn choose(good: &Bitfield, layout: &Layout, newest: &[PieceIndex], start: u32) -> Bitfield {
    let mut sample = Bitfield::none(good.length());
    let size = (good.count() / SAMPLE).clamp(*SAMPLE_SIZES.start(), *SAMPLE_SIZES.end());
    let stride = (good.count() / size).max(1);
    let first = (start % stride) as usize;
    let spread = good.iter(layout.geometry()).skip(first).step_by(stride as usize).take(size as usize);
    for piece in spread.chain(newest.iter().copied()).filter(|piece| good.has(*piece)) {
        sample.insert(piece);
    }
    sample
}

/// Adds the believed pieces of the files that were written on: all of them of as many files as the bound allows, the
/// smallest first, and of the others what is left of it, spread evenly.
fn add_written_on(sample: &mut Bitfield, good: &Bitfield, layout: &Layout, files: &[usize], start: u32) {
    let piece_length = u64::from(layout.geometry().piece_length()).max(1);
    let believed = |number: usize| layout.pieces_in(number).filter(|piece| good.has(*piece));
    let mut counted: Vec<(usize, usize)> =
        files.iter().map(|number| (believed(*number).count(), *number)).collect();
    counted.sort_unstable();
    let mut left = usize::try_from(THOROUGH_BYTES / piece_length).unwrap_or(usize::MAX);
    for (at, (count, number)) in counted.iter().enumerate() {
        let share = (left / (counted.len() - at)).max(1);
        let stride = if *count <= left { 1 } else { count.div_ceil(share) };
        let first = start as usize % stride;
        for piece in believed(*number).skip(first).step_by(stride) {
            sample.insert(piece);
            left = left.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Time = (1000, 0);

    /// Three files of 20, 12 and 16 bytes in pieces of 8: piece 2 is of the first and the second one.
    fn layout() -> Layout {
        Layout::of_lengths(&[20, 12, 16], 8)
    }

    fn stat(inode: u64, length: u64, time: Time) -> FileStat {
        let identity = (1, inode);
        FileStat { length, allocated: length, identity, modified: time, changed: time, links: 1 }
    }

    fn found() -> Vec<Option<FileStat>> {
        [(1, 20), (2, 12), (3, 16)].map(|(inode, length)| Some(stat(inode, length, (900, 5)))).into()
    }

    /// All files, and all pieces but the last one.
    fn record(is_final: bool) -> ResumeRecord {
        let mut pieces = Bitfield::all(6);
        pieces.remove(layout().geometry().piece(5).unwrap());
        let files = found().iter().map(|found| found.map(|found| KnownFile::of(&found, 0))).collect();
        ResumeRecord { is_final, is_whole: true, at: AT, pieces, newest: Vec::new(), files }
    }

    const NOTHING: Vec<u32> = Vec::new();

    fn judged(record: &ResumeRecord, found: &[Option<FileStat>], check: Check) -> [Vec<u32>; 3] {
        let belief = judge(record, &layout(), found, &Bitfield::all(6), (Place::Beside, check), 0);
        let numbers = |set: &Bitfield| set.iter(layout().geometry()).map(|piece| piece.get()).collect();
        [numbers(&belief.good), numbers(&belief.missing), numbers(&belief.sample)]
    }

    #[test]
    fn after_a_clean_end_files_that_are_what_they_were_are_not_read() {
        assert_eq!(judged(&record(true), &found(), Check::Changed), [vec![0, 1, 2, 3, 4], vec![5], vec![]]);
    }

    #[test]
    fn what_the_first_record_knows_to_be_missing_no_other_one_vouches_for() {
        let judged = |record: &ResumeRecord, place| {
            judge(record, &layout(), &found(), &Bitfield::all(6), (place, Check::Changed), 0)
        };
        let cached = ResumeRecord { pieces: Bitfield::all(6), ..record(true) };
        for (is_whole, good) in [(true, 5), (false, 6)] {
            // Piece 5 has rotted, which no time tells, and was read since.
            let mut belief = judged(&ResumeRecord { is_whole, ..record(true) }, Place::Beside);
            belief.add(judged(&cached, Place::Cache), &layout());
            assert_eq!((belief.good.count(), belief.missing.count()), (good, 6 - good));
        }
    }

    #[test]
    fn a_file_that_is_not_what_it_was_is_read_and_the_others_are_not() {
        let changes: [fn(&mut FileStat); 6] = [
            |found| found.length = 11,
            |found| found.length = 13,
            |found| found.identity.1 = 9,
            |found| found.modified.1 = 6,
            |found| found.changed.1 = 6,
            // Behind the record: after a clean end nobody of us writes.
            |found| (found.modified, found.changed) = ((1001, 0), (1001, 0)),
        ];
        for change in changes {
            let mut found = found();
            change(found[1].as_mut().unwrap());
            assert_eq!(judged(&record(true), &found, Check::Changed), [vec![0, 1, 4], vec![5], vec![]]);
        }
        let mut gone = found();
        gone[2] = None;
        assert_eq!(judged(&record(true), &gone, Check::Changed), [vec![0, 1, 2, 3], vec![], vec![]]);
        let mut unknown = record(true);
        unknown.files[0] = None;
        assert_eq!(judged(&unknown, &found(), Check::Changed), [vec![3, 4], vec![5], vec![]]);
    }

    #[test]
    fn after_a_kill_a_file_is_believed_if_only_our_own_run_can_have_written_it() {
        for (time, expected) in [
            (AT, vec![0, 1, 2, 3, 4]),
            ((998, 0), vec![0, 1, 2, 3, 4]),
            ((1000 + BEHIND.as_secs(), 0), vec![0, 1, 2, 3, 4]),
            ((997, 0), vec![0, 1, 4]),
            ((1001 + BEHIND.as_secs(), 0), vec![0, 1, 4]),
        ] {
            for which in [[time, time], [AT, time], [time, AT]] {
                let mut found = found();
                let file = found[1].as_mut().unwrap();
                [file.modified, file.changed] = which;
                let [good, missing, sample] = judged(&record(false), &found, Check::Changed);
                assert_eq!(good, expected, "{which:?}");
                // What it does not vouch for may be there.
                assert_eq!(missing, [0; 0]);
                assert!(sample.len() >= 2 && sample.iter().all(|piece| good.contains(piece)), "{sample:?}");
            }
        }
        // Cut short since, or another file.
        for other in [stat(2, 11, AT), stat(9, 12, AT)] {
            let mut found = found();
            found[1] = Some(other);
            assert_eq!(judged(&record(false), &found, Check::Changed)[0], [0, 1, 4]);
        }
    }

    #[test]
    fn a_file_whose_time_is_too_coarse_to_show_a_change_is_read() {
        for (time, good) in [
            ((1000, 0), vec![0, 1, 4]),
            ((998, 0), vec![0, 1, 4]),
            ((997, 0), vec![0, 1, 2, 3, 4]),
            ((1000, 1), vec![0, 1, 2, 3, 4]),
        ] {
            let (mut files, mut record) = (found(), record(true));
            files[1] = Some(stat(2, 12, time));
            record.files[1] = files[1].map(|found| KnownFile::of(&found, 0));
            assert_eq!(judged(&record, &files, Check::Changed)[0], good, "{time:?}");
        }
    }

    #[test]
    fn the_user_decides_whether_all_or_nothing_is_read() {
        let mut touched = found();
        touched[1] = Some(stat(9, 12, (5000, 0)));
        for record in [record(true), record(false)] {
            assert_eq!(judged(&record, &found(), Check::Always), [NOTHING; 3]);
            assert_eq!(judged(&record, &touched, Check::Never), [vec![0, 1, 2, 3, 4], vec![5], vec![]]);
        }
    }

    #[test]
    fn a_record_in_the_cache_says_nothing_of_the_files_of_another_folder() {
        let mut files = found();
        files[1] = Some(stat(9, 12, (900, 5)));
        // Still the same file, whatever its times say.
        files[2] = Some(stat(3, 16, (5000, 0)));
        let cached = (Place::Cache, Check::Never);
        let belief = judge(&record(true), &layout(), &files, &Bitfield::all(6), cached, 0);
        let good: Vec<u32> = belief.good.iter(layout().geometry()).map(|piece| piece.get()).collect();
        assert_eq!(good, [0, 1, 4]);
    }

    #[test]
    fn what_an_earlier_run_did_not_look_for_may_be_there() {
        let partial = ResumeRecord { is_whole: false, ..record(true) };
        for check in [Check::Changed, Check::Never] {
            assert_eq!(judged(&partial, &found(), check), [vec![0, 1, 2, 3, 4], vec![], vec![]]);
        }
    }

    #[test]
    fn no_more_is_believed_than_the_lengths_allow() {
        let mut short = Bitfield::all(6);
        short.remove(layout().geometry().piece(4).unwrap());
        let belief = judge(&record(true), &layout(), &found(), &short, (Place::Beside, Check::Never), 0);
        assert_eq!(belief.good.count(), 4);
    }

    #[test]
    fn all_of_small_files_that_were_written_on_is_read_and_of_large_ones_a_bounded_part() {
        const MIB: i64 = 1 << 20;
        let budget = u32::try_from(THOROUGH_BYTES >> 20).unwrap();
        let layout = Layout::of_lengths(&[MIB << 20, 100 * MIB, 200 * MIB], 1 << 20);
        let good = Bitfield::all(layout.geometry().piece_count());
        for start in [0, 1, 4711, u32::MAX] {
            let mut sample = Bitfield::none(good.length());
            add_written_on(&mut sample, &good, &layout, &[0, 1, 2], start);
            let read: Vec<u32> = sample.iter(layout.geometry()).map(|piece| piece.get()).collect();
            assert_eq!(read.iter().filter(|piece| **piece >= 1 << 20).count(), 300);
            // A terabyte: the rest of the bound, in all parts of it.
            let of_large: Vec<u32> = read.into_iter().filter(|piece| *piece < 1 << 20).collect();
            assert!((budget - 310..=budget - 300).contains(&(of_large.len() as u32)), "{}", of_large.len());
            assert!(of_large.windows(2).all(|two| two[1] - two[0] <= (1 << 20) / 200));
            let mut sample = Bitfield::none(good.length());
            add_written_on(&mut sample, &good, &layout, &[0], start);
            assert!((budget - 2..=budget).contains(&sample.count()), "{}", sample.count());
        }
        assert_eq!(judged(&record(false), &found(), Check::Changed)[0], [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_nothing_is_vouched_for_is_ours_and_read_all_the_same() {
        for is_final in [true, false] {
            let mut record = record(is_final);
            record.files[1].as_mut().unwrap().is_doubtful = true;
            assert_eq!(judged(&record, &found(), Check::Changed)[0], [0, 1, 4]);
        }
    }

    #[test]
    fn a_sample_is_spread_and_has_the_newest_pieces() {
        let layout = Layout::of_lengths(&[10_000], 1);
        let geometry = layout.geometry();
        let newest = [geometry.piece(9_999).unwrap(), geometry.piece(3).unwrap()];
        for (count, size) in [(1, 1), (2, 2), (150, 2), (1000, 10), (10_000, 64)] {
            let mut good = Bitfield::none(10_000);
            geometry.pieces().take(count).for_each(|piece| assert!(good.insert(piece)));
            for start in [0, 1, 7, u32::MAX] {
                let sample = choose(&good, &layout, &newest, start);
                let newest_there = newest.iter().filter(|piece| good.has(**piece)).count();
                assert!((size..=size + newest_there).contains(&(sample.count() as usize)), "{count} {start}");
                assert!(newest.iter().all(|piece| sample.has(*piece) == good.has(*piece)));
                let numbers: Vec<u32> = sample.iter(geometry).map(|piece| piece.get()).collect();
                assert!(count < 1000 || numbers.iter().any(|number| *number as usize > count / 2));
            }
        }
        assert_eq!(choose(&Bitfield::none(10_000), &layout, &newest, 0).count(), 0);
    }
}
