//! Torrents of other projects, and torrents made here, read with `show` as a user would.

#![cfg(test)]

use femtotorrent::bencode::Item;
use femtotorrent::metainfo::Metainfo;
use femtotorrent::piece::PieceDigest;
use shown::{Folder, check_shown, show_json, show_text};
use std::fs;
use std::path::Path;

/// The folder of a collection of torrents of other projects, with a table of what each should be.
fn collection() -> String {
    std::env::var("TORRENT_COLLECTION").expect("TORRENT_COLLECTION is the folder of expected.tsv")
}

/// What the refusal of a broken torrent must name.
fn named_fault(file: &str) -> &'static str {
    match file {
        "small/bad-pieces-key.torrent" => "'pieces' is not a string",
        "small/missing-pieces-key.torrent" => "'pieces' is missing",
        "small/bad_name.torrent" => "'name' is nothing but zeros",
        "small/gimp-2.10.32-1-arm64.dmg.torrent" => "no 'info'",
        "small/minimal-trailing-newline.torrent" | "small/invalid_info.torrent" => "no 'info'",
        "small/invalid_name.torrent" => "'name' is not a string",
        "small/no_name.torrent" => "'name' is missing",
        "small/invalid_path_list.torrent" => "'path' of file 1",
        "small/missing_path_list.torrent" => "'path' of file 1 is missing",
        "small/invalid_piece_len.torrent" => "'piece length' is not an integer",
        "small/missing_piece_len.torrent" => "'piece length' is missing",
        "small/negative_piece_len.torrent" => "'piece length' is not positive",
        "small/invalid_symlink.torrent" => "'path' of file 2 has an element that is not a string",
        "small/many_pieces.torrent" | "small/too-few-pieces.torrent" => "digests, but the files make",
        "small/no_files.torrent" => "'files' is empty",
        "small/string.torrent" => "it begins with '10:libtorrent'",
        "small/zero2.torrent" => "no content",
        "small/v2_bad_file_alignment.torrent" => "does not start at a piece",
        "small/v2_invalid_file.torrent" => "file without properties",
        "small/v2_mismatching_metadata.torrent" => "different files",
        "small/v2_deep_recursion.torrent" => "nested more than",
        "small/v2_invalid_pad_file.torrent" => "has padding, or nothing but a link",
        "small/v2_invalid_piece_layer_root.torrent" | "small/v2_invalid_root_hash.torrent" => {
            "lead to its root"
        }
        "small/v2_no_power2_piece.torrent" => "power of two",
        "small/v2_piece_layer_invalid_file_hash.torrent" => "has no layer of it",
        "small/v2_piece_size.torrent" => "more than 1 GiB",
        "small/v2_unknown_piece_layer_entry.torrent" => "a layer of no file",
        "small/v2_zero_root.torrent" | "small/v2_zero_root_small.torrent" => "nothing but zeros",
        other => panic!("{other} is missing from this list"),
    }
}

#[test]
#[ignore = "needs torrents of other projects, in the folder $TORRENT_COLLECTION"]
fn torrents_from_the_field_load_or_are_refused_with_the_name_of_their_fault() {
    let folder = collection();
    let table = fs::read_to_string(format!("{folder}/expected.tsv")).unwrap();
    let mut wrong = Vec::new();
    for row in table.lines().skip(1) {
        let [file, verdict, version, info_hash, info_hash_v2, ..] = row.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("{row}")
        };
        match (verdict, version, show_json(&format!("{folder}/{file}"))) {
            ("ok", "v1" | "hybrid", Ok(shown)) if shown["info_hash"] == info_hash => check_shown(&shown),
            ("ok", "v2", Ok(shown)) if shown["info_hash_v2"] == info_hash_v2 => check_shown(&shown),
            // Peers have what it lacks.
            ("ok", "v2", Err(error))
                if error.exit_code() == 26
                    && error.to_string().contains(&format!("btmh:1220{info_hash_v2}")) => {}
            // A number may be padded, as in version 1.
            ("error", "v2", Ok(_)) if file == "small/v2_overlong_integer.torrent" => {}
            ("error", _, Err(error))
                if matches!(error.exit_code(), 25 | 26) && error.to_string().contains(named_fault(file)) => {}
            (_, _, other) => wrong.push(format!("{row}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs torrents of other projects, in the folder $TORRENT_COLLECTION"]
fn a_real_debian_torrent_shows_what_it_is() {
    let path = format!("{}/real/debian-11.2.0-amd64-DVD-1.iso.torrent", collection());
    let shown = show_json(&path).unwrap();
    assert_eq!(shown["name"], "debian-11.2.0-amd64-DVD-1.iso");
    assert_eq!(shown["trackers"][0][0], "http://bttracker.debian.org:6969/announce");
    assert_eq!(shown["files"].as_array().unwrap().len(), 1);
    assert_eq!(shown["files"][0]["length"], shown["total_size"]);
    assert!(show_text(&path).contains("c9a337562cb0360fd6f5ab40fd2b1b81d5325dbd"));
}

#[test]
fn the_text_form_lists_everything_and_prints_no_control_character() {
    let file = |path: &str, length: i64| {
        Item::dictionary([("path", Item::list([path.into()])), ("length", length.into())])
    };
    let padding = Item::dictionary([("attr", "p".into()), ("length", 3.into())]);
    let info = Item::dictionary([
        ("name", "na\x1bme".into()),
        ("piece length", 65536.into()),
        ("pieces", vec![0; 20].into()),
        ("private", 1.into()),
        ("files", Item::list([file("a\nb.txt", 1500), padding, file("c", 7)])),
    ]);
    let torrent = Item::dictionary([
        (
            "announce-list",
            Item::list([
                Item::list(["http://one".into(), "udp://two".into()]),
                Item::list(["http://three".into()]),
            ]),
        ),
        ("url-list", "http://seed".into()),
        ("nodes", Item::list([Item::list(["host".into(), 6881.into()])])),
        ("info", info),
    ]);
    let folder = Folder::new("text");
    let text = show_text(&folder.save(&torrent));
    assert!(!text.chars().any(|character| character.is_control() && character != '\n'));
    for line in [
        "Name         na\u{fffd}me",
        "Size         1.5 KiB (1,507 bytes) and 3 bytes of padding",
        "Pieces       1 of 64 KiB",
        "Private      yes, only its own trackers may be asked for peers",
        "Trackers     tier 1   http://one",
        "                      udp://two",
        "             tier 2   http://three",
        "Web seeds    http://seed",
        "DHT nodes    host:6881",
        "Files        2",
        "      0             1,500  na\u{fffd}me/a b.txt",
        "      2                 7  na\u{fffd}me/c",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_torrent_of_a_million_pieces_and_a_hundred_thousand_files_loads() {
    const FILES: i64 = 100_000;
    const PIECE_LENGTH: i64 = 16_384;
    let files = Item::list((0..FILES).map(|number| {
        let path = Item::list([
            format!("folder {}", number / 100).as_str().into(),
            format!("file {number}.bin").as_str().into(),
        ]);
        Item::dictionary([("path", path), ("length", (10 * PIECE_LENGTH).into())])
    }));
    let info = Item::dictionary([
        ("name", "large".into()),
        ("piece length", PIECE_LENGTH.into()),
        ("pieces", (0..20_000_000_u32).map(|byte| byte as u8).collect::<Vec<_>>().into()),
        ("files", files),
    ]);
    let torrent = Metainfo::parse(Item::dictionary([("info", info)]).encode()).unwrap();
    assert_eq!((torrent.geometry.piece_count(), torrent.files.len()), (1_000_000, 100_000));
    assert_eq!(torrent.geometry.total_size(), 16_384_000_000);
    let last: [u8; 20] = std::array::from_fn(|index| (20_000_000_u32 - 20 + index as u32) as u8);
    assert_eq!(torrent.piece_digest(999_999), Some(PieceDigest::Sha1(last)));
    assert_eq!(*torrent.files[99_999].path, *Path::new("large/folder 999/file 99999.bin"));
    assert_eq!(torrent.files[99_999].offset, 16_384_000_000 - 163_840);
}

/// `show` called as a user would call it, and what holds for every torrent that it shows.
mod shown {
    use femtotorrent::bencode::Item;
    use femtotorrent::cli::show;
    use femtotorrent::cli::source::{self, SourceError};
    use femtotorrent::net::Outlet;
    use serde_json::Value;
    use std::collections::HashSet;
    use std::fs;

    pub fn show_json(path: &str) -> Result<Value, SourceError> {
        let mut out = Vec::new();
        show::print(&source::load(path, &Outlet::default())?, true, &mut out).unwrap();
        Ok(serde_json::from_slice(&out).unwrap())
    }

    pub fn show_text(path: &str) -> String {
        let mut out = Vec::new();
        show::print(&source::load(path, &Outlet::default()).unwrap(), false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What holds for every torrent that loads.
    pub fn check_shown(shown: &Value) {
        let files = shown["files"].as_array().unwrap();
        let mut paths = HashSet::new();
        let mut sum = 0;
        for file in files {
            let path = file["path"].as_str().unwrap();
            let bytes = file["path_hex"].as_str().unwrap_or(path);
            assert!(paths.insert(bytes), "{path} is there twice");
            assert!(
                path.split('/').all(|element| {
                    !matches!(element, "" | "." | "..") && (element.len() <= 255 || bytes != path)
                }),
                "{path}"
            );
            sum += file["length"].as_u64().unwrap();
        }
        let total_size = shown["total_size"].as_u64().unwrap();
        let piece_length = shown["piece_length"].as_u64().unwrap();
        let pieces = match shown["info_hash_v2"].is_null() {
            true => total_size.div_ceil(piece_length),
            // Each file begins at a piece.
            false => files.iter().map(|file| file["length"].as_u64().unwrap().div_ceil(piece_length)).sum(),
        };
        assert!(sum <= total_size && shown["pieces"] == pieces);
    }

    /// A folder for one test. It is removed when the test ends.
    pub struct Folder(String);

    impl Folder {
        pub fn new(name: &str) -> Folder {
            let path = format!("{}/formats-{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        pub fn save(&self, torrent: &Item) -> String {
            let path = format!("{}/x.torrent", self.0);
            fs::write(&path, torrent.encode()).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
