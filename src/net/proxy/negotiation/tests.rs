use super::*;

fn negotiation(proxy: &str, target: &str) -> Negotiation {
    let target = match target.parse() {
        Ok(address) => Target::Address(address),
        Err(_) => Target::Name(target.split(':').next().unwrap().to_owned(), 6881),
    };
    Negotiation::new(Arc::new(Proxy::typed(proxy).unwrap()), target)
}

/// Plays this conversation: what we say, what the proxy answers. Shows each answer byte by byte, or as a whole with
/// words of a peer behind it.
fn play(
    proxy: &str,
    target: &str,
    script: &[(&[u8], &[u8])],
    at_once: bool,
) -> Result<Negotiation, ProxyError> {
    let mut talk = negotiation(proxy, target);
    for (ours, theirs) in script {
        assert_eq!(talk.unsent(), *ours, "{:?}", String::from_utf8_lossy(talk.unsent()));
        talk.sent(ours.len());
        if at_once {
            let more = [theirs, &b"peer"[..]].concat();
            let last = ours == &script.last().unwrap().0;
            assert_eq!(talk.receive(if last { &more } else { theirs })?, theirs.len());
        } else {
            for byte in *theirs {
                assert_eq!(talk.receive(&[*byte])?, 1);
            }
        }
    }
    Ok(talk)
}

const CONNECTED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[test]
fn a_connection_comes_about_in_each_way_and_what_follows_is_the_peers() {
    let to_four = [5, 1, 0, 1, 1, 2, 3, 4, 0x1a, 0xe1];
    let to_six = [&[5, 1, 0, 4][..], &[0x20, 1, 0xd, 0xb8], &[0; 11], &[1, 0x1a, 0xe1]].concat();
    let to_name = [&[5, 1, 0, 3, 9][..], b"a.example", &[0x1a, 0xe1]].concat();
    let named = [&[5, 0, 0, 3, 2][..], b"hi", &[0, 1]].concat();
    let six = [&[5, 0, 0, 4][..], &[0; 18]].concat();
    for at_once in [false, true] {
        for (proxy, target, script) in [
            ("socks5h://h:1", "1.2.3.4:6881", vec![(&[5, 1, 0][..], &[5, 0][..]), (&to_four, CONNECTED)]),
            ("socks5h://h:1", "[::ffff:1.2.3.4]:6881", vec![(&[5, 1, 0], &[5, 0]), (&to_four, &named)]),
            ("socks5h://h:1", "[2001:db8::1]:6881", vec![(&[5, 1, 0], &[5, 0]), (&to_six, &six)]),
            ("socks5h://u:pw@h:1", "a.example:6881", vec![(&[5, 2, 0, 2], &[5, 0]), (&to_name, CONNECTED)]),
            (
                "socks5h://u:pw@h:1",
                "a.example:6881",
                vec![(&[5, 2, 0, 2], &[5, 2]), (b"\x01\x01u\x02pw", &[1, 0]), (&to_name, CONNECTED)],
            ),
            (
                "http://h:1",
                "1.2.3.4:6881",
                vec![(
                    b"CONNECT 1.2.3.4:6881 HTTP/1.1\r\nHost: 1.2.3.4:6881\r\n\r\n",
                    b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
                )],
            ),
            (
                "http://a:b@h:1",
                "a.example:6881",
                vec![(
                    b"CONNECT a.example:6881 HTTP/1.1\r\nHost: a.example:6881\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
                    b"HTTP/1.0 200\n\n",
                )],
            ),
        ] {
            let talk = play(proxy, target, &script, at_once).unwrap();
            assert!(talk.is_done() && talk.unsent().is_empty(), "{proxy} {target}");
        }
    }
}

#[test]
fn a_refusal_says_whose_fault_it_is() {
    let method = (&[5, 1, 0][..], &[5, 0][..]);
    let request: &[u8] = &[5, 1, 0, 1, 1, 2, 3, 4, 0x1a, 0xe1];
    let ask: &[u8] = b"CONNECT 1.2.3.4:6881 HTTP/1.1\r\nHost: 1.2.3.4:6881\r\n\r\n";
    let login: &[u8] =
        b"CONNECT 1.2.3.4:6881 HTTP/1.1\r\nHost: 1.2.3.4:6881\r\nProxy-Authorization: Basic YTpi\r\n\r\n";
    for (proxy, script, expected, is_its_own) in [
        ("socks5h://h:1", vec![method, (request, &[5, 4])], "host unreachable", false),
        ("socks5h://h:1", vec![method, (request, &[5, 2])], "forbidden by its rules", false),
        ("socks5h://h:1", vec![method, (request, &[5, 77])], "no reason given", false),
        ("socks5h://h:1", vec![method, (request, &[5, 7])], "does not connect to other hosts", true),
        ("socks5h://h:1", vec![method, (request, &[5, 0, 0, 9])], "unknown type", true),
        ("socks5h://h:1", vec![method, (request, &[4])], "does not speak SOCKS5", true),
        ("socks5h://h:1", vec![(&[5, 1, 0], &[5, 0xff])], "requires a user name", true),
        ("socks5h://h:1", vec![(&[5, 1, 0], &[5, 2])], "requires a user name", true),
        ("socks5h://h:1", vec![(&[5, 1, 0], &[5, 1])], "was not offered", true),
        ("socks5h://h:1", vec![(&[5, 1, 0], b"HTTP/1.1 400 Bad\r\n")], "does not speak SOCKS5", true),
        ("socks5h://a:b@h:1", vec![(&[5, 2, 0, 2], &[5, 0xff])], "rejected", true),
        ("socks5h://a:b@h:1", vec![(&[5, 2, 0, 2], &[5, 2]), (b"\x01\x01a\x01b", &[1, 1])], "rejected", true),
        (
            "socks5h://a:b@h:1",
            vec![(&[5, 2, 0, 2], &[5, 2]), (b"\x01\x01a\x01b", &[9])],
            "to the password",
            true,
        ),
        ("http://h:1", vec![(ask, b"HTTP/1.1 503 Unavailable\r\n\r\n")], "status 503", false),
        ("http://h:1", vec![(ask, b"HTTP/1.1 500 Unable to connect\r\n\r\n")], "status 500", false),
        ("http://h:1", vec![(ask, b"HTTP/1.1 403 Forbidden\r\n\r\n")], "only port 443", false),
        ("http://h:1", vec![(ask, b"HTTP/1.1 407 Who\r\n\r\n")], "http://USER:PASSWORD@h:1", true),
        ("http://a:b@h:1", vec![(login, b"HTTP/1.1 407 Who\r\n\r\n")], "rejected", true),
        (
            "http://h:1",
            vec![(ask, b"HTTP/1.1 501 No\r\n\r\n")],
            "does not connect to other hosts: status 501",
            true,
        ),
        ("http://h:1", vec![(ask, b"HTTP/1.1 1 No\r\n\r\n")], "no status", true),
        ("http://h:1", vec![(ask, b"HTTP/1.1\r\n\r\n")], "no status", true),
        ("http://h:1", vec![(ask, b"SSH-2.0-x\r\n")], "does not speak HTTP", true),
    ] {
        let error = play(proxy, "1.2.3.4:6881", &script, false).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(expected) && said.starts_with("the proxy h:1 "), "{said}");
        assert_eq!(error.is_of_the_proxy(), is_its_own, "{said}");
    }
}

#[test]
fn an_answer_without_end_is_given_up_and_not_kept() {
    let mut talk = negotiation("http://h:1", "1.2.3.4:5");
    let line = [b"HTTP/1.1 200 ok\r\n".to_vec(), vec![b'x'; 1 << 16]].concat();
    let error = talk.receive(&line).unwrap_err();
    assert_eq!(error.fault, ProxyFault::Nonsense("its answer does not end"));
    assert!(talk.came.len() <= http_connect::MAX_HEAD);
}

#[test]
fn silence_and_the_end_are_told_apart_and_a_name_is_named() {
    let mut talk = negotiation("socks5h://h:1", "a.example:6881");
    assert_eq!((talk.timed_out().fault, talk.closed().fault), (ProxyFault::Silent, ProxyFault::Closed));
    talk.receive(&[5, 0]).unwrap();
    assert_eq!(talk.timed_out().to_string(), "the proxy h:1 cannot connect to a.example:6881 in time");
    assert!(!talk.closed().is_of_the_proxy());
    let talk = negotiation("http://h:1", "1.2.3.4:6881");
    assert_eq!((talk.timed_out().fault, talk.closed().fault), (ProxyFault::Silent, ProxyFault::Closed));
}
