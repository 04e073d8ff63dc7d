//! `make install` puts everything in its place, and `make uninstall` takes it away, without a build in between.

use super::folder::TestFolder;
use super::skip::skip;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed below the prefix, sorted.
const INSTALLED: &[&str] = &[
    "bin/femtotorrent",
    "lib/systemd/system/femtotorrent-seed@.service",
    "share/applications/femtotorrent.desktop",
    "share/bash-completion/completions/femtotorrent",
    "share/doc/femtotorrent/LICENSE",
    "share/doc/femtotorrent/MANUAL.md",
    "share/doc/femtotorrent/README.md",
    "share/doc/femtotorrent/SAFETY.md",
    "share/fish/vendor_completions.d/femtotorrent.fish",
    "share/man/man1/femtotorrent.1",
    "share/zsh/site-functions/_femtotorrent",
];

fn make(target: &str, destination: &Path) -> bool {
    let mut command = Command::new("make");
    command.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.arg(format!("PROGRAM={}", env!("CARGO_BIN_EXE_femtotorrent"))).arg("PREFIX=/usr");
    command.arg(format!("DESTDIR={}", destination.display()));
    // No cargo is found there.
    command.env("PATH", "/usr/bin:/bin").env_remove("MAKEFLAGS");
    let Ok(output) = command.output() else { return false };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => files.extend(self::files(&entry)),
            false => files.push(entry),
        }
    }
    files.sort();
    files
}

#[test]
fn make_installs_what_there_is_and_removes_it_again() {
    let folder = TestFolder::new();
    // A blank in the path is nothing special.
    let destination = folder.path().join("a package");
    if !make("install", &destination) {
        return skip("make is not installed");
    }
    let expected: Vec<PathBuf> = INSTALLED.iter().map(|name| destination.join("usr").join(name)).collect();
    assert_eq!(files(&destination), expected);
    for file in &expected {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if file.ends_with("bin/femtotorrent") { 0o755 } else { 0o644 }, "{file:?}");
    }
    let version = Command::new(&expected[0]).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("femtotorrent "));
    assert!(make("uninstall", &destination));
    assert!(files(&destination).is_empty());
    assert!(!destination.join("usr/share/doc/femtotorrent").exists());
}
