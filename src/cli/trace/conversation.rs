//! What has to be known of the conversations so far, to say what a message means: the torrent of a connection, the
//! numbers that each side has given to its extensions, and the reasons of what we are about to send.

use super::line::Line;
use super::reasons::Reasons;
use super::{packets, words};
use crate::metainfo::InfoHash;
use crate::net::tap::{Connection, Direction, Framed, Known, Seen, StreamEvent};
use crate::piece::Geometry;
use crate::strategy::Security;
use crate::wire::extension::ExtensionHandshake;
use crate::wire::{HANDSHAKE_LENGTH, Handshake, Message};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// The most connections that are known. There are fewer, except where the word of an end was lost.
const MOST_KNOWN: usize = 2_000;

/// How the payload of each torrent is cut.
type Torrents = Vec<(InfoHash, Geometry)>;

/// All of them.
#[derive(Default)]
pub struct Conversations {
    torrents: Torrents,
    /// With their numbers, the oldest first. Searched from the end: there are hundreds at most.
    streams: VecDeque<(u64, Conversation)>,
}

/// One.
#[derive(Default)]
pub(super) struct Conversation {
    /// The torrent that it is about.
    pub(super) info_hash: Option<InfoHash>,
    /// What the peer can do, and by which numbers.
    pub(super) theirs: ExtensionHandshake,
    reasons: Reasons,
}

impl Conversations {
    /// The line that tells this. `None` where it only helps to understand what follows.
    pub fn line(&mut self, seen: &Seen) -> Option<Line> {
        match seen {
            Seen::Stream(connection, event) => self.stream(*connection, event),
            // What it means was told by those who asked.
            Seen::Web(..) => None,
            Seen::Packet(protocol, direction, [_, address], packet) => {
                Some(packets::line(*protocol, *direction, *address, packet))
            }
            Seen::Server { site, direction, message, meaning } => Some(Line {
                direction: Some(*direction),
                ..Line::event(site.clone(), message, meaning.clone())
            }),
            Seen::Remark(text) => Some(Line::event(String::new(), "remark", text.clone())),
            Seen::Connecting(address, why) => {
                let why = Some(why.clone());
                let meaning = "we try to connect to it".to_owned();
                Some(Line { why, ..Line::event(address.to_string(), "connecting", meaning) })
            }
            Seen::NotConnected(address, why) => {
                Some(Line::event(address.to_string(), "not connected", why.clone()))
            }
            Seen::Torrent(info_hash, geometry) => {
                self.torrents.retain(|(known, _)| known != info_hash);
                self.torrents.push((*info_hash, *geometry));
                None
            }
        }
    }

    /// Something was left out, so the reasons may not belong to what comes next.
    pub(super) fn lost_some(&mut self) {
        self.streams.iter_mut().for_each(|(_, stream)| stream.reasons.clear());
    }

    fn stream(&mut self, connection: Connection, event: &StreamEvent) -> Option<Line> {
        let peer = connection.address.to_string();
        let at = self.streams.iter().rposition(|(number, _)| *number == connection.number);
        let is_new = at.is_none();
        if is_new {
            if self.streams.len() >= MOST_KNOWN {
                self.streams.pop_front();
            }
            self.streams.push_back((connection.number, Conversation::default()));
        }
        let at = at.unwrap_or_else(|| self.streams.len().saturating_sub(1));
        let (_, stream) = self.streams.get_mut(at)?;
        match event {
            StreamEvent::Open => {
                let how =
                    if connection.incoming { "it has connected to us" } else { "we have connected to it" };
                let over = if connection.is_utp { ", over uTP" } else { "" };
                Some(Line::event(peer, "connected", format!("{how}{over}")))
            }
            StreamEvent::Joined(known) => stream.joined(connection, known, is_new),
            StreamEvent::KeysExchanged { received, sent, security } => {
                let from_here = match security {
                    Security::Rc4 => "RC4 from here on",
                    Security::Plain | Security::Handshake => "plain from here on",
                };
                let meaning = format!("MSE: {sent} bytes went and {received} came; {from_here}");
                Some(Line::event(peer, "key exchange", meaning))
            }
            StreamEvent::Why { message, count, why } => {
                stream.reasons.add(message, *count, why.clone());
                None
            }
            StreamEvent::Unfinished(..) => None,
            StreamEvent::Ended(end) => {
                let torrent = stream.info_hash;
                self.streams.remove(at);
                Some(Line { torrent, ..Line::event(peer, "end", end.to_string()) })
            }
            StreamEvent::Message(direction, message) => {
                let mut line = stream.message(*direction, message, &self.torrents);
                (line.peer, line.torrent) = (peer, stream.info_hash);
                Some(line)
            }
        }
    }
}

impl Conversation {
    /// The line for a conversation that began before anybody listened. Of one that is known already, because others
    /// have begun to listen, there is nothing to say.
    fn joined(&mut self, connection: Connection, known: &Known, is_new: bool) -> Option<Line> {
        if !is_new {
            return None;
        }
        (self.info_hash, self.theirs) = (known.info_hash, known.theirs.clone());
        let who = if connection.incoming { "it connected to us" } else { "we connected to it" };
        let mut meaning = format!("{who} before this trace began");
        if let Some(info_hash) = known.info_hash {
            let _ = write!(meaning, "; torrent {info_hash}");
        }
        if let Some(peer_id) = known.peer_id {
            let _ = write!(meaning, "; peer ID {}", peer_id.client());
        }
        if let Some(client) = &known.theirs.client {
            let _ = write!(meaning, "; {client}");
        }
        let torrent = self.info_hash;
        Some(Line { torrent, ..Line::event(connection.address.to_string(), "joined", meaning) })
    }

    fn message(&mut self, direction: Direction, framed: &Framed, torrents: &Torrents) -> Line {
        let (name, meaning) = self.meaning(direction, framed, torrents);
        let why = if direction == Direction::Out { self.reasons.take(&name) } else { None };
        let mut line = Line { direction: Some(direction), message: name, meaning, why, ..Line::default() };
        line.is_handshake = framed.is_handshake;
        line.keep(&framed.start, framed.length);
        line
    }

    fn meaning(&mut self, direction: Direction, framed: &Framed, torrents: &Torrents) -> (String, String) {
        if framed.is_handshake {
            let handshake = framed.start.first_chunk::<HANDSHAKE_LENGTH>();
            let handshake = handshake.and_then(|bytes| Handshake::from_wire(bytes).ok());
            self.info_hash = handshake.map(|handshake| handshake.info_hash).or(self.info_hash);
            return ("handshake".to_owned(), handshake.map(words::handshake).unwrap_or_default());
        }
        let known = torrents.iter().find(|(info_hash, _)| Some(*info_hash) == self.info_hash);
        let geometry = known.map(|(_, geometry)| geometry);
        match Message::of_start(&framed.start) {
            None => ("nonsense".to_owned(), "it is shorter than a message of its kind".to_owned()),
            Some(Message::Extended(id, payload)) => words::extended(&mut self.theirs, direction, id, payload),
            Some(message) => {
                let (name, meaning) = words::message(&message, framed.length, geometry);
                (name.to_owned(), meaning)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_whose_end_is_never_seen_are_forgotten_in_the_end() {
        let mut conversations = Conversations::default();
        let address = ([192, 0, 2, 1], 6881).into();
        for number in 0..MOST_KNOWN as u64 + 100 {
            let connection = Connection { number, address, local: None, incoming: false, is_utp: false };
            conversations.line(&Seen::Stream(connection, StreamEvent::Open));
        }
        assert_eq!(conversations.streams.len(), MOST_KNOWN);
        assert_eq!(conversations.streams.front().unwrap().0, 100, "the oldest goes first");
    }
}
