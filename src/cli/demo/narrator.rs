//! Says what happens in the demo at the moments that matter, and at the end what was to be learned.
//!
//! It hears the notices of the run, and sees each message through the door to the trace, on the threads that speak. What
//! it says stands in the trace, behind what it is about, and is printed too where a seeder is odd. It decides nothing.

use super::mood::Mood;
use super::voice::Voice;
use crate::message::{HangUp, Notice, OtherEnd, PeerError, PieceChange};
use crate::net::tap::{Direction, Framed, Seen, StreamEvent, Tap};
use crate::piece::{BLOCK_LENGTH, PieceIndex};
use crate::thread::lock;
use crate::wire::{BlockRequest, Message};
use std::net::SocketAddr;
use std::sync::Mutex;

/// What an address is called.
pub type Name = (String, &'static str);

/// Who narrates.
pub struct Narrator {
    names: Vec<(SocketAddr, &'static str)>,
    mood: Mood,
    tap: Tap,
    /// Where sentences are printed. `None` where they stand in a trace that is printed.
    voice: Option<Voice>,
    story: Mutex<Story>,
}

/// What has happened so far.
#[derive(Default)]
struct Story {
    /// Which blocks are asked of whom.
    asked: Vec<(BlockRequest, SocketAddr)>,
    /// Who sent which block: the piece, and where in it.
    senders: Vec<((u32, u32), &'static str)>,
    /// The pieces that are stored.
    stored: Vec<u32>,
    /// The pieces that were wrong.
    wrong: Vec<PieceIndex>,
    has_choked: bool,
    has_end_game: bool,
    has_cancelled: bool,
}

impl Narrator {
    /// One for these seeders, who behave so.
    pub fn new(
        names: Vec<(SocketAddr, &'static str)>,
        mood: Mood,
        tap: Tap,
        voice: Option<Voice>,
    ) -> Narrator {
        Narrator { names, mood, tap, voice, story: Mutex::default() }
    }

    /// The run says this.
    pub fn hear(&self, notice: &Notice) {
        match notice {
            Notice::Pieces(PieceChange::Stored, pieces) => {
                pieces.iter().for_each(|piece| self.stored(*piece))
            }
            Notice::Pieces(PieceChange::Wrong, pieces) => pieces.iter().for_each(|piece| self.wrong(*piece)),
            Notice::Gone(OtherEnd { address, .. }, PeerError::HungUp(HangUp::WrongData)) => {
                let name = self.name(*address);
                self.say(&format!(
                    "Seeder {name} is dropped, and no connection to its address is made again. The rest is asked of the \
                     others."
                ));
            }
            _ => {}
        }
    }

    /// This was seen on the wire. It goes on to the trace.
    pub fn see(&self, seen: Seen) {
        let remark = match &seen {
            Seen::Stream(connection, StreamEvent::Message(direction, framed)) => {
                self.message(connection.address, *direction, framed)
            }
            _ => None,
        };
        self.tap.tell(|| seen);
        remark.iter().for_each(|text| self.say(text));
    }

    fn message(&self, address: SocketAddr, direction: Direction, framed: &Framed) -> Option<String> {
        let message = Message::of_start(&framed.start).filter(|_| !framed.is_handshake)?;
        let name = self.name(address);
        let mut story = lock(&self.story);
        match (direction, message) {
            (Direction::In, Message::Piece { index, begin, .. }) => {
                story.senders.push(((index, begin), name));
                story
                    .asked
                    .retain(|(block, whom)| (block.index, block.begin) != (index, begin) || *whom != address);
                None
            }
            (Direction::In, Message::Choke) => {
                let void = story.asked.iter().filter(|(_, whom)| *whom == address).count();
                story.asked.retain(|(_, whom)| *whom != address);
                story.has_choked = true;
                let open = match void {
                    0 => "We had no open request to it".to_owned(),
                    1 => "Our open request to it is void".to_owned(),
                    _ => format!("Our {void} open requests to it are void"),
                };
                Some(format!(
                    "Seeder {name} chokes us: it has few upload slots, and gives ours to somebody else. {open}. What \
                     others have is asked of them; for the rest we can only wait."
                ))
            }
            (Direction::In, Message::Unchoke) if story.has_choked => Some(format!(
                "Seeder {name} unchokes us. We sent it nothing for that: each peer gives one slot to anybody in turn, the \
                 optimistic unchoke, or no newcomer could ever begin. We ask again."
            )),
            (Direction::Out, Message::Request(block)) => {
                let other = story.asked.iter().find(|(asked, whom)| *asked == block && *whom != address);
                let other = other.map(|(_, whom)| self.name(*whom));
                story.asked.push((block, address));
                let other = other.filter(|_| !std::mem::replace(&mut story.has_end_game, true))?;
                Some(format!(
                    "End game: block {} of piece {} was asked of seeder {other} and has not come. All other blocks are \
                     asked for, so seeder {name} is asked for it too. The first answer counts.",
                    block.begin / BLOCK_LENGTH,
                    block.index
                ))
            }
            (Direction::Out, Message::Cancel(block)) => {
                story.asked.retain(|(asked, whom)| *asked != block || *whom != address);
                // Also a seeder that may lie is asked for nothing any more. Its blocks have come from nobody.
                let has_come = story.stored.contains(&block.index)
                    || story.senders.iter().any(|(sent, _)| *sent == (block.index, block.begin));
                let is_first = has_come && !std::mem::replace(&mut story.has_cancelled, true);
                is_first.then(|| {
                    format!(
                        "Block {} of piece {} has come from elsewhere, so seeder {name} need not send it: cancel.",
                        block.begin / BLOCK_LENGTH,
                        block.index
                    )
                })
            }
            _ => None,
        }
    }

    fn stored(&self, piece: PieceIndex) {
        let mut story = lock(&self.story);
        let from = story.take_senders(piece);
        story.stored.push(piece.get());
        let was_wrong = story.wrong.contains(&piece);
        drop(story);
        let number = piece.get();
        if was_wrong {
            self.say(&format!(
                "Piece {number} is fetched again, {from}: now its SHA-1 matches, and it is written."
            ));
        } else {
            let text = format!("piece {number} is whole, {from}; its SHA-1 matches, and it is written");
            self.tap.tell(|| Seen::Remark(text));
        }
    }

    fn wrong(&self, piece: PieceIndex) {
        let mut story = lock(&self.story);
        let from = story.take_senders(piece);
        story.wrong.push(piece);
        drop(story);
        let blame = if from.contains(',') {
            "One of them lies. Which one is seen when it is there again and the blocks are compared"
        } else {
            "Nobody else can be to blame"
        };
        self.say(&format!(
            "Piece {} is whole, {from}, and its SHA-1 is not the torrent's. {blame}. Nothing of it was written, and it is \
             fetched again.",
            piece.get()
        ));
    }

    /// Says it in the trace, and to whoever reads none.
    fn say(&self, text: &str) {
        self.tap.tell(|| Seen::Remark(text.to_owned()));
        if let Some(voice) = self.voice.filter(|_| self.mood != Mood::default()) {
            voice.explain("", text);
        }
    }

    fn name(&self, address: SocketAddr) -> &'static str {
        self.names.iter().find(|(known, _)| *known == address).map_or("?", |(_, name)| name)
    }

    /// What was to be learned.
    pub fn lessons(&self) -> Vec<&'static str> {
        let lessons = [
            (
                self.mood.lies,
                "Strangers may send what they like. The torrent's SHA-1 of each piece decides, before a byte is written, \
                 so a liar costs us one piece and itself its place.",
            ),
            (
                self.mood.is_slow,
                "How many requests a peer has open is a guess at what it will send: many for one that was fast, so that it \
                 never waits for us, few for a slow one, so that little hangs on it. Of a new one the guess may be wrong; \
                 in the end game others take its blocks over.",
            ),
            (
                self.mood.chokes,
                "An upload is a favour that may end at any time. With a choke all requests are void, and whoever forgets \
                 that waits for ever. Several peers, and their optimistic unchokes, are why a download does not stop.",
            ),
        ];
        lessons.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect()
    }
}

impl Story {
    /// Who sent the blocks of this piece, in words.
    fn take_senders(&mut self, piece: PieceIndex) -> String {
        let mut counts: Vec<(&'static str, u32)> = Vec::new();
        for (_, name) in self.senders.iter().filter(|((index, _), _)| *index == piece.get()) {
            match counts.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => counts.push((name, 1)),
            }
        }
        self.senders.retain(|((index, _), _)| *index != piece.get());
        let words = |(name, count): (&str, u32)| {
            format!("{count} {} from {name}", if count == 1 { "block" } else { "blocks" })
        };
        counts.into_iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_is_explained_only_where_the_block_has_come_from_elsewhere() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let names = vec![(address(1), "A"), (address(2), "B")];
        let narrator = Narrator::new(names, Mood::default(), Tap::switch(), None);
        let say = |port, direction, message: Message<'_>| {
            let mut start = Vec::new();
            message.write_to(&mut start);
            let framed = Framed { length: start.len() as u64, start, is_handshake: false, offset: 0 };
            narrator.message(address(port), direction, &framed)
        };
        let block = BlockRequest { index: 3, begin: BLOCK_LENGTH, length: 8 };
        let suspected = say(1, Direction::Out, Message::Cancel(block));
        assert_eq!(suspected, None, "nobody has sent it: the seeder is suspected of a lie");
        say(2, Direction::In, Message::Piece { index: 3, begin: BLOCK_LENGTH, data: &[0; 8] });
        let told = say(1, Direction::Out, Message::Cancel(block));
        let sentence =
            "Block 1 of piece 3 has come from elsewhere, so seeder A need not send it: cancel.".to_owned();
        assert_eq!(told, Some(sentence));
    }
}
