//! What errors of the storage say, and the exit codes.

use super::*;
use rustix::io::Errno;

fn failed(action: Action, errno: Errno) -> StorageError {
    StorageError::from_io(action, PathBuf::from("/srv/iso/debian.iso"), errno.into())
}

#[test]
fn a_full_disk_is_a_full_disk_whatever_was_being_done() {
    for action in [Action::Open, Action::Create, Action::Write, Action::Allocate, Action::Sync] {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert_eq!(failed(action, errno).exit_code(), 9, "{action:?} {errno:?}");
        }
    }
}

#[test]
fn the_exit_code_follows_what_was_being_done() {
    assert_eq!(failed(Action::Open, Errno::ACCESS).exit_code(), 15);
    assert_eq!(failed(Action::Create, Errno::ACCESS).exit_code(), 16);
    for action in [Action::Read, Action::Write, Action::Sync, Action::Truncate, Action::Remove] {
        assert_eq!(failed(action, Errno::IO).exit_code(), 17, "{action:?}");
    }
}

#[test]
fn a_message_names_the_file_the_reason_and_the_way_out() {
    assert_eq!(
        failed(Action::Create, Errno::ACCESS).to_string(),
        "cannot create /srv/iso/debian.iso: permission denied (choose another folder with --output-dir)"
    );
    assert_eq!(
        failed(Action::Open, Errno::MFILE).to_string(),
        "cannot open /srv/iso/debian.iso: too many open files (raise ulimit -n, or run fewer torrents at once)"
    );
    assert_eq!(
        failed(Action::Open, Errno::LOOP).to_string(),
        "cannot open /srv/iso/debian.iso: a symbolic link is in the way"
    );
    assert_eq!(
        failed(Action::Open, Errno::ACCESS).to_string(),
        "cannot open /srv/iso/debian.iso: permission denied (see ls -l: whose it is, and who may open it)"
    );
    assert_eq!(
        failed(Action::Open, Errno::PERM).to_string(),
        "cannot open /srv/iso/debian.iso: operation not permitted (it may be immutable or append-only: see lsattr)"
    );
}

#[test]
fn a_foreign_file_is_told_with_its_pieces_and_what_keeps_them() {
    let file = |path: &str, right, pieces, beyond, is_suspect| ForeignFile {
        path: path.into(),
        pieces,
        right,
        beyond,
        is_suspect,
        has_replaced_ours: false,
    };
    let said = |files: &[ForeignFile]| StorageError::exists(files.iter().cloned()).to_string();
    let way_out = "Run again with --continue to keep the right ones and fetch the rest";
    assert_eq!(
        said(&[file("photos/a.jpg", 1830, 1831, 0, false)]),
        format!(
            "photos/a.jpg: 1,830 of 1,831 pieces are right, 1 is wrong or missing. {way_out} (the file will be changed)"
        )
    );
    assert_eq!(
        said(&[file("b", 304, 305, 0, true), file("a", 2, 5, 0, true)]),
        format!(
            "b: 304 of 305 pieces are right, 1 is wrong or missing (perhaps in the part of another file); \
             a: 2 of 5 pieces are right, 3 are wrong or missing (perhaps in the part of another file). \
             {way_out} (the files will be changed)"
        )
    );
    assert_eq!(
        said(&[file("nfo", 0, 1, 0, true)]),
        format!(
            "nfo: 0 of 1 pieces are right, 1 is wrong or missing (perhaps in the part of another file). \
             {way_out} (the file will be changed)"
        )
    );
    assert_eq!(
        said(&[file("log", 7, 7, 12, false)]),
        format!("log: 7 of 7 pieces are right, 12 bytes are too many. {way_out} (the file will be changed)")
    );
    assert_eq!(
        said(&[file("a", 0, 1, 0, false)]),
        "a exists and has nothing in common with the torrent (replace with --overwrite, or choose another \
         folder with --output-dir)"
    );
    let five = ["a", "b", "c", "d", "e"].map(|path| file(path, usize::from(path == "b"), 2, 0, false));
    assert_eq!(
        said(&five),
        "a exists and has nothing in common with the torrent; b: 1 of 2 pieces are right, 1 is wrong or \
         missing; c exists and has nothing in common with the torrent; and 2 more (replace them with \
         --overwrite, which keeps the pieces that are right, or choose another folder with --output-dir)"
    );
}
