//! Writes a new torrent to the disk. A file with its name is always whole.

use crate::cli::exit::Exit;
use crate::cli::runs::CommandFailure;
use crate::text::printable;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Fails if the path exists and must not be replaced.
pub fn check(path: &Path, overwrite: bool) -> Result<(), CommandFailure> {
    match path.symlink_metadata() {
        Ok(there) if there.is_dir() => Err(failed(path, &ErrorKind::IsADirectory.into())),
        Ok(_) if !overwrite => Err(failed(path, &ErrorKind::AlreadyExists.into())),
        _ => Ok(()),
    }
}

/// Writes the file under a temporary name, and renames it when it is safe on the disk.
pub fn write(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), CommandFailure> {
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
    let path = printable(&path.display().to_string());
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
            format!("cannot create {path}: {error} (choose another name with --output)"),
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
        write(&path, b"one", false).unwrap();
        assert_eq!(check(&path, false).unwrap_err().0, Exit::EXISTS);
        assert_eq!(write(&path, b"two", false).unwrap_err().0, Exit::EXISTS);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        check(&path, true).unwrap();
        write(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(check(&folder, true).unwrap_err().0, Exit::CANNOT_CREATE);
        assert_eq!(write(&folder.join("no/x"), b"", false).unwrap_err().0, Exit::CANNOT_CREATE);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
        fs::remove_dir_all(&folder).unwrap();
    }
}
