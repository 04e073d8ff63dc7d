//! Which of the files that are there was meant by a path under which there is none.

use super::source_name;
use crate::metainfo::spelling_steps;
use std::path::Path;

/// The most files of a folder that are compared.
const MOST_FILES: usize = 5_000;
/// The most letters that a slip changes.
const MOST_STEPS: usize = 3;
/// How the files end that are looked for.
const EXTENSION: &str = ".torrent";

/// The path of the file in the same folder whose name comes next to that of this path, or to that with `.torrent`, if it
/// is near enough for a slip.
pub fn nearest_file(typed: &str) -> Option<String> {
    let path = source_name::path(typed).ok()?;
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?.flatten().take(MOST_FILES);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut near: Vec<(usize, String)> = names
        .filter_map(|known| Some((distance(name, &known)?, known)))
        .filter(|(_, known)| folder.join(known).is_file())
        .collect();
    near.sort_unstable();
    let (_, nearest) = near.into_iter().next()?;
    Some(path.with_file_name(nearest).to_string_lossy().into_owned())
}

/// How far these names are apart, if that is no more than a slip.
fn distance(typed: &str, known: &str) -> Option<usize> {
    let (typed, known) = (typed.to_lowercase(), known.to_lowercase());
    if known.strip_suffix(EXTENSION) == Some(&typed) {
        return Some(0);
    }
    let letters = |text: &str| text.chars().collect::<Vec<char>>();
    let (one, other) = (letters(&typed), letters(&known));
    if one.len().abs_diff(other.len()) > MOST_STEPS {
        return None;
    }
    let steps = spelling_steps(&one, &other);
    // Of what the names begin with; how they end is the same in all.
    let own = |name: &str| name.strip_suffix(EXTENSION).unwrap_or(name).chars().count();
    let is_a_slip = 3 * steps <= own(&typed).min(own(&known)) + 1;
    let begins_alike = Path::new(&typed).file_stem() == Path::new(&known).file_stem();
    (steps <= MOST_STEPS && (is_a_slip || begins_alike)).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;

    #[test]
    fn a_slip_is_understood_and_another_name_is_not() {
        for (typed, known, expected) in [
            ("album.torrentt", "album.torrent", Some(1)),
            ("a.torrnt", "a.torrent", Some(1)),
            ("Album", "album.torrent", Some(0)),
            ("albmu.torrent", "album.torrent", Some(2)),
            ("album.torrent", "ALBUM.torrent", Some(0)),
            ("debian-12.torrent", "debian-13.torrent", Some(1)),
            ("a.torrent", "b.torrent", None),
            ("album.torrent", "video.torrent", None),
            ("album.torrent", "albums-of-1999.torrent", None),
            ("a.torrent", "a.mkv", None),
        ] {
            assert_eq!(distance(typed, known), expected, "{typed} {known}");
        }
    }

    #[test]
    fn the_nearest_file_of_the_same_folder_is_named() {
        let folder = NewFolder::somewhere();
        std::fs::create_dir_all(folder.0.join("albums.torrent")).unwrap();
        for name in ["album.torrent", "alburn.torrent", "other.torrent"] {
            std::fs::write(folder.0.join(name), "").unwrap();
        }
        let near = |name: &str| nearest_file(folder.0.join(name).to_str().unwrap());
        let path = |name: &str| Some(folder.0.join(name).to_str().unwrap().to_owned());
        assert_eq!(near("album.torrentt"), path("album.torrent"));
        assert_eq!(near("albums.torrnt"), path("album.torrent"), "a folder is no torrent");
        assert_eq!(near("film.torrent"), None);
        assert_eq!(nearest_file("no-such-folder/album.torrent"), None);
    }
}
