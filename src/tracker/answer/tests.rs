use super::*;

fn addresses(answer: &Answer) -> Vec<String> {
    answer.peers.iter().map(SocketAddr::to_string).collect()
}

#[test]
fn a_tracker_names_no_peer_that_is_nearer_to_us_than_itself() {
    let peers = ["1.2.3.4:5", "10.0.0.1:5", "169.254.169.254:80", "127.0.0.1:6379", "[::1]:5"];
    let told =
        Answer { peers: peers.map(|peer| peer.parse().unwrap()).to_vec(), ..answer_of(b"d8:intervali9ee") };
    for (from, believed) in
        [(None, 1), (Some("9.9.9.9:80"), 1), (Some("192.168.1.1:80"), 3), (Some("127.0.0.1:80"), 5)]
    {
        let from = from.map(|from| from.parse().unwrap());
        assert_eq!(told.clone().believed_from(from).peers, told.peers[..believed], "{from:?}");
    }
}

fn answer_of(body: &[u8]) -> Answer {
    Answer::parse(body).unwrap()
}

#[test]
fn compact_peers_of_both_families_are_read() {
    let mut body = b"d8:completei3e10:incompletei4e8:intervali1800e12:min intervali900e5:peers12:".to_vec();
    body.extend([127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 7, 0, 80]);
    body.extend(b"6:peers618:");
    body.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 99]);
    body.extend(b"10:tracker id2:\xff&15:warning message7:be\x07waree");
    let answer = Answer::parse(&body).unwrap();
    assert_eq!(addresses(&answer), ["127.0.0.1:6881", "10.0.0.7:80", "[2001:db8::1]:99"]);
    assert_eq!((answer.complete, answer.incomplete), (Some(3), Some(4)));
    assert_eq!(answer.interval, Duration::from_secs(1800));
    assert_eq!(answer.min_interval, Some(Duration::from_secs(900)));
    assert_eq!(answer.tracker_id.as_deref(), Some(b"\xff&".as_slice()));
    assert_eq!(answer.warning.as_deref(), Some("be\u{fffd}ware"));
}

#[test]
fn our_own_address_has_four_bytes_or_sixteen() {
    let told = |bytes: &[u8]| {
        let head = format!("d11:external ip{}:", bytes.len());
        let body = [head.as_bytes(), bytes, b"8:intervali60ee"].concat();
        Answer::parse(&body).unwrap().external_ip
    };
    assert_eq!(told(&[192, 0, 2, 7]), Some([192, 0, 2, 7].into()));
    assert_eq!(told(&[7; 16]), Some([7; 16].into()));
    let mapped = [[0; 10].as_slice(), &[255, 255, 192, 0, 2, 7]].concat();
    assert_eq!(told(&mapped), Some([192, 0, 2, 7].into()));
    for length in (0..40).filter(|length| ![4, 16].contains(length)) {
        assert_eq!(told(&vec![1; length]), None);
    }
}

#[test]
fn dictionary_peers_are_read_and_host_names_are_left_out() {
    let body = b"d8:intervali60e5:peersl\
        d2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee\
        d2:ip3:::14:porti6882ee\
        d2:ip16:::ffff:127.0.0.14:porti6883ee\
        d2:ip9:localhost4:porti6884ee\
        d2:ip9:127.0.0.14:port4:6885e\
        d2:ip9:127.0.0.14:port4:688xe\
        d2:ip9:127.0.0.14:porti65536ee\
        d2:ip9:127.0.0.14:porti-1ee\
        d2:ip9:127.0.0.1e\
        i7ee6:unused0:e";
    let answer = Answer::parse(body).unwrap();
    assert_eq!(addresses(&answer), ["127.0.0.1:6881", "[::1]:6882", "127.0.0.1:6883", "127.0.0.1:6885"]);
}

#[test]
fn peers_that_one_cannot_connect_to_are_left_out() {
    let mut body = b"d5:peers30:".to_vec();
    for (address, port) in
        [([10, 0, 0, 1], 0), ([10, 0, 0, 1], 1), ([0; 4], 80), ([255; 4], 80), ([224, 0, 0, 1], 80)]
    {
        body.extend(address);
        body.extend(u16::to_be_bytes(port));
    }
    body.push(b'e');
    assert_eq!(Answer::parse(&body).unwrap().peers, []);
}

#[test]
fn the_number_of_peers_is_bounded() {
    let mut body = b"d5:peers60000:".to_vec();
    body.extend([10, 0, 0, 1, 0, 80].repeat(10_000));
    body.push(b'e');
    assert_eq!(Answer::parse(&body).unwrap().peers.len(), MAX_PEERS);
}

#[test]
fn a_failure_reason_that_says_nothing_is_none_where_there_are_peers() {
    let answer = Answer::parse(b"d14:failure reason0:8:intervali60e5:peers6:\x0a\0\0\x01\x1a\xe1e").unwrap();
    assert_eq!(answer.peers.len(), 1);
    for body in [b"d14:failure reason0:8:intervali60e5:peers0:e".as_slice(), b"d14:failure reason0:e"] {
        assert_eq!(Answer::parse(body), Err(TrackerError::Refused(String::new())));
    }
    let refused = Answer::parse(b"d14:failure reason2:no5:peers6:\x0a\0\0\x01\x1a\xe1e");
    assert_eq!(refused, Err(TrackerError::Refused("no".to_owned())));
}

#[test]
fn a_failure_reason_is_an_error_in_the_trackers_words() {
    let refused = Answer::parse(b"d14:failure reason12:not\x1b welcome8:intervali60ee");
    assert_eq!(refused, Err(TrackerError::Refused("not\u{fffd} welcome".into())));
    let refused_for =
        |text: &str| Answer::parse(format!("d14:failure reason2:no8:retry in{text}e").as_bytes());
    let minutes = |count: u64| RetryIn::Time(Duration::from_secs(60 * count));
    for (text, retry_in) in [
        ("i15e", minutes(15)),
        ("2:15", minutes(15)),
        ("5:never", RetryIn::Never),
        ("i9000000000000000000e", RetryIn::Time(MAX_INTERVAL)),
    ] {
        assert_eq!(refused_for(text), Err(TrackerError::RefusedFor("no".into(), retry_in)), "{text}");
    }
    for text in ["4:soon", "i-1e", "le"] {
        assert_eq!(refused_for(text), Err(TrackerError::Refused("no".into())), "{text}");
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in [
        b"".as_slice(),
        b"<html>hello</html>",
        b"le",
        b"i1e",
        b"de",
        b"d3:fooi1ee",
        b"d5:peersi1ee",
        b"d5:peersdee",
        b"d6:peers6i1ee",
        b"d8:intervali60e",
        b"\n d8:intervali60ee",
    ] {
        let text = String::from_utf8_lossy(body);
        assert!(matches!(Answer::parse(body), Err(TrackerError::Nonsense(_))), "{text}");
    }
}

#[test]
fn one_odd_thing_costs_no_peer() {
    let good = b"5:peers6:\x0a\0\0\x07\0\x50";
    let expected = ["10.0.0.7:80"];
    for (before, after) in [
        (&b""[..], &b"e\0"[..]),
        (b"", b"e<!-- 0.01 s -->"),
        (b"", b"e6:peers60:e"),
        (b"", b"6:peers60:e"),
        (b"", b"6:peers6lee"),
        (b"", b"6:peers6i1ee"),
        (b"", b"6:peers65:aaaaae"),
        (b"", b"5:peers0:e"),
        (b"5:peersi1e", b"e"),
        (b"5:peersde", b"e"),
        (b"5:peers1:a", b"e"),
        (b"8:intervali01800e", b"e"),
        (b"8:intervali60e8:intervali60e", b"e"),
        (b"8:completei18446744073709551616e", b"e"),
        (b"8:completei-0e08:intervalle", b"e"),
    ] {
        let body = [b"d", before, good, after].concat();
        let answer = Answer::parse(&body);
        let text = String::from_utf8_lossy(&body);
        assert_eq!(answer.map(|answer| addresses(&answer)).unwrap_or_default(), expected, "{text}");
    }
    let cut = Answer::parse(b"d5:peers9:\x0a\0\0\x07\0\x50\x0a\0\0e").unwrap();
    assert_eq!(addresses(&cut), expected);
    let six = Answer::parse(b"d6:peers6ld2:ip11:2001:db8::14:porti80eed2:ip1:x4:porti80eeee").unwrap();
    assert_eq!(addresses(&six), ["[2001:db8::1]:80"]);
}

#[test]
fn intervals_are_brought_into_sane_bounds() {
    for (given, expected) in [
        ("8:intervali1e", 60),
        ("8:intervali-5e", 1_800),
        ("8:interval3:abc", 1_800),
        ("8:intervali9223372036854775807e", 86_400),
        ("8:intervali3600e", 3_600),
        ("5:peers0:", 1_800),
    ] {
        let answer = Answer::parse(format!("d{given}e").as_bytes()).unwrap();
        assert_eq!(answer.interval, Duration::from_secs(expected), "{given}");
    }
    let answer = Answer::parse(b"d8:intervali60e12:min intervali9223372036854775807ee").unwrap();
    assert_eq!(answer.min_interval, Some(MAX_INTERVAL));
}

#[test]
fn an_over_long_tracker_id_is_not_sent_back() {
    let body = format!("d8:intervali60e10:tracker id300:{}e", "x".repeat(300));
    assert_eq!(Answer::parse(body.as_bytes()).unwrap().tracker_id, None);
}

#[test]
fn no_cut_and_no_flipped_bit_panics() {
    let mut body = b"d14:failure reaso_1:x8:intervali1800e12:min intervali900e5:peersl\
        d2:ip9:127.0.0.14:porti6881eee6:peers618:"
        .to_vec();
    body.extend([7; 18]);
    body.extend(b"10:tracker id2:ab15:warning message2:hie");
    for cut in 0..body.len() {
        assert!(Answer::parse(&body[..cut]).is_err(), "{cut}");
    }
    for bit in 0..body.len() * 8 {
        body[bit / 8] ^= 1 << (bit % 8);
        let _ = Answer::parse(&body);
        body[bit / 8] ^= 1 << (bit % 8);
    }
}
