//! The address at which a web seed has a file: any address of a torrent, and any name of a file.
//!
//! What is put behind the address of the web seed means the path of the file and nothing more, so that no name adds a
//! query, a header or another request. The name of the thread is one that the system takes.

#![no_main]

use femtotorrent::metainfo::{File, percent_decoded};
use femtotorrent::web_seed::address;
use libfuzzer_sys::fuzz_target;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (seed, path) = bytes.split_at(at);
    let seed = String::from_utf8_lossy(seed);
    // As a torrent's paths are: relative, of names alone.
    let names = Path::new(OsStr::from_bytes(path)).components().filter_map(|component| match component {
        std::path::Component::Normal(name) => Some(name),
        _ => None,
    });
    let path: PathBuf = names.collect();
    let file = File { path: path.clone().into(), offset: 0, length: 1, padding: false };
    for has_folder in [false, true] {
        let Some(whole) = address::of_file(&seed, &file, has_folder) else { continue };
        let base = seed.split('#').next().expect("the first part");
        let added = whole.strip_prefix(base).expect("it begins with the address of the web seed");
        assert!(added.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%/-._~".contains(&byte)));
        if has_folder || base.ends_with('/') {
            let added = if base.ends_with('/') { added } else { added.strip_prefix('/').expect("a slash") };
            assert_eq!(percent_decoded(added), path.as_os_str().as_bytes());
        } else {
            assert!(added.is_empty());
        }
    }
    let host = address::host(&seed);
    assert!(host.len() <= 64 && host.bytes().all(|byte| byte.is_ascii_graphic()));
    let _ = address::is_of_the_web(&seed);
});
