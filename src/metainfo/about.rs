//! What a torrent says about itself, for people (BEP 3 and, by custom, "created by"). Nothing depends on it.

use super::{InfoHashV2, Metainfo};
use crate::bencode::{Dictionary, Value};
use std::ops::Range;

/// Bytes of a text of a torrent about itself that are read.
const LONGEST_TEXT: usize = 16 * 1024;

/// What the torrent says about itself. A stranger wrote it: any text, to be made printable where it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Words of its maker.
    pub comment: Option<String>,
    /// The program that made it.
    pub creator: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: Option<u64>,
}

impl Metainfo {
    /// What it says about itself. It is read anew from the bytes, since few ask for it.
    pub fn about(&self) -> About {
        let Ok(torrent) = Value::parse_lenient(self.bytes()) else { return About::default() };
        let Some(torrent) = torrent.dictionary() else { return About::default() };
        About {
            comment: text(torrent, "comment.utf-8").or_else(|| text(torrent, "comment")),
            creator: text(torrent, "created by.utf-8").or_else(|| text(torrent, "created by")),
            date: torrent
                .get("creation date")
                .and_then(Value::integer)
                .and_then(|date| u64::try_from(date).ok()),
        }
    }

    /// Where the `info` value is in [`Metainfo::bytes`]. Its SHA-1 is the [`InfoHash`](super::InfoHash).
    pub fn info_place(&self) -> Range<usize> {
        self.info.clone()
    }

    /// The info-hash of version 2, if this is a hybrid torrent that is read as version 1.
    pub fn other_info_hash(&self) -> Option<InfoHashV2> {
        let info = self.bytes().get(self.info.clone()).filter(|_| self.info_hash_v2.is_none())?;
        let is_hybrid = Value::parse_lenient(info).ok()?.dictionary()?.get("file tree").is_some();
        is_hybrid.then(|| InfoHashV2::of(std::iter::once(info)))
    }

    /// The whole info-hash of version 2, if it has one: of a hybrid torrent too, as whichever it is read.
    pub fn whole_info_hash_v2(&self) -> Option<InfoHashV2> {
        self.info_hash_v2.or_else(|| self.other_info_hash())
    }

    /// A magnet link to it, with its name, its trackers and its web seeds. `None` for a private torrent: without the
    /// torrent itself nobody may be asked for peers (BEP 27).
    pub fn magnet(&self) -> Option<String> {
        (!self.private).then(|| {
            let addresses = self.trackers.iter().flatten();
            super::magnet::link(self.info_hash, self.info_hash_v2, &self.name, addresses, &self.web_seeds)
        })
    }
}

/// The beginning of a text. A torrent may be nothing else, and nobody reads 64 MiB of words.
fn text(torrent: Dictionary<'_>, key: &str) -> Option<String> {
    let bytes = torrent.get(key)?.bytes()?;
    let beginning = bytes
        .get(..LONGEST_TEXT)
        .map(|cut| [String::from_utf8_lossy(cut).trim_end_matches('\u{fffd}'), "…"].concat());
    let whole = || String::from_utf8_lossy(bytes).into_owned();
    Some(beginning.filter(|_| bytes.len() > LONGEST_TEXT).unwrap_or_else(whole))
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::{InfoHash, Magnet};
    use sha1::{Digest, Sha1};

    fn torrent(before: &str, private: &str) -> Metainfo {
        let info = format!(
            "d6:lengthi3e4:name9:a b&c=%\u{e9}12:piece lengthi16384e6:pieces20:{}{private}e",
            "x".repeat(20)
        );
        Metainfo::parse(format!("d{before}4:info{info}e").into_bytes()).unwrap()
    }

    #[test]
    fn what_it_says_about_itself_is_read() {
        let about = torrent("7:comment5:words10:created by3:x/113:creation datei7e", "").about();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(about, About { comment: text("words"), creator: text("x/1"), date: Some(7) });
        let about = torrent("7:comment0:10:created byi3e13:creation datei-7e", "").about();
        assert_eq!(about, About::default());
    }

    #[test]
    fn the_bytes_of_the_info_value_have_the_info_hash() {
        let torrent = torrent("7:comment5:words", "");
        let bytes = torrent.bytes().get(torrent.info_place()).unwrap();
        assert_eq!(InfoHash(Sha1::digest(bytes).into()), torrent.info_hash);
    }

    #[test]
    fn a_magnet_link_says_what_the_torrent_says() {
        let torrent = torrent("13:announce-listll12:http://t/?a&el7:udp://uee8:url-list9:http://w/", "");
        let link = torrent.magnet().unwrap();
        let magnet = Magnet::parse(&link).unwrap();
        assert_eq!(magnet.info_hash, torrent.info_hash);
        assert_eq!(magnet.name.as_deref(), Some(torrent.name.as_str()));
        assert_eq!(magnet.trackers, torrent.trackers.concat());
        assert_eq!((magnet.trackers.len(), &magnet.web_seeds), (2, &torrent.web_seeds));
    }

    #[test]
    fn a_private_torrent_has_no_magnet_link() {
        assert_eq!(torrent("", "7:privatei1e").magnet(), None);
    }

    #[test]
    fn of_words_without_end_the_beginning_is_read() {
        let comment = |text: &str| torrent(&format!("7:comment{}:{text}", text.len()), "").about().comment;
        let longest = "\u{e9}".repeat(LONGEST_TEXT / 2);
        assert_eq!(comment(&longest).as_ref(), Some(&longest));
        assert_eq!(comment(&longest.repeat(100)), Some(format!("{longest}…")));
        // No letter is cut in the middle.
        let odd = format!("x{}", &longest[2..]);
        assert_eq!(comment(&format!("{odd}{longest}")), Some(format!("{odd}…")));
    }
}
