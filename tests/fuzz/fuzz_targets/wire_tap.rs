//! Both directions of a connection with any bytes, in any split, at a door that is opened and closed at any moment.
//!
//! A model knows where each message begins. Whoever listens since the beginning must be told every message of the model,
//! and whoever comes later none that is not of the model, whole, and all from the next one on.

#![no_main]

use femtotorrent::net::PeerStream;
use femtotorrent::net::tap::{Direction, Framed, Listening, Seen, StreamEvent, Tap};
use femtotorrent_fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, Mutex};

/// Bytes of a block's message that are kept.
const HEAD: usize = 13;
const HANDSHAKE: [u8; 20] = *b"\x13BitTorrent protocol";

/// What one listener was told of the messages that came, and of those that went.
type Told = Arc<Mutex<[Vec<Framed>; 2]>>;

fn listen(tap: &Tap) -> (Told, Option<Listening>) {
    let told = Told::default();
    let hears = Arc::clone(&told);
    let listening = tap.listen(move |seen| {
        if let Seen::Stream(_, StreamEvent::Message(direction, message)) = seen {
            hears.lock().unwrap()[usize::from(direction == Direction::Out)].push(message);
        }
    });
    (told, listening)
}

/// One direction: messages of any content, and where the next one begins.
fn message(choices: &mut Choices) -> Vec<u8> {
    let length = match choices.below(5) {
        0 => 0,
        1 => 9,
        2 => 1,
        3 => choices.below(256),
        _ => choices.below(256) * 100,
    };
    let (id, filler) = (choices.byte() % 24, choices.byte());
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(4 + length as usize, filler);
    if let Some(first) = bytes.get_mut(4) {
        *first = id;
    }
    bytes
}

fn handshake() -> Vec<u8> {
    let mut bytes = HANDSHAKE.to_vec();
    bytes.resize(68, 7);
    bytes
}

fn check(told: &[Framed], model: &[Vec<u8>]) {
    assert_eq!(told.len(), model.len());
    for (message, bytes) in told.iter().zip(model) {
        assert_eq!(
            (message.length, message.is_handshake),
            (bytes.len() as u64, bytes.starts_with(&HANDSHAKE))
        );
        let is_block = !message.is_handshake && bytes.get(4) == Some(&7);
        let kept = if is_block { bytes.len().min(HEAD) } else { bytes.len() };
        assert_eq!(message.start, bytes[..kept]);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (tap, mut choices) = (Tap::switch(), Choices::new(bytes));
    let (always, _listening) = listen(&tap);
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(&tap, ([127, 0, 0, 1], 1).into(), false);
    // The same conversation at a door at which nobody listens, but for a time.
    let other = Tap::switch();
    let (twin, far) = PeerStream::in_memory();
    twin.watched_by(&other, ([127, 0, 0, 1], 1).into(), false);
    let mut late: Option<(Told, Option<Listening>, [usize; 2])> = None;

    let mut model = [vec![handshake()], vec![handshake()]];
    for (one, there) in [(&stream, &peer), (&twin, &far)] {
        one.write_all(&handshake()).unwrap();
        there.write_all(&handshake()).unwrap();
        one.read(&mut [0; 68]).unwrap();
        there.read(&mut [0; 68]).unwrap();
    }
    // What has come of a message that is not whole.
    let mut held = Vec::new();
    while !choices.is_over() && model[0].len() + model[1].len() < 200 {
        let message = message(&mut choices);
        let cut = (message.len() * choices.below(256) as usize / 256).clamp(1, message.len());
        let (first, rest) = message.split_at(cut);
        let (is_out, toggles) = (choices.below(2) == 1, choices.below(6));
        for (one, there) in [(&stream, &peer), (&twin, &far)] {
            held.clear();
            let mut sink = vec![0; message.len()];
            for (number, part) in [first, rest].into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
                if std::ptr::eq(one, &twin) && number == 1 && toggles == 0 {
                    late = match late.take() {
                        // Who came in the middle of what comes is told of that, too.
                        None => {
                            let (told, listening) = listen(&other);
                            Some((told, listening, [model[0].len(), model[1].len() + usize::from(is_out)]))
                        }
                        Some((told, listening, since)) => {
                            drop(listening);
                            let told = std::mem::take(&mut *told.lock().unwrap());
                            check(&told[0], &model[0][since[0]..]);
                            check(&told[1], &model[1][since[1].min(model[1].len())..]);
                            None
                        }
                    };
                }
                if is_out {
                    if number == 0 {
                        one.write_more(part).unwrap()
                    } else {
                        one.write_on(part).unwrap()
                    }
                    there.read(&mut sink).unwrap();
                } else {
                    there.write_all(part).unwrap();
                    let before = held.len();
                    held.resize(before + part.len(), 0);
                    assert_eq!(one.read_behind(before, &mut held).unwrap(), part.len());
                }
            }
        }
        model[usize::from(is_out)].push(message);
    }
    let told = always.lock().unwrap();
    check(&told[0], &model[0]);
    check(&told[1], &model[1]);
    if let Some((told, _listening, since)) = late {
        let told = told.lock().unwrap();
        check(&told[0], &model[0][since[0]..]);
        check(&told[1], &model[1][since[1].min(model[1].len())..]);
    }
});
