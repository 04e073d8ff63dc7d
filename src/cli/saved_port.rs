//! The port of the last run, in a file.
//!
//! A tracker of private torrents knows us by our port among other things, and a router forwards one port, so the port
//! is chosen by lot once and is the same in each run. The file is `port` in `$XDG_CACHE_HOME/femtotorrent`, beside that
//! of the DHT, and has the number as text. It is only a hint: where it cannot be read or written, each run has a port
//! of its own. Of several runs at once the first has this port and the others the next ones, and none of these writes
//! the file.

use crate::net::USUAL_PORTS;
use crate::storage::CacheFile;
use crate::text::reason;
use log::debug;
use std::path::Path;

/// The most bytes of the file that are read. A port has five digits.
const MAX_BYTES: u64 = 16;

/// The file, and the port to begin with.
#[derive(Debug)]
pub struct SavedPort {
    /// Where to write the port that we get. `None` if one is written already, or none is to be.
    unwritten: Option<CacheFile>,
    port: u16,
}

impl SavedPort {
    /// What the file in this folder says, or a port chosen by lot.
    pub fn read(folder: Option<&Path>) -> SavedPort {
        let file = folder.map(|folder| CacheFile::new(folder, "port"));
        match file.as_ref().and_then(read) {
            Some(port) => SavedPort { unwritten: None, port },
            None => SavedPort { unwritten: file, port: fastrand::u16(USUAL_PORTS) },
        }
    }

    /// The port to try first.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// This is the port that we listen on. The next runs have it too, if they have no other. A failure is only logged,
    /// since it does no harm.
    pub fn keep(self, port: u16) {
        let Some(file) = self.unwritten.filter(|_| USUAL_PORTS.contains(&port)) else { return };
        if let Err(error) = file.write(format!("{port}\n").as_bytes()) {
            debug!("cannot keep the port in {}: {}", file.path().display(), reason(&error));
        }
    }
}

/// The port in this file. `None` if it has none of the usual ones.
fn read(file: &CacheFile) -> Option<u16> {
    let text = String::from_utf8(file.read(MAX_BYTES).ok()?).ok()?;
    text.trim().parse().ok().filter(|port| USUAL_PORTS.contains(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;
    use std::fs;

    #[test]
    fn the_port_of_the_first_run_is_that_of_the_next_ones() {
        let folder = NewFolder::somewhere();
        let place = folder.0.join("in/a/folder");
        let first = SavedPort::read(Some(&place));
        assert!(USUAL_PORTS.contains(&first.port()));
        // The first choice was taken.
        first.keep(61_234);
        let second = SavedPort::read(Some(&place));
        assert_eq!(second.port(), 61_234);
        second.keep(61_235);
        assert_eq!(
            SavedPort::read(Some(&place)).port(),
            61_234,
            "one that was taken in one run is not given up"
        );
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    }

    #[test]
    fn without_a_folder_the_port_is_chosen_by_lot() {
        let ports: std::collections::HashSet<u16> = (0..50).map(|_| SavedPort::read(None).port()).collect();
        assert!(ports.len() > 10 && ports.iter().all(|port| USUAL_PORTS.contains(port)));
        SavedPort::read(None).keep(61_234);
        let nowhere = SavedPort::read(Some(Path::new("/dev/null/nowhere")));
        nowhere.keep(61_234);
    }

    #[test]
    fn what_is_no_usual_port_is_replaced() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(&folder.0).unwrap();
        for text in ["", "6881\n", "80", "65536", "-1", "61234 61235", "\u{fffd}", "0000000000000000061234"] {
            fs::write(folder.0.join("port"), text).unwrap();
            let saved = SavedPort::read(Some(&folder.0));
            assert!(USUAL_PORTS.contains(&saved.port()), "{text}");
            saved.keep(61_000);
            assert_eq!(fs::read_to_string(folder.0.join("port")).unwrap(), "61000\n", "{text}");
        }
        SavedPort { unwritten: Some(CacheFile::new(&folder.0, "other")), port: 61_000 }.keep(4_000);
        assert!(!folder.0.join("other").exists(), "a port that is none of the usual ones is not kept");
    }
}
