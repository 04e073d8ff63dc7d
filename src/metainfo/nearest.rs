//! Which files have names that come next to one that the user typed. Pure.

use super::File;

/// The most files that are compared. A torrent may have 500,000.
const MOST_FILES: usize = 20_000;
/// The most characters of a name that are compared.
const MOST_CHARACTERS: usize = 48;
/// How many names are given.
const NAMES: usize = 3;
/// How many endings of names are given.
const ENDINGS: usize = 5;

/// The paths whose last names come next to that of the pattern, the nearest first. None if all are far from it.
pub(super) fn nearest(pattern: &str, files: &[File]) -> Vec<String> {
    let typed = pattern.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_lowercase();
    let typed: Vec<char> = typed.chars().filter(|one| !"[]\\".contains(*one)).take(MOST_CHARACTERS).collect();
    let letters = typed.iter().filter(|one| **one != '*').count();
    let near = |(number, file): (usize, &File)| {
        let name = file.path.file_name()?.to_string_lossy().to_lowercase();
        let name: Vec<char> = name.chars().take(MOST_CHARACTERS).collect();
        let steps = spelling_steps(&typed, &name);
        // With more than half of it changed it is another name. Where `*` stands for the rest, less is compared.
        let is_near = match letters == typed.len() {
            true => 2 * steps <= name.len().max(letters) || is_part(&typed, &name),
            false => 3 * steps <= letters,
        };
        is_near.then_some((steps, number))
    };
    let files_named = files.iter().enumerate().filter(|(_, file)| !file.padding).take(MOST_FILES);
    let mut found: Vec<(usize, usize)> = Vec::new();
    for one in files_named.filter_map(near) {
        let place = found.iter().position(|other| one < *other).unwrap_or(found.len());
        if place < NAMES {
            found.truncate(NAMES - 1);
            found.insert(place, one);
        }
    }
    let path = |(_, number): &(usize, usize)| Some(files.get(*number)?.path.display().to_string());
    found.iter().filter_map(path).collect()
}

/// How the names of the files end, as patterns.
pub(super) fn endings(files: &[File]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for file in files.iter().filter(|file| !file.padding).take(MOST_FILES) {
        let Some(ending) = file.path.extension() else { continue };
        let ending = format!("*.{}", ending.to_string_lossy());
        if found.len() < ENDINGS && !found.contains(&ending) {
            found.push(ending);
        }
    }
    found
}

/// Whether these letters, two at least, stand in this name.
fn is_part(typed: &[char], name: &[char]) -> bool {
    typed.len() > 1 && name.windows(typed.len()).any(|part| part == typed)
}

/// How many characters have to be added, removed or exchanged to make the other of this one, in which `*` stands for any
/// characters and `?` for any one.
pub fn spelling_steps(one: &[char], other: &[char]) -> usize {
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for left in one {
        let step = usize::from(*left != '*');
        let mut diagonal = above.first().copied().unwrap_or_default();
        let mut before = diagonal + step;
        let mut line = vec![before];
        for (right, up) in other.iter().zip(above.iter().skip(1)) {
            let exchanged = usize::from(left != right && !matches!(left, '*' | '?'));
            before = (before + step).min(up + step).min(diagonal + exchanged);
            diagonal = *up;
            line.push(before);
        }
        above = line;
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_far_apart_as_it_takes_to_make_one_of_the_other() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "ab", 2),
            ("abc", "abd", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
            ("*.flaq", "a song.flac", 1),
            ("*", "anything", 0),
            ("a*c", "ac", 0),
            ("*ong*", "a sang", 1),
            ("?.txt", "a.txt", 0),
            ("?.txt", "", 5),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            assert_eq!(spelling_steps(&letters(one), &letters(other)), expected, "{one} {other}");
        }
    }
}
