//! Both sides of a key exchange (MSE) with a peer that says anything, in any split.
//!
//! Sometimes it has the right keys: its private number is 1, so its public key is 2 and the secret is what we send. It
//! ends, no more is read than the parts of an exchange can have, what was agreed on was offered, and what came of the
//! conversation is what the peer said.

#![no_main]

use femtotorrent::metainfo::InfoHash;
use femtotorrent::wire::mse::{self, Agreed, Chance, KEY_LENGTH, Method, Methods, Rc4, torrent_mark};
use femtotorrent::wire::{Handshake, PeerId};
use femtotorrent_fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};
use std::io::{self, Read, Write};

const TORRENT: InfoHash = InfoHash([7; 20]);
/// What both sides may say, the pads twice, and what one read may bring behind it.
const MOST: usize = mse::MAX_FIRST_BYTES + 4 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let (initiates, knows) = (choices.coin(), choices.coin());
    let chance = Chance {
        exponent: [choices.byte(); 20],
        pad: vec![5; choices.number() as usize % 513],
        hidden_pad: (choices.number() % 513) as u16,
    };
    let offered = [Methods::BOTH, Methods::RC4, Methods::NONE][choices.below(3) as usize];
    let slice = 1 + choices.number() as usize;
    let (mut script, conversation) =
        if knows { known(&mut choices, initiates) } else { (Script::default(), None) };
    script.behind = choices.bytes(usize::MAX).to_vec();
    let mut peer = Peer { script, says: None, heard: Vec::new(), slice, taken: 0 };
    let agreed = if initiates {
        mse::initiate(&mut peer, &Handshake::ours(TORRENT, PeerId([1; 20]), true), offered, &chance)
    } else {
        let theirs = if knows { two() } else { [bytes.len() as u8; KEY_LENGTH] };
        let find = |mark| (mark == torrent_mark(TORRENT)).then_some(TORRENT);
        let choose = |methods: Methods| {
            [Method::Plaintext, Method::Rc4]
                .into_iter()
                .find(|it| offered.contain(*it) && methods.contain(*it))
        };
        mse::respond(&mut peer, &theirs, find, choose, &chance).map(|(torrent, agreed)| {
            assert_eq!(torrent, TORRENT);
            agreed
        })
    };
    assert!(peer.taken <= MOST);
    let Ok(Agreed { keystreams, early }) = agreed else { return };
    assert!(knows, "nobody guesses the keys");
    assert!(offered.contain(if keystreams.is_some() { Method::Rc4 } else { Method::Plaintext }));
    // Where it is RC4 all of it was encrypted by one keystream.
    if let (Some(said), Some(_)) = (conversation, keystreams) {
        assert!(said.starts_with(&early) || early.starts_with(&said));
    }
});

/// What a peer says, from our public key on.
#[derive(Default)]
struct Script {
    /// Sent as it stands.
    pad: Vec<u8>,
    /// Its side's keys encrypt this.
    hidden: Option<Vec<u8>>,
    initiates: bool,
    behind: Vec<u8>,
}

/// What one says that has the keys, and what of it belongs to the conversation.
fn known(choices: &mut Choices<'_>, we_initiate: bool) -> (Script, Option<Vec<u8>>) {
    let pad = vec![3; choices.number() as usize % 600];
    let mut hidden = vec![0; 8];
    hidden[0] = if choices.below(8) == 0 { 1 } else { 0 };
    let methods = if choices.below(8) == 0 { choices.number() } else { choices.below(4) };
    hidden.extend(methods.to_be_bytes());
    let length = choices.number() as u16;
    hidden.extend(length.to_be_bytes());
    hidden.extend(vec![0; usize::from(length).min(600)]);
    let said = if we_initiate {
        choices.bytes(500).to_vec()
    } else {
        let length = choices.number() as u16;
        hidden.extend(length.to_be_bytes());
        let mut said = choices.bytes(usize::from(length).min(100)).to_vec();
        said.resize(usize::from(length).min(20_000), 9);
        said
    };
    hidden.extend(&said);
    (Script { pad, hidden: Some(hidden), initiates: !we_initiate, behind: Vec::new() }, Some(said))
}

fn two() -> [u8; KEY_LENGTH] {
    let mut key = [0; KEY_LENGTH];
    key[KEY_LENGTH - 1] = 2;
    key
}

impl Script {
    /// All that it says to whom has sent this.
    fn says(&self, heard: &[u8]) -> Vec<u8> {
        let Some(hidden) = &self.hidden else { return self.behind.clone() };
        let secret = &heard[..KEY_LENGTH];
        let hash = |parts: &[&[u8]]| -> [u8; 20] { Sha1::digest(parts.concat()).into() };
        let mut hidden = hidden.clone();
        let key = if self.initiates { b"keyA" } else { b"keyB" };
        Rc4::new(&hash(&[key, secret, &TORRENT.0])).after(1024).apply(&mut hidden);
        if !self.initiates {
            return [&two()[..], &self.pad, &hidden].concat();
        }
        let mut mark = torrent_mark(TORRENT);
        mark.iter_mut().zip(hash(&[b"req3", secret])).for_each(|(byte, other)| *byte ^= other);
        [&self.pad[..], &hash(&[b"req1", secret]), &mark, &hidden].concat()
    }
}

struct Peer {
    script: Script,
    says: Option<std::collections::VecDeque<u8>>,
    heard: Vec<u8>,
    slice: usize,
    taken: usize,
}

impl Read for Peer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let says = self.says.get_or_insert_with(|| self.script.says(&self.heard).into());
        let length = into.len().min(self.slice);
        let read = says.read(&mut into[..length])?;
        self.taken += read;
        Ok(read)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
