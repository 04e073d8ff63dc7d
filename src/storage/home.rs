//! Keeps a torrent from leaving hidden files in the user's home folder.
//!
//! Shells, SSH and desktops obey files such as `.bashrc`, `.ssh/authorized_keys` and `.config/autostart`, if they
//! lie in the home folder. A stranger chose the names in a torrent, so such a file is not created there, wherever
//! else it may lie. That holds for a torrent that reaches the home folder from a folder above it, too.

use std::path::{Path, PathBuf};

use super::layout::Layout;

/// The first hidden file that a run would write in the folder `home`.
pub(super) fn hidden_file(root: &Path, home: Option<PathBuf>, layout: &Layout) -> Option<PathBuf> {
    // An output folder that does not exist yet has no home folder in it.
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root }.canonicalize().ok()?;
    let home = home.filter(|home| home.is_absolute())?.canonicalize().ok()?;
    let way = home.strip_prefix(&root).ok()?;
    let is_hidden = |path: &Path| {
        let first = path.strip_prefix(way).ok().and_then(|path| path.iter().next());
        first.is_some_and(|first| first.as_encoded_bytes().starts_with(b"."))
    };
    let mut files = layout.entries().iter().enumerate();
    let file =
        files.find(|(number, entry)| layout.is_selected(*number) && !entry.padding && is_hidden(&entry.path));
    file.map(|(_, entry)| root.join(&entry.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::File;
    use crate::piece::Geometry;
    use crate::storage::NewFolder;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_hidden_file_is_not_for_the_home_folder_from_wherever_it_is_reached() {
        let folder = NewFolder::somewhere();
        let (above, home) = (folder.0.join("above"), folder.0.join("above/me"));
        fs::create_dir_all(home.join("downloads")).unwrap();
        symlink(&home, folder.0.join("link")).unwrap();
        let link = folder.0.join("link");
        let is_refused = |root: &Path, path: &str, padding: bool| {
            let file = File { path: path.into(), offset: 0, length: 5, padding };
            let layout = Layout::new(&[file], Geometry::new(5, 5).unwrap()).unwrap();
            hidden_file(root, Some(home.clone()), &layout).is_some()
        };
        for path in [".bashrc", ".ssh/authorized_keys", ".config/autostart/x"] {
            assert!(is_refused(&home, path, false) && is_refused(&link, path, false), "{path}");
            assert!(!is_refused(&home.join("downloads"), path, false) && !is_refused(&above, path, false));
        }
        assert!(is_refused(&above, "me/.profile", false) && is_refused(&folder.0, "above/me/.x/y", false));
        for path in ["bashrc", "t/.bashrc", "me/.profile"] {
            assert!(!is_refused(&home, path, false), "{path}");
        }
        assert!(!is_refused(&home, ".pad/5", true));
        assert!(!is_refused(&home.join("new"), ".bashrc", false));
    }
}
