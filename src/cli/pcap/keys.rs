//! What could be a key or a password of the user is overwritten with `x` in a capture, since captures are shown to others.
//! Pure.
//!
//! Private trackers tell their users apart by a key in the address, and nobody says which part that is. So in a request
//! to a tracker it is each part of the path that is longer than a word, and each value that is not one of ours; in other
//! requests, whose paths are names of files, what looks like a key. What a server repeats of it is overwritten
//! too. Lengths stay as they were, so that the numbers of bytes do.

use crate::net::basic_auth::base64_decoded;

/// Bytes of the shortest part that counts as a key. Shorter ones are words such as `announce`.
const SHORTEST: usize = 9;
/// The same, where parts are names of files.
const SHORTEST_OF_A_FILE: usize = 16;
/// The same of a password that is sent as Base64 and may be repeated in plain words. Shorter ones are in many words.
const SHORTEST_PASSWORD: usize = 4;
/// The most keys that are remembered of one connection, and the most bytes of one.
const MOST: usize = 32;
const LONGEST: usize = 512;
/// What we ourselves say to trackers (BEP 3, BEP 7, BEP 23).
const OURS: [&[u8]; 14] = [
    b"info_hash",
    b"peer_id",
    b"port",
    b"uploaded",
    b"downloaded",
    b"left",
    b"event",
    b"compact",
    b"no_peer_id",
    b"supportcrypto",
    b"requirecrypto",
    b"numwant",
    b"ipv4",
    b"ipv6",
];
/// Headers that say who we are.
const WHO_WE_ARE: [&[u8]; 3] = [b"authorization", b"proxy-authorization", b"cookie"];
/// An announce over UDP, and where its options begin (BEP 15); the option with path and query (BEP 41).
const ANNOUNCE: [u8; 4] = [0, 0, 0, 1];
const OPTIONS: usize = 98;
const URL_DATA: u8 = 2;

/// The keys that one connection has shown.
#[derive(Default)]
pub(super) struct Keys(Vec<Vec<u8>>);

impl Keys {
    /// Overwrites those in what we say.
    pub(super) fn hide_in_request(&mut self, bytes: &mut [u8]) {
        let is_tracker = bytes.windows(10).any(|window| window == b"info_hash=");
        for (number, line) in bytes.split_mut(|byte| *byte == b'\n').enumerate() {
            let blank = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            let (word, rest) = line.split_at_mut(blank);
            let name = word.strip_suffix(b":");
            if name.is_some_and(|name| WHO_WE_ARE.iter().any(|known| name.eq_ignore_ascii_case(known))) {
                // The first word of two is the scheme.
                let end = rest.trim_ascii_end().len();
                let value = rest.get_mut(1..end).unwrap_or_default();
                let scheme = value.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
                let secret = value.get_mut(scheme..).unwrap_or_default();
                let plain = base64_decoded(secret);
                self.hide(secret);
                self.remember_password(&plain);
            } else if number == 0 && matches!(&*word, b"GET" | b"POST") {
                let target = rest.get_mut(1..).unwrap_or_default();
                let end = target.iter().position(|byte| *byte == b' ').unwrap_or(target.len());
                self.hide_in_address(target.get_mut(..end).unwrap_or_default(), is_tracker);
            }
        }
    }

    /// Overwrites in what a server says those that it repeats.
    pub(super) fn hide_repeated(&self, bytes: &mut [u8]) {
        for key in &self.0 {
            let mut rest = &mut *bytes;
            while let Some(at) = rest.windows(key.len()).position(|part| part.eq_ignore_ascii_case(key)) {
                let (_, found) = rest.split_at_mut(at);
                let (found, behind) = found.split_at_mut(key.len());
                found.fill(b'x');
                rest = behind;
            }
        }
    }

    /// Overwrites those in the path and the query of an address.
    fn hide_in_address(&mut self, address: &mut [u8], is_tracker: bool) {
        let query = address.iter().position(|byte| *byte == b'?').unwrap_or(address.len());
        let (path, query) = address.split_at_mut(query);
        for part in path.split_mut(|byte| matches!(byte, b'/' | b';')) {
            let shortest = if is_tracker { SHORTEST } else { SHORTEST_OF_A_FILE };
            if part.len() >= shortest && !is_script(part) && (is_tracker || looks_like_a_key(part)) {
                self.hide(part);
            }
        }
        for pair in query.split_mut(|byte| matches!(byte, b'?' | b'&' | b';')) {
            let at = pair.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
            let (name, value) = pair.split_at_mut(at);
            let is_ours = OURS.iter().any(|ours| name.strip_suffix(b"=") == Some(*ours));
            let shortest = if is_tracker { 1 } else { SHORTEST };
            if value.len() >= shortest && !is_ours {
                self.hide(value);
            }
        }
    }

    fn hide(&mut self, key: &mut [u8]) {
        self.remember(key, SHORTEST - 1);
        key.fill(b'x');
    }

    /// What follows the name of the user ("Basic", RFC 7617).
    fn remember_password(&mut self, plain: &[u8]) {
        let password = plain.iter().position(|byte| *byte == b':').and_then(|at| plain.get(at + 1..));
        self.remember(password.unwrap_or_default(), SHORTEST_PASSWORD);
    }

    /// What is shorter is in many words.
    fn remember(&mut self, key: &[u8], shortest: usize) {
        if (shortest..=LONGEST).contains(&key.len())
            && self.0.len() < MOST
            && !self.0.iter().any(|known| known == key)
        {
            self.0.push(key.to_vec());
        }
    }
}

/// Overwrites those in what we say to a tracker over UDP.
pub(super) fn hide_in_packet(packet: &mut [u8]) {
    if packet.get(8..12) != Some(&ANNOUNCE[..]) {
        return;
    }
    let mut options = packet.get_mut(OPTIONS..).unwrap_or_default();
    while let Some((kind, rest)) = options.split_first_mut()
        && *kind == URL_DATA
        && let Some((length, rest)) = rest.split_first_mut()
    {
        let length = usize::from(*length).min(rest.len());
        let (address, behind) = rest.split_at_mut(length);
        Keys::default().hide_in_address(address, true);
        options = behind;
    }
}

fn is_script(part: &[u8]) -> bool {
    part.len() < 16 && (part.starts_with(b"announce") || part.starts_with(b"scrape"))
}

/// Letters and digits, and no name that an end follows.
fn looks_like_a_key(part: &[u8]) -> bool {
    part.iter().any(u8::is_ascii_digit)
        && part.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn hidden(request: &str, answer: &str) -> [String; 2] {
        let (mut keys, mut request, mut answer) =
            (Keys::default(), request.to_owned().into_bytes(), answer.to_owned().into_bytes());
        keys.hide_in_request(&mut request);
        keys.hide_repeated(&mut answer);
        [request, answer].map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_key_of_a_tracker_and_a_password_are_in_no_capture_and_all_else_is() {
        let said = "info_hash=%01%02%03%04%05%06%07%08&peer_id=-FM0100-abcdefghijkl&uploaded=123456789012&event=completed&no_peer_id=1&supportcrypto=1";
        for (request, repeated) in [
            (format!("GET /{KEY}/announce?{said} HTTP/1.1\r\nhost: a\r\n\r\n"), KEY),
            (format!("GET /announce.php?passkey={KEY}&{said} HTTP/1.1\r\nhost: a\r\n\r\n"), KEY),
            (format!("GET /announce?{KEY}&{said} HTTP/1.1\r\nhost: a\r\n\r\n"), KEY),
            (format!("GET /announce?{said}&passkey={KEY} HTTP/1.1\r\nhost: a\r\n\r\n"), KEY),
            (format!("GET /announce?{said} HTTP/1.1\r\nAuthorization: Basic {KEY}\r\n\r\n"), KEY),
            (format!("GET /files/{KEY}/debian-12.1.0-amd64.iso HTTP/1.1\r\nhost: a\r\n\r\n"), KEY),
        ] {
            let answer = format!("HTTP/1.1 302\r\nLocation: /{}/x\r\n\r\n", repeated.to_ascii_uppercase());
            let [request_now, answer_now] = hidden(&request, &answer);
            let x = "x".repeat(KEY.len());
            assert_eq!(request_now, request.replace(KEY, &x));
            assert_eq!(answer_now, answer.replace(&repeated.to_ascii_uppercase(), &x));
        }
        // aladdin:opensesame
        let basic =
            "GET /announce?info_hash=%01 HTTP/1.1\r\nAuthorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l\r\n\r\n";
        assert_eq!(hidden(basic, "opensesame is wrong")[1], "xxxxxxxxxx is wrong");
        let short = hidden("GET /announce?k=geheim&info_hash=%01&port=6881 HTTP/1.1\r\n\r\n", "geheim");
        assert_eq!(short, ["GET /announce?k=xxxxxx&info_hash=%01&port=6881 HTTP/1.1\r\n\r\n", "geheim"]);
        let harmless = "GET /pub/directory-of-images/debian-12.1.0-amd64-netinst.iso HTTP/1.1\r\nrange: bytes=0-1234567890\r\n\r\n";
        assert_eq!(hidden(harmless, "body")[0], harmless);
    }

    #[test]
    fn of_any_number_of_keys_a_few_are_remembered() {
        let values: String = (0..1000).map(|number| format!("&key=a-long-value-{number}")).collect();
        let mut request = format!("GET /announce?info_hash=%01{values} HTTP/1.1\r\n\r\n").into_bytes();
        let mut keys = Keys::default();
        keys.hide_in_request(&mut request);
        assert_eq!(keys.0.len(), MOST);
        let text = String::from_utf8(request).unwrap();
        assert!(!text.contains("long-value"), "all of them are overwritten");
    }

    #[test]
    fn a_key_in_a_packet_to_a_tracker_is_overwritten_and_any_bytes_are_taken() {
        let url = format!("/{KEY}/announce");
        let mut packet = vec![0; OPTIONS];
        packet[11] = 1;
        packet.extend([URL_DATA, url.len() as u8]);
        packet.extend(url.as_bytes());
        packet.extend([URL_DATA, 200, b'/']);
        let mut expected = packet.clone();
        expected[OPTIONS + 3..OPTIONS + 3 + KEY.len()].fill(b'x');
        hide_in_packet(&mut packet);
        assert_eq!(packet, expected);
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let length = random.usize(..200);
            let mut bytes = Vec::new();
            bytes.resize_with(length, || *random.choice(b"GET /?&=:\n \x01\x02xa").unwrap());
            let length = bytes.len();
            let mut keys = Keys::default();
            keys.hide_in_request(&mut bytes);
            keys.hide_repeated(&mut bytes);
            hide_in_packet(&mut bytes);
            assert_eq!(bytes.len(), length);
            assert!(keys.0.len() <= MOST);
        }
    }
}
