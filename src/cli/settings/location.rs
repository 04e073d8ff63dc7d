//! Where the settings file is, and reading it. No file is no error; one that cannot be read is, since the user wanted
//! what it says.

use super::file::{Line, parse};
use super::{Origin, Setting};
use crate::text::shown;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of the file: a thousand lines.
const MOST_BYTES: u64 = 64 << 10;

/// The settings file, which need not be there.
#[derive(Debug)]
pub struct ConfigFile(PathBuf);

/// The file of this user: `femtotorrent/config` in `$XDG_CONFIG_HOME`, else in `~/.config` (XDG base directories). `None`
/// where there is no home.
pub fn config_file() -> Option<ConfigFile> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(ConfigFile(folder.join("femtotorrent/config")))
}

impl ConfigFile {
    /// Where it is, or would be.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it sets, with its keys as they stand there. Nothing if there is no file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a line of it means nothing.
    pub fn settings(&self) -> Result<Vec<Setting>, String> {
        let name = shown(&self.0);
        let without = "(--no-config leaves the settings out)";
        let bytes = match read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(format!("cannot read the settings in {name}: permission denied {without}"));
            }
            Err(error) => return Err(format!("cannot read the settings in {name}: {error} {without}")),
        };
        let lines = parse(&bytes).map_err(|bad| format!("{name}:{}: {}", bad.number, bad.why))?;
        Ok(in_order(lines, &name))
    }
}

/// The settings in these lines of a file, the later ones behind: what is for one command alone beats what is for all.
pub(super) fn in_order(lines: Vec<Line>, file: &str) -> Vec<Setting> {
    let file: Arc<str> = file.into();
    let setting = |line: Line| Setting {
        command: line.head,
        key: line.key,
        value: line.value.map(from_home),
        origin: Origin::Line(Arc::clone(&file), line.number),
    };
    let (of_one, of_all): (Vec<Setting>, Vec<Setting>) =
        lines.into_iter().map(setting).partition(|setting| setting.command.is_some());
    of_all.into_iter().chain(of_one).collect()
}

/// `~/` is the home folder, as a shell has it on the command line.
pub fn from_home(value: String) -> String {
    let home = || std::env::var("HOME").ok().filter(|home| home.starts_with('/'));
    match value.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => format!("{}/{rest}", home.trim_end_matches('/')),
        None => value,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    // Opening a pipe would wait for a writer.
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "it is a folder" } else { "it is no file" };
        return Err(io::Error::other(what));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err(io::Error::other("it has more than 64 KiB")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;

    #[test]
    fn no_file_is_no_error_and_one_that_cannot_be_read_is() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(folder.0.join("folder")).unwrap();
        fs::write(folder.0.join("long"), vec![b'#'; 65 * 1024]).unwrap();
        fs::write(folder.0.join("bad"), "no-dht\n\n[get\n").unwrap();
        fs::write(folder.0.join("good"), "[get]\nno-dht\n[seed]\n").unwrap();
        let settings = |name: &str| ConfigFile(folder.0.join(name)).settings();
        assert_eq!(settings("missing").unwrap().len(), 0);
        assert_eq!(settings("good/in-a-file").unwrap().len(), 0);
        assert_eq!(settings("good").unwrap().len(), 1);
        for (name, word) in [("folder", "folder"), ("long", "64 KiB"), ("bad", "bad:3: ")] {
            let message = settings(name).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
        assert!(ConfigFile("/dev/zero".into()).settings().unwrap_err().contains("no file"));
    }
}
