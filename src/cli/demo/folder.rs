//! Where the demo's download goes.

use crate::cli::exit::{CommandFailure, Exit};
use crate::text::reason;
use std::path::{Path, PathBuf};

/// The folder of the download: the user's, or a temporary one that is removed at the end.
pub(super) struct DemoFolder {
    pub(super) path: PathBuf,
    pub(super) temporary: bool,
}

impl DemoFolder {
    pub(super) fn new(given: Option<&Path>) -> Result<DemoFolder, CommandFailure> {
        if let Some(path) = given {
            return Ok(DemoFolder { path: path.to_owned(), temporary: false });
        }
        let name = format!("femtotorrent-demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        // This fails if the folder exists, so that we never remove a folder that we did not create.
        std::fs::create_dir(&path).map_err(|error| {
            let text = format!(
                "cannot create {}: {} (choose a folder with --output-dir)",
                path.display(),
                reason(&error)
            );
            (Exit::CANNOT_CREATE, text)
        })?;
        Ok(DemoFolder { path, temporary: true })
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
