//! The parts of a tracker's address that are the user's password, and how they are kept out of what is shown.
//!
//! Pure. Private trackers tell their users apart by a key in the address that they give to each. Nobody says
//! which part that is, and a tracker may repeat it in its words ("unknown passkey 0123…"). Logs are posted in
//! public, so whatever could be such a key is shown by its first characters only.

use super::answer::Answer;
use super::error::{RetryIn, TrackerError};
use crate::metainfo::percent_decoded;

/// Bytes of the shortest text that counts as a secret. Shorter ones are words such as `announce` or `ssl`.
const MIN_SECRET: usize = 8;

/// Bytes of a secret that are shown, so that users with several keys can tell which one is meant.
const SHOWN: usize = 2;

/// What could be a secret in one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those of the address: the parts of its user name and password, its path and its query that are long
    /// enough and not the name of a script.
    pub fn of(address: &str) -> Secrets {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
        let parts = path.split(['/', '?', '&', '=', ';']).filter(|part| !is_script(part));
        let parts = parts.filter(|part| part.len() >= MIN_SECRET);
        // A password is one however short it is, as it stands in the address and as it was meant.
        let password = login.split_once(':').map_or(login, |(_, password)| password);
        let meant = String::from_utf8_lossy(&percent_decoded(password)).into_owned();
        let passwords = [password.to_owned(), meant].into_iter().filter(|password| !password.is_empty());
        let mut secrets: Vec<String> = parts.map(str::to_owned).chain(passwords).collect();
        // A secret may be a part of another one, which has to be found first.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Secrets(secrets)
    }

    /// The text with each secret in it cut short. Case does not count, and the text is as good as before
    /// elsewhere.
    pub fn shortened_in(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let mut from = 0;
            while let Some(at) = position(text.get(from..).unwrap_or_default(), secret) {
                let start = from + at;
                let shown = if secret.len() < MIN_SECRET { 0 } else { SHOWN };
                let shown: String = secret.chars().take(shown).collect();
                let replacement = format!("{shown}…");
                text.replace_range(start..start + secret.len(), &replacement);
                from = start + replacement.len();
            }
        }
        text
    }

    /// The answer without secrets in its warning.
    pub fn taken_out_of_warning(&self, mut answer: Answer) -> Answer {
        answer.warning = answer.warning.map(|warning| self.shortened_in(&warning));
        answer
    }

    /// The error without secrets in its words.
    pub fn taken_out_of(&self, error: TrackerError) -> TrackerError {
        match error {
            TrackerError::Refused(words) => TrackerError::Refused(self.shortened_in(&words)),
            TrackerError::RefusedFor(words, again @ (RetryIn::Never | RetryIn::Time(_))) => {
                TrackerError::RefusedFor(self.shortened_in(&words), again)
            }
            TrackerError::Nonsense(words) => TrackerError::Nonsense(self.shortened_in(&words)),
            TrackerError::Unreachable(words) => TrackerError::Unreachable(self.shortened_in(&words)),
            other => other,
        }
    }
}

/// Where `part` is in the text, whatever its case. Both ends are ends of characters.
fn position(text: &str, part: &str) -> Option<usize> {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part))
}

fn is_script(part: &str) -> bool {
    ["announce", "scrape"].iter().any(|name| part.len() < 2 * MIN_SECRET && part.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tracker_repeats_of_a_key_is_cut_short() {
        let key = "0123456789abcdef0123456789abcdef";
        for address in [
            format!("http://t.example/{key}/announce"),
            format!("http://t.example/announce.php?passkey={key}&x=1"),
            format!("https://t.example/announce/{key}"),
            format!("udp://t.example:80/announce?{key}"),
            format!("http://{key}@t.example/announce"),
        ] {
            let secrets = Secrets::of(&address);
            let said = secrets.shortened_in(&format!("unknown key {}, {key}!", key.to_uppercase()));
            assert_eq!(said, "unknown key 01…, 01…!", "{address}");
        }
    }

    #[test]
    fn a_password_is_cut_short_and_the_rest_is_left() {
        let secrets = Secrets::of("http://me:pw%40x@t.example:80/announce.php?ssl=on");
        assert_eq!(
            secrets.shortened_in("no PW%40x, pw@x of announce.php on t.example"),
            "no …, … of announce.php on t.example"
        );
        assert_eq!(Secrets::of("http://t.example/announce").shortened_in("announce é"), "announce é");
        let nested = Secrets::of("http://t.example/abcdefgh/abcdefghij");
        assert_eq!(nested.shortened_in("abcdefghij abcdefgh"), "ab… ab…");
        assert_eq!(nested.shortened_in("abcdefghabcdefgh"), "ab…ab…");
        assert_eq!(Secrets::of("http://a:b@t/").shortened_in("a b"), "a …");
    }

    #[test]
    fn errors_have_no_secret_in_them() {
        let secrets = Secrets::of("http://t.example/announce?key=0123456789");
        let words = || "bad 0123456789".to_owned();
        for error in [
            TrackerError::Refused(words()),
            TrackerError::RefusedFor(words(), RetryIn::Never),
            TrackerError::Nonsense(words()),
            TrackerError::Unreachable(words()),
        ] {
            let shown = secrets.taken_out_of(error).to_string();
            assert!(shown.contains("bad 01…") && !shown.contains("0123456789"), "{shown}");
        }
    }

    #[test]
    fn a_warning_has_no_secret_in_it() {
        let secrets = Secrets::of("http://t.example/0123456789/announce");
        let answer = Answer::parse(b"d8:intervali9e15:warning message14:old 0123456789e").unwrap();
        assert_eq!(secrets.taken_out_of_warning(answer).warning.as_deref(), Some("old 01…"));
    }
}
