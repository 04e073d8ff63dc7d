mod spellings;
mod version_two;

use super::*;
use crate::bencode::Item;
use std::path::{Path, PathBuf};

/// A torrent of one piece around these `info` entries, which replace the ordinary ones.
fn torrent(entries: &[(&str, Option<Item>)]) -> Vec<u8> {
    let mut info = vec![
        ("name", Some("name".into())),
        ("piece length", Some(16384.into())),
        ("pieces", Some(vec![7_u8; 20].into())),
        ("length", Some(100.into())),
    ];
    for (key, value) in entries {
        info.retain(|(name, _)| name != key);
        info.push((key, value.clone()));
    }
    let info = info.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Item::dictionary([("info", Item::dictionary(info))]).encode()
}

fn file(path: &[&str], length: i64) -> Item {
    let path = Item::list(path.iter().map(|element| (*element).into()));
    Item::dictionary([("path", path), ("length", length.into())])
}

fn with_files(files: Vec<Item>) -> Vec<u8> {
    torrent(&[("length", None), ("files", Some(Item::list(files)))])
}

fn paths(files: Vec<Item>) -> Vec<String> {
    let metainfo = Metainfo::parse(with_files(files)).unwrap();
    metainfo.files.iter().map(|file| file.path.to_str().unwrap().to_owned()).collect()
}

fn refusal(raw: Vec<u8>) -> String {
    let error = Metainfo::parse(raw).unwrap_err();
    assert!(!error.is_not_bencode(), "{error}");
    error.to_string()
}

#[test]
fn the_info_hash_is_taken_over_the_received_bytes() {
    let raw = b"d4:infod4:name1:x6:lengthi1e12:piece lengthi16384e6:pieces20:01234567890123456789ee\n";
    let metainfo = Metainfo::parse(raw.to_vec()).unwrap();
    let info = &raw[7..raw.len() - 2];
    assert_eq!(metainfo.info_bytes(), info);
    assert_eq!(metainfo.info_hash.0, <[u8; 20]>::from(Sha1::digest(info)));
    assert_eq!(metainfo.piece_digest(0).unwrap().bytes(), b"01234567890123456789");
    assert_eq!((metainfo.piece_digest(1), metainfo.geometry.piece_count()), (None, 1));
    assert_eq!(*metainfo.files[0].path, *Path::new("x"));
}

#[test]
fn an_info_hash_is_written_in_lower_case_hexadecimal() {
    let hash = InfoHash([0xab; 20]);
    assert_eq!(hash.to_string(), "ab".repeat(20));
    assert_eq!(format!("{hash:?}"), "ab".repeat(20));
}

#[test]
fn sizes_past_four_gigabytes_add_up() {
    let terabyte = 1_i64 << 40;
    let pieces = Item::from(vec![0; 20 * 2049]);
    let raw = torrent(&[
        ("length", None),
        ("piece length", Some((1 << 30).into())),
        ("pieces", Some(pieces)),
        ("files", Some(Item::list([file(&["a"], terabyte), file(&["b"], 0), file(&["c"], terabyte + 1)]))),
    ]);
    let metainfo = Metainfo::parse(raw).unwrap();
    assert_eq!(metainfo.geometry.total_size(), (1 << 41) + 1);
    assert_eq!(metainfo.files.iter().map(|file| file.offset).collect::<Vec<_>>(), [0, 1 << 40, 1 << 40]);
    let too_large = vec![file(&["a"], i64::MAX), file(&["b"], i64::MAX), file(&["c"], 2)];
    assert!(refusal(with_files(too_large)).contains("64 bits"));
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let files = vec![
        file(&["..", "..", "etc", "passwd"], 1),
        file(&["/etc/passwd"], 1),
        file(&["a/../../b", "c"], 1),
        file(&["..\\..\\d"], 1),
        file(&[], 1),
        file(&["", "."], 1),
    ];
    let expected =
        ["name/etc/passwd", "name/_etc_passwd", "name/a_.._.._b/c", "name/..\\..\\d", "name/_", "name/_.1"];
    assert_eq!(paths(files), expected);
    let metainfo = Metainfo::parse(torrent(&[("name", Some("../../x".into()))])).unwrap();
    assert_eq!(*metainfo.files[0].path, *Path::new(".._.._x"));
    let metainfo = Metainfo::parse(torrent(&[("name", Some("..".into()))])).unwrap();
    assert_eq!(metainfo.name, metainfo.info_hash.to_string());
}

#[test]
fn the_utf8_names_are_preferred() {
    let entry = Item::dictionary([
        ("path", Item::list([Item::from(&b"\xb1\xf0"[..])])),
        ("path.utf-8", Item::list(["別".into()])),
        ("length", 100.into()),
    ]);
    let name = ("name.utf-8", Some("名".into()));
    let raw = torrent(&[("length", None), ("files", Some(Item::list([entry]))), name]);
    assert_eq!(*Metainfo::parse(raw).unwrap().files[0].path, *Path::new("名/別"));
}

fn attributed(attribute: &str, length: i64, more: Option<(&str, Item)>) -> Item {
    let entries = [("attr", attribute.into()), ("path", Item::list(["x".into()])), ("length", length.into())];
    Item::dictionary(entries.into_iter().chain(more))
}

#[test]
fn padding_is_part_of_the_payload_and_takes_no_name() {
    let files = vec![
        file(&["a"], 10),
        attributed("p", 5, None),
        file(&["_____padding_file_0_BitComet"], 5),
        file(&[".____padding_file", "1"], 5),
        file(&["x"], 10),
    ];
    let metainfo = Metainfo::parse(with_files(files)).unwrap();
    assert_eq!(
        metainfo.files.iter().map(|file| file.padding).collect::<Vec<_>>(),
        [false, true, true, true, false]
    );
    assert_eq!((metainfo.files[4].offset, metainfo.geometry.total_size()), (25, 35));
    assert_eq!(*metainfo.files[4].path, *Path::new("name/x"));
}

#[test]
fn symbolic_links_are_left_out() {
    let target = || Some(("symlink path", Item::list(["..".into(), "etc".into()])));
    let metainfo = Metainfo::parse(with_files(vec![attributed("xl", 0, target()), file(&["a"], 1)])).unwrap();
    assert_eq!((metainfo.files.len(), metainfo.symlinks), (1, 1));
    let without_length = Item::dictionary(
        [("attr", "l".into()), ("path", Item::list(["x".into()]))].into_iter().chain(target()),
    );
    let no_list = Some(("symlink path", Item::from("a")));
    for link in [
        attributed("l", 1, target()),
        attributed("l", 1 << 40, target()),
        attributed("l", -1, target()),
        attributed("l", 0, None),
        attributed("l", 0, no_list),
        without_length,
    ] {
        let metainfo = Metainfo::parse(with_files(vec![file(&["a"], 1), link, file(&["b"], 2)])).unwrap();
        assert_eq!((metainfo.files.len(), metainfo.symlinks, metainfo.geometry.total_size()), (2, 1, 3));
        assert_eq!(metainfo.files[1].offset, 1);
    }
    let broken = Some(("symlink path", Item::list([1.into()])));
    assert!(refusal(with_files(vec![attributed("l", 0, broken)])).contains("'symlink path' of file 1"));
    let nameless = Item::dictionary([("attr", "l".into()), ("path", Item::list([1.into()]))]);
    assert!(refusal(with_files(vec![nameless])).contains("'path' of file 1"));
}

#[test]
fn what_the_field_takes_is_read_as_libtorrent_reads_it() {
    let good = "4:name1:x6:lengthi1e12:piece lengthi16384e6:pieces20:01234567890123456789";
    for (before, info, after) in [
        ("", good.to_owned(), "e\n\0rest"),
        ("", format!("{good}4:name1:y"), "e"),
        ("", format!("{good}6:lengthi99999e6:pieces1:x"), "e"),
        ("", good.replace("i1e", "i0001e"), "e"),
        ("", good.replace("4:name1:x", "04:name01:x"), "e"),
        ("", good.replace("4:name", "10:name.utf-8"), "e"),
        ("", format!("{good}1:zi-0e1:yi-007e1:xi99999999999999999999999e"), "e"),
        ("13:creation datei-0e8:announce1:t8:announce1:u", good.to_owned(), "4:infod4:name1:zee"),
    ] {
        let info = format!("d{info}e");
        let metainfo = Metainfo::parse(format!("d{before}4:info{info}{after}").into_bytes()).unwrap();
        assert_eq!((metainfo.name.as_str(), metainfo.geometry.total_size()), ("x", 1), "{info}");
        assert_eq!(metainfo.info_hash.0, <[u8; 20]>::from(Sha1::digest(&info)), "{info}");
        assert!(metainfo.trackers.iter().flatten().all(|tracker| tracker == "t"));
    }
    // Where two meanings stay, the torrent is refused.
    for bad in ["i1.5e", "ie", "i+1e", "i--1e", "i 1e"] {
        assert!(
            Metainfo::parse(format!("d4:infod{}ee", good.replace("i1e", bad)).into_bytes())
                .unwrap_err()
                .is_not_bencode(),
            "{bad}"
        );
    }
}

#[test]
fn each_limit_is_named_with_its_figure_and_a_way_out() {
    let pieces = |count: usize| {
        let length = 16_384 * count as i64;
        torrent(&[("length", Some(length.into())), ("pieces", Some(vec![0; 20 * count].into()))])
    };
    let files = |count: usize| {
        let list = "d6:lengthi1e4:pathl1:aee".repeat(count);
        format!(
            "d4:infod5:filesl{list}e4:name1:x12:piece lengthi1073741824e6:pieces20:01234567890123456789ee"
        )
    };
    let folders = |count: usize| with_files(vec![file(&["a"], 1), file(&vec!["d"; count], 1)]);
    let deep = |depth: usize| format!("d1:x{}{}e", "l".repeat(depth), "e".repeat(depth)).into_bytes();
    assert_eq!(Metainfo::parse(pieces(MAX_PIECES as usize)).unwrap().geometry.piece_count(), MAX_PIECES);
    assert!(Metainfo::parse(folders(MAX_FOLDER_DEPTH)).is_ok());
    for (raw, parts) in [
        (pieces(MAX_PIECES as usize + 1), ["2,097,153 pieces, and the limit is 2,097,152", "larger pieces"]),
        (files(MAX_FILES + 1).into_bytes(), ["500,001 files, and the limit is 500,000", "archives"]),
        (folders(MAX_FOLDER_DEPTH + 1), ["101 folders around a file, and the limit is 100", "flatter"]),
        (deep(100), ["more than 100 deep", "simpler"]),
        (["d1:xl", &"le".repeat(5_000_000), "ee"].concat().into_bytes(), ["more than 10 million", "simpler"]),
    ] {
        let refusal = refusal(raw);
        assert!(parts.iter().all(|part| refusal.contains(part)), "{refusal}");
    }
}

#[test]
fn a_refusal_names_the_fault() {
    let with = |key, value| torrent(&[(key, value)]);
    for (raw, part) in [
        (b"4:spam".to_vec(), "not a dictionary"),
        (b"de".to_vec(), "no 'info'"),
        (b"d4:infoi1ee".to_vec(), "no 'info'"),
        (with("name", None), "'name' is missing"),
        (with("name", Some(1.into())), "'name' is not a string"),
        (with("name", Some("\0\0".into())), "'name' is nothing but zeros"),
        (with("piece length", None), "'piece length' is missing"),
        (with("piece length", Some("1".into())), "'piece length' is not an integer"),
        (with("piece length", Some((-1).into())), "'piece length' is not positive"),
        (with("piece length", Some(0.into())), "'piece length' is not positive"),
        (with("piece length", Some(((1 << 30) + 1).into())), "more than 1 GiB"),
        (with("piece length", Some(i64::MAX.into())), "more than 1 GiB"),
        (with("pieces", None), "'pieces' is missing"),
        (with("pieces", Some(1.into())), "'pieces' is not a string"),
        (with("pieces", Some("x".into())), "not a multiple of 20"),
        (with("pieces", Some("".into())), "0 digests, but the files make 1 pieces"),
        (with("length", None), "'length' is missing"),
        (with("length", Some((-1).into())), "'length' is not a valid size"),
        (with("length", Some(0.into())), "no content"),
        (with("length", Some(i64::MAX.into())), "1 digests, but the files make 562949953421312 pieces"),
        (with("files", Some(Item::list([1.into()]))), "not a dictionary"),
        (with("files", Some(Item::list([]))), "'files' is empty"),
        (with("files", Some(1.into())), "'files' is not a list"),
        (with_files(vec![file(&["a"], 1), file(&["b"], -1)]), "'length' of file 2 is not a valid size"),
        (with_files(vec![Item::dictionary([("length", 1.into())])]), "'path' of file 1 is missing"),
        (with_files(vec![file(&["x"; 3000], 1)]), "longer than any system takes"),
    ] {
        let refusal = refusal(raw);
        assert!(refusal.contains(part), "{refusal} / {part}");
    }
}

#[test]
fn the_halves_of_a_hybrid_must_agree() {
    let leaf = |length: i64| Item::dictionary([("", Item::dictionary([("length", length.into())]))]);
    let hybrid = |tree| torrent(&[("meta version", Some(2.into())), ("file tree", Some(tree))]);
    assert!(Metainfo::parse(hybrid(Item::dictionary([("name", leaf(100))]))).is_ok());
    let broken = Item::dictionary([("name", Item::dictionary([("length", 100.into())]))]);
    // Properties that a later version may add are ignored, however they are nested.
    let inner = Item::dictionary([("length", 7.into())]);
    let more = Item::dictionary([("length", 100.into()), ("new", inner.clone()), ("other", inner)]);
    let more = Item::dictionary([("name", Item::dictionary([("", more)]))]);
    assert!(Metainfo::parse(hybrid(more)).is_ok());
    let no_dictionary = Item::dictionary([("name", Item::dictionary([("", 100.into())]))]);
    for (tree, part) in [
        (no_dictionary, "without a length"),
        (Item::dictionary([("name", leaf(99))]), "different files"),
        (Item::dictionary([("other", leaf(100))]), "different files"),
        (Item::dictionary([("name", leaf(100)), ("z", leaf(1))]), "different files"),
        (Item::dictionary([("a", Item::dictionary([("name", leaf(100))]))]), "different files"),
        (Item::dictionary([("name", leaf(-1))]), "without a length"),
        (Item::dictionary::<&str>([]), "lacks a file"),
        (Item::from(1), "not a dictionary"),
        (broken, "without properties"),
    ] {
        let refusal = refusal(hybrid(tree));
        assert!(refusal.contains(part), "{refusal} / {part}");
    }
    let tree = || Item::dictionary([("a", leaf(1)), ("b", leaf(1))]);
    let list = |padding| {
        let files = vec![file(&["a"], 1), attributed("p", padding, None), file(&["b"], 1)];
        let pieces = Item::from(vec![0; 40]);
        torrent(&[
            ("length", None),
            ("pieces", Some(pieces)),
            ("files", Some(Item::list(files))),
            ("file tree", Some(tree())),
        ])
    };
    assert!(Metainfo::parse(list(16383)).is_ok());
    assert!(refusal(list(16384)).contains("does not start at a piece"));
}

#[test]
fn no_cut_and_no_flipped_bit_breaks_the_reader() {
    let target = Some(("symlink path", Item::list(["a".into()])));
    let files =
        vec![file(&["d", "a"], 60), attributed("p", 5, None), attributed("l", 0, target), file(&["b"], 9)];
    let tree = Item::dictionary([("b", Item::dictionary([("", Item::dictionary([("length", 9.into())]))]))]);
    for tree in [None, Some(tree)] {
        let mut whole =
            torrent(&[("length", None), ("files", Some(Item::list(files.clone()))), ("file tree", tree)]);
        whole.splice(1..1, *b"8:announce3:udp13:announce-listll3:udpee5:nodesll1:ai1eee8:url-list1:u");
        for end in 0..whole.len() {
            assert!(Metainfo::parse(whole[..end].to_vec()).unwrap_err().is_not_bencode(), "cut at {end}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(metainfo) = Metainfo::parse(bytes) {
                assert!(metainfo.files.iter().all(|file| file.path.is_relative()));
                assert!(metainfo.piece_digest(0).is_some());
            }
        }
    }
}
