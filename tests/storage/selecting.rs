//! Downloads of some files of a torrent, and later of the others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use femtotorrent::storage::{Check, FileState, ServedPieces};

use crate::changing::sent;
use crate::sample::{FULL, OPTIONS, OVERWRITE, Sample, assert_foreign, failure, markers, numbers, states};
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

/// The part file, if there is one.
fn part_file(root: &Path) -> Option<Vec<u8>> {
    fs::read(root.join(PART_FILE)).ok()
}

const PART_FILE: &str = ".t.abababab.femtotorrent-part";

/// What a part file has that holds these pieces, in this order.
fn slots(pieces: &[u32]) -> Vec<u8> {
    let all = sample(&[]);
    let slot = |number: &u32| [&(number + 1).to_be_bytes()[..], &all.piece(all.index(*number))].concat();
    pieces.iter().flat_map(slot).collect()
}

#[test]
fn what_is_selected_is_complete_and_its_neighbours_are_not_there() {
    for options in [OPTIONS, FULL] {
        let (folder, sample) = (TestFolder::new(), sample(&[1]));
        sample.complete(folder.path(), options);
        assert_eq!(lengths(folder.path()), [None, Some(10), None, None, None]);
        assert_eq!(fs::read(folder.path().join("t/b")).unwrap(), sample.content(&sample.files[1]));
        // Pieces 2 and 3 are shared with `a` and `c`.
        assert_eq!(part_file(folder.path()), Some(slots(&[2, 3])));
        let examined = sample.examine(folder.path()).unwrap();
        assert_eq!(numbers(&examined.good), [2, 3]);
        assert_eq!(states(&examined)[..3], [FileState::Missing, FileState::Good, FileState::Missing]);
        // A second run finds all pieces, and writes nothing.
        let (mut storage, good) = sample.open(folder.path(), options).unwrap();
        assert_eq!(numbers(&good), [2, 3]);
        storage.finish().unwrap();
        assert_eq!(lengths(folder.path()), [None, Some(10), None, None, None]);
        assert_eq!(part_file(folder.path()), Some(slots(&[2, 3])));
    }
}

#[test]
fn a_later_run_takes_what_it_wants_out_of_the_part_file_and_removes_it_when_it_is_empty() {
    let folder = TestFolder::new();
    sample(&[1]).complete(folder.path(), OPTIONS);
    // `a` and the padding: of piece 2 nothing is needed any more, and piece 3 goes on standing for `c`.
    let (mut storage, good) = sample(&[0]).open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [2]);
    sample(&[]).write(&mut storage, [0, 1]);
    storage.finish().unwrap();
    drop(storage);
    assert_eq!(lengths(folder.path()), [Some(20), Some(10), None, None, None]);
    let (mut storage, good) = sample(&[0, 1]).open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2, 3]);
    storage.finish().unwrap();
    drop(storage);
    assert_eq!(part_file(folder.path()).unwrap()[..4], [0; 4]);
    let (mut storage, good) = sample(&[]).open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2, 3]);
    sample(&[]).write(&mut storage, 4..10);
    storage.finish().unwrap();
    drop(storage);
    sample(&[]).assert_complete(folder.path());
    assert_eq!(part_file(folder.path()), None);
}

#[test]
fn the_part_file_goes_as_soon_as_no_selection_needs_it() {
    let folder = TestFolder::new();
    sample(&[1]).complete(folder.path(), OPTIONS);
    sample(&[0, 1, 2]).complete(folder.path(), OPTIONS);
    assert_eq!(part_file(folder.path()), None);
    assert_eq!(lengths(folder.path()), [Some(20), Some(10), Some(27), None, None]);
}

#[test]
fn whatever_becomes_of_the_part_file_costs_its_pieces_and_nothing_else() {
    let deeds: [fn(&Path); 8] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, b"").unwrap(),
        |path| fs::write(path, [7; 13]).unwrap(),
        |path| fs::write(path, slots(&[3, 3, 3, 2])).unwrap(),
        |path| fs::write(path, slots(&[0, 1, 4, 5])).unwrap(),
        |path| fs::write(path, [&[0, 0, 0, 4][..], &[1; 8], &[0, 0, 0, 4], &[2; 8]].concat()).unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("../victim", path).unwrap();
        },
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ];
    for deed in deeds {
        for selected in [&[1][..], &[0], &[]] {
            let folder = TestFolder::new();
            let root = folder.path().join("root");
            fs::write(folder.path().join("victim"), "precious").unwrap();
            sample(&[1]).complete(&root, OPTIONS);
            deed(&root.join(PART_FILE));
            let sample = sample(selected);
            sample.complete(&root, OPTIONS);
            for (number, file) in (0..).zip(&sample.files).filter(|(_, file)| !file.padding) {
                if selected.is_empty() || selected.contains(&number) {
                    assert_eq!(fs::read(root.join(&file.path)).unwrap(), sample.content(file));
                }
            }
            assert_eq!(fs::read(folder.path().join("victim")).unwrap(), b"precious");
        }
    }
}

#[test]
fn another_name_of_the_part_file_sees_nothing_of_what_is_written() {
    let folder = TestFolder::new();
    sample(&[1]).complete(folder.path(), OPTIONS);
    fs::hard_link(folder.path().join(PART_FILE), folder.path().join("other")).unwrap();
    sample(&[1, 5]).complete(folder.path(), OPTIONS);
    assert_eq!(fs::read(folder.path().join("other")).unwrap(), slots(&[2, 3]));
    sample(&[]).complete(folder.path(), OPTIONS);
    sample(&[]).assert_complete(folder.path());
}

#[test]
fn no_torrent_has_a_file_that_is_called_like_a_part_file() {
    for name in [PART_FILE, ".T.ABABABAB.FEMTOTORRENT-PART", ".t.abababab.femtotorrent-part/x"] {
        let sample = Sample::new(8, &[(name, 20)]);
        let folder = TestFolder::new();
        let refusal = sample.open(folder.path(), OPTIONS).map(drop).unwrap_err();
        assert_eq!(refusal.exit_code(), 16, "{refusal}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    // Deeper in the torrent it is a name like any other.
    let sample = Sample::new(8, &[("t/.t.abababab.femtotorrent-part", 20), ("t/b", 10)]);
    let folder = TestFolder::new();
    sample.complete(folder.path(), OPTIONS);
    sample.assert_complete(folder.path());
}

#[test]
fn what_is_there_in_part_is_shared_from_the_part_file() {
    let folder = TestFolder::new();
    sample(&[1]).complete(folder.path(), OPTIONS);
    let all = sample(&[]);
    let serve = || {
        ServedPieces::open(folder.path(), &all.payload(&all.digests()), 8, Check::Changed, &|_, _| true)
            .unwrap()
    };
    for _ in 0..2 {
        let served = serve();
        assert_eq!(numbers(&served.offered()), [2, 3]);
        for number in [2, 3] {
            assert_eq!(sent(&served, &all, number).unwrap(), all.piece(all.index(number)));
        }
    }
    // Where it is damaged, what is in the files themselves counts.
    fs::write(folder.path().join("t/a"), all.content(&all.files[0])).unwrap();
    fs::write(folder.path().join(PART_FILE), slots(&[2, 3])[..13].repeat(3)).unwrap();
    assert_eq!(numbers(&serve().offered()), [0, 1, 2]);
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
    assert_eq!(lengths(folder.path()), [None, Some(10), None, None, Some(16)]);
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
fn what_its_owner_adds_to_a_selected_file_is_not_cut_off() {
    for (selected, name) in [(0, "t/a"), (1, "t/b"), (5, "t/d")] {
        let folder = TestFolder::new();
        sample(&[selected]).complete(folder.path(), OPTIONS);
        let path = folder.path().join(name);
        let longer = [&fs::read(&path).unwrap()[..], b"and more"].concat();
        fs::write(&path, &longer).unwrap();
        assert_foreign(sample(&[]).open(folder.path(), OPTIONS), &[name]);
        assert_eq!(fs::read(&path).unwrap(), longer);
    }
}

#[test]
fn notes_in_the_place_of_a_selected_file_are_seen_before_anything_is_fetched() {
    let folder = TestFolder::new();
    sample(&[0]).complete(folder.path(), OPTIONS);
    let path = folder.path().join("t/a");
    fs::write(&path, b"my own notes").unwrap();
    assert_foreign(sample(&[]).open(folder.path(), OPTIONS), &["t/a"]);
    assert_eq!(fs::read(&path).unwrap(), b"my own notes");
}

#[test]
fn a_copy_of_a_selection_goes_on_though_its_only_proof_is_in_the_part_file() {
    for is_right in [true, false] {
        let (folder, copy, all) = (TestFolder::new(), TestFolder::new(), sample(&[]));
        sample(&[1]).complete(folder.path(), OPTIONS);
        fs::create_dir(copy.path().join("t")).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::write(copy.path().join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
            }
        }
        let right = all.content(&all.files[1]);
        let copied = if is_right { right } else { b"0123456789".to_vec() };
        fs::write(copy.path().join("t/b"), &copied).unwrap();
        if is_right {
            all.complete(copy.path(), OPTIONS);
            all.assert_complete(copy.path());
        } else {
            assert_eq!(failure(all.open(copy.path(), OPTIONS)).exit_code(), 13);
            assert_eq!(fs::read(copy.path().join("t/b")).unwrap(), copied);
        }
    }
}

#[test]
fn a_selected_file_that_its_owner_removed_is_fetched_again_even_in_two_runs() {
    let folder = TestFolder::new();
    let all = sample(&[]);
    sample(&[0]).complete(folder.path(), OPTIONS);
    fs::remove_file(folder.path().join("t/a")).unwrap();
    // The piece that it shares is in the part file, too.
    let (storage, good) = sample(&[0]).open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [2]);
    drop(storage);
    sample(&[0]).complete(folder.path(), OPTIONS);
    all.complete(folder.path(), OPTIONS);
    all.assert_complete(folder.path());
}

#[test]
fn what_is_not_selected_is_left_alone_whether_it_shares_a_piece_or_not() {
    for foreign in [&b"a letter"[..], &[7; 100], &[7; 20], b""] {
        for name in ["t/a", "t/d"] {
            let folder = TestFolder::new();
            fs::create_dir(folder.path().join("t")).unwrap();
            let path = folder.path().join(name);
            fs::write(&path, foreign).unwrap();
            sample(&[1]).complete(folder.path(), OPTIONS);
            sample(&[1]).complete(folder.path(), OVERWRITE);
            assert_eq!(fs::read(&path).unwrap(), foreign);
            assert_eq!(part_file(folder.path()), Some(slots(&[2, 3])));
            if foreign.is_empty() {
                continue;
            }
            // Nor is it replaced by a later run that wants it: not by what is in the part file, and not by what comes.
            sample(&[1]).complete(folder.path(), OPTIONS);
            let all = sample(&[]);
            let refusal = match all.open(folder.path(), OPTIONS) {
                Err(refusal) => refusal,
                Ok((mut storage, _)) => {
                    let pieces = (0..10).map(|number| all.index(number));
                    let mut written = pieces.map(|piece| storage.write(piece, &all.piece(piece)));
                    written.find_map(Result::err).unwrap()
                }
            };
            assert_eq!(refusal.exit_code(), 13, "{refusal}");
            assert_eq!(fs::read(&path).unwrap(), foreign);
            all.complete(folder.path(), OVERWRITE);
            all.assert_complete(folder.path());
        }
    }
}

#[test]
fn a_neighbour_that_is_there_already_is_used_and_kept() {
    let folder = TestFolder::new();
    let all = sample(&[]);
    fs::create_dir(folder.path().join("t")).unwrap();
    fs::write(folder.path().join("t/a"), all.content(&all.files[0])).unwrap();
    fs::write(folder.path().join("t/b"), all.content(&all.files[1])).unwrap();
    let read_only = fs::Permissions::from_mode(0o400);
    fs::set_permissions(folder.path().join("t/a"), read_only).unwrap();
    for _ in 0..2 {
        sample(&[1]).complete(folder.path(), OPTIONS);
        assert_eq!(lengths(folder.path()), [Some(20), Some(10), None, None, None]);
        assert_eq!(part_file(folder.path()), Some(slots(&[3])));
    }
    all.complete(folder.path(), OPTIONS);
    all.assert_complete(folder.path());
}

#[test]
fn a_neighbour_that_changes_meanwhile_is_not_mended() {
    let folder = TestFolder::new();
    let all = sample(&[]);
    fs::create_dir(folder.path().join("t")).unwrap();
    for file in &all.files[..2] {
        fs::write(folder.path().join(&file.path), all.content(file)).unwrap();
    }
    // Piece 2 is of both, and has no slot, since it was good.
    let (mut storage, good) = sample(&[1]).open(folder.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [2]);
    fs::write(folder.path().join("t/a"), [9; 20]).unwrap();
    all.write(&mut storage, [2, 3]);
    storage.finish().unwrap();
    assert_eq!(fs::read(folder.path().join("t/a")).unwrap(), [9; 20]);
    assert_eq!(part_file(folder.path()), Some(slots(&[3])));
}

#[test]
fn what_the_record_says_of_the_part_file_is_not_believed_of_a_neighbour() {
    let folder = TestFolder::new();
    let all = sample(&[]);
    fs::create_dir(folder.path().join("t")).unwrap();
    // Of the right length, and there before the record was written.
    fs::write(folder.path().join("t/a"), [9; 20]).unwrap();
    sample(&[1]).complete(folder.path(), OPTIONS);
    let served =
        ServedPieces::open(folder.path(), &all.payload(&all.digests()), 8, Check::Changed, &|_, _| true);
    assert_eq!(numbers(&served.unwrap().offered()), [2, 3]);
    fs::remove_file(folder.path().join(PART_FILE)).unwrap();
    let served =
        ServedPieces::open(folder.path(), &all.payload(&all.digests()), 8, Check::Changed, &|_, _| true);
    assert_eq!(numbers(&served.unwrap().offered()), [0; 0]);
    let refusal = sample(&[0]).open(folder.path(), OPTIONS).and_then(|(mut storage, good)| {
        assert_eq!(numbers(&good), [0; 0]);
        storage.write(all.index(2), &all.piece(all.index(2)))
    });
    assert_eq!(refusal.unwrap_err().exit_code(), 13);
}
