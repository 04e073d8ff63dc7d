//! A new torrent: what it will say, and its bytes (BEP 3, "metainfo files").
//!
//! Pure, and the counterpart of [`Metainfo::parse`]. The same files and options always give the same bytes:
//! there is no date unless the user asks for one, no name of the program, and the keys are in canonical
//! order.

use super::Metainfo;
use crate::bencode::Item;
use crate::piece::{Geometry, PieceDigest};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes in the shortest piece if the user does not choose a length: one block.
pub const MIN_DEFAULT_PIECE_LENGTH: u32 = 16 << 10;

/// Bytes in the longest piece if the user does not choose a length. A peer can share no part of a piece
/// before it has the whole.
pub const MAX_DEFAULT_PIECE_LENGTH: u32 = 16 << 20;

/// Pieces above which the piece length is doubled. The number of pieces is then about 1,500: at most 1.41
/// times as many, or as few.
const MAX_PIECES: u64 = 2_121;

/// Bytes in a piece of a payload of `total_size` bytes: the power of two between 16 KiB and 16 MiB that makes
/// the number of pieces closest to 1,500. With fewer pieces, peers can share only late. With more, the
/// torrent gets long.
pub fn piece_length(total_size: u64) -> u32 {
    let mut length = MIN_DEFAULT_PIECE_LENGTH;
    while length < MAX_DEFAULT_PIECE_LENGTH && total_size.div_ceil(length.into()) > MAX_PIECES {
        length = length.saturating_mul(2);
    }
    length
}

/// What a new torrent will say, except for the digests.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The name of the file, or of the folder that holds the files. BEP 3 wants UTF-8; a name in another encoding
    /// is written as it is, so that the file is found again.
    pub name: Vec<u8>,
    /// What is under that name.
    pub content: Content,
    /// How the payload is cut into pieces.
    pub geometry: Geometry,
    /// Only the torrent's own trackers may be asked for peers (BEP 27).
    pub private: bool,
    /// Announce addresses by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// Words for people who look at the torrent.
    pub comment: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: Option<u64>,
}

/// The payload of a new torrent.
#[derive(Clone, Debug)]
pub enum Content {
    /// One file of this length in bytes.
    File(u64),
    /// A folder with these files in their order: the path of each below the folder, with `/` between its
    /// elements, and its length in bytes.
    Folder(Vec<(Vec<u8>, u64)>),
}

impl Draft {
    /// The torrent with these digests, 20 bytes for each piece.
    pub fn encode(&self, digests: Vec<u8>) -> Vec<u8> {
        let mut info = vec![
            ("name", Item::Bytes(self.name.clone())),
            ("piece length", Item::Integer(self.geometry.piece_length().into())),
            ("pieces", Item::Bytes(digests)),
        ];
        info.push(match &self.content {
            Content::File(length) => ("length", number(*length)),
            Content::Folder(files) => ("files", Item::list(files.iter().map(file))),
        });
        if self.private {
            info.push(("private", Item::Integer(1)));
        }
        let mut torrent = vec![("info", Item::dictionary(info))];
        if let Some(first) = self.trackers.iter().flatten().next() {
            torrent.push(("announce", text(first)));
        }
        if self.trackers.iter().map(Vec::len).sum::<usize>() > 1 {
            torrent.push(("announce-list", Item::list(self.trackers.iter().map(|tier| texts(tier)))));
        }
        if !self.web_seeds.is_empty() {
            torrent.push(("url-list", texts(&self.web_seeds)));
        }
        torrent.extend(self.comment.as_ref().map(|comment| ("comment", text(comment))));
        torrent.extend(self.date.map(|date| ("creation date", number(date))));
        Item::dictionary(torrent).encode()
    }

    /// The same torrent with digests of zeros. Reading it shows, before the payload is hashed, what a reader
    /// will change or refuse.
    pub fn encode_blank(&self) -> Vec<u8> {
        self.encode(vec![0; self.geometry.piece_count() as usize * PieceDigest::LENGTH])
    }

    /// The paths of the files that a reader takes for padding because of their names, with the name of the
    /// torrent.
    pub fn taken_for_padding<'a>(&'a self, read: &'a Metainfo) -> impl Iterator<Item = PathBuf> {
        let below: &[(Vec<u8>, u64)] = match &self.content {
            Content::File(_) => &[],
            Content::Folder(files) => files,
        };
        let name = Path::new(OsStr::from_bytes(&self.name));
        let padding = below.iter().zip(&read.files).filter(|(_, file)| file.padding);
        padding.map(move |((path, _), _)| name.join(OsStr::from_bytes(path)))
    }
}

fn file((path, length): &(Vec<u8>, u64)) -> Item {
    let elements = path.split(|byte| *byte == b'/').map(|element| Item::Bytes(element.to_vec()));
    Item::dictionary([("length", number(*length)), ("path", Item::list(elements))])
}

fn text(text: &str) -> Item {
    Item::Bytes(text.as_bytes().to_vec())
}

fn texts(list: &[String]) -> Item {
    Item::list(list.iter().map(|address| text(address)))
}

fn number(number: u64) -> Item {
    // This is exact for every file that a disk can hold and every time that a clock can show.
    Item::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(content: Content, total_size: u64) -> Draft {
        Draft {
            name: b"name".to_vec(),
            content,
            geometry: Geometry::new(total_size, 16_384).unwrap(),
            private: false,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            comment: None,
            date: None,
        }
    }

    fn folder(paths: &[&str]) -> Draft {
        let files = paths.iter().map(|path| (path.as_bytes().to_owned(), 10)).collect();
        draft(Content::Folder(files), 10 * paths.len() as u64)
    }

    #[test]
    fn a_minimal_torrent_says_only_what_it_must() {
        let bytes = draft(Content::File(3), 3).encode(vec![b'x'; 20]);
        let expected =
            b"d4:infod6:lengthi3e4:name4:name12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxxee";
        assert_eq!(bytes, expected, "{}", bytes.escape_ascii());
    }

    #[test]
    fn the_reader_finds_what_the_draft_says() {
        let mut draft = folder(&["a", "b/c", "b/č"]);
        draft.private = true;
        draft.trackers = vec![vec!["http://a".into(), "udp://b".into()], vec!["https://c".into()]];
        draft.web_seeds = vec!["http://d/".into()];
        draft.comment = Some("words".into());
        draft.date = Some(7);
        let bytes = draft.encode(vec![7; 20]);
        let read = Metainfo::parse(bytes.clone()).unwrap();
        assert_eq!((read.name.as_str(), read.private, read.geometry.total_size()), ("name", true, 30));
        assert_eq!((&read.trackers, &read.web_seeds), (&draft.trackers, &draft.web_seeds));
        assert_eq!(read.piece_digest(0), Some(PieceDigest::Sha1([7; 20])));
        let paths: Vec<_> = read.files.iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["name/a", "name/b/c", "name/b/č"]);
        assert_eq!(draft.taken_for_padding(&read).count(), 0);
        let text = bytes.escape_ascii().to_string();
        assert!(text.contains("7:comment5:words13:creation datei7e"), "{text}");
    }

    #[test]
    fn a_lone_tracker_needs_no_list() {
        let mut draft = draft(Content::File(3), 3);
        draft.trackers = vec![vec!["udp://a".into()]];
        let bytes = draft.encode_blank();
        assert!(bytes.starts_with(b"d8:announce7:udp://a4:info"), "{}", bytes.escape_ascii());
        assert_eq!(Metainfo::parse(bytes).unwrap().trackers, draft.trackers);
    }

    #[test]
    fn files_are_read_under_their_own_names_unless_these_mean_padding() {
        let paths = ["A", "a", "b/_____padding_file_0", "c\\d", "nul", "Vol. 1."];
        let mut draft = folder(&paths);
        let Content::Folder(files) = &mut draft.content else { panic!() };
        files[5].0 = b"caf\xe9".to_vec();
        draft.name = b"\xd6\xd0.".to_vec();
        let read = Metainfo::parse(draft.encode_blank()).unwrap();
        let path = |number: usize| read.files[number].path.as_os_str().as_bytes();
        assert_eq!(path(1), b"\xd6\xd0./a");
        assert_eq!(
            [path(3), path(4), path(5)],
            [&b"\xd6\xd0./c\\d"[..], b"\xd6\xd0./nul", b"\xd6\xd0./caf\xe9"]
        );
        let told: Vec<_> = draft.taken_for_padding(&read).collect();
        assert_eq!(told, [Path::new(OsStr::from_bytes(b"\xd6\xd0./b/_____padding_file_0"))]);
    }

    #[test]
    fn pieces_are_about_1500_and_never_too_short_or_too_long() {
        for (size, length) in [
            (1, 16 << 10),
            (34 << 20, 32 << 10),
            (2 << 30, 1 << 20),
            (20 << 30, 16 << 20),
            (1 << 40, 16 << 20),
            (u64::MAX, 16 << 20),
        ] {
            assert_eq!(piece_length(size), length, "{size}");
        }
        for size in (0..2_000_u64).map(|step| (24 << 20) + step * 17_000_003) {
            let pieces = size.div_ceil(piece_length(size).into());
            assert!(
                (1_060..=2_121).contains(&pieces)
                    || pieces > 2_121 && piece_length(size) == MAX_DEFAULT_PIECE_LENGTH,
                "{size} has {pieces}"
            );
        }
    }
}
