//! The torrents that a command is to work on: those on the command line and those in the lists of `--input-file`.
//!
//! A list has one torrent in each line. Empty lines and those that begin with `#` mean nothing, nor do quotes around a
//! line, as a list has that was made by a shell or a spreadsheet.

use super::exit::{CommandFailure, Exit};
use super::help::headings::DOWNLOAD;
use super::settings::from_home;
use super::source_name::{in_text, source_name};
use crate::text::{reason, shown};
use clap::{Arg, Args, ValueHint};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most bytes of a list: of 10,000 magnet links with twenty trackers.
const MOST_BYTES: u64 = 32 << 20;
/// The most torrents of one run. All are read into memory at the start.
const MOST_TORRENTS: usize = 10_000;

/// The torrents.
#[derive(Args, Debug)]
pub struct SourceOptions {
    /// A .torrent file, web address, magnet link, info-hash
    ///
    /// `-` is standard input. Several may be given; `get` and `seed` run them in parallel.
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "input_files", value_name = "TORRENT", value_parser = source_name())]
    pub torrents: Vec<String>,
    /// Take more torrents from this list, one per line
    ///
    /// `#` begins a comment; `-` is standard input.
    #[arg(
        short = 'i',
        long = "input-file",
        value_name = "LIST",
        value_hint = ValueHint::FilePath,
        help_heading = DOWNLOAD
    )]
    pub input_files: Vec<PathBuf>,
}

impl SourceOptions {
    /// What the argument is in a command that needs the torrent itself and asks no peer for it.
    pub fn without_links(argument: Arg) -> Arg {
        let (short, more) =
            ("A .torrent file or web address", "`-` is standard input. Several may be given.");
        match argument.get_id() == "torrents" {
            true => argument.help(short).long_help(format!("{short}\n\n{more}")),
            false => argument,
        }
    }
}

/// A torrent that the user named.
#[derive(Debug, PartialEq, Eq)]
pub struct NamedSource {
    /// As [`source::torrent`](super::source::torrent) takes it.
    pub name: String,
    /// The list and the line that it stands in: `LIST:7`. `None` on the command line.
    pub place: Option<String>,
}

impl NamedSource {
    /// The message with the place in front, so that the line can be found.
    pub fn locate(&self, message: String) -> String {
        match &self.place {
            Some(place) => format!("{place}: {message}"),
            None => message,
        }
    }
}

impl SourceOptions {
    /// All of them, in the order of the command line.
    ///
    /// # Errors
    ///
    /// A list cannot be read or is too long, or standard input is named twice, or there is no torrent at all.
    pub fn sources(&self) -> Result<Vec<NamedSource>, CommandFailure> {
        let stdin = self.torrents.iter().filter(|name| *name == "-").count()
            + self.input_files.iter().filter(|list| is_stdin(list)).count();
        if stdin > 1 {
            return Err((
                Exit::BAD_OPTION,
                "standard input (-) is named twice, and can be read once".to_owned(),
            ));
        }
        let typed = self.torrents.iter().map(|name| NamedSource { name: name.clone(), place: None });
        let mut sources: Vec<NamedSource> = typed.collect();
        for list in &self.input_files {
            let bytes = match is_stdin(list) {
                true => bounded(io::stdin().lock()),
                false => File::open(list).and_then(bounded),
            };
            let name = if is_stdin(list) { "standard input".to_owned() } else { shown(list) };
            let bytes = bytes.map_err(|error| unreadable(&name, &error))?;
            sources.extend(in_list(&bytes, &name));
            if sources.len() > MOST_TORRENTS {
                return Err((
                    Exit::BAD_OPTION,
                    format!("{name}: more than {MOST_TORRENTS} torrents (split the list)"),
                ));
            }
        }
        match sources.is_empty() {
            true => Err((Exit::BAD_OPTION, "the list of --input-file names no torrent".to_owned())),
            false => Ok(sources),
        }
    }
}

fn is_stdin(list: &Path) -> bool {
    list.as_os_str() == "-"
}

fn bounded(list: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    list.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err(io::Error::other("it has more than 32 MiB (is it a list? name a torrent without -i)")),
        false => Ok(bytes),
    }
}

fn unreadable(list: &str, error: &io::Error) -> CommandFailure {
    match error.kind() {
        ErrorKind::NotFound => {
            (Exit(3), format!("cannot find the list {list}: no such file (check the path)"))
        }
        ErrorKind::IsADirectory => {
            (Exit::CANNOT_OPEN, format!("cannot read the list {list}: it is a folder"))
        }
        _ => (Exit::CANNOT_OPEN, format!("cannot read the list {list}: {}", reason(error))),
    }
}

/// The torrents that these lines name.
fn in_list(bytes: &[u8], list: &str) -> Vec<NamedSource> {
    let lines = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).split(|byte| *byte == b'\n');
    let named = (1_usize..).zip(lines).map(|(number, line)| (number, line.trim_ascii()));
    let named = named.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    let source = |(number, line)| NamedSource {
        name: from_home(in_text(OsStr::from_bytes(without_quotes(line)))),
        place: Some(format!("{list}:{number}")),
    };
    named.take(MOST_TORRENTS + 1).map(source).collect()
}

/// The line without the quotes around it, unless there is a file with just this name.
fn without_quotes(line: &[u8]) -> &[u8] {
    let within = |quote: &[u8]| line.strip_prefix(quote)?.strip_suffix(quote).filter(|name| !name.is_empty());
    let name = within(b"\"").or_else(|| within(b"'"));
    name.filter(|_| !Path::new(OsStr::from_bytes(line)).exists()).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_no_torrents() {
        let list = b"\xef\xbb\xbf# a list\r\na.torrent\r\n\n   \n  magnet:?x  \n#b.torrent\ncaf\xe9.torrent";
        let named: Vec<(String, String)> =
            in_list(list, "l").into_iter().map(|source| (source.place.unwrap(), source.name)).collect();
        let expected = [("l:2", "a.torrent"), ("l:5", "magnet:?x"), ("l:7", "file:caf%E9.torrent")];
        assert_eq!(named, expected.map(|(place, name)| (place.to_owned(), name.to_owned())));
    }

    #[test]
    fn quotes_around_a_line_are_no_part_of_the_name() {
        for (line, expected) in [
            ("\"a b.torrent\"", "a b.torrent"),
            ("'a b.torrent'\r", "a b.torrent"),
            ("\"magnet:?x\"", "magnet:?x"),
            ("\"a'", "\"a'"),
            ("\"", "\""),
            ("\"\"", "\"\""),
            ("a \"b\"", "a \"b\""),
        ] {
            let named = in_list(line.as_bytes(), "l");
            assert_eq!(named.first().map(|one| one.name.as_str()), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_list_without_an_end_is_no_list() {
        assert!(bounded(io::repeat(b'a')).is_err());
        assert_eq!(bounded(&b"abc"[..]).unwrap(), b"abc");
        assert_eq!(in_list(&b"a\n".repeat(MOST_TORRENTS + 9), "l").len(), MOST_TORRENTS + 1);
    }

    #[test]
    fn standard_input_is_read_once() {
        let twice = |torrents: &[&str], lists: &[&str]| {
            let torrents = torrents.iter().map(|name| (*name).to_owned()).collect();
            SourceOptions { torrents, input_files: lists.iter().map(PathBuf::from).collect() }.sources()
        };
        assert_eq!(twice(&["-"], &["-"]).unwrap_err().0, Exit::BAD_OPTION);
        assert_eq!(twice(&["-", "-"], &[]).unwrap_err().0, Exit::BAD_OPTION);
        assert_eq!(twice(&[], &["/dev/null"]).unwrap_err().0, Exit::BAD_OPTION);
        assert_eq!(twice(&["a"], &["/no/such/list"]).unwrap_err().0, Exit(3));
        assert_eq!(twice(&["a"], &["/"]).unwrap_err().0, Exit::CANNOT_OPEN);
    }
}
