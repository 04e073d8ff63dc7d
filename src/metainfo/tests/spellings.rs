//! Under which paths a file is looked for and written.

use super::*;

/// The own path and the portable path of each file below the folder `name`.
fn spellings(paths: &[&[&[u8]]]) -> Vec<(String, String)> {
    let entry = |path: &&[&[u8]]| {
        let path = Item::list(path.iter().map(|element| Item::from(*element)));
        Item::dictionary([("length", 1.into()), ("path", path)])
    };
    let text = |path: &Path| path.as_os_str().as_encoded_bytes()["name/".len()..].escape_ascii().to_string();
    let read = Metainfo::parse(with_files(paths.iter().map(entry).collect())).unwrap();
    read.files.iter().map(|file| (text(&file.path), text(file.path.portable()))).collect()
}

fn check_spellings(expected: &[(&[&[u8]], &str, &str)]) {
    let paths: Vec<_> = expected.iter().map(|(path, ..)| *path).collect();
    for ((own, portable), (path, expected_own, expected_portable)) in spellings(&paths).iter().zip(expected) {
        assert_eq!((own.as_str(), portable.as_str()), (*expected_own, *expected_portable), "{path:?}");
    }
}

#[test]
fn each_file_has_a_path_of_its_own_and_a_portable_one() {
    check_spellings(&[
        (&[b"a.txt"], "a.txt", "a.txt"),
        (&[b"a.txt"], "a.1.txt", "a.1.txt"),
        (&[b"A.TXT"], "A.TXT", "A.2.TXT"),
        (&[b"A.TXT"], "A.3.TXT", "A.3.TXT"),
        (&[b"b"], "b.1", "b.1"),
        (&[b"b", b"c"], "b/c", "b/c"),
        (&[b"B", b"c"], "B/c", "B/c.1"),
        (&[b"Ab", b"x"], "Ab/x", "Ab/x"),
        (&[b"ab"], "ab", "ab.1"),
        (&[b"Vol. 1."], "Vol. 1.", "Vol. 1"),
        (&[b"AUX.c"], "AUX.c", "_AUX.c"),
        (&[b"d\\e"], "d\\\\e", "d_e"),
        (&[b"caf\xe9"], "caf\\xe9", "caf\\xef\\xbf\\xbd"),
        (&[b"Q: <why?>"], "Q: <why?>", "Q_ _why__"),
        (&[b"Q: <why?>"], "Q: <why?>.1", "Q_ _why__.1"),
    ]);
}

#[test]
fn no_portable_path_is_the_own_path_of_another_file() {
    check_spellings(&[
        (&[b"aux"], "aux", "_aux.1"),
        (&[b"_aux"], "_aux", "_aux"),
        (&[b"x:"], "x:", "x_.2"),
        (&[b"x?"], "x?", "x_.3"),
        (&[b"X_.1"], "X_.1", "X_.1"),
        (&[b"x_"], "x_", "x_"),
        // The same in a folder that has two spellings itself.
        (&[b"nul", b"y:"], "nul/y:", "_nul/y_.1"),
        (&[b"nul", b"y_"], "nul/y_", "_nul/y_"),
        (&[b"nul", b"z"], "nul/z", "_nul/z.1"),
        (&[b"_nul", b"z"], "_nul/z", "_nul/z"),
        // A name with a number may be another file's own.
        (&[b"w "], "w ", "w"),
        (&[b"w "], "w .2", "w .2"),
        (&[b"w .1"], "w .1", "w .1"),
    ]);
}

#[test]
fn a_file_is_looked_for_and_written_in_the_spellings_of_its_folders() {
    let file = |path: &[&[u8]]| {
        let path = Item::list(path.iter().map(|element| Item::from(*element)));
        let file = Item::dictionary([("length", 1.into()), ("path", path)]);
        Metainfo::parse(with_files(vec![file])).unwrap().files.remove(0).path
    };
    let paths =
        |list: Vec<PathBuf>| list.iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    let odd = file(&[b"a.", b"b?", b"c:"]);
    let expected = ["name/a./b?/c:", "name/a./b?/c_", "name/a./b_/c_", "name/a/b?/c_", "name/a/b_/c_"];
    assert_eq!(paths(odd.ours()), expected);
    assert_eq!(paths(odd.to_write()), expected);
    let hidden = file(&[b"a\n", b"b", "c\u{202e}".as_bytes()]);
    assert_eq!(paths(hidden.ours())[0], "name/a\n/b/c\u{202e}");
    assert_eq!(paths(hidden.to_write()), ["name/a_/b/c_"]);
    assert_eq!(paths(hidden.of_others()), ["name/a_/b/c", "name/a_/b/c\u{202e}"]);
    for up in [&b".\\."[..], b"\\", b".\\"] {
        let of_others = paths(file(&[up, b"x"]).of_others());
        assert!(
            of_others.iter().all(|path| path.starts_with("name/") && !path.contains("..")),
            "{of_others:?}"
        );
    }
    let deep = file(&[&b"a?"[..]; 60]);
    assert!(deep.ours().len() < 20 && deep.to_write().last().unwrap() == deep.portable());
    assert!(!file(&[b"plain", b"file"]).is_odd());
}
