//! Makes packets of what was seen: of each connection a conversation over TCP, of each packet over UDP a datagram. A
//! connection over uTP becomes one over TCP as well, whose first packet says so.
//!
//! The bytes are those that were said, and so are the addresses, the ports and the order. How they were cut into segments
//! is our own: each message begins one. So are the segments that begin and end a conversation, which the system sends
//! for us. The number of a byte in its direction is known where it was seen (`net/tap/framer.rs`), so sequence numbers are
//! right whatever was left out before, and a reader finds the gap.

use super::batch::Batch;
use super::blocks::{self, Packet};
use super::headers::{Ends, Flags, Headers, MOST_IN_A_SEGMENT};
use super::keys::{Keys, hide_in_packet};
use crate::cli::trace::names;
use crate::cli::trace::reasons::Reasons;
use crate::net::BindAddress;
use crate::net::tap::{Connection, Direction, Framed, Protocol, Seen, StreamEnd, StreamEvent, WebEvent};
use crate::strategy::Security;
use crate::wire::Message;
use crate::wire::extension::{self, ExtensionHandshake};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// The most conversations that are known. There are fewer, except where the word of an end was lost.
const MOST_KNOWN: usize = 12_000;
/// The port of HTTP without TLS.
const PLAIN_HTTP: u16 = 80;

/// All of them.
#[derive(Default)]
pub(super) struct Conversations {
    /// By which address datagrams leave.
    bind_address: BindAddress,
    /// With their numbers, the oldest first.
    streams: VecDeque<(u64, Conversation)>,
    /// Messages that were left out since the last packet.
    lost: usize,
}

/// One.
struct Conversation {
    /// From us.
    ends: Ends,
    /// The sequence number that both directions begin with.
    first: u32,
    received: u64,
    sent: u64,
    /// What is to be said of the next packet.
    comments: Vec<String>,
    /// Why the next messages are sent.
    reasons: Reasons,
    /// What the peer says that it can do: by which numbers it wants to hear of it.
    theirs: ExtensionHandshake,
    /// What is not to be shown, of a web server's.
    keys: Keys,
}

/// Where the packets go.
struct Page<'a> {
    out: &'a mut Batch,
    time: u64,
    lost: &'a mut usize,
}

impl Conversations {
    /// None yet. Datagrams leave by this address.
    pub(super) fn new(bind_address: BindAddress) -> Conversations {
        Conversations { bind_address, ..Conversations::default() }
    }

    /// Adds the packets of what was seen at this time.
    pub(super) fn add(&mut self, time: u64, seen: Seen, out: &mut Batch) {
        match seen {
            Seen::Stream(connection, event) => self.stream(time, connection, event, out),
            Seen::Web(connection, event) => self.web(time, connection, event, out),
            Seen::Packet(protocol, direction, [ours, theirs], mut packet) => {
                if protocol == Protocol::Tracker && direction == Direction::Out {
                    hide_in_packet(&mut packet);
                }
                let ends = Ends::new(Some(self.leaves_by(ours, theirs)), theirs);
                Page { out, time, lost: &mut self.lost }.datagram(ends, direction, packet.into());
            }
            Seen::Server { .. }
            | Seen::Connecting(..)
            | Seen::NotConnected(..)
            | Seen::Torrent(..)
            | Seen::Remark(_) => {}
        }
    }

    /// So many messages were left out, so the reasons may not belong to what comes next.
    pub(super) fn lost_some(&mut self, count: usize) {
        self.lost = self.lost.saturating_add(count);
        self.streams.iter_mut().for_each(|(_, stream)| stream.reasons.clear());
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.streams.len()
    }

    /// Our end, with the address by which the system reaches the other one. Sends nothing.
    fn leaves_by(&self, ours: SocketAddr, theirs: SocketAddr) -> SocketAddr {
        if !ours.ip().is_unspecified() {
            return ours;
        }
        let way = self.bind_address.udp(theirs).and_then(|socket| socket.local_addr());
        way.map_or(ours, |way| SocketAddr::new(way.ip(), ours.port()))
    }

    /// Where the conversation of this connection stands, which is new if it has not been heard of.
    fn find(&mut self, connection: Connection) -> usize {
        let Connection { number, address, local, .. } = connection;
        let found = self.streams.binary_search_by_key(&number, |(known, _)| *known);
        // A port of uTP is one for all of this host's addresses.
        let local = local.filter(|_| found.is_err()).map(|ours| self.leaves_by(ours, address));
        found.unwrap_or_else(|at| {
            self.streams.insert(at, (number, Conversation::new(number, Ends::new(local, address))));
            let is_too_much = self.streams.len() > MOST_KNOWN && self.streams.pop_front().is_some();
            at.saturating_sub(usize::from(is_too_much))
        })
    }

    fn web(&mut self, time: u64, connection: Connection, event: WebEvent, out: &mut Batch) {
        let at = self.find(connection);
        let Some((_, stream)) = self.streams.get_mut(at) else { return };
        let mut page = Page { out, time, lost: &mut self.lost };
        match event {
            WebEvent::Open { by_tls } => {
                if by_tls {
                    let port = connection.address.port();
                    let text = format!("this goes to port {port} by TLS, which is taken off");
                    stream.comments.push(text);
                    // Where a reader of the capture expects plain HTTP.
                    let address = SocketAddr::new(connection.address.ip(), PLAIN_HTTP);
                    stream.ends = Ends::new(connection.local, address);
                }
                stream.begin(&mut page, false);
            }
            WebEvent::Bytes(direction, mut part) => {
                match direction {
                    Direction::Out => stream.keys.hide_in_request(&mut part.start),
                    Direction::In => stream.keys.hide_repeated(&mut part.start),
                }
                stream.say(&mut page, direction, part);
            }
            WebEvent::Ended(by) => {
                stream.end(&mut page, by);
                self.streams.remove(at);
            }
        }
    }

    fn stream(&mut self, time: u64, connection: Connection, event: StreamEvent, out: &mut Batch) {
        let Connection { incoming, is_utp, .. } = connection;
        let at = self.find(connection);
        let Some((_, stream)) = self.streams.get_mut(at) else { return };
        let mut page = Page { out, time, lost: &mut self.lost };
        match event {
            StreamEvent::Open | StreamEvent::Joined(_) => {
                if let StreamEvent::Joined(known) = event {
                    stream.theirs = known.theirs;
                }
                stream.comments.extend(is_utp.then(|| "this connection went over uTP (BEP 29)".to_owned()));
                stream.begin(&mut page, incoming);
            }
            StreamEvent::KeysExchanged { received, sent, security } => {
                stream.comments.push(key_exchange(received, sent, security));
            }
            StreamEvent::Why { message, count, why } => {
                stream.reasons.add(message, count, why);
            }
            StreamEvent::Message(direction, message) => stream.say(&mut page, direction, message),
            StreamEvent::Unfinished(direction, message) => {
                stream.comments.push("it ends before this message does, or is none".to_owned());
                stream.say(&mut page, direction, message);
            }
            StreamEvent::Ended(end) => {
                stream.comments.extend((end != StreamEnd::Closed).then(|| end.to_string()));
                stream.end(&mut page, if end.is_ours() { Direction::Out } else { Direction::In });
                self.streams.remove(at);
            }
        }
    }
}

impl Conversation {
    fn new(number: u64, ends: Ends) -> Conversation {
        // A later connection between the same ports is told from this one by where it begins.
        let first = (number as u32).wrapping_mul(0x0100_0001);
        let (comments, reasons, theirs, keys) = Default::default();
        Conversation { ends, first, received: 0, sent: 0, comments, reasons, theirs, keys }
    }

    /// SYN, SYN-ACK and ACK.
    fn begin(&mut self, page: &mut Page<'_>, incoming: bool) {
        let (caller, called) =
            if incoming { (Direction::In, Direction::Out) } else { (Direction::Out, Direction::In) };
        let (first, next) = (self.first, self.first.wrapping_add(1));
        self.segment(page, caller, [first, 0], Flags::SYN, [].as_slice().into());
        self.segment(page, called, [first, next], Flags::SYN_ACK, [].as_slice().into());
        self.segment(page, caller, [next, next], Flags::ACK, [].as_slice().into());
    }

    /// FIN in both directions, first in this one, and the last ACK.
    fn end(&mut self, page: &mut Page<'_>, first: Direction) {
        let second = if first == Direction::In { Direction::Out } else { Direction::In };
        self.segment(page, first, self.numbers(first), Flags::FIN_ACK, [].as_slice().into());
        *self.count(first) += 1;
        self.segment(page, second, self.numbers(second), Flags::FIN_ACK, [].as_slice().into());
        *self.count(second) += 1;
        self.segment(page, first, self.numbers(first), Flags::ACK, [].as_slice().into());
    }

    /// A message.
    fn say(&mut self, page: &mut Page<'_>, direction: Direction, message: Framed) {
        match direction {
            Direction::Out => {
                let why = self.reason(&message);
                self.comments.extend(why);
            }
            Direction::In => self.hear(&message.start),
        }
        let is_not_there = message.length.saturating_sub(message.start.len() as u64);
        if is_not_there > 0 {
            self.comments.push(format!("{is_not_there} bytes at its end are not captured"));
        }
        *self.count(direction) = message.offset;
        if message.start.len() <= MOST_IN_A_SEGMENT {
            self.segment(page, direction, self.numbers(direction), Flags::PSH_ACK, message.start.into());
        } else {
            let mut parts = message.start.chunks(MOST_IN_A_SEGMENT).peekable();
            while let Some(part) = parts.next() {
                let flags = if parts.peek().is_none() { Flags::PSH_ACK } else { Flags::ACK };
                self.segment(page, direction, self.numbers(direction), flags, part.into());
                *self.count(direction) += part.len() as u64;
            }
        }
        *self.count(direction) = message.offset.saturating_add(message.length);
    }

    fn segment(
        &mut self,
        page: &mut Page<'_>,
        direction: Direction,
        numbers: [u32; 2],
        flags: Flags,
        payload: Cow<'_, [u8]>,
    ) {
        let ends = if direction == Direction::Out { self.ends } else { self.ends.reversed() };
        page.packet(direction, Headers::Tcp(ends, numbers, flags), payload, &self.comments);
        self.comments.clear();
    }

    /// The sequence number of the next byte in this direction, and of the next one that is expected in the other.
    fn numbers(&self, direction: Direction) -> [u32; 2] {
        let number = |count: u64| self.first.wrapping_add(1).wrapping_add(count as u32);
        let (received, sent) = (number(self.received), number(self.sent));
        if direction == Direction::In { [received, sent] } else { [sent, received] }
    }

    fn count(&mut self, direction: Direction) -> &mut u64 {
        if direction == Direction::In { &mut self.received } else { &mut self.sent }
    }

    /// Why this message is sent.
    fn reason(&mut self, message: &Framed) -> Option<String> {
        let name = match Message::of_start(&message.start) {
            _ if message.is_handshake => "handshake",
            Some(Message::Extended(id, _)) => names::extended(id, Direction::Out, &self.theirs),
            message => names::message(&message?),
        };
        self.reasons.take(name)
    }

    /// The peer may say that it can do more.
    fn hear(&mut self, message: &[u8]) {
        if let Some(Message::Extended(extension::HANDSHAKE, payload)) = Message::of_start(message)
            && let Some(theirs) = ExtensionHandshake::from_wire(payload)
        {
            self.theirs = theirs.after(&self.theirs);
        }
    }
}

impl Page<'_> {
    fn datagram(&mut self, ends: Ends, direction: Direction, payload: Cow<'_, [u8]>) {
        let ends = if direction == Direction::Out { ends } else { ends.reversed() };
        self.packet(direction, Headers::Udp(ends), payload, &[]);
    }

    fn packet(
        &mut self,
        direction: Direction,
        headers: Headers,
        payload: Cow<'_, [u8]>,
        comments: &[String],
    ) {
        let (time, lost) = (self.time, std::mem::take(self.lost));
        blocks::packet(self.out, Packet { time, direction, headers, payload, lost, comments });
    }
}

fn key_exchange(received: u64, sent: u64, security: Security) -> String {
    let what = match security {
        Security::Rc4 => "RC4 from here on, which is taken off",
        Security::Plain | Security::Handshake => "plain from here on",
    };
    format!("a key exchange (MSE) is left out, {sent} bytes that went and {received} that came; {what}")
}
