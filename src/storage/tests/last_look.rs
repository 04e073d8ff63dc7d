//! What another program has changed meanwhile is found at the end.

use super::{Folder, SPARSE, open, piece};
use crate::message::{Event, Write};
use crate::piece::BufferPool;
use crate::storage::{Finished, StorageError, writer};
use crossbeam_channel::bounded;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_file_that_was_cut_while_we_wrote_to_it_is_found_by_its_length() {
    let folder = Folder::new();
    let (mut storage, _) = open(&folder.0, SPARSE).unwrap();
    for number in 0..3 {
        let (piece, bytes) = piece(number);
        storage.write(piece, &bytes).unwrap();
    }
    // Our write ends behind the cut, so what the times say is ours.
    let file = fs::File::options().write(true).open(folder.0.join("t/0")).unwrap();
    file.set_len(3).unwrap();
    storage.files.served_pieces().written(0, &file);
    assert_eq!(storage.finish().unwrap(), Finished::Spoiled(vec![piece(0).0, piece(1).0]));
}

#[test]
fn the_last_look_at_changed_files_ends_when_nobody_wants_it_any_more() {
    let folder = Folder::new();
    let (mut storage, _) = open(&folder.0, SPARSE).unwrap();
    for number in 0..3 {
        let (piece, bytes) = piece(number);
        storage.write(piece, &bytes).unwrap();
    }
    fs::write(folder.0.join("t/0"), b"spoiled").unwrap();
    assert!(matches!(storage.finish_watched(&|_, _| false), Err(StorageError::Cancelled)));
    let (orders, inbox) = bounded(9);
    let (events, told) = bounded(9);
    orders.send(Write::Finish).unwrap();
    // The user has stopped the run already.
    let (_, stopped) = bounded(0);
    let (alive, _) = bounded(0);
    let buffers = Arc::new(BufferPool::new(1));
    let writer = writer::start(storage, inbox, events, buffers, stopped, alive).unwrap();
    let end = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(matches!(end, Event::WriterEnded { finished: false }), "{end:?}");
    assert!(writer.join().unwrap().is_ok(), "that is no error");
}
