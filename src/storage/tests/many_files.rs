//! Many files are synced together, and each by itself where that has failed.

use super::*;
use crate::storage::folder::RootFolder;

const FILES: usize = 100;

/// How many files and folders a download of many files syncs at its end.
fn syncs(fault: Option<Fault>) -> usize {
    let folder = Folder::new();
    let files = files_of_lengths(&[1; FILES]);
    let geometry = Geometry::new(FILES as u64, 8).unwrap();
    let content = move |of: PieceIndex| vec![7; geometry.length(of) as usize];
    let digests: Digests = Arc::new(move |of| PieceDigest::sha1_of(&content(of)));
    let (name, info_hash) = ("t", InfoHash([7; 20]));
    let payload = Payload {
        name,
        output_name: None,
        info_hash,
        files: &files,
        geometry,
        digests: &digests,
        selection: None,
        cache: None,
    };
    let (mut storage, _) = Storage::open(&folder.0, &payload, SPARSE, &|_, _| true).unwrap();
    geometry.pieces().for_each(|piece| storage.write(piece, &content(piece)).unwrap());
    let disk = Disk::with(fault);
    storage.finish().unwrap();
    Disk::mend();
    assert!(disk.calls().contains(&Call::SyncAll));
    disk.calls().iter().filter(|call| **call == Call::Sync).count()
}

#[test]
fn where_a_sync_of_all_is_certain_few_files_are_synced_and_where_it_failed_each_of_them() {
    let root = Folder::new();
    fs::write(root.0.join("file"), "").unwrap();
    let here = RootFolder::open(&root.0).unwrap().unwrap();
    let file = RootFolder::file_stat(&fs::File::open(root.0.join("file")).unwrap()).unwrap();
    let mut all = here.sync_all();
    assert!(!all.covers(file), "one is synced in any case");
    let is_certain = all.covers(file);
    // Folders and the marker are synced by themselves.
    let (few, each) = (syncs(None), syncs(Some(Fault::Always(Call::SyncAll, Errno::IO))));
    assert!(each >= FILES, "{each}");
    assert_eq!(few < FILES / 2, is_certain, "{few}");
    // What was told once is not told again, so it is never relied on again.
    let disk = Disk::with(Some(Fault::Once(0, Errno::IO)));
    let mut failed = here.sync_all();
    let mut after = here.sync_all();
    Disk::mend();
    assert_eq!(disk.calls(), [Call::SyncAll; 2]);
    assert!([&mut failed, &mut after].into_iter().all(|all| !all.covers(file) && !all.covers(file)));
}
