//! What trackers answer over HTTP: too much, compressed, redirected, refused, garbage.

use femtotorrent::tracker::TrackerError;

use crate::support::tracker::{Reply, Tracker};
use crate::{BUDGET, DEADLINE, announcers, http, outcome_of};

#[test]
fn an_answer_over_one_mebibyte_is_refused() {
    let peers = vec![b'x'; (1 << 20) / 6 * 6];
    let body = [format!("d5:peers{}:", peers.len()).as_bytes(), &peers, b"e"].concat();
    assert!(body.len() > 1 << 20);
    assert_eq!(outcome_of(Reply::Body(body)), Err(TrackerError::TooLarge));
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b'x'; 2 << 20]].concat();
    assert_eq!(outcome_of(Reply::Raw(endless)), Err(TrackerError::TooLarge));
}

#[test]
fn a_compressed_answer_is_read_and_a_bomb_is_refused() {
    let body = gzip(|deflate| {
        // One stored block: nothing in it is compressed, but it has to be decompressed.
        let text = b"d8:intervali600e5:peers6:\x7f\0\0\x01\x1a\xe1e";
        deflate.extend([1, text.len() as u8, 0, !(text.len() as u8), 0xff]);
        deflate.extend(text);
        text.to_vec()
    });
    for spelling in ["gzip", "GZIP", "x-gzip", "X-GZip"] {
        let answer = outcome_of(http("200 OK", &format!("Content-Encoding: {spelling}\r\n"), &body)).unwrap();
        assert_eq!(answer.peers, ["127.0.0.1:6881".parse().unwrap()]);
    }

    // 64 MiB of zeros, each 258 of them a match of 13 bits (RFC 1951, section 3.2.6).
    let bomb = gzip(|deflate| {
        let zero_literal = "00110000";
        let longest_match_at_distance_one = "11000101".to_owned() + "00000";
        let bits = format!("110{zero_literal}{}0000000", longest_match_at_distance_one.repeat(260_000));
        for byte in bits.as_bytes().chunks(8) {
            deflate.push(byte.iter().rev().fold(0, |value, bit| value << 1 | (bit - b'0')));
        }
        Vec::new()
    });
    assert!(bomb.len() < 1 << 20);
    let outcome = outcome_of(http("200 OK", "Content-Encoding: gzip\r\n", &bomb));
    assert_eq!(outcome, Err(TrackerError::TooLarge));
}

#[test]
fn any_number_of_headers_is_read_and_one_with_a_blank_behind_its_name() {
    let many: String = (0..500).map(|number| format!("X-Cache-{number}: hit from a proxy\r\n")).collect();
    let (target, tracker) = (Tracker::start(&[]), Tracker::start(&[]));
    target.script(http(
        "200 OK",
        &format!("{many}X Odd : y\r\n"),
        b"d8:intervali600e5:peers6:\x7f\0\0\x01\x1a\x61e",
    ));
    tracker.script(http("302 Found", &format!("{many}Location : {}\r\n", target.url()), b""));
    let (announcers, news) = announcers(vec![vec![tracker.url()]]);
    let answer = news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    assert_eq!(answer.peers, ["127.0.0.1:6753".parse().unwrap()]);
    announcers.stop(false, BUDGET);
    let endless = [b"HTTP/1.1 200 OK\r\n".as_slice(), "X: y\r\n".repeat(100_000).as_bytes()].concat();
    assert!(outcome_of(Reply::Raw(endless)).is_err());
}

#[test]
fn what_came_before_a_server_broke_off_is_read() {
    let body = "d8:intervali600e5:peers6:\x7f\0\0\x01\x1a\x61e";
    let gzip = gzip(|deflate| {
        deflate.extend([1, body.len() as u8, 0, !(body.len() as u8), 0xff]);
        deflate.extend(body.bytes());
        body.bytes().collect()
    });
    let raw = |headers: &str, body: &[u8]| {
        Reply::Raw([format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat())
    };
    for reply in [
        raw("Content-Length: 100\r\n", body.as_bytes()),
        raw("Transfer-Encoding: chunked\r\n", format!("{:x}\r\n{body}", body.len()).as_bytes()),
        raw("Content-Encoding: gzip\r\n", &gzip[..gzip.len() - 3]),
        raw("Content-Encoding: gzip\r\n", &[&gzip[..], b"garbage"].concat()),
    ] {
        assert_eq!(outcome_of(reply).unwrap().peers, ["127.0.0.1:6753".parse().unwrap()]);
    }
    let cut = outcome_of(raw("Content-Length: 100\r\n", &body.as_bytes()[..20]));
    assert!(matches!(cut, Err(TrackerError::HungUp)), "{cut:?}");
}

#[test]
fn a_password_is_sent_as_it_is() {
    let (target, tracker) = (Tracker::start(&[]), Tracker::start(&[]));
    // Another server does not get it.
    tracker.script(http("302 Found", &format!("Location: {}\r\nConnection: close\r\n", target.url()), b""));
    let url = tracker.url().replace("http://", "http://me:pa%40ss@");
    let (announcers, news) = announcers(vec![vec![url]]);
    news.recv_timeout(DEADLINE).unwrap().outcome.unwrap();
    announcers.stop(false, BUDGET);
    // "me:pa@ss" in Base64.
    let sent = tracker.announces();
    assert!(sent.iter().all(|one| one.header("Authorization") == Some("Basic bWU6cGFAc3M=")), "{sent:?}");
    assert_eq!(target.announces()[0].header("Authorization"), None);
}

/// A gzip file (RFC 1952) around what the function writes. The function returns the bytes that this
/// decompresses to.
#[cfg(test)]
fn gzip(write_deflate: impl FnOnce(&mut Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let content = write_deflate(&mut file);
    let crc = !content.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 * (crc & 1)))
    });
    file.extend(crc.to_le_bytes());
    file.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    file
}

#[test]
fn a_redirect_is_followed_and_a_circle_is_not() {
    let target = Tracker::start(&["127.0.0.1:6881".parse().unwrap()]);
    let location = format!("Location: {}?moved=yes\r\n", target.url());
    let answer = outcome_of(http("302 Found", &location, b"over there")).unwrap();
    assert_eq!(answer.peers.len(), 1);
    assert_eq!(target.announces()[0].get("moved"), "yes");

    let circle = Tracker::start(&[]);
    for _ in 0..20 {
        circle.script(http(
            "301 Moved",
            &format!("Location: {}\r\nConnection: close\r\n", circle.url()),
            b"",
        ));
    }
    let (announcers, news) = announcers(vec![vec![circle.url()]]);
    let outcome = news.recv_timeout(DEADLINE).unwrap().outcome;
    assert_eq!(outcome, Err(TrackerError::Nonsense("it redirects in a circle".into())));
    announcers.stop(false, BUDGET);
    assert!(circle.announces().len() < 10);
}

#[test]
fn a_reason_is_reported_with_any_status_and_the_status_where_there_is_none() {
    let reason = b"d14:failure reason15:unknown torrente";
    for status in ["200 OK", "400 Bad Request", "404 Not Found", "503 Service Unavailable"] {
        let outcome = outcome_of(http(status, "", reason));
        assert_eq!(outcome, Err(TrackerError::Refused("unknown torrent".into())), "{status}");
    }
    let outcome = outcome_of(http("404 Not Found", "", b"<html>no</html>"));
    assert_eq!(outcome, Err(TrackerError::Status(404)));
    let outcome = outcome_of(http("500 Oops", "", b"d8:intervali60e5:peers0:e"));
    assert_eq!(outcome, Err(TrackerError::Status(500)));
}

#[test]
fn garbage_is_a_clear_error_and_never_the_end_of_the_thread() {
    let page = outcome_of(http("200 OK", "", b"<html>hello</html>"));
    assert!(matches!(page, Err(TrackerError::WebPage)), "{page:?}");
    for body in [b"".as_slice(), b"\0\xff", b"d5:peersi7ee"] {
        let outcome = outcome_of(http("200 OK", "", body));
        assert!(matches!(outcome, Err(TrackerError::Nonsense(_))), "{outcome:?}");
    }
    let endless_head = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Spare: room\r\n".repeat(10_000)].concat();
    for raw in [
        b"".as_slice(),
        b"\r\n\r\n",
        b"220 ftp ready\r\n",
        b"HTTP/1.1 999999 \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        endless_head.as_slice(),
    ] {
        let text = String::from_utf8_lossy(&raw[..raw.len().min(100)]);
        let outcome = outcome_of(Reply::Raw(raw.to_vec()));
        assert!(outcome.is_err(), "{text}: {outcome:?}");
    }
}
