//! The same with one file of the two selected, so that a piece of both is in the part file.

use super::*;

/// A whole run for this file. Also returns the pieces that are on the disk for certain, as far as the run knows.
fn run_for(root: &Path, file: u32) -> (Bitfield, Result<(), StorageError>) {
    let mut stored = Bitfield::none(3);
    let outcome = open_selected(root, SPARSE, &[file..=file]).and_then(|(mut storage, good)| {
        stored = good;
        let wanted = if file == 0 { [1, 0] } else { [1, 2] };
        for number in wanted {
            let (piece, bytes) = piece(number);
            if !stored.has(piece) {
                storage.write(piece, &bytes)?;
                stored.insert(piece);
            }
        }
        assert_eq!(storage.finish()?, Finished::Durable);
        Ok(())
    });
    (stored, outcome)
}

fn is_there(folder: &Folder, name: &str, range: std::ops::Range<u64>) -> bool {
    fs::read(folder.0.join(name)).is_ok_and(|there| there == range.map(byte).collect::<Vec<u8>>())
}

/// A folder in which a run for the first file has ended.
fn first_file() -> Folder {
    let folder = Folder::new();
    run_for(&folder.0, 0).1.unwrap();
    assert!(is_there(&folder, "t/0", 0..12) && !folder.0.join("t/2").exists());
    folder
}

/// Runs for this file with a fault, and then for all files. What is there for certain is not lost, and all is there
/// and nothing else in the end.
fn survives_for(fault: Option<Fault>, folder: &Folder, file: u32) -> Vec<Call> {
    let disk = Disk::with(fault);
    let (stored, outcome) = run_for(&folder.0, file);
    Disk::mend();
    if let Err(error) = outcome {
        assert!([9, 15, 16, 17].contains(&error.exit_code()), "{fault:?}: {error}");
        let (storage, good) = open_selected(&folder.0, SPARSE, &[file..=file]).unwrap();
        drop(storage);
        let lost = stored.iter(geometry()).filter(|piece| !good.has(*piece)).count();
        assert_eq!(lost, 0, "{fault:?} at {:?}: pieces were lost", disk.calls().last());
    }
    run(&folder.0, SPARSE).1.unwrap_or_else(|error| panic!("{fault:?}: the next run: {error}"));
    assert!(folder.is_complete(), "{fault:?}");
    let left = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| !name.to_string_lossy().contains("-resume")).collect();
    assert_eq!(left, ["t"], "{fault:?}: something is left over");
    disk.calls()
}

#[test]
fn whichever_call_fails_while_a_selection_is_fetched_nothing_is_lost() {
    for at in 0..survives_for(None, &Folder::new(), 0).len() {
        for errno in [Errno::NOSPC, Errno::IO, Errno::STALE, Errno::INTR] {
            survives_for(Some(Fault::Once(at, errno)), &Folder::new(), 0);
        }
    }
}

#[test]
fn whichever_call_fails_while_the_part_file_is_emptied_nothing_is_lost() {
    for at in 0..survives_for(None, &first_file(), 2).len() {
        for errno in [Errno::NOSPC, Errno::IO, Errno::STALE, Errno::INTR] {
            survives_for(Some(Fault::Once(at, errno)), &first_file(), 2);
        }
    }
}
