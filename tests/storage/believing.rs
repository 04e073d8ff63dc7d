//! The resume file: what the next run believes of it, and what it reads instead.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use femtotorrent::piece::PieceDigest;
use femtotorrent::storage::{Check, Options, ServedPieces, Storage};

use crate::programs::{make_pipe, while_none_runs};
use crate::sample::{OPTIONS, Sample, markers, numbers};
use crate::support::folder::TestFolder;

const ALWAYS: Options = Options { check: Check::Always, ..OPTIONS };
const NEVER: Options = Options { check: Check::Never, ..OPTIONS };

/// The same after a kill: the resume file is the one that the run wrote before these pieces.
fn killed(sample: &Sample, before: &[u32], pieces: &[u32]) -> TestFolder {
    let root = sample.interrupted(before);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, pieces.iter().copied().take(1));
    let record = fs::read(sample.resume_file(root.path())).unwrap();
    sample.write(&mut storage, pieces.iter().copied().skip(1));
    drop(storage);
    fs::write(sample.resume_file(root.path()), record).unwrap();
    root
}

/// The pieces that a run finds, and how many bytes it reads for that. It changes nothing.
fn found(sample: &Sample, root: &Path, options: Options) -> (Vec<u32>, u64) {
    let read = Read::default();
    let (_, good) = sample.open_watched(root, options, &|done, of| read.watch(done, of)).unwrap();
    (numbers(&good), read.bytes())
}

/// Counts what is hashed, over several goes.
#[derive(Default)]
struct Read(Mutex<Vec<(u64, u64)>>);

impl Read {
    fn watch(&self, done: u64, of: u64) -> bool {
        // Each thread says it when all is done.
        let mut told = self.0.lock().unwrap();
        if told.last() != Some(&(done, of)) {
            told.push((done, of));
        }
        true
    }

    fn bytes(&self) -> u64 {
        self.0.lock().unwrap().iter().filter(|(done, of)| done == of).map(|(done, _)| done).sum()
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Changes a byte in place, as a program does that sets the time back.
fn change_in_secret(path: &Path, at: usize) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut content = fs::read(path).unwrap();
    content[at] ^= 1;
    fs::write(path, content).unwrap();
    set_modified(path, modified);
}

#[test]
fn after_a_clean_end_nothing_is_read() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[2, 3, 9]);
    assert_eq!(found(&sample, root.path(), OPTIONS), (vec![2, 3, 9], 0));
    // A run that only looked has not made it worse.
    assert_eq!(found(&sample, root.path(), OPTIONS), (vec![2, 3, 9], 0));
    assert_eq!(found(&sample, root.path(), ALWAYS), (vec![2, 3, 9], 6900));
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "the resume file is left over");
}

#[test]
fn a_file_that_was_changed_is_read_and_no_other() {
    let sample = Sample::three_files();
    let all: Vec<u32> = (0..9).collect();
    type Case = (&'static str, fn(&Path), Vec<u32>, u64);
    let cases: [Case; 4] = [
        ("in secret", |b| change_in_secret(b, 1200), vec![0, 1, 2, 3, 5, 6, 7, 8], 4000),
        ("touched", |b| set_modified(b, SystemTime::now() - Duration::from_secs(9999)), all.clone(), 4000),
        (
            "cut",
            |b| File::options().write(true).open(b).unwrap().set_len(1000).unwrap(),
            vec![0, 1, 2, 3, 7, 8],
            1000,
        ),
        (
            "replaced",
            |b| {
                let content = fs::read(b).unwrap();
                fs::remove_file(b).unwrap();
                // Most file systems give a new file the number of the one that is gone.
                fs::write(b.with_file_name("another"), "").unwrap();
                fs::write(b, content).unwrap();
                fs::remove_file(b.with_file_name("another")).unwrap();
            },
            all,
            4000,
        ),
    ];
    for (case, change, good, read) in cases {
        let root = sample.interrupted(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        change(&root.path().join("t/b"));
        assert_eq!(found(&sample, root.path(), OPTIONS), (good, read), "{case}");
        sample.complete(root.path(), OPTIONS);
        sample.assert_complete(root.path());
    }
}

#[test]
fn the_user_may_have_nothing_read_whatever_the_times_say() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1, 2, 3, 4, 5, 6]);
    set_modified(&root.path().join("t/a"), SystemTime::UNIX_EPOCH);
    File::options().write(true).open(root.path().join("t/c")).unwrap().set_len(0).unwrap();
    // What is not there by the length of its file is never believed to be there.
    assert_eq!(found(&sample, root.path(), NEVER), (vec![0, 1, 2, 3, 4, 5], 0));
    fs::remove_file(sample.resume_file(root.path())).unwrap();
    assert_eq!(found(&sample, root.path(), NEVER), (vec![0, 1, 2, 3, 4, 5], 6000), "without it all is read");
}

#[test]
fn after_a_kill_what_was_vouched_for_is_sampled_and_the_rest_is_read() {
    let sample = Sample::new(1000, &[("t/a", 100_000), ("t/b", 100_000)]);
    let before: Vec<u32> = (0..100).collect();
    let root = killed(&sample, &before, &[150, 151, 152]);
    let (good, read) = found(&sample, root.path(), OPTIONS);
    assert_eq!(good, (0..100).chain(150..153).collect::<Vec<u32>>());
    // Three pieces that nothing vouches for, the holes before them, and the sample: two, and the eight newest.
    assert!((61_000..=63_000).contains(&read), "{read}");
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn after_a_kill_all_is_read_of_a_file_that_was_written_on_since_another_program_may_have_done_it() {
    let sample = Sample::new(1000, &[("large", 200_000)]);
    let before: Vec<u32> = (0..100).collect();
    for changed in [None, Some(10), Some(37)] {
        let root = killed(&sample, &before, &[150, 151, 152]);
        if let Some(piece) = changed {
            change_in_secret(&root.path().join("large"), piece * 1000 + 500);
        }
        let (good, read) = found(&sample, root.path(), OPTIONS);
        let is_right = |piece: &u32| Some(*piece as usize) != changed;
        assert_eq!(good, (0..100).chain(150..153).filter(is_right).collect::<Vec<u32>>());
        assert!(read >= 153_000, "{read}");
        sample.complete(root.path(), OPTIONS);
        sample.assert_complete(root.path());
    }
}

#[test]
fn a_sample_that_is_wrong_has_everything_read() {
    let sample = Sample::new(1000, &[("large", 200_000)]);
    let before: Vec<u32> = (0..100).collect();
    let root = killed(&sample, &before, &[150]);
    let path = root.path().join("large");
    let mut content = fs::read(&path).unwrap();
    // One of the newest, and one that the sample need not meet.
    content[99_500] ^= 1;
    content[10_500] ^= 1;
    fs::write(&path, content).unwrap();
    let expected: Vec<u32> = (0..10).chain(11..99).chain([150]).collect();
    assert_eq!(found(&sample, root.path(), OPTIONS).0, expected);
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn after_a_kill_a_file_that_was_changed_much_later_is_read() {
    let sample = Sample::new(1000, &[("large", 200_000)]);
    let before: Vec<u32> = (0..100).collect();
    for time in [SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(3600)] {
        let root = killed(&sample, &before, &[150]);
        let path = root.path().join("large");
        let mut content = fs::read(&path).unwrap();
        content[10_500] ^= 1;
        fs::write(&path, content).unwrap();
        set_modified(&path, time);
        let (good, read) = found(&sample, root.path(), OPTIONS);
        assert!(!good.contains(&10) && good.len() == 100, "{good:?}");
        assert!(read >= 151_000, "{read}");
    }
}

#[test]
fn what_is_wrong_with_a_resume_file_costs_a_check_and_nothing_else() {
    let sample = Sample::three_files();
    let other = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300), ("t/c", 3301)]);
    let foreign = other.interrupted(&[0]);
    let foreign = fs::read(other.resume_file(foreign.path())).unwrap();
    type Damage<'a> = &'a dyn Fn(&Path, &Path);
    let cut = |path: &Path, length| File::options().write(true).open(path).unwrap().set_len(length).unwrap();
    let damages: [(&str, Damage<'_>); 9] = [
        ("empty", &|path, _| cut(path, 0)),
        ("cut", &|path, _| cut(path, fs::metadata(path).unwrap().len() - 1)),
        ("zeros", &|path, _| fs::write(path, vec![0; fs::read(path).unwrap().len()]).unwrap()),
        ("large", &|path, _| cut(path, 1 << 40)),
        ("foreign", &|path, _| fs::write(path, &foreign).unwrap()),
        ("folder", &|path, _| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("link", &|path, victim| {
            fs::remove_file(path).unwrap();
            symlink(victim, path).unwrap();
        }),
        ("hard link", &|path, victim| {
            fs::remove_file(path).unwrap();
            fs::hard_link(victim, path).unwrap();
        }),
        ("pipe", &|path, _| {
            fs::remove_file(path).unwrap();
            make_pipe(path);
        }),
    ];
    for (case, damage) in damages {
        let root = sample.interrupted(&[0, 1, 2, 3, 7]);
        let victim = TestFolder::new();
        let victim = victim.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        damage(&sample.resume_file(root.path()), &victim);
        let (good, read) = found(&sample, root.path(), OPTIONS);
        assert_eq!((good, read > 0), (vec![0, 1, 2, 3, 7], true), "{case}");
        sample.complete(root.path(), OPTIONS);
        sample.assert_complete(root.path());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{case}: something is left over");
        assert_eq!(fs::read(&victim).unwrap(), b"mine", "{case}");
    }
}

#[test]
fn a_resume_file_that_cannot_be_written_costs_a_check_and_nothing_else() {
    let sample = Sample::three_files();
    let root = TestFolder::new();
    fs::create_dir_all(sample.resume_file(root.path()).join("inside")).unwrap();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [0, 1]);
    drop(storage);
    assert_eq!(found(&sample, root.path(), OPTIONS).0, [0, 1]);
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
    assert!(sample.resume_file(root.path()).join("inside").exists());
}

#[test]
fn one_that_is_left_over_beside_a_complete_payload_goes() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1]);
    let (marker, record) = (sample.marker(root.path()), sample.resume_file(root.path()));
    let (kept_marker, kept_record) = (fs::read(&marker).unwrap(), fs::read(&record).unwrap());
    sample.complete(root.path(), OPTIONS);
    fs::write(marker, kept_marker).unwrap();
    fs::write(record, kept_record).unwrap();
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn what_a_selection_left_out_is_not_forgotten() {
    let mut sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1, 2, 3, 7]);
    sample.select(&[2]);
    sample.complete(root.path(), OPTIONS);
    sample.selection = None;
    let (good, read) = found(&sample, root.path(), OPTIONS);
    assert_eq!(good, [0, 1, 2, 3, 6, 7, 8, 9]);
    // The two that the selection did not ask for may be there.
    assert!(read <= 2000, "{read}");
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());

    // Nothing was known of it.
    let root = sample.interrupted(&[0, 1, 2, 3, 7]);
    fs::remove_file(sample.resume_file(root.path())).unwrap();
    sample.select(&[2]);
    sample.complete(root.path(), OPTIONS);
    sample.selection = None;
    assert_eq!(found(&sample, root.path(), OPTIONS).0, [0, 1, 2, 3, 6, 7, 8, 9]);
}

#[test]
fn what_is_complete_is_not_read_again_and_nothing_beside_it_changes() {
    let cache = TestFolder::new();
    let mut sample = Sample::three_files();
    sample.cache = Some(cache.path().join("in/a/folder"));
    let root = TestFolder::new();
    sample.complete(root.path(), OPTIONS);
    let stamp = |name: &str| {
        let data = fs::metadata(root.path().join(name)).unwrap();
        (data.ino(), data.ctime(), data.ctime_nsec())
    };
    let before = ["", "t", "t/a", "t/b"].map(stamp);
    let read = Read::default();
    let open = |options| {
        let (mut storage, good) =
            sample.open_watched(root.path(), options, &|done, of| read.watch(done, of)).unwrap();
        assert!(good.is_full());
        storage.finish().unwrap();
    };
    open(OPTIONS);
    assert_eq!(read.bytes(), 0);
    assert_eq!(["", "t", "t/a", "t/b"].map(stamp), before);
    open(ALWAYS);
    assert_eq!(read.bytes(), 9900);
    assert_eq!(["t", "t/a", "t/b"].map(stamp), before[1..]);
    change_in_secret(&root.path().join("t/b"), 1200);
    assert_eq!(crate::sample::failure(sample.open(root.path(), OPTIONS)).exit_code(), 13);
    assert_eq!(markers(root.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_is_shared_is_read_once() {
    let cache = TestFolder::new();
    let mut sample = Sample::three_files();
    sample.cache = Some(cache.path().to_owned());
    let root = TestFolder::new();
    fs::create_dir(root.path().join("t")).unwrap();
    for file in &sample.files {
        fs::write(root.path().join(&file.path), sample.content(file)).unwrap();
    }
    let share = |check| {
        let read = Read::default();
        let digests = sample.digests();
        let payload = sample.payload(&digests);
        let served = ServedPieces::open(root.path(), &payload, 8, check, &|done, of| read.watch(done, of));
        (numbers(&served.unwrap().offered()), read.bytes())
    };
    let all: Vec<u32> = (0..10).collect();
    assert_eq!(share(Check::Changed), (all.clone(), 9900));
    assert_eq!(share(Check::Changed), (all.clone(), 0));
    assert_eq!(share(Check::Always), (all.clone(), 9900));
    change_in_secret(&root.path().join("t/b"), 1200);
    assert_eq!(share(Check::Never), (all, 0));
    assert_eq!(share(Check::Changed), (vec![0, 1, 2, 3, 5, 6, 7, 8, 9], 4000));
    fs::write(root.path().join("t/b"), sample.content(&sample.files[1])).unwrap();
    assert_eq!(share(Check::Changed).0.len(), 10);
    let entries = fs::read_dir(root.path()).unwrap().count();
    assert_eq!(entries, 1, "a run that only shares writes nothing");
}

#[test]
fn a_check_that_is_stopped_goes_on_where_it_was() {
    const MIB: u64 = 1 << 20;
    let cache = TestFolder::new();
    let mut sample = Sample::new(MIB as u32, &[("t/a", 20 << 20), ("t/b", 20 << 20)]);
    sample.cache = Some(cache.path().to_owned());
    let root = TestFolder::new();
    fs::create_dir(root.path().join("t")).unwrap();
    for file in &sample.files {
        fs::write(root.path().join(&file.path), sample.content(file)).unwrap();
    }
    let digests = sample.digests();
    // For a download and for sharing: how many bytes were to be read, and whether all is there. Stopped after so many.
    let check = |to_write: bool, check, most: u64| {
        let total = Mutex::new(0);
        let watch = |done, of| {
            *total.lock().unwrap() = of;
            done < most
        };
        let payload = sample.payload(&digests);
        let good = match to_write {
            true => {
                while_none_runs(|| Storage::open(root.path(), &payload, Options { check, ..OPTIONS }, &watch))
                    .map(|(_, good)| good)
            }
            false => {
                ServedPieces::open(root.path(), &payload, 8, check, &watch).map(|served| served.offered())
            }
        };
        let total = *total.lock().unwrap();
        (total, good.map(|good| good.is_full()).map_err(|error| error.exit_code()))
    };
    assert_eq!(check(false, Check::Changed, 12 * MIB), (40 * MIB, Err(7)));
    let (left, good) = check(true, Check::Changed, 12 * MIB);
    assert!(left < 33 * MIB && good == Err(7), "{left}");
    let (less, good) = check(false, Check::Changed, 8 * MIB);
    assert!(less < left - 7 * MIB && good == Err(7), "{less}");
    // Who wants all to be read does not want what was read long ago.
    assert_eq!(check(false, Check::Always, 12 * MIB), (40 * MIB, Err(7)));
    // What has changed since is read again.
    change_in_secret(&root.path().join("t/a"), 1200);
    let (all, good) = check(true, Check::Changed, u64::MAX);
    assert!(all >= 20 * MIB && good == Err(13), "{all}");
    fs::write(root.path().join("t/a"), sample.content(&sample.files[0])).unwrap();
    assert_eq!(check(false, Check::Changed, u64::MAX).1, Ok(true));
    assert_eq!(check(false, Check::Changed, u64::MAX), (0, Ok(true)));
    assert_eq!(markers(root.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_is_shared_of_an_unfinished_download_is_not_read() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1, 5]);
    let read = Read::default();
    let digests = sample.digests();
    let watch = |done, of| read.watch(done, of);
    let served = ServedPieces::open(root.path(), &sample.payload(&digests), 8, Check::Changed, &watch);
    assert_eq!((numbers(&served.unwrap().offered()), read.bytes()), (vec![0, 1, 5], 0));
}

#[test]
fn during_a_download_what_was_written_is_vouched_for_every_64_mebibytes() {
    const PIECE: u32 = 1 << 20;
    let mut sample = Sample::mostly_zeros(PIECE, 100 << 20);
    let zeros = vec![0; PIECE as usize];
    sample.digests = vec![PieceDigest::sha1_of(&zeros); 100];
    let root = TestFolder::new();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    let write = |storage: &mut femtotorrent::storage::Storage, number| {
        storage.write(sample.index(number), &zeros).unwrap();
    };
    write(&mut storage, 0);
    let path = sample.resume_file(root.path());
    let first = fs::read(&path).expect("it is there before the first byte");
    (1..63).for_each(|number| write(&mut storage, number));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(fs::read(&path).unwrap(), first);
    (63..70).for_each(|number| write(&mut storage, number));
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::read(&path).unwrap() == first {
        assert!(Instant::now() < deadline, "it was not written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let record = fs::read(&path).unwrap();
    drop(storage);
    fs::write(&path, record).unwrap();
    let (good, read) = found(&sample, root.path(), OPTIONS);
    assert_eq!(good, (0..70).collect::<Vec<u32>>());
    // What was vouched for, and what was written since, and no hole, since the file ends there.
    assert_eq!(read, 70 << 20);
}

#[test]
fn what_was_written_waits_half_a_minute_at_most_to_be_vouched_for() {
    let sample = Sample::three_files();
    let root = TestFolder::new();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(storage.next_save(), None);
    sample.write(&mut storage, [0]);
    let next = storage.next_save().expect("something waits");
    assert!(next <= Instant::now() + Duration::from_secs(30));
}

#[test]
fn a_piece_that_is_not_offered_any_more_is_not_lost() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1, 2, 3]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [8]);
    storage.served_pieces().unreadable(sample.index(1), &std::io::Error::other("a test"));
    drop(storage);
    // It is looked at again: then, if there was time for it, or by the next run.
    assert_eq!(found(&sample, root.path(), OPTIONS).0, [0, 1, 2, 3, 8]);
}
