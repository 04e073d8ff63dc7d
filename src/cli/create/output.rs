//! Writes a new torrent to the disk, or to standard output. A file with its name is always whole.

use crate::cli::exit::{CommandFailure, Exit};
use crate::cli::terminal;
use crate::text::{reason, shown};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Where the torrent goes.
pub struct Output<'a> {
    path: &'a Path,
    kind: Kind,
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

impl Output<'_> {
    /// What this path stands for.
    pub fn new(path: &Path) -> Output<'_> {
        let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        let is_special = || fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
        let kind = match path {
            path if names.iter().any(|name| path == Path::new(name)) => Kind::StandardOutput,
            _ if is_special() => Kind::Special,
            _ => Kind::File,
        };
        Output { path, kind }
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        self.path
    }

    /// Whether nothing else may be printed there.
    pub fn is_standard_output(&self) -> bool {
        self.kind == Kind::StandardOutput
    }

    /// Fails if the path exists and must not be replaced.
    pub fn check(&self, overwrite: bool) -> Result<(), CommandFailure> {
        match self.path.symlink_metadata() {
            _ if self.kind != Kind::File => Ok(()),
            Ok(there) if there.is_dir() => Err(failed(self.path, &ErrorKind::IsADirectory.into())),
            Ok(_) if !overwrite => Err(failed(self.path, &ErrorKind::AlreadyExists.into())),
            _ => Ok(()),
        }
    }

    /// Writes the torrent. A file gets a temporary name first, and is renamed when it is safe on the disk.
    pub fn write(&self, bytes: &[u8], overwrite: bool) -> Result<(), CommandFailure> {
        let written = match self.kind {
            Kind::File => return write_file(self.path, bytes, overwrite),
            Kind::StandardOutput => terminal::write_file(bytes),
            Kind::Special => {
                let opened = OpenOptions::new().write(true).open(self.path);
                opened.map_err(|error| failed(self.path, &error))?.write_all(bytes)
            }
        };
        let place = if self.is_standard_output() { "standard output".to_owned() } else { shown(self.path) };
        written.map_err(|error| (Exit::IO, format!("cannot write to {place}: {}", reason(&error))))
    }
}

fn write_file(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), CommandFailure> {
    let temporary = temporary(path).ok_or_else(|| failed(path, &ErrorKind::InvalidFilename.into()))?;
    let mut file = File::create_new(&temporary).map_err(|error| failed(path, &error))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| place(&temporary, path, overwrite));
    if placed.is_err() {
        // A temporary file that stays behind would only be in the way.
        let _ = fs::remove_file(&temporary);
    }
    placed.map_err(|error| failed(path, &error))
}

/// The temporary name. It is beside the torrent, so that it is on the same file system.
fn temporary(path: &Path) -> Option<PathBuf> {
    path.file_name()?;
    Some(path.with_file_name(format!(".torrent-{}.femtotorrent-new", std::process::id())))
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

fn failed(path: &Path, error: &io::Error) -> CommandFailure {
    let path = shown(path);
    match error.kind() {
        ErrorKind::AlreadyExists => {
            let text = "exists (replace it with --overwrite, or choose another name with --output)";
            (Exit::EXISTS, format!("{path} {text}"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (Exit::DISK_FULL, format!("cannot write {path}: the disk is full (free some space)"))
        }
        _ => (
            Exit::CANNOT_CREATE,
            format!("cannot create {path}: {} (choose another name with --output)", reason(error)),
        ),
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
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
        fs::remove_dir_all(&folder).unwrap();
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
