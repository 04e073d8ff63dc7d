//! What a tracker tells a client that takes no part in a torrent: how many peers seed it, and how many
//! download it ("scrape").
//!
//! Pure. Over HTTP a scrape is bencode (BEP 48), over UDP it is three numbers (BEP 15).

use crate::bencode::Value;
use crate::metainfo::InfoHash;

use super::announce::percent_encoded;
use super::error::{TrackerError, excerpt};

/// The numbers of one torrent. A tracker may leave any of them out over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrape {
    /// Peers that have everything.
    pub complete: Option<u64>,
    /// Peers that do not.
    pub incomplete: Option<u64>,
    /// How many times a client has told the tracker that its download was completed.
    pub downloaded: Option<u64>,
}

impl Scrape {
    /// The query that asks for one torrent, without the question mark.
    pub fn query(info_hash: InfoHash) -> String {
        format!("info_hash={}", percent_encoded(&info_hash.0))
    }

    /// Reads an answer over HTTP.
    ///
    /// # Errors
    ///
    /// [`TrackerError::Refused`] if the tracker gives a reason or does not know the torrent,
    /// [`TrackerError::Nonsense`] if this is no answer to a scrape.
    pub fn parse(body: &[u8], info_hash: InfoHash) -> Result<Scrape, TrackerError> {
        let nonsense = |reason: String| TrackerError::Nonsense(reason);
        let value = Value::parse_lenient(body).map_err(|fault| nonsense(format!("bad bencode: {fault}")))?;
        let answer = value.dictionary().ok_or_else(|| nonsense("not a dictionary".into()))?;
        // BEP 3 and BEP 48 spell this key differently.
        let reason = answer.get("failure reason").or_else(|| answer.get("failure_reason"));
        if let Some(reason) = reason.and_then(Value::bytes) {
            return Err(TrackerError::Refused(excerpt(reason)));
        }
        let files = answer.get("files").and_then(Value::dictionary);
        let files = files.ok_or_else(|| nonsense("it lists no torrents".into()))?;
        let torrent = files.get(info_hash.0).and_then(Value::dictionary);
        let torrent = torrent.ok_or_else(|| TrackerError::Refused("unknown torrent".into()))?;
        let count = |key: &str| torrent.get(key).and_then(Value::unsigned);
        Ok(Scrape {
            complete: count("complete"),
            incomplete: count("incomplete"),
            downloaded: count("downloaded"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: InfoHash = InfoHash(*b"\xffnfo-hash-of-torrent");

    fn body(content: &str) -> Vec<u8> {
        [b"d5:filesd20:", OURS.0.as_slice(), content.as_bytes(), b"ee"].concat()
    }

    #[test]
    fn the_numbers_of_our_torrent_are_read() {
        let all = body("d8:completei7e10:downloadedi9000000000e10:incompletei0ee");
        let expected = Scrape { complete: Some(7), incomplete: Some(0), downloaded: Some(9_000_000_000) };
        assert_eq!(Scrape::parse(&all, OURS), Ok(expected));
        let odd = body("d8:completei-7e10:incomplete1:xe");
        assert_eq!(Scrape::parse(&odd, OURS), Ok(Scrape::default()));
        assert!(Scrape::query(OURS).starts_with("info_hash=%FFnfo-hash"));
    }

    #[test]
    fn a_reason_and_a_torrent_that_is_not_there_are_refusals() {
        for key in ["14:failure reason", "14:failure_reason"] {
            let body = format!("d{key}3:n\u{7}oe");
            assert_eq!(Scrape::parse(body.as_bytes(), OURS), Err(TrackerError::Refused("n\u{fffd}o".into())));
        }
        for body in [body("i1e"), b"d5:filesdee".to_vec()] {
            assert!(matches!(Scrape::parse(&body, OURS), Err(TrackerError::Refused(_))));
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_no_cut_or_flipped_bit_panics() {
        for body in ["", "le", "de", "d5:filesi1ee", "<html>"] {
            assert!(matches!(Scrape::parse(body.as_bytes(), OURS), Err(TrackerError::Nonsense(_))), "{body}");
        }
        let mut body = body("d8:completei7e10:downloadedi9e10:incompletei0ee");
        for cut in 0..body.len() {
            assert!(Scrape::parse(&body[..cut], OURS).is_err(), "{cut}");
        }
        for bit in 0..body.len() * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            let _ = Scrape::parse(&body, OURS);
            body[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
