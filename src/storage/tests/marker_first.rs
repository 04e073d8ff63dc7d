//! A power failure may leave a marker without a payload, and no payload without its marker.

use super::*;

#[test]
fn the_marker_of_a_new_download_is_synced_after_it_is_opened_and_before_anything_is_written() {
    for options in [SPARSE, PARTS] {
        let (folder, disk) = (Folder::new(), Disk::with(None));
        let (mut storage, _) = open(&folder.0, options).unwrap();
        let opening = disk.calls();
        assert!(!opening.contains(&Call::Sync), "{opening:?}");
        let (number, bytes) = piece(0);
        storage.write(number, &bytes).unwrap();
        let writing = disk.calls().split_off(opening.len());
        let first = |kind| writing.iter().position(|call| *call == kind);
        assert_eq!(first(Call::Sync), Some(0), "{writing:?}");
        assert!(first(Call::Write).is_some() && first(Call::MakeFolder).is_some());
        drop(storage);
        // What is there already may be changed at once.
        let disk = Disk::with(None);
        fs::remove_file(folder.0.join(".t.07070707.femtotorrent")).unwrap();
        drop(open(&folder.0, Options { existing: Existing::Continue, ..options }).unwrap());
        assert!(disk.calls().contains(&Call::Sync));
        Disk::mend();
    }
}
