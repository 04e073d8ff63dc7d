use super::*;

fn id(letter: u8) -> NodeId {
    NodeId([letter; 20])
}

fn packet(body: Body<'_>) -> Packet<'_> {
    Packet { transaction: b"aa", body, read_only: false, external: None, version: b"" }
}

fn query(method: Method<'_>) -> Packet<'_> {
    packet(Body::Query(Query { id: NodeId(*b"abcdefghij0123456789"), method, want: None }))
}

fn contact(letter: u8, address: &str) -> Contact {
    Contact { id: id(letter), address: address.parse().unwrap() }
}

/// One packet of every kind.
fn all() -> Vec<Packet<'static>> {
    let announce = |port| Method::AnnouncePeer {
        info_hash: InfoHash(*b"mnopqrstuvwxyz123456"),
        port,
        token: b"aoeusnth",
    };
    let full = Response {
        id: id(1),
        nodes: vec![contact(2, "1.2.3.4:5"), contact(3, "[2001:db8::1]:6")],
        values: vec!["5.6.7.8:9".parse().unwrap(), "[2001:db8::2]:10".parse().unwrap()],
        token: Some(b"t"),
        samples: None,
    };
    let want = Some(Want { v4: true, v6: true });
    let wanting = Query { id: id(1), method: Method::GetPeers(InfoHash([7; 20])), want };
    vec![
        query(Method::Ping),
        query(Method::FindNode(NodeId(*b"mnopqrstuvwxyz123456"))),
        query(Method::GetPeers(InfoHash(*b"mnopqrstuvwxyz123456"))),
        query(announce(Some(6881))),
        query(announce(None)),
        query(Method::SampleInfoHashes(NodeId(*b"mnopqrstuvwxyz123456"))),
        Packet { read_only: true, version: b"FM\0\x01", ..packet(Body::Query(wanting)) },
        packet(Body::Response(Response::bare(id(9)))),
        Packet { external: "[2001:db8::3]:1".parse().ok(), ..packet(Body::Response(full)) },
        Packet { external: "1.2.3.4:5".parse().ok(), ..packet(Body::Error(PROTOCOL_ERROR)) },
    ]
}

#[test]
fn what_is_written_is_read_again() {
    for packet in all() {
        let bytes = packet.to_wire();
        let again = Packet::from_wire(&bytes).unwrap();
        assert_eq!(again.to_wire(), bytes);
        assert_eq!(again, packet);
    }
}

#[test]
fn the_examples_of_bep_5_are_what_we_write() {
    let known: [&[u8]; 4] = [
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe\
          1:q13:announce_peer1:t2:aa1:y1:qe",
    ];
    for (packet, known) in all().iter().zip(known) {
        assert_eq!(packet.to_wire(), known);
    }
}

#[test]
fn a_query_without_its_arguments_is_told_from_one_that_we_do_not_know() {
    let ask = |bytes: &'static [u8]| match Packet::from_wire(bytes).unwrap().body {
        Body::Query(query) => query.method,
        other => panic!("{other:?}"),
    };
    let id = "d1:ad2:id20:abcdefghij0123456789";
    let of = |rest: &str| -> &'static [u8] { Box::leak(format!("{id}{rest}").into_bytes().into()) };
    assert_eq!(ask(of("e1:q4:vote1:t1:x1:y1:qe")), Method::Unknown);
    assert_eq!(ask(of("6:target3:abce1:q9:find_node1:t1:x1:y1:qe")), Method::Malformed);
    let hash = "9:info_hash20:mnopqrstuvwxyz123456";
    for port in ["i0e", "i-1e", "i65536e", "1:1"] {
        let announce = format!("{hash}4:port{port}5:token1:ae1:q13:announce_peer1:t1:x1:y1:qe");
        assert_eq!(ask(of(&announce)), Method::Malformed);
    }
    assert_eq!(Packet::from_wire(b"d1:ad2:id3:abce1:q4:ping1:t1:x1:y1:qe"), None);
}

#[test]
fn what_is_cut_or_of_the_wrong_type_counts_as_absent() {
    let bytes = b"d2:ip5:abcde1:rd2:id20:abcdefghij01234567895:nodes27:aaaaaaaaaaaaaaaaaaaa1234pp!5:tokeni7e\
        6:valuesl6:1234pp7:1234ppp2:xxi7eee1:t1:x1:v2:XX1:y1:re";
    let packet = Packet::from_wire(bytes).unwrap();
    let Body::Response(response) = packet.body else { panic!() };
    assert_eq!((packet.external, packet.version), (None, &b"XX"[..]));
    assert_eq!((response.nodes.len(), response.values.len(), response.token), (1, 1, None));
    let mut long = query(Method::Ping);
    long.transaction = &[7; MAX_TRANSACTION_LENGTH + 1];
    assert_eq!(Packet::from_wire(&long.to_wire()), None);
    let token = [7; MAX_PACKET];
    long = query(Method::AnnouncePeer { info_hash: InfoHash([0; 20]), port: None, token: &token });
    assert_eq!(Packet::from_wire(&long.to_wire()), None);
}

#[test]
fn no_cut_and_no_flipped_bit_panics() {
    for packet in all() {
        let mut bytes = packet.to_wire();
        for end in 0..bytes.len() {
            assert_eq!(Packet::from_wire(&bytes[..end]), None, "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some(packet) = Packet::from_wire(&bytes) {
                let _ = packet.to_wire();
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
