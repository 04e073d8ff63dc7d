//! Torrents of version 2 (BEP 52).

use super::*;
use crate::piece::merkle::{self, BlockHash, Node, Subtree};

const PIECE: usize = 32_768;

/// The digests of the pieces of a file of these bytes, and its root.
fn hashed(bytes: &[u8]) -> (Vec<Node>, Node) {
    let levels = match bytes.len() {
        ..=PIECE => merkle::levels(bytes.len().div_ceil(16_384) as u64),
        _ => 1,
    };
    let node = |piece: &[u8]| {
        let mut hash = BlockHash::default();
        hash.update(piece);
        hash.node(levels)
    };
    let nodes: Vec<Node> = bytes.chunks(PIECE).map(node).collect();
    let mut root = Subtree::default();
    nodes.iter().for_each(|node| root.push(*node));
    let above = merkle::levels(nodes.len() as u64);
    (nodes, root.root(above, merkle::padding(1)))
}

fn leaf(bytes: &[u8]) -> Item {
    let mut properties = vec![("length", Item::from(bytes.len() as i64))];
    if !bytes.is_empty() {
        properties.push(("pieces root", hashed(bytes).1.to_vec().into()));
    }
    Item::dictionary([("", Item::dictionary(properties))])
}

fn layers<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Item {
    let of_file = |bytes: &[u8]| (hashed(bytes).1, Item::from(hashed(bytes).0.concat()));
    let mut layers: Vec<(Node, Item)> =
        files.into_iter().filter(|bytes| bytes.len() > PIECE).map(of_file).collect();
    layers.sort_by_key(|(root, _)| *root);
    Item::dictionary(layers)
}

/// A torrent with this tree and these layers; `others` replace entries of `info`.
fn of_tree(tree: Item, layers: Item, others: &[(&'static str, Item)]) -> Vec<u8> {
    let mut info = vec![
        ("name", Item::from("name")),
        ("piece length", (PIECE as i64).into()),
        ("meta version", 2.into()),
        ("file tree", tree),
    ];
    for (key, value) in others {
        info.retain(|(name, _)| name != key);
        info.push((key, value.clone()));
    }
    Item::dictionary([("info", Item::dictionary(info)), ("piece layers", layers)]).encode()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn files_begin_at_pieces_and_have_their_digests() {
    let (large, small, twin) = (bytes(100_000), bytes(20_000), bytes(100_000));
    let folder = Item::dictionary([("c", leaf(&small)), ("empty", leaf(&[]))]);
    let tree = Item::dictionary([("a", leaf(&large)), ("b", folder), ("d", leaf(&twin)), ("e", leaf(b"x"))]);
    let raw = of_tree(tree, layers([&large[..]]), &[]);
    let torrent = Metainfo::parse(raw).unwrap();
    let hash: [u8; 32] = Sha256::digest(torrent.info_bytes()).into();
    assert_eq!((torrent.info_hash_v2, &torrent.info_hash.0[..]), (Some(InfoHashV2(hash)), &hash[..20]));
    let files: Vec<(&str, u64, u64, bool)> = torrent
        .files
        .iter()
        .map(|file| (file.path.to_str().unwrap(), file.offset, file.length, file.padding))
        .collect();
    assert_eq!(
        files,
        [
            ("name/a", 0, 100_000, false),
            (".pad/31072", 100_000, 31_072, true),
            ("name/b/c", 131_072, 20_000, false),
            ("name/b/empty", 151_072, 0, false),
            (".pad/12768", 151_072, 12_768, true),
            ("name/d", 163_840, 100_000, false),
            (".pad/31072", 263_840, 31_072, true),
            ("name/e", 294_912, 1, false),
        ]
    );
    let digests: Vec<Node> = [&large[..], &small, &twin, b"x"].map(|bytes| hashed(bytes).0).concat();
    assert_eq!((digests.len(), torrent.geometry.piece_count()), (10, 10));
    for (number, digest) in (0..).zip(digests) {
        assert_eq!(torrent.piece_digest(number), Some(PieceDigest::Node(digest)), "{number}");
    }
    assert_eq!((torrent.piece_digest(10), torrent.geometry.total_size()), (None, 220_001));
}

#[test]
fn a_lone_file_needs_no_folder() {
    let raw = of_tree(Item::dictionary([("x.iso", leaf(b"abc"))]), layers([]), &[]);
    let torrent = Metainfo::parse(raw).unwrap();
    assert_eq!((torrent.name.as_str(), torrent.files[0].path.to_str()), ("x.iso", Some("x.iso")));
    let folder = Item::dictionary([("d", Item::dictionary([("x.iso", leaf(b"abc"))]))]);
    let torrent = Metainfo::parse(of_tree(folder, layers([]), &[])).unwrap();
    assert_eq!(torrent.files[0].path.to_str(), Some("name/d/x.iso"));
}

#[test]
fn a_torrent_needs_no_name() {
    let nameless = |tree: Item| {
        let raw = of_tree(tree, layers([]), &[]);
        let name = b"4:name4:name";
        let at = raw.windows(name.len()).position(|part| part == name).unwrap();
        Metainfo::parse([&raw[..at], &raw[at + name.len()..]].concat()).unwrap()
    };
    let torrent = nameless(Item::dictionary([("a", leaf(b"abc")), ("b", leaf(b"x"))]));
    let hash = torrent.info_hash.to_string();
    assert_eq!((torrent.name, torrent.files[0].path.to_str()), (hash.clone(), Some(&*format!("{hash}/a"))));
    assert_eq!(nameless(Item::dictionary([("x.iso", leaf(b"abc"))])).name, "x.iso");
}

#[test]
fn of_a_property_that_is_there_twice_the_first_counts() {
    let of = |lengths: &str| {
        let file = format!("d{lengths}11:pieces root32:{}e", "7".repeat(32));
        let raw =
            format!("d4:infod9:file treed1:xd0:{file}ee12:meta versioni2e4:name1:x12:piece lengthi16384eee");
        Metainfo::parse(raw.into_bytes()).map(|torrent| torrent.files[0].length)
    };
    assert_eq!(of("6:lengthi3e6:lengthi5e"), Ok(3));
    assert!(of("6:length1:x6:lengthi5e").is_err());
}

#[test]
fn links_are_left_out() {
    let link = Item::dictionary([("", Item::dictionary([("attr", "l".into()), ("length", 0.into())]))]);
    let raw = of_tree(Item::dictionary([("a", leaf(b"abc")), ("b", link)]), layers([]), &[]);
    let torrent = Metainfo::parse(raw).unwrap();
    assert_eq!((torrent.files.len(), torrent.symlinks), (1, 1));
}

#[test]
fn what_is_wrong_in_version_two_is_named() {
    let large = bytes(100_000);
    let whole = || Item::dictionary([("a", leaf(&large)), ("b", leaf(b"x"))]);
    let with = |properties: Vec<(&str, Item)>| {
        let leaf = Item::dictionary([("", Item::dictionary(properties))]);
        of_tree(
            Item::dictionary([
                ("a", leaf),
                ("b", Item::dictionary([("", Item::dictionary([("length", Item::from(0))]))])),
            ]),
            layers([]),
            &[],
        )
    };
    let layer = |nodes: Vec<u8>| Item::dictionary([(hashed(&large).1, Item::from(nodes))]);
    let known = hashed(&large).0.concat();
    let unknown = Item::dictionary([(hashed(&large).1, Item::from(known.clone())), ([0xff; 32], "".into())]);
    // A file that has another one inside it, alone and beside others.
    let twice = |is_alone: bool| {
        let properties =
            Item::dictionary([("length", Item::from(1)), ("pieces root", vec![1_u8; 32].into())]);
        let both = Item::dictionary([("", properties), ("inside", leaf(b"x"))]);
        let others = (!is_alone).then(|| ("b", leaf(b"x")));
        Item::dictionary([("a", both)].into_iter().chain(others))
    };
    let unnumbered = of_tree(whole(), layers([&large[..]]), &[]);
    let number = b"12:meta versioni2e";
    let at = unnumbered.windows(number.len()).position(|part| part == number).unwrap();
    let unnumbered = [&unnumbered[..at], &unnumbered[at + number.len()..]].concat();
    let long = 1_i64 << 42;
    let padding = Item::dictionary([("attr", Item::from("p")), ("length", 1.into())]);
    let padding = Item::dictionary([("", padding)]);
    for (raw, part) in [
        (of_tree(whole(), layers([&large[..]]), &[("meta version", 3.into())]), "newer version than 2"),
        (of_tree(1.into(), 1.into(), &[("meta version", 3.into()), ("piece length", (-1).into())]), "newer"),
        (of_tree(whole(), layers([&large[..]]), &[("meta version", 1.into())]), "'meta version' is not 2"),
        (unnumbered, "'meta version' is missing"),
        (of_tree(whole(), layers([&large[..]]), &[("piece length", 8_192.into())]), "power of two of 16 KiB"),
        (
            of_tree(whole(), layers([&large[..]]), &[("piece length", 40_000.into())]),
            "power of two of 16 KiB",
        ),
        (of_tree(whole(), layers([&large[..]]), &[("piece length", 16_384.into())]), "of another length"),
        (of_tree(1.into(), layers([]), &[]), "not a dictionary"),
        (of_tree(leaf(b"x"), layers([]), &[]), "is a file itself"),
        (of_tree(Item::dictionary::<&str>([]), layers([]), &[]), "no content"),
        (of_tree(Item::dictionary([("a", leaf(&[]))]), layers([]), &[]), "no content"),
        (of_tree(whole(), layers([]), &[]), "'piece layers' of file 1 has no layer of it"),
        (of_tree(whole(), layer(known[32..].to_vec()), &[]), "of another length"),
        (of_tree(whole(), layer(known[1..].to_vec()), &[]), "of another length"),
        (of_tree(whole(), layer(vec![7; known.len()]), &[]), "does not lead to its root"),
        (of_tree(whole(), unknown, &[]), "a layer of no file"),
        (of_tree(whole(), Item::dictionary([("x", Item::from(1))]), &[]), "is not a string"),
        (of_tree(whole(), 1.into(), &[]), "'piece layers' is not a dictionary"),
        (with(vec![("length", 1.into())]), "'pieces root' of file 1 is missing"),
        (with(vec![("length", 1.into()), ("pieces root", "short".into())]), "does not have 32 bytes"),
        (with(vec![("length", 1.into()), ("pieces root", vec![0_u8; 32].into())]), "nothing but zeros"),
        (with(vec![("length", long.into()), ("pieces root", vec![1_u8; 32].into())]), "2,097,153 pieces"),
        (of_tree(twice(false), layers([]), &[]), "is a file and not only that"),
        (of_tree(twice(true), layers([]), &[]), "is a file and not only that"),
        (with(vec![("length", (-1).into())]), "without a length"),
        (with(vec![("attr", "p".into()), ("length", 1.into())]), "has padding"),
        (of_tree(Item::dictionary([("a", padding)]), layers([]), &[]), "has padding"),
    ] {
        let refusal = refusal(raw);
        assert!(refusal.contains(part), "{refusal} / {part}");
    }
}

#[test]
fn a_tree_is_made_of_folders_and_of_files_with_properties() {
    let of = |leaf: Item| of_tree(Item::dictionary([("a", leaf), ("b", self::leaf(b"x"))]), layers([]), &[]);
    for (leaf, part) in [
        (1.into(), "a file without properties"),
        (Item::dictionary([("", Item::from(1))]), "a file without a length"),
        (Item::dictionary([("", Item::dictionary::<&str>([]))]), "a file without a length"),
        (
            Item::dictionary([("", Item::dictionary([("length", Item::from("1"))]))]),
            "a file without a length",
        ),
    ] {
        let refusal = refusal(of(leaf));
        assert!(refusal.contains(part), "{refusal} / {part}");
    }
    // With keys in no order, a folder comes before what would make it a file.
    let file = format!("0:d6:lengthi1e11:pieces root32:{}e", "7".repeat(32));
    let tree = format!("1:ad1:xd{file}e{file}e1:bd{file}e");
    let raw = format!("d4:infod9:file treed{tree}e12:meta versioni2e4:name1:x12:piece lengthi16384eee");
    assert!(refusal(raw.into_bytes()).contains("is a file and not only that"));
    // What stands deeper in the properties is none of them.
    let deeper = Item::dictionary([("length", Item::from(7)), ("pieces root", "short".into())]);
    let properties =
        [("length", Item::from(1)), ("pieces root", hashed(b"x").1.to_vec().into()), ("zz", deeper)];
    let torrent = Metainfo::parse(of(Item::dictionary([("", Item::dictionary(properties))]))).unwrap();
    assert_eq!(torrent.files[0].length, 1);
}

#[test]
fn no_name_of_the_tree_leads_out_of_the_folder() {
    for name in ["..", ".", "/etc", "a/../../b", "a\0b", "../x"] {
        let folder = Item::dictionary([(name, leaf(b"x")), ("zzzz", Item::dictionary([(name, leaf(b"y"))]))]);
        // As a folder and as a file, beside others and alone.
        let alone = Item::dictionary([(name, leaf(b"x"))]);
        for tree in [Item::dictionary([(name, folder.clone())]), folder, alone] {
            let Ok(torrent) = Metainfo::parse(of_tree(tree, layers([]), &[])) else { continue };
            for file in torrent.files.iter().filter(|file| !file.padding) {
                let path = std::path::Path::new(file.path.as_os_str());
                let is_name = |part| matches!(part, std::path::Component::Normal(_));
                assert!(path.components().all(is_name), "{name:?}: {path:?}");
                assert!(!path.to_str().unwrap().contains('\0'), "{path:?}");
            }
        }
    }
}

#[test]
fn a_tree_of_too_many_files_or_folders_is_refused_and_no_layers_are_asked_for() {
    let info = |files: &str| {
        format!("d9:file treed{files}e12:meta versioni2e4:name1:x12:piece lengthi16384ee").into_bytes()
    };
    let torrent = |files: &str| [b"d4:info", &info(files)[..], b"e"].concat();
    let empty = |count: usize| -> String {
        (0..count).map(|number| format!("7:{number:07}d0:d6:lengthi0eee")).collect()
    };
    let large = format!("1:xd0:d6:lengthi16385e11:pieces root32:{}ee", "7".repeat(32));
    let refused = refusal(torrent(&empty(MAX_FILES + 1)));
    assert!(refused.contains("500,001 files, and the limit is 500,000"), "{refused}");
    assert_eq!(layers_of(&info(&large)).len(), 1);
    assert_eq!(layers_of(&info(&(empty(MAX_FILES) + &large))), [], "the torrent would be refused");
    let most = large.replace("16385", &(16_384_u64 * u64::from(MAX_PIECES)).to_string());
    assert_eq!(layers_of(&info(&most)).len(), 1);
    assert_eq!(layers_of(&info(&(large.replace("1:x", "1:a") + &most))), [], "of pieces there are too many");
    assert_eq!(
        layers_of(&[&b"d9:file treed"[..], large.as_bytes(), b"e12:piece lengthi16385ee"].concat()),
        []
    );
    let deep = ["1:dd".repeat(1000), "1:ad0:d6:lengthi0eee".to_owned(), "e".repeat(1000)].concat();
    let refused = refusal(torrent(&deep));
    assert!(refused.contains("more than 100 deep"), "{refused}");
}

#[test]
fn a_torrent_without_layers_is_one_for_its_link() {
    let large = bytes(100_000);
    let whole = of_tree(Item::dictionary([("a", leaf(&large))]), layers([&large[..]]), &[]);
    let hash = Metainfo::parse(whole.clone()).unwrap().info_hash_v2.unwrap();
    let without =
        [&whole[..whole.windows(14).position(|part| part == b"12:piece layer").unwrap()], b"e"].concat();
    let refusal = refusal(without);
    assert!(
        refusal.contains(&format!("use its link, 'magnet:?xt=urn:btmh:1220{hash}&dn=name'")),
        "{refusal}"
    );
}

#[test]
fn layers_are_named_once_and_only_where_they_are_needed() {
    let (large, small) = (bytes(100_000), bytes(PIECE));
    let tree = Item::dictionary([("a", leaf(&large)), ("b", leaf(&small)), ("c", leaf(&large))]);
    let torrent = Metainfo::parse(of_tree(tree, layers([&large[..]]), &[])).unwrap();
    let named = layers_of(torrent.info_bytes());
    assert_eq!(named, [MissingLayer { pieces_root: hashed(&large).1, base_layer: 1, pieces: 4 }]);
    assert_eq!(layers_of(b"de"), []);
    let range = NodeRange { base_layer: 1, index: 0, length: 4, proof_layers: 1 };
    let nodes = torrent.nodes(&named[0].pieces_root, range).unwrap();
    assert_eq!(nodes, hashed(&large).0);
    assert_eq!(torrent.nodes(&hashed(&small).1, range), None);
}

#[test]
fn no_cut_and_no_flipped_bit_breaks_the_reader_of_version_two() {
    let large = bytes(70_000);
    let tree = Item::dictionary([("a", leaf(&large)), ("b", leaf(b"x"))]);
    let whole = of_tree(tree, layers([&large[..]]), &[]);
    assert!(Metainfo::parse(whole.clone()).is_ok());
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(torrent) = Metainfo::parse(bytes) {
            assert!(torrent.geometry.pieces().all(|piece| torrent.piece_digest(piece.get()).is_some()));
        }
    }
}
