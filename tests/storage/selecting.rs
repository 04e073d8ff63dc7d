//! Downloads of some files of a torrent, and later of the others.

use std::fs;
use std::path::Path;

use femtotorrent::storage::FileState;

use crate::sample::{FULL, OPTIONS, OVERWRITE, Sample, assert_foreign, markers, numbers, states};
use crate::support::folder::TestFolder;

/// Five files and padding; `b` shares a piece with each of its neighbours, `empty` has no bytes.
fn sample(selected: &[u32]) -> Sample {
    let files = [("t/a", 20), ("t/b", 10), ("t/c", 27), ("", 7), ("t/empty", 0), ("t/d", 16)];
    let mut sample = Sample::new(8, &files);
    sample.select(selected);
    sample
}

fn lengths(root: &Path) -> [Option<u64>; 5] {
    let length = |name| fs::metadata(root.join("t").join(name)).ok().map(|known| known.len());
    ["a", "b", "c", "empty", "d"].map(length)
}

#[test]
fn what_is_selected_is_complete_and_its_neighbours_have_what_they_share() {
    for options in [OPTIONS, FULL] {
        let (folder, sample) = (TestFolder::new(), sample(&[1]));
        sample.complete(folder.path(), options);
        // The tail of `a`, the head of `c`, and no byte of files that share no piece.
        assert_eq!(lengths(folder.path()), [Some(20), Some(10), Some(2), None, None]);
        assert_eq!(fs::read(folder.path().join("t/b")).unwrap(), sample.content(&sample.files[1]));
        let examined = sample.examine(folder.path()).unwrap();
        assert_eq!(numbers(&examined.good), [2, 3]);
        assert_eq!(states(&examined)[1], FileState::Good);
        // A second run finds all pieces, and writes nothing.
        let (mut storage, good) = sample.open(folder.path(), options).unwrap();
        assert_eq!(numbers(&good), [2, 3]);
        storage.finish().unwrap();
        assert_eq!(lengths(folder.path()), [Some(20), Some(10), Some(2), None, None]);
    }
}

#[test]
fn an_empty_file_may_be_all_that_is_selected() {
    let (folder, sample) = (TestFolder::new(), sample(&[4]));
    sample.complete(folder.path(), OPTIONS);
    assert_eq!(lengths(folder.path()), [None, None, None, Some(0), None]);
    assert!(markers(folder.path()).is_empty());
}

#[test]
fn a_selection_that_was_interrupted_goes_on() {
    let (folder, sample) = (TestFolder::new(), sample(&[1, 5]));
    let (mut storage, good) = sample.open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0; 0]);
    sample.write(&mut storage, [2]);
    drop(storage);
    let (storage, good) = sample.open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [2]);
    drop(storage);
    sample.complete(folder.path(), OPTIONS);
    assert_eq!(lengths(folder.path()), [Some(20), Some(10), Some(2), None, Some(16)]);
}

#[test]
fn another_selection_and_then_everything_complete_the_rest() {
    let folder = TestFolder::new();
    for selected in [&[1][..], &[5], &[0, 4], &[]] {
        let sample = sample(selected);
        sample.complete(folder.path(), OPTIONS);
        for number in selected {
            let file = &sample.files[*number as usize];
            assert_eq!(fs::read(folder.path().join(&file.path)).unwrap(), sample.content(file));
        }
    }
    sample(&[]).assert_complete(folder.path());
}

#[test]
fn a_selected_file_that_its_owner_changed_is_not_replaced_unasked() {
    for changed in [&b"my own work"[..], b"!"] {
        let folder = TestFolder::new();
        sample(&[1]).complete(folder.path(), OPTIONS);
        let path = folder.path().join("t/b");
        fs::write(&path, changed).unwrap();
        for selected in [&[1][..], &[]] {
            let sample = sample(selected);
            let refusal = match sample.open(folder.path(), OPTIONS) {
                Err(refusal) => refusal,
                Ok((mut storage, good)) => {
                    let missing = [2, 3].into_iter().filter(|number| !good.has(sample.index(*number)));
                    let written = missing.map(|number| {
                        let piece = sample.index(number);
                        storage.write(piece, &sample.piece(piece))
                    });
                    written.into_iter().find_map(Result::err).unwrap()
                }
            };
            assert_eq!(refusal.exit_code(), 13, "{refusal}");
            assert_eq!(fs::read(&path).unwrap(), changed);
        }
        sample(&[]).complete(folder.path(), OVERWRITE);
        sample(&[]).assert_complete(folder.path());
    }
}

#[test]
fn a_selected_file_that_its_owner_removed_is_fetched_again_even_in_two_runs() {
    let folder = TestFolder::new();
    let all = sample(&[]);
    sample(&[0]).complete(folder.path(), OPTIONS);
    fs::remove_file(folder.path().join("t/a")).unwrap();
    let (mut storage, good) = sample(&[0]).open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0; 0]);
    all.write(&mut storage, [2]);
    drop(storage);
    sample(&[0]).complete(folder.path(), OPTIONS);
    all.complete(folder.path(), OPTIONS);
    all.assert_complete(folder.path());
}

#[test]
fn what_is_not_selected_is_left_alone_where_it_shares_no_piece_and_is_foreign_where_it_does() {
    for foreign in [&b"a letter"[..], &[7; 100]] {
        let folder = TestFolder::new();
        fs::create_dir(folder.path().join("t")).unwrap();
        let path = folder.path().join("t/d");
        fs::write(&path, foreign).unwrap();
        sample(&[1]).complete(folder.path(), OPTIONS);
        assert_eq!(fs::read(&path).unwrap(), foreign);
        // Nor is it replaced by a later run that wants it.
        let all = sample(&[]);
        match all.open(folder.path(), OPTIONS) {
            Err(refusal) => assert_eq!(refusal.exit_code(), 13),
            Ok((mut storage, _)) => {
                let last = all.index(8);
                assert_eq!(storage.write(last, &all.piece(last)).unwrap_err().exit_code(), 13);
            }
        }
        assert_eq!(fs::read(&path).unwrap(), foreign);

        fs::write(folder.path().join("t/a"), foreign).unwrap();
        fs::remove_file(all.marker(folder.path())).unwrap();
        fs::remove_file(folder.path().join("t/b")).unwrap();
        fs::remove_file(folder.path().join("t/c")).unwrap();
        assert_foreign(sample(&[1]).open(folder.path(), OPTIONS), &["t/a"]);
    }
}

#[test]
fn a_neighbour_that_is_there_already_is_kept() {
    let folder = TestFolder::new();
    let all = sample(&[]);
    fs::create_dir(folder.path().join("t")).unwrap();
    fs::write(folder.path().join("t/a"), all.content(&all.files[0])).unwrap();
    fs::write(folder.path().join("t/b"), all.content(&all.files[1])).unwrap();
    sample(&[1]).complete(folder.path(), OPTIONS);
    assert_eq!(lengths(folder.path()), [Some(20), Some(10), Some(2), None, None]);
    all.complete(folder.path(), OPTIONS);
    all.assert_complete(folder.path());
}
