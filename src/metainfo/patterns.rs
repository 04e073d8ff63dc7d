//! Which files of a torrent the user chooses: by patterns for their paths, or by their numbers.
//!
//! Pure. Numbers count from 0 in the order of the torrent's list, padding included, as in `so=` of a magnet link
//! (BEP 53); `show` prints them. A pattern without `/` is for the last name in a path. One with `/` is for the whole
//! path, with or without the torrent's own folder. It also fits a folder, and then all that is in it.

use super::File;
use super::glob::Glob;
use super::nearest::{endings, nearest};
use crate::text::printable;
use std::fmt;
use std::ops::RangeInclusive;

/// Files that the user names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern {
    text: String,
    meaning: Meaning,
    any_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Numbers(RangeInclusive<u32>),
    /// For the last name of a path.
    Name(Glob),
    /// For the whole path.
    Path(Glob),
}

impl FilePattern {
    /// What the user means by this text: `3`, `2-5` and `7-` are numbers, everything else is a pattern. `any_case`
    /// says that upper and lower case are the same.
    pub fn new(text: &str, any_case: bool) -> FilePattern {
        let folded = if any_case { text.to_lowercase() } else { text.to_owned() };
        let way = folded.trim_end_matches('/');
        let way = way.strip_prefix("./").or(way.strip_prefix('/')).unwrap_or(way);
        let meaning = match numbers(text) {
            Some(numbers) => Meaning::Numbers(numbers),
            None if folded.contains('/') => Meaning::Path(Glob::new(way)),
            None => Meaning::Name(Glob::new(way)),
        };
        FilePattern { text: text.to_owned(), meaning, any_case }
    }

    /// What the user means by a text that may hold several numbers, such as `0,4-5`.
    pub fn each(text: &str, any_case: bool) -> Vec<FilePattern> {
        let are_numbers = text.split(',').all(|part| numbers(part).is_some());
        let parts = if are_numbers { text.split(',').collect() } else { vec![text] };
        parts.into_iter().map(|part| FilePattern::new(part, any_case)).collect()
    }

    /// Whether it means the file with this number and path. `text` is only there to be used again.
    fn means(&self, number: usize, file: &File, text: &mut Vec<char>) -> bool {
        let (glob, path) = match &self.meaning {
            Meaning::Numbers(range) => {
                return u32::try_from(number).is_ok_and(|number| range.contains(&number));
            }
            Meaning::Name(glob) => (glob, file.path.file_name().unwrap_or_default()),
            Meaning::Path(glob) => (glob, file.path.as_os_str()),
        };
        let path = path.to_string_lossy();
        text.clear();
        if self.any_case {
            text.extend(path.to_lowercase().chars())
        } else {
            text.extend(path.chars())
        }
        if matches!(self.meaning, Meaning::Name(_)) {
            return glob.fits(text);
        }
        let below = text.iter().position(|one| *one == '/').and_then(|slash| text.get(slash + 1..));
        [Some(text.as_slice()), below].into_iter().flatten().any(|path| {
            let slashes = path.iter().enumerate().filter(|(_, one)| **one == '/').map(|(at, _)| at);
            let mut folders = slashes.filter_map(|slash| path.get(..slash));
            glob.fits(path) || folders.any(|folder| glob.fits(folder))
        })
    }
}

/// A number, or a range of numbers that may have no end.
fn numbers(text: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u32::MAX))
    };
    match text.split_once('-') {
        None => number(text).map(|number| number..=number),
        Some((first, "")) => Some(number(first)?..=u32::MAX),
        Some((first, last)) => Some(number(first)?..=number(last)?),
    }
}

/// What the user wants of each torrent.
#[derive(Clone, Debug, Default)]
pub struct FileChoice {
    /// Only these files; none means all, or what the magnet link says.
    pub select: Vec<FilePattern>,
    /// Without these files.
    pub exclude: Vec<FilePattern>,
    /// These files before the others, in this order.
    pub first: Vec<FilePattern>,
    /// In the order of the payload, as far as peers have the pieces.
    pub is_sequential: bool,
}

/// Why a choice cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChoiceError {
    /// A pattern means no file.
    NoSuchFile {
        /// The pattern.
        pattern: String,
        /// The files whose names come next to it.
        nearest: Vec<String>,
        /// How many files there are, without padding.
        files: usize,
    },
    /// A number is greater than that of the last file.
    Beyond {
        /// The number or the range, as it was typed.
        pattern: String,
        /// Its first number.
        first: u32,
        /// The number of the last file.
        last: usize,
    },
    /// A range of numbers ends before it begins.
    Reversed {
        /// The range, as it was typed.
        pattern: String,
        /// Its first number, which is the greater one.
        first: u32,
        /// Its last number.
        last: u32,
    },
    /// Every file is left out.
    AllExcluded,
}

impl FileChoice {
    /// Which files are to be downloaded, if these are not all. `by_link` are the numbers that a magnet link selects,
    /// which count where no pattern selects.
    ///
    /// # Errors
    ///
    /// A pattern means no file, or none is left.
    pub fn selected(
        &self,
        files: &[File],
        by_link: &[RangeInclusive<u32>],
    ) -> Result<Option<Vec<bool>>, ChoiceError> {
        if self.select.is_empty() && self.exclude.is_empty() && by_link.is_empty() {
            return Ok(None);
        }
        let mut selected = vec![self.select.is_empty() && by_link.is_empty(); files.len()];
        if self.select.is_empty() {
            for range in by_link {
                let (first, last) = (*range.start() as usize, *range.end() as usize);
                selected.iter_mut().take(last.saturating_add(1)).skip(first).for_each(|one| *one = true);
            }
        }
        for (patterns, value) in [(&self.select, true), (&self.exclude, false)] {
            for pattern in patterns {
                each_meant(pattern, files, |number| set(&mut selected, number, value))?;
            }
        }
        let is_chosen = |(selected, file): (&bool, &File)| *selected && !file.padding;
        match selected.iter().zip(files).any(is_chosen) {
            false if !self.select.is_empty() || !self.exclude.is_empty() => Err(ChoiceError::AllExcluded),
            _ => Ok(Some(selected)),
        }
    }

    /// The files of each pattern that are to come before the others.
    ///
    /// # Errors
    ///
    /// A pattern means no file.
    pub fn first(&self, files: &[File]) -> Result<Vec<Vec<usize>>, ChoiceError> {
        let numbers = |pattern| {
            let mut numbers = Vec::new();
            each_meant(pattern, files, |number| numbers.push(number))?;
            Ok(numbers)
        };
        self.first.iter().map(numbers).collect()
    }
}

fn set(selected: &mut [bool], number: usize, value: bool) {
    if let Some(one) = selected.get_mut(number) {
        *one = value;
    }
}

/// Calls `each` for every file that the pattern means; padding is no file.
fn each_meant(pattern: &FilePattern, files: &[File], mut each: impl FnMut(usize)) -> Result<(), ChoiceError> {
    let last = files.iter().rposition(|file| !file.padding).unwrap_or_default();
    if let Meaning::Numbers(range) = &pattern.meaning {
        let (first, end, text) = (*range.start(), *range.end(), &pattern.text);
        if range.is_empty() {
            return Err(ChoiceError::Reversed { pattern: text.clone(), first, last: end });
        }
        // A range without an end has all that there are.
        let greatest = if text.ends_with('-') { first } else { end };
        if greatest as usize > last {
            return Err(ChoiceError::Beyond { pattern: text.clone(), first, last });
        }
    }
    let (mut text, mut count) = (Vec::new(), 0_usize);
    for (number, file) in files.iter().enumerate().filter(|(_, file)| !file.padding) {
        if pattern.means(number, file, &mut text) {
            count += 1;
            each(number);
        }
    }
    if count > 0 {
        return Ok(());
    }
    let by_name = !matches!(pattern.meaning, Meaning::Numbers(_));
    let mut nearest = if by_name { nearest(&pattern.text, files) } else { Vec::new() };
    if nearest.is_empty() && pattern.text.starts_with("*.") && !is_several(&pattern.text) {
        nearest = endings(files);
    }
    let count = files.iter().filter(|file| !file.padding).count();
    Err(ChoiceError::NoSuchFile { pattern: pattern.text.clone(), nearest, files: count })
}

/// Whether this may be meant as several patterns. Numbers alone may stand side by side.
fn is_several(pattern: &str) -> bool {
    pattern.contains(',') && pattern.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChoiceError::Reversed { pattern, first, last } => {
                write!(out, "'{}' ends before it begins (write {last}-{first})", printable(pattern))
            }
            ChoiceError::Beyond { pattern, first, last } => {
                let way_out = match (*first as usize) < *last {
                    true => format!(" (write {first}-)"),
                    false => String::new(),
                };
                write!(out, "'{pattern}' goes beyond the last file, which is number {last}{way_out}")
            }
            ChoiceError::AllExcluded => write!(out, "--exclude leaves no file to download"),
            ChoiceError::NoSuchFile { pattern, nearest, files } => {
                write!(out, "no file of the torrent is '{}' (", printable(pattern))?;
                match nearest.as_slice() {
                    [] if is_several(pattern) => write!(out, "repeat the option for each)"),
                    [] if *files == 1 => write!(out, "it has one file, number 0)"),
                    [] => write!(out, "femtotorrent show lists its {files} files and their numbers)"),
                    names => write!(out, "the nearest: {})", printable(&names.join(", "))),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<File> {
        let file =
            |path: &&str| File { path: (*path).into(), offset: 0, length: 1, padding: path.contains(".pad") };
        paths.iter().map(file).collect()
    }

    fn some() -> Vec<File> {
        files(&["t/a.MKV", "t/.pad/7", "t/s1/b.mkv", "t/s1/x/c.txt", "t/3", "t/7-"])
    }

    fn chosen(select: &[&str], exclude: &[&str]) -> Result<Vec<usize>, ChoiceError> {
        let patterns = |texts: &[&str]| {
            texts
                .iter()
                .flat_map(|text| FilePattern::each(text.trim_start_matches("i:"), text.starts_with("i:")))
                .collect()
        };
        let choice =
            FileChoice { select: patterns(select), exclude: patterns(exclude), ..FileChoice::default() };
        let selected = choice.selected(&some(), &[])?.unwrap();
        Ok((0..selected.len()).filter(|number| selected[*number] && !some()[*number].padding).collect())
    }

    #[test]
    fn files_are_chosen_by_name_by_path_by_folder_and_by_number() {
        for (select, exclude, expected) in [
            (&["*.mkv"][..], &[][..], &[2][..]),
            (&["i:*.mkv"], &[], &[0, 2]),
            (&["i:A.mkv"], &[], &[0]),
            (&["s1/*"], &[], &[2, 3]),
            (&["s1/"], &[], &[2, 3]),
            (&["t/s1/b.mkv"], &[], &[2]),
            (&["/t/s1/*.mkv"], &[], &[2]),
            (&["t/"], &[], &[0, 2, 3, 4, 5]),
            (&["**/c.txt", "0"], &[], &[0, 3]),
            (&["3"], &[], &[3]),
            (&["[3]"], &[], &[4]),
            (&["2-3"], &[], &[2, 3]),
            (&["0,2-3,5-"], &[], &[0, 2, 3, 5]),
            (&["0,3"], &["2-,3"], &[0]),
            (&["4-"], &[], &[4, 5]),
            (&["7[-]"], &[], &[5]),
            (&[], &["s1/"], &[0, 4, 5]),
            (&["s1/"], &["*.txt"], &[2]),
            (&[], &["0-3", "[3]"], &[5]),
        ] {
            assert_eq!(chosen(select, exclude), Ok(expected.to_vec()), "{select:?} {exclude:?}");
        }
    }

    #[test]
    fn what_means_nothing_is_said_with_the_nearest_names() {
        for (select, exclude, said) in [
            (&["*.avi"][..], &[][..], "no file of the torrent is '*.avi' (the nearest: *.MKV, *.mkv, *.txt)"),
            (&["*.mkx"], &[], "(the nearest: t/a.MKV, t/s1/b.mkv)"),
            (&["*.mp3"], &[], "(the nearest: *.MKV, *.mkv, *.txt)"),
            (&["s1/*.tyt"], &[], "(the nearest: t/s1/x/c.txt)"),
            (&["son"], &[], "(femtotorrent show lists its 5 files"),
            (&["b.m"], &[], "(the nearest: t/s1/b.mkv"),
            (&["*.MKV,*.tx"], &[], "'*.MKV,*.tx' (repeat the option for each)"),
            (&["*q*"], &[], "(femtotorrent show lists its 5 files"),
            (&["d.mkv"], &[], "(the nearest: t/a.MKV, t/s1/b.mkv)"),
            (&["B.mkv"], &[], "(the nearest: t/s1/b.mkv"),
            (&["1"], &[], "'1' (femtotorrent show lists its 5 files"),
            (&["9-"], &[], "'9-' goes beyond the last file, which is number 5"),
            (&["0,9"], &[], "'9' goes beyond the last file, which is number 5"),
            (&["3-99"], &[], "'3-99' goes beyond the last file, which is number 5 (write 3-)"),
            (&[], &["5-6"], "'5-6' goes beyond the last file, which is number 5"),
            (&["0,x"], &[], "'0,x' (repeat the option"),
            (&["0,,1"], &[], "'0,,1' (femtotorrent show"),
            (&["5-2"], &[], "'5-2' ends before it begins (write 2-5)"),
            (&[], &["5-2"], "'5-2' ends before it begins (write 2-5)"),
            (&["99999999999"], &[], "'99999999999'"),
            (&[], &["nothing.at.all"], "'nothing.at.all' (femtotorrent show"),
            (&["0"], &["0"], "leaves no file"),
            (&["\u{1b}[2J"], &[], "'\u{fffd}[2J'"),
        ] {
            let error = chosen(select, exclude).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_magnet_link_selects_where_the_user_does_not() {
        let by_link = [2..=2, 40..=50];
        let select = |select: &[&str], exclude: &[&str]| {
            let new = |text: &&str| FilePattern::new(text, false);
            let (select, exclude) = (select.iter().map(new).collect(), exclude.iter().map(new).collect());
            let choice = FileChoice { select, exclude, ..FileChoice::default() };
            choice.selected(&some(), &by_link).map(|selected| {
                selected
                    .unwrap()
                    .iter()
                    .enumerate()
                    .filter(|(_, one)| **one)
                    .map(|(number, _)| number)
                    .collect()
            })
        };
        assert_eq!(select(&[], &[]), Ok(vec![2]));
        assert_eq!(select(&["0"], &[]), Ok(vec![0]));
        assert_eq!(select(&[], &["*.mkv"]), Err(ChoiceError::AllExcluded));
        assert_eq!(FileChoice::default().selected(&some(), &[]), Ok(None));
    }
}
