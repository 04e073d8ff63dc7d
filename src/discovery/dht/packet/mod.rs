//! KRPC, the protocol of the nodes: one bencoded dictionary a packet (BEP 5, "KRPC protocol").
//!
//! Pure. There are queries, responses and errors. A response or an error carries the *transaction ID* of its
//! query. Anyone may send packets. So a packet that lacks what matters, or has it in another form, is
//! dropped, and any other key of the wrong type counts as absent. What is read takes no more memory than the
//! packet allows: it borrows from the packet, and each node or peer stands for bytes in it.

use super::addresses::{Contact, contact_length, read_contact};
use super::id::NodeId;
pub use super::samples::Samples;
use crate::address::{IpFamily, read_compact, write_compact};
use crate::bencode::{Dictionary, Item, Value};
use crate::metainfo::InfoHash;
use std::net::SocketAddr;

/// Bytes of the longest packet that we look at: what fits into one frame of most networks.
pub const MAX_PACKET: usize = 1_500;

/// Bytes of the longest transaction ID that we repeat. Those in use have two to eight.
const MAX_TRANSACTION_LENGTH: usize = 32;

/// What we call ourselves (`v`): two letters and a version.
pub(super) const VERSION: &[u8] = b"FM\0\x01";

/// The query or its arguments make no sense (BEP 5, "errors").
pub const PROTOCOL_ERROR: i64 = 203;
/// We do not know this method.
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
    /// The sender's program (`v`). Empty if the packet has none.
    pub version: &'a [u8],
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// It asks something.
    Query(Query<'a>),
    /// It answers a query.
    Response(Response<'a>),
    /// It says that there is no answer, and why, as a number.
    Error(i64),
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The node that asks.
    pub id: NodeId,
    /// What it asks for.
    pub method: Method<'a>,
    /// The families whose nodes are wanted (BEP 32); `None` means that of the packet.
    pub want: Option<Want>,
}

/// The method of a query (`q`) with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'a> {
    /// Whether the node is there.
    Ping,
    /// For the nodes closest to this.
    FindNode(NodeId),
    /// For peers of this torrent, and the nodes closest to it.
    GetPeers(InfoHash),
    /// That we are remembered as a peer.
    AnnouncePeer {
        /// Of this torrent.
        info_hash: InfoHash,
        /// The port; `None` is the one that the packet comes from (`implied_port`).
        port: Option<u16>,
        /// The token that the node gave to this address shortly before.
        token: &'a [u8],
    },
    /// For some of the torrents that are kept, and the nodes closest to this (BEP 51).
    SampleInfoHashes(NodeId),
    /// One of the above, but without its arguments or with wrong ones.
    Malformed,
    /// A method that we do not know.
    Unknown,
}

/// The families whose nodes are wanted.
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
    /// The node that answers.
    pub id: NodeId,
    /// Nodes close to what was asked for, of either family (`nodes`, `nodes6`).
    pub nodes: Vec<Contact>,
    /// Peers, of either family.
    pub values: Vec<SocketAddr>,
    /// What an announce has to carry.
    pub token: Option<&'a [u8]>,
    /// Some of the torrents that the node keeps. We never ask for them, so in what we read there are none.
    pub samples: Option<Samples>,
}

impl Want {
    /// Whether nodes of this family are wanted.
    pub fn has(self, family: IpFamily) -> bool {
        if family == IpFamily::V4 { self.v4 } else { self.v6 }
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet. `None` if these bytes are none.
    pub fn from_wire(bytes: &'a [u8]) -> Option<Packet<'a>> {
        if bytes.len() > MAX_PACKET {
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
        let transaction = transaction.filter(|id| id.len() <= MAX_TRANSACTION_LENGTH)?;
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
            packet.push(("q", query.method.name().into()));
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
                b"id" => id = twenty_bytes(value),
                b"target" => target = twenty_bytes(value),
                b"info_hash" => info_hash = twenty_bytes(value),
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
        let method = match name {
            b"ping" => Some(Method::Ping),
            b"find_node" => target.map(|target| Method::FindNode(NodeId(target))),
            b"sample_infohashes" => target.map(|target| Method::SampleInfoHashes(NodeId(target))),
            b"get_peers" => info_hash.map(Method::GetPeers),
            b"announce_peer" => match (info_hash, port, token) {
                (Some(info_hash), Some(port), Some(token)) => {
                    Some(Method::AnnouncePeer { info_hash, port, token })
                }
                _ => None,
            },
            _ => Some(Method::Unknown),
        };
        Some(Query { id: NodeId(id?), method: method.unwrap_or(Method::Malformed), want })
    }

    fn item(&self) -> Item {
        let mut arguments = vec![("id", self.id.item())];
        match self.method {
            Method::FindNode(target) | Method::SampleInfoHashes(target) => {
                arguments.push(("target", target.item()))
            }
            Method::GetPeers(info_hash) => arguments.push(("info_hash", NodeId(info_hash.0).item())),
            Method::AnnouncePeer { info_hash, port, token } => {
                arguments.push(("info_hash", NodeId(info_hash.0).item()));
                arguments.push(("port", i64::from(port.unwrap_or_default()).into()));
                arguments.push(("token", token.into()));
                if port.is_none() {
                    arguments.push(("implied_port", 1.into()));
                }
            }
            Method::Ping | Method::Malformed | Method::Unknown => {}
        }
        if let Some(want) = self.want {
            let names = [(want.v4, "n4"), (want.v6, "n6")].into_iter().filter(|(wanted, _)| *wanted);
            arguments.push(("want", Item::list(names.map(|(_, name)| name.into()))));
        }
        Item::dictionary(arguments)
    }
}

impl Method<'_> {
    /// The method's name in a packet. Empty for [`Method::Malformed`] and [`Method::Unknown`].
    pub fn name(self) -> &'static str {
        match self {
            Method::Ping => "ping",
            Method::FindNode(_) => "find_node",
            Method::GetPeers(_) => "get_peers",
            Method::SampleInfoHashes(_) => "sample_infohashes",
            Method::AnnouncePeer { .. } => "announce_peer",
            Method::Malformed | Method::Unknown => "",
        }
    }
}

impl<'a> Response<'a> {
    /// A response that says only which node answers.
    pub fn bare(id: NodeId) -> Response<'a> {
        Response { id, nodes: Vec::new(), values: Vec::new(), token: None, samples: None }
    }

    fn read(values: Dictionary<'a>) -> Option<Response<'a>> {
        let (mut id, mut response) = (None, Response::bare(NodeId([0; 20])));
        for (key, value) in values.iter() {
            match (key, value) {
                (b"id", value) => id = twenty_bytes(value),
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

    /// Bytes after the last whole node are ignored: the list was cut there.
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
        if let Some(samples) = &self.samples {
            let info_hashes: Vec<u8> = samples.info_hashes.iter().flat_map(|hash| hash.0).collect();
            values.push(("interval", i64::from(samples.interval).into()));
            values.push(("num", i64::from(samples.count).into()));
            values.push(("samples", info_hashes.into()));
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

fn twenty_bytes(value: Value<'_>) -> Option<[u8; 20]> {
    value.bytes()?.try_into().ok()
}

#[cfg(test)]
mod tests;
