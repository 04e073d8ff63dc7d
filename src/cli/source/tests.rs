use super::*;
use crate::storage::NewFolder;
use std::io::Write;
use std::net::TcpListener;
use std::thread;

/// A web server on loopback that gives one of these answers to each connection.
fn serve(answers: Vec<Vec<u8>>) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                request.push(byte[0]);
            }
            // A client that has read enough closes the connection, so this may fail.
            let _ = stream.write_all(&answer);
        }
    });
    (address, server)
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn a_torrent_comes_over_http_through_redirects() {
    let moved = answer("302 Found", "location: /b\r\n", b"");
    let (address, server) = serve(vec![moved, answer("200 OK", "", b"d4:spam4:eggse")]);
    assert_eq!(read(&address, &Outlet::default()).unwrap(), b"d4:spam4:eggse");
    server.join().unwrap();
}

#[test]
fn an_error_status_of_a_web_server_has_an_exit_code() {
    for (status, code) in [("404 Not Found", 3), ("410 Gone", 3), ("403 Forbidden", 6), ("500 Oops", 6)] {
        let (address, server) = serve(vec![answer(status, "", b"")]);
        let error = read(&format!("{address}/x.torrent"), &Outlet::default()).unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains("/x.torrent"), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn of_a_magnet_only_its_hash_is_shown() {
    for (link, expected) in [
        ("magnet:?xt=urn:btih:00", "magnet:?xt=urn:btih:00"),
        ("magnet:?tr=http://h/key&xt=urn:btih:00&dn=x", "magnet:?xt=urn:btih:00…"),
        ("MAGNET:?dn=x", "magnet:?…"),
        ("magnet:key", "magnet:?…"),
        ("a folder/x.torrent", "a folder/x.torrent"),
        ("-", "standard input"),
    ] {
        assert_eq!(shown(link), expected);
    }
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let (address, server) = serve(vec![answer("404 Not Found", "", b"")]);
    let error = read(&address.replace("http://", "http://me:pa%40ss@"), &Outlet::default()).unwrap_err();
    assert!(error.to_string().contains(&address) && !error.to_string().contains("pa%40ss"), "{error}");
    server.join().unwrap();
}

#[test]
fn an_endless_answer_is_cut_off() {
    let body = vec![b'x'; MAX_TORRENT_BYTES as usize + 1];
    let (address, server) = serve(vec![answer("200 OK", "", &body)]);
    let error = read(&address, &Outlet::default()).unwrap_err();
    assert_eq!(error.exit_code(), 26);
    assert!(error.to_string().contains("more than 64 MiB"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_small_answer_that_becomes_a_huge_one_is_cut_off() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(&vec![0; MAX_TORRENT_BYTES as usize + 1]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let (address, server) = serve(vec![answer("200 OK", "content-encoding: gzip\r\n", &bomb)]);
    let error = read(&address, &Outlet::default()).unwrap_err();
    assert!(error.to_string().contains("more than 64 MiB"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_file_with_too_many_digests_is_told_from_a_payload() {
    let folder = NewFolder::somewhere();
    std::fs::create_dir(&folder.0).unwrap();
    let path = folder.0.join("x.torrent");
    File::create(&path).unwrap().set_len(105_000_000).unwrap();
    let error = load(path.to_str().unwrap(), &Outlet::default()).unwrap_err();
    assert_eq!(error.exit_code(), 26);
    for part in ["100.2 MiB", "64 MiB is the most", "2,097,152 pieces", "not its payload", "larger pieces"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_a_network_error() {
    let mut short = answer("200 OK", "", b"0123456789");
    short.truncate(short.len() - 5);
    let (address, server) = serve(vec![short]);
    assert_eq!(read(&address, &Outlet::default()).unwrap_err().exit_code(), 6);
    server.join().unwrap();
    assert_eq!(read(&address, &Outlet::default()).unwrap_err().exit_code(), 6, "no server listens");
    assert_eq!(read("http://", &Outlet::default()).unwrap_err().exit_code(), 6);
}

#[test]
fn what_needs_a_login_is_fetched_with_a_browser() {
    for (status, expected) in [
        ("401 Unauthorized", "the server answered with status 401 (save it with a browser)"),
        ("403 Forbidden", "status 403 (save it with a browser)"),
        ("500 Oh", "status 500"),
    ] {
        let (address, server) = serve(vec![answer(status, "", b"")]);
        let error = read(&address, &Outlet::default()).unwrap_err();
        assert!(error.exit_code() == 6 && error.to_string().ends_with(expected), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_read_has_an_exit_code() {
    let missing = read("no/such/file.torrent", &Outlet::default()).unwrap_err();
    assert_eq!(missing.exit_code(), 3);
    assert_eq!(missing.to_string(), "cannot find no/such/file.torrent: no such file (check the path)");
    for (typed, way_out) in [
        ("tracker.example/x.torrent", "(is https:// missing?)"),
        ("192.0.2.1:80/x", "(is https:// missing?)"),
        ("../no.such/x.torrent", "(check the path)"),
    ] {
        assert!(read(typed, &Outlet::default()).unwrap_err().to_string().ends_with(way_out), "{typed}");
    }
    let folder = read(env!("CARGO_MANIFEST_DIR"), &Outlet::default()).unwrap_err();
    assert_eq!(folder.exit_code(), 15);
    assert!(folder.to_string().contains("is a folder"), "{folder}");
    assert_eq!(read("magnet:?xt=urn:btih:0", &Outlet::default()).unwrap_err().exit_code(), 28);
    let bad = torrent("magnet:?xt=urn:btih:0", &Outlet::default()).unwrap_err();
    assert_eq!(bad.exit_code(), 27, "{bad}");
}

#[test]
fn no_more_than_the_limit_is_read() {
    assert_eq!(bounded(&b"12345"[..], 0, 5).unwrap(), b"12345");
    assert!(matches!(bounded(&b"123456"[..], 0, 5), Err(SourceFault::TooLarge(None))));
    assert!(matches!(bounded(io::empty(), u64::MAX, 5), Err(SourceFault::TooLarge(Some(u64::MAX)))));
    assert!(matches!(bounded(io::repeat(0), 0, 5), Err(SourceFault::TooLarge(None))));
}

#[test]
fn bytes_that_are_not_a_torrent_have_an_exit_code() {
    let not_bencode =
        load(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), &Outlet::default()).unwrap_err();
    assert_eq!(not_bencode.exit_code(), 25);
    assert!(
        not_bencode.to_string().contains("Cargo.toml: not a .torrent file: it begins with '[package]'"),
        "{not_bencode}"
    );
    let (address, server) = serve(vec![answer("200 OK", "", b"d4:spam4:eggse")]);
    assert_eq!(load(&address, &Outlet::default()).unwrap_err().exit_code(), 26);
    server.join().unwrap();
    for (body, expected) in [
        (&b"\n<!DOCTYPE html>"[..], "a web page"),
        (b"", "it is empty"),
        (b"\x1f\x8b\x08x.torrent", "it is compressed (gunzip it first)"),
        (b"# Linux\n\ndebian.torrent\n", "it is a list of torrents (give it with -i)"),
    ] {
        let (address, server) = serve(vec![answer("200 OK", "", body)]);
        let error = torrent(&address, &Outlet::default()).unwrap_err();
        assert_eq!(error.exit_code(), 25);
        assert!(error.to_string().contains(expected), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn an_info_hash_with_a_digit_too_few_is_told_from_a_file() {
    let digits = "0123456789abcdef".repeat(4);
    for (length, expected) in [(39, "this has 39"), (41, "this has 41"), (63, "64 in version 2")] {
        let error = torrent(&digits[..length], &Outlet::default()).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains(expected), "{error}");
    }
    for length in [40, 64] {
        assert!(torrent(&digits[..length], &Outlet::default()).is_ok());
    }
    assert!(torrent(&digits[..8], &Outlet::default()).unwrap_err().to_string().contains("no such file"));
}

#[test]
fn a_link_that_names_nobody_and_came_into_the_background_was_cut() {
    let hash = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567";
    let warning = |link: &str, background| cut_short(link, &Magnet::parse(link).unwrap(), || background);
    assert!(warning(hash, true).unwrap().contains("put quotes around it"));
    assert_eq!(warning(hash, false), None, "in the foreground nothing was cut");
    for more in ["&tr=http://a/announce", "&x.pe=192.0.2.7:1", "&xs=http://a/b"] {
        assert_eq!(warning(&format!("{hash}{more}"), true), None, "{more}");
    }
    assert_eq!(warning(&hash[20..], true), None, "the hash alone has no '&'");
}
