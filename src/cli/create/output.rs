//! Writes a new torrent to the disk, or to standard output. A file with its name is always whole.

use crate::cli::exit::{CommandFailure, Exit};
use crate::cli::terminal;
use crate::text::{reason, shown};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The option of `create`, which can replace what is there.
const OUTPUT: &str = "--output";

/// Where the torrent goes.
pub struct Output<'a> {
    path: &'a Path,
    kind: Kind,
    /// The option that names it.
    option: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// `-`, or a name of the same.
    StandardOutput,
    /// A pipe or a device, which must not be replaced by a file.
    Special,
}

/// The path of the torrent, which is called `name` if the user does not say otherwise. What is named may be a folder.
pub fn destination(dir: Option<&Path>, output: Option<&Path>, name: OsString) -> PathBuf {
    let path = match (dir, output) {
        (_, Some(output)) if output == Path::new("-") => return output.to_owned(),
        (Some(dir), Some(output)) => dir.join(output),
        (Some(dir), None) => return dir.join(name),
        (None, Some(output)) => output.to_owned(),
        (None, None) => return name.into(),
    };
    if path.is_dir() { path.join(name) } else { path }
}

impl<'a> Output<'a> {
    /// What this path stands for, of `create`.
    pub fn new(path: &'a Path) -> Output<'a> {
        Output::named_by(OUTPUT, path)
    }

    /// What this path stands for, which this option of another command names. That one replaces nothing.
    pub fn named_by(option: &'static str, path: &'a Path) -> Output<'a> {
        let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        let is_special = || fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
        let kind = match path {
            path if names.iter().any(|name| path == Path::new(name)) => Kind::StandardOutput,
            _ if is_special() => Kind::Special,
            _ => Kind::File,
        };
        Output { path, kind, option }
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        self.path
    }

    /// Whether nothing else may be printed there.
    pub fn is_standard_output(&self) -> bool {
        self.kind == Kind::StandardOutput
    }

    /// Fails if the path exists and must not be replaced, or no file can be created there: whoever calls this has hours
    /// of work before there is something to write.
    pub fn check(&self, overwrite: bool) -> Result<(), CommandFailure> {
        if self.kind != Kind::File {
            return Ok(());
        }
        match self.path.symlink_metadata() {
            Ok(there) if there.is_dir() => return Err(self.failed(&ErrorKind::IsADirectory.into())),
            Ok(_) if !overwrite => return Err(self.failed(&ErrorKind::AlreadyExists.into())),
            // A name that is too long, for one.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.failed(&error)),
            _ => {}
        }
        let temporary = self.temporary()?;
        let tried = File::create_new(&temporary).and_then(|_| fs::remove_file(&temporary));
        tried.map_err(|error| self.failed(&error))
    }

    /// Writes the torrent. A file gets a temporary name first, and is renamed when it is safe on the disk.
    pub fn write(&self, bytes: &[u8], overwrite: bool) -> Result<(), CommandFailure> {
        let written = match self.kind {
            Kind::File => return self.write_file(bytes, overwrite),
            Kind::StandardOutput => terminal::write_file(bytes),
            Kind::Special => {
                let opened = OpenOptions::new().write(true).open(self.path);
                opened.map_err(|error| self.failed(&error))?.write_all(bytes)
            }
        };
        let place = if self.is_standard_output() { "standard output".to_owned() } else { shown(self.path) };
        written.map_err(|error| (Exit::IO, format!("cannot write to {place}: {}", reason(&error))))
    }

    fn write_file(&self, bytes: &[u8], overwrite: bool) -> Result<(), CommandFailure> {
        let temporary = self.temporary()?;
        let mut file = File::create_new(&temporary).map_err(|error| self.failed(&error))?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let placed = written.and_then(|()| place(&temporary, self.path, overwrite));
        if placed.is_err() {
            // A temporary file that stays behind would only be in the way.
            let _ = fs::remove_file(&temporary);
        }
        placed.map_err(|error| self.failed(&error))
    }

    /// The temporary name. It is beside the torrent, so that it is on the same file system.
    fn temporary(&self) -> Result<PathBuf, CommandFailure> {
        self.path.file_name().ok_or_else(|| self.failed(&ErrorKind::InvalidFilename.into()))?;
        let name = format!(".torrent-{}.femtotorrent-new", std::process::id());
        Ok(self.path.with_file_name(name))
    }

    /// Why nothing is written there, and the way out.
    fn failed(&self, error: &io::Error) -> CommandFailure {
        let (path, option) = (shown(self.path), self.option);
        match error.kind() {
            ErrorKind::AlreadyExists => {
                let replace = if option == OUTPUT { "replace it with --overwrite" } else { "remove it" };
                (Exit::EXISTS, format!("{path} exists ({replace}, or choose another name with {option})"))
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                (Exit::DISK_FULL, format!("cannot write {path}: the disk is full (free some space)"))
            }
            _ => (
                Exit::CANNOT_CREATE,
                format!("cannot create {path}: {} (choose another name with {option})", reason(error)),
            ),
        }
    }
}

fn place(temporary: &Path, path: &Path, overwrite: bool) -> io::Result<()> {
    if overwrite {
        return fs::rename(temporary, path);
    }
    // Unlike a rename, a hard link never replaces a file, not even one that was created a moment ago.
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // This file system has no hard links.
        Err(_) if path.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(temporary, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_replaced_only_on_request() {
        let folder = std::env::temp_dir().join(format!("femtotorrent-output-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x.torrent");
        let output = Output::new(&path);
        let write = |bytes, overwrite| output.write(bytes, overwrite);
        write(b"one", false).unwrap();
        assert_eq!(output.check(false).unwrap_err().0, Exit::EXISTS);
        assert_eq!(write(b"two", false).unwrap_err().0, Exit::EXISTS);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        output.check(true).unwrap();
        write(b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(Output::new(&folder).check(true).unwrap_err().0, Exit::CANNOT_CREATE);
        let nowhere = folder.join("no/x");
        let failure = Output::new(&nowhere).write(b"", false).unwrap_err();
        assert_eq!(failure.0, Exit::CANNOT_CREATE);
        // That is known before there is something to write.
        assert_eq!(Output::new(&nowhere).check(false), Err(failure));
        let long = folder.join("x".repeat(300));
        assert_eq!(Output::new(&long).check(true).unwrap_err().0, Exit::CANNOT_CREATE);
        Output::new(&folder.join("y")).check(false).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_way_out_is_an_option_that_the_command_has() {
        let folder = std::env::temp_dir();
        let said = |output: Output<'_>| output.check(false).unwrap_err().1;
        let ours = said(Output::new(&folder));
        assert!(ours.ends_with("is a directory (choose another name with --output)"), "{ours}");
        let theirs = said(Output::named_by("--save", &folder));
        assert!(theirs.ends_with("is a directory (choose another name with --save)"), "{theirs}");
        let there = std::env::current_exe().unwrap();
        let ours = said(Output::new(&there));
        let way_out = "exists (replace it with --overwrite, or choose another name with --output)";
        assert!(ours.ends_with(way_out), "{ours}");
        let theirs = said(Output::named_by("--save", &there));
        assert!(theirs.ends_with("exists (remove it, or choose another name with --save)"), "{theirs}");
    }

    #[test]
    fn a_folder_is_named_by_either_option_and_a_file_in_it_by_both() {
        let folder = std::env::temp_dir();
        let to = |dir: Option<&str>, output: Option<&Path>| {
            destination(dir.map(Path::new), output, "n.torrent".into())
        };
        assert_eq!(to(None, None), Path::new("n.torrent"));
        assert_eq!(to(Some("d"), None), Path::new("d/n.torrent"));
        assert_eq!(to(Some("d"), Some(Path::new("o"))), Path::new("d/o"));
        assert_eq!(to(None, Some(Path::new("not-there"))), Path::new("not-there"));
        assert_eq!(to(None, Some(&folder)), folder.join("n.torrent"));
        assert_eq!(to(Some("d"), Some(&folder)), folder.join("n.torrent"));
        assert_eq!(to(Some("d"), Some(Path::new("-"))), Path::new("-"));
    }

    #[test]
    fn standard_output_and_devices_are_written_to_and_not_replaced() {
        for name in ["-", "/dev/stdout"] {
            let output = Output::new(Path::new(name));
            output.check(false).unwrap();
            assert!(output.is_standard_output());
        }
        let device = Output::new(Path::new("/dev/null"));
        device.check(false).unwrap();
        device.write(b"torrent", true).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file() && !device.is_standard_output());
    }
}
