//! KRPC, what nodes say to each other: one bencoded dictionary a packet (BEP 5, "KRPC protocol").
//!
//! Pure. There are queries, responses and errors; what answers a query carries its *transaction id*. Packets
//! come from anybody, so one that is not understood in all that matters is no packet, and a key of the
//! wrong type counts as absent. Nothing is kept that the packet does not have room for itself.

use super::addresses::{Contact, contact_length, read_contact};
use super::id::NodeId;
use crate::address::{IpFamily, read_compact, write_compact};
use crate::bencode::{Dictionary, Item, Value};
use crate::metainfo::InfoHash;
use std::net::SocketAddr;

/// Bytes of the longest packet that is looked at: what fits into one frame of most networks.
pub const LARGEST_PACKET: usize = 1_500;

/// Bytes of the longest transaction id that we repeat. Those in use have two to eight.
const LONGEST_TRANSACTION: usize = 32;

/// What we call ourselves (`v`): two letters and a version.
pub(super) const VERSION: &[u8] = b"FM\0\x01";

/// The query or its arguments make no sense (BEP 5, "errors").
pub const PROTOCOL_ERROR: i64 = 203;
/// We do not know a query of this name.
pub const UNKNOWN_METHOD: i64 = 204;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the answer to a query repeats.
    pub transaction: &'a [u8],
    /// What it says.
    pub body: Body<'a>,
    /// The sender answers no queries (`ro`, BEP 43).
    pub read_only: bool,
    /// The address that the sender of an answer sees us at (`ip`, BEP 42).
    pub external: Option<SocketAddr>,
    /// The sender's program, empty where it says nothing.
    pub version: &'a [u8],
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Something is asked.
    Query(Query<'a>),
    /// The answer.
    Response(Response<'a>),
    /// That there is none, and why, as a number.
    Error(i64),
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// Who asks.
    pub id: NodeId,
    /// What.
    pub ask: Ask<'a>,
    /// The families whose nodes are wanted (BEP 32); `None` means that of the packet.
    pub want: Option<Want>,
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Whether somebody is there.
    Ping,
    /// For the nodes closest to this.
    FindNode(NodeId),
    /// For peers of this torrent, and the nodes closest to it.
    GetPeers(InfoHash),
    /// To be remembered as a peer.
    AnnouncePeer {
        /// Of this torrent.
        info_hash: InfoHash,
        /// The port; `None` is the one that the packet comes from (`implied_port`).
        port: Option<u16>,
        /// What was given out to this address shortly before.
        token: &'a [u8],
    },
    /// One of the above without its arguments.
    Malformed,
    /// Something else.
    Unknown,
}

/// Which nodes are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Those of IPv4 (`n4`).
    pub v4: bool,
    /// Those of IPv6 (`n6`).
    pub v6: bool,
}

/// An answer. What was not asked for is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Who answers.
    pub id: NodeId,
    /// Close nodes, of either family.
    pub nodes: Vec<Contact>,
    /// Peers, of either family.
    pub values: Vec<SocketAddr>,
    /// What an announce has to bring along.
    pub token: Option<&'a [u8]>,
}

impl Want {
    /// Whether nodes of this family are wanted.
    pub fn has(self, family: IpFamily) -> bool {
        if family == IpFamily::V4 { self.v4 } else { self.v6 }
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet. `None` where it is none.
    pub fn from_wire(bytes: &'a [u8]) -> Option<Packet<'a>> {
        if bytes.len() > LARGEST_PACKET {
            return None;
        }
        let (mut kind, mut transaction, mut name) = (None, None, None);
        let (mut arguments, mut values, mut error) = (None, None, None);
        let (mut read_only, mut external, mut version) = (false, None, None);
        for (key, value) in Value::parse(bytes).ok()?.dictionary()?.iter() {
            match key {
                b"y" => kind = value.bytes(),
                b"t" => transaction = value.bytes(),
                b"q" => name = value.bytes(),
                b"a" => arguments = value.dictionary(),
                b"r" => values = value.dictionary(),
                b"e" => error = value.list(),
                b"ro" => read_only = value.integer() == Some(1),
                b"ip" => external = value.bytes().and_then(read_compact),
                b"v" => version = value.bytes(),
                _ => {}
            }
        }
        let body = match kind? {
            b"q" => Body::Query(Query::read(name?, arguments?)?),
            b"r" => Body::Response(Response::read(values?)?),
            b"e" => Body::Error(error.and_then(|list| list.iter().next()?.integer()).unwrap_or(0)),
            _ => return None,
        };
        let transaction = transaction.filter(|id| id.len() <= LONGEST_TRANSACTION)?;
        Some(Packet { transaction, body, read_only, external, version: version.unwrap_or_default() })
    }

    /// The bytes of the packet.
    pub fn to_wire(&self) -> Vec<u8> {
        let (kind, key, body) = match &self.body {
            Body::Query(query) => ("q", "a", query.item()),
            Body::Response(response) => ("r", "r", response.item()),
            Body::Error(code) => {
                let words = if *code == UNKNOWN_METHOD { "unknown query" } else { "bad query" };
                ("e", "e", Item::list([Item::from(*code), words.into()]))
            }
        };
        let mut packet = vec![(key, body), ("t", self.transaction.into()), ("y", kind.into())];
        if let Body::Query(query) = &self.body {
            packet.push(("q", query.ask.name().into()));
        }
        if self.read_only {
            packet.push(("ro", 1.into()));
        }
        if let Some(external) = self.external {
            packet.push(("ip", address_item(external)));
        }
        if !self.version.is_empty() {
            packet.push(("v", self.version.into()));
        }
        Item::dictionary(packet).encode()
    }
}

impl<'a> Query<'a> {
    fn read(name: &[u8], arguments: Dictionary<'a>) -> Option<Query<'a>> {
        let (mut id, mut target, mut info_hash) = (None, None, None);
        let (mut port, mut implied, mut token, mut want) = (None, false, None, None);
        for (key, value) in arguments.iter() {
            match key {
                b"id" => id = twenty(value),
                b"target" => target = twenty(value),
                b"info_hash" => info_hash = twenty(value),
                b"port" => port = value.integer().and_then(|port| u16::try_from(port).ok()),
                b"implied_port" => implied = value.integer().is_some_and(|number| number != 0),
                b"token" => token = value.bytes(),
                b"want" => {
                    want = value.list().map(|list| {
                        let has = |name: &[u8]| list.iter().any(|item| item.bytes() == Some(name));
                        Want { v4: has(b"n4"), v6: has(b"n6") }
                    })
                }
                _ => {}
            }
        }
        let info_hash = info_hash.map(InfoHash);
        let port = if implied { Some(None) } else { port.filter(|port| *port != 0).map(Some) };
        let ask = match name {
            b"ping" => Some(Ask::Ping),
            b"find_node" => target.map(|target| Ask::FindNode(NodeId(target))),
            b"get_peers" => info_hash.map(Ask::GetPeers),
            b"announce_peer" => match (info_hash, port, token) {
                (Some(info_hash), Some(port), Some(token)) => {
                    Some(Ask::AnnouncePeer { info_hash, port, token })
                }
                _ => None,
            },
            _ => Some(Ask::Unknown),
        };
        Some(Query { id: NodeId(id?), ask: ask.unwrap_or(Ask::Malformed), want })
    }

    fn item(&self) -> Item {
        let mut arguments = vec![("id", self.id.item())];
        match self.ask {
            Ask::FindNode(target) => arguments.push(("target", target.item())),
            Ask::GetPeers(info_hash) => arguments.push(("info_hash", NodeId(info_hash.0).item())),
            Ask::AnnouncePeer { info_hash, port, token } => {
                arguments.push(("info_hash", NodeId(info_hash.0).item()));
                arguments.push(("port", i64::from(port.unwrap_or_default()).into()));
                arguments.push(("token", token.into()));
                if port.is_none() {
                    arguments.push(("implied_port", 1.into()));
                }
            }
            Ask::Ping | Ask::Malformed | Ask::Unknown => {}
        }
        if let Some(want) = self.want {
            let names = [(want.v4, "n4"), (want.v6, "n6")].into_iter().filter(|(wanted, _)| *wanted);
            arguments.push(("want", Item::list(names.map(|(_, name)| name.into()))));
        }
        Item::dictionary(arguments)
    }
}

impl Ask<'_> {
    /// The name of the query (`q`), empty where it is none that we know.
    pub fn name(self) -> &'static str {
        match self {
            Ask::Ping => "ping",
            Ask::FindNode(_) => "find_node",
            Ask::GetPeers(_) => "get_peers",
            Ask::AnnouncePeer { .. } => "announce_peer",
            Ask::Malformed | Ask::Unknown => "",
        }
    }
}

impl<'a> Response<'a> {
    /// One that says no more than who answers.
    pub fn bare(id: NodeId) -> Response<'a> {
        Response { id, nodes: Vec::new(), values: Vec::new(), token: None }
    }

    fn read(values: Dictionary<'a>) -> Option<Response<'a>> {
        let (mut id, mut response) = (None, Response::bare(NodeId([0; 20])));
        for (key, value) in values.iter() {
            match (key, value) {
                (b"id", value) => id = twenty(value),
                (b"token", Value::Bytes(token)) => response.token = Some(token),
                (b"nodes", Value::Bytes(nodes)) => response.read_nodes(nodes, IpFamily::V4),
                (b"nodes6", Value::Bytes(nodes)) => response.read_nodes(nodes, IpFamily::V6),
                (b"values", Value::List(list)) => {
                    response.values.extend(list.iter().filter_map(|peer| read_compact(peer.bytes()?)));
                }
                _ => {}
            }
        }
        Some(Response { id: NodeId(id?), ..response })
    }

    /// What is left after the last whole one was cut off.
    fn read_nodes(&mut self, bytes: &[u8], family: IpFamily) {
        let whole = bytes.chunks_exact(contact_length(family));
        self.nodes.extend(whole.filter_map(read_contact));
    }

    fn item(&self) -> Item {
        let mut values = vec![("id", self.id.item())];
        for (key, family) in [("nodes", IpFamily::V4), ("nodes6", IpFamily::V6)] {
            let mut bytes = Vec::new();
            for node in self.nodes.iter().filter(|node| family.has(node.address)) {
                bytes.extend(node.id.0);
                write_compact(&mut bytes, node.address);
            }
            if !bytes.is_empty() {
                values.push((key, bytes.into()));
            }
        }
        if !self.values.is_empty() {
            values.push(("values", Item::list(self.values.iter().map(|peer| address_item(*peer)))));
        }
        if let Some(token) = self.token {
            values.push(("token", token.into()));
        }
        Item::dictionary(values)
    }
}

impl NodeId {
    fn item(self) -> Item {
        self.0.as_slice().into()
    }
}

fn address_item(address: SocketAddr) -> Item {
    let mut bytes = Vec::with_capacity(18);
    write_compact(&mut bytes, address);
    bytes.into()
}

fn twenty(value: Value<'_>) -> Option<[u8; 20]> {
    value.bytes()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: u8) -> NodeId {
        NodeId([letter; 20])
    }

    fn packet(body: Body<'_>) -> Packet<'_> {
        Packet { transaction: b"aa", body, read_only: false, external: None, version: b"" }
    }

    fn query(ask: Ask<'_>) -> Packet<'_> {
        packet(Body::Query(Query { id: NodeId(*b"abcdefghij0123456789"), ask, want: None }))
    }

    fn contact(letter: u8, address: &str) -> Contact {
        Contact { id: id(letter), address: address.parse().unwrap() }
    }

    /// One of everything.
    fn all() -> Vec<Packet<'static>> {
        let announce = |port| Ask::AnnouncePeer {
            info_hash: InfoHash(*b"mnopqrstuvwxyz123456"),
            port,
            token: b"aoeusnth",
        };
        let full = Response {
            id: id(1),
            nodes: vec![contact(2, "1.2.3.4:5"), contact(3, "[2001:db8::1]:6")],
            values: vec!["5.6.7.8:9".parse().unwrap(), "[2001:db8::2]:10".parse().unwrap()],
            token: Some(b"t"),
        };
        let want = Some(Want { v4: true, v6: true });
        let wanting = Query { id: id(1), ask: Ask::GetPeers(InfoHash([7; 20])), want };
        vec![
            query(Ask::Ping),
            query(Ask::FindNode(NodeId(*b"mnopqrstuvwxyz123456"))),
            query(Ask::GetPeers(InfoHash(*b"mnopqrstuvwxyz123456"))),
            query(announce(Some(6881))),
            query(announce(None)),
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
            Body::Query(query) => query.ask,
            other => panic!("{other:?}"),
        };
        let id = "d1:ad2:id20:abcdefghij0123456789";
        let of = |rest: &str| -> &'static [u8] { Box::leak(format!("{id}{rest}").into_bytes().into()) };
        assert_eq!(ask(of("e1:q4:vote1:t1:x1:y1:qe")), Ask::Unknown);
        assert_eq!(ask(of("6:target3:abce1:q9:find_node1:t1:x1:y1:qe")), Ask::Malformed);
        let hash = "9:info_hash20:mnopqrstuvwxyz123456";
        for port in ["i0e", "i-1e", "i65536e", "1:1"] {
            let announce = format!("{hash}4:port{port}5:token1:ae1:q13:announce_peer1:t1:x1:y1:qe");
            assert_eq!(ask(of(&announce)), Ask::Malformed);
        }
        assert_eq!(Packet::from_wire(b"d1:ad2:id3:abce1:q4:ping1:t1:x1:y1:qe"), None);
    }

    #[test]
    fn what_is_cut_or_of_the_wrong_type_counts_as_absent() {
        let bytes =
            b"d2:ip5:abcde1:rd2:id20:abcdefghij01234567895:nodes27:aaaaaaaaaaaaaaaaaaaa1234pp!5:tokeni7e\
            6:valuesl6:1234pp7:1234ppp2:xxi7eee1:t1:x1:v2:XX1:y1:re";
        let packet = Packet::from_wire(bytes).unwrap();
        let Body::Response(response) = packet.body else { panic!() };
        assert_eq!((packet.external, packet.version), (None, &b"XX"[..]));
        assert_eq!((response.nodes.len(), response.values.len(), response.token), (1, 1, None));
        let mut long = query(Ask::Ping);
        long.transaction = &[7; LONGEST_TRANSACTION + 1];
        assert_eq!(Packet::from_wire(&long.to_wire()), None);
        let token = [7; LARGEST_PACKET];
        long = query(Ask::AnnouncePeer { info_hash: InfoHash([0; 20]), port: None, token: &token });
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
}
