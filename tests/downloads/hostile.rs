//! Peers that mean harm or are broken: each is dropped for a reason that is told, what it was asked
//! for comes from somebody else, and the download completes.

use std::io;
use std::sync::Arc;

use crate::download::Download;
use crate::logbook;
use crate::peer::{FAST, Gate, MODERN, PLAIN, Peer, Talk};
use crate::sample::Sample;
use crate::swarm::bits;
use femtotorrent::wire::{BlockRequest, Message};

/// Five pieces, so that a bitfield has bits to spare.
fn sample() -> Arc<Sample> {
    Arc::new(Sample::single(5 * 65_536 - 10, 65_536))
}

/// Downloads from a peer with this script and an honest one that serves when the other is finished.
fn download(
    sample: &Arc<Sample>,
    script: impl Fn(&mut Talk, &Sample) -> io::Result<()> + Send + 'static,
) -> Peer {
    logbook::open();
    let gate = Gate::default();
    let (served, over) = (Arc::clone(sample), gate.clone());
    let odd = Peer::start(move |talk| {
        let end = script(talk, &served);
        talk.wait_for_end();
        over.open();
        end
    });
    let honest = Peer::honest_after(sample, &gate);
    Download::start(sample, &[&odd, &honest]).complete(sample);
    let served = honest.record().served;
    assert!(served > 0, "the honest peer was not needed");
    odd
}

/// Runs a script from its first byte and expects that the peer is dropped with these words.
fn is_dropped(words: &str, script: impl Fn(&mut Talk, &Sample) -> io::Result<()> + Send + 'static) {
    let odd = download(&sample(), script);
    logbook::wait_for(odd.address(), words);
    assert_eq!(odd.record().connections, 1, "{words}");
}

/// The same after the peer was asked for a block.
fn is_dropped_when_asked(
    words: &str,
    script: impl Fn(&mut Talk, &Sample, BlockRequest) -> io::Result<()> + Send + 'static,
) {
    is_dropped(words, move |talk, sample| {
        talk.greet(sample, FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        let wanted = talk.next_request()?;
        script(talk, sample, wanted)
    });
}

/// Runs a script in front of an honest life, which the peer is given.
fn is_borne(script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static) {
    let sample = sample();
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, MODERN)?;
        talk.say(Message::HaveAll)?;
        script(talk)?;
        talk.say(Message::Unchoke)?;
        let first = talk.next_request()?;
        talk.send(&served, first)?;
        script(talk)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_frame_that_claims_four_gigabytes() {
    is_dropped_when_asked(
        "it sent a message of type 7 with the impossible length 4294967295",
        |talk, _, _| talk.say_bytes(&[0xff, 0xff, 0xff, 0xff, 7]),
    );
    is_dropped_when_asked(
        "it sent a message of type 99 with the impossible length 4294967295",
        |talk, _, _| talk.say_bytes(&[0xff, 0xff, 0xff, 0xff, 99]),
    );
}

#[test]
fn a_frame_of_the_wrong_length_whatever_its_type() {
    let wrong: [(u8, usize); 24] = [
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 3),
        (4, 5),
        (5, 0),
        (5, 2),
        (6, 11),
        (6, 13),
        (7, 0),
        (7, 8),
        (7, 8 + 16_385),
        (8, 11),
        (8, 13),
        (9, 1),
        (9, 3),
        (13, 3),
        (14, 1),
        (15, 1),
        (16, 11),
        (16, 13),
        (17, 5),
        (20, 0),
    ];
    for (name, body) in wrong {
        let words = format!("it sent a message of type {name} with the impossible length {}", body + 1);
        is_dropped_when_asked(&words, move |talk, _, _| talk.say_frame(name, &vec![0; body]));
    }
}

#[test]
fn a_block_that_the_torrent_does_not_have() {
    let words = "it sent a block that the torrent does not have";
    is_dropped_when_asked(words, |talk, _, wanted| {
        talk.send_data(BlockRequest { index: 5, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(words, |talk, _, wanted| {
        talk.send_data(BlockRequest { index: u32::MAX, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(words, |talk, _, wanted| {
        talk.send_data(BlockRequest { begin: 65_536, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(words, |talk, _, wanted| {
        talk.send_data(BlockRequest { begin: u32::MAX - 16_383, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(words, |talk, _, wanted| {
        talk.send_data(BlockRequest { begin: wanted.begin + 1, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(words, |talk, _, wanted| talk.send_data(wanted, &[1; 16_000]));
    is_dropped_when_asked(words, |talk, _, wanted| talk.send_data(wanted, &[1]));
}

#[test]
fn a_block_that_nobody_asked_for() {
    let words = "it sent a block that we did not ask for";
    is_dropped(words, |talk, sample| {
        talk.greet(sample, FAST)?;
        talk.say(Message::HaveAll)?;
        talk.send(sample, BlockRequest { index: 1, begin: 16_384, length: 16_384 })
    });
    is_dropped_when_asked(words, |talk, sample, wanted| {
        talk.send(sample, wanted)?;
        talk.send(sample, wanted)
    });
}

#[test]
fn a_bitfield_that_cannot_be() {
    is_dropped("it sends one bitfield after another", |talk, sample| {
        talk.greet(sample, PLAIN)?;
        (0..1000).try_for_each(|_| talk.say(Message::Bitfield(&bits(sample, |piece| piece == 1))))
    });
    is_dropped("a second bitfield", |talk, sample| {
        talk.greet(sample, FAST)?;
        talk.say(Message::HaveNone)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::HaveAll)
    });
    is_dropped("a second bitfield", |talk, sample| {
        talk.greet(sample, FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::HaveNone)
    });
    is_dropped("a bitfield with pieces that the torrent does not have", |talk, sample| {
        talk.greet(sample, PLAIN)?;
        talk.say(Message::Bitfield(&[0b1111_1100]))
    });
    is_dropped("a message of type 5 with the impossible length 3", |talk, sample| {
        talk.greet(sample, PLAIN)?;
        talk.say(Message::Bitfield(&[0xff, 0xff]))
    });
}

#[test]
fn a_piece_number_out_of_range() {
    for index in [5, u32::MAX] {
        is_dropped("it sent a piece number out of range", move |talk, sample| {
            talk.greet(sample, PLAIN)?;
            talk.say(Message::Have(index))
        });
    }
    is_dropped_when_asked("a rejection of a block that the torrent does not have", |talk, _, wanted| {
        talk.say(Message::Reject(BlockRequest { index: 7, ..wanted }))
    });
}

#[test]
fn a_message_of_an_extension_that_the_peer_does_not_speak() {
    let words = "a message of the Fast extension, which it does not speak";
    is_dropped(words, |talk, sample| {
        talk.greet(sample, PLAIN)?;
        talk.say(Message::HaveAll)
    });
    is_dropped(words, |talk, sample| {
        talk.greet(sample, PLAIN)?;
        talk.say(Message::AllowedFast(1))
    });
}

#[test]
fn wrong_data_is_banned_when_it_came_from_one_peer_alone() {
    is_dropped_when_asked("banned, it sent wrong data", |talk, _, first| {
        let mut wanted = first;
        loop {
            talk.send_data(wanted, &vec![7; wanted.length as usize])?;
            wanted = talk.next_request()?;
        }
    });
}

#[test]
fn whoever_does_not_answer_the_handshake() {
    let silence = std::thread::spawn(|| is_dropped("no answer to the handshake in 10 s", |_, _| Ok(())));
    let loris = std::thread::spawn(|| {
        is_dropped("no answer to the handshake in 10 s", |talk, sample| {
            talk.hear_handshake()?;
            let whole = [&b"\x13BitTorrent protocol"[..], &[0; 8], &sample.info_hash()].concat();
            // A byte now and then must not buy more time. The pace is part of the attack.
            for byte in whole {
                std::thread::sleep(std::time::Duration::from_millis(400));
                talk.say_bytes(&[byte])?;
            }
            Ok(())
        });
    });
    silence.join().unwrap();
    loris.join().unwrap();
}

#[test]
fn a_handshake_of_somebody_else() {
    is_dropped("it answered for another torrent", |talk, _| {
        talk.hear_handshake()?;
        talk.say_handshake(MODERN, [9; 20], *b"-SC0001-abcdefghijkl")
    });
    is_dropped("it is ourselves", |talk, sample| {
        let (_, our_id) = talk.hear_handshake()?;
        talk.say_handshake(MODERN, sample.info_hash(), our_id)
    });
    is_dropped("its first bytes are not a BitTorrent handshake", |talk, _| {
        talk.say_bytes(&[b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), &[0xaa; 60]].concat())
    });
}

#[test]
fn a_connection_that_is_closed_at_once() {
    logbook::open();
    let sample = sample();
    let gate = Gate::default();
    let closed = gate.clone();
    let rude = Peer::start(move |talk| {
        talk.hear_handshake()?;
        closed.open();
        Ok(())
    });
    let honest = Peer::honest_after(&sample, &gate);
    Download::start(&sample, &[&rude, &honest]).complete(&sample);
    logbook::wait_for(rude.address(), "it closed the connection");
}

#[test]
fn a_hundred_thousand_haves_are_borne() {
    is_borne(|talk| {
        let mut haves = Vec::new();
        (0..100_000).for_each(|count| Message::Have(count % 5).write_to(&mut haves));
        talk.say_bytes(&haves)
    });
}

#[test]
fn a_flood_of_requests_that_are_choked() {
    is_dropped("request after request while we choke it", |talk, sample| {
        talk.greet(sample, PLAIN)?;
        // Who is not interested is never unchoked.
        let mut requests = Vec::new();
        for _ in 0..100_000 {
            let wanted = BlockRequest { index: 1, begin: 0, length: 16_384 };
            Message::Request(wanted).write_to(&mut requests);
            Message::Cancel(wanted).write_to(&mut requests);
        }
        talk.say_bytes(&requests)
    });
}

#[test]
fn words_that_we_do_not_know_are_borne() {
    is_borne(|talk| {
        for garbage in [&b"garbage"[..], b"d", b"i-0e", b"le", b"d1:m1:xe", b"d4:reqqi-1ee", &[0xff; 9000]] {
            talk.say(Message::Extended(0, garbage))?;
            talk.say(Message::Extended(77, garbage))?;
        }
        talk.say(Message::KeepAlive)?;
        talk.say(Message::Port(6881))?;
        talk.say(Message::Suggest(4_000_000_000))?;
        talk.say(Message::Interested)?;
        talk.say(Message::NotInterested)?;
        talk.say_frame(99, &[7; 60_000])?;
        talk.say_frame(255, &[])
    });
}

#[test]
fn a_peer_that_refuses_what_it_was_never_asked_for_is_borne() {
    let sample = sample();
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, FAST)?;
        talk.say(Message::HaveAll)?;
        for begin in [0, 16_384, 32_768] {
            talk.say(Message::Reject(BlockRequest { index: 3, begin, length: 16_384 }))?;
        }
        talk.say(Message::Unchoke)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn an_absurd_request_queue_is_brought_to_reason() {
    for reqq in ["0", "4294967296", "-7", "99999999999999999999999"] {
        let said = format!("d4:reqqi{reqq}ee");
        is_borne(move |talk| talk.say(Message::Extended(0, said.as_bytes())));
    }
}

#[test]
fn a_verdict_on_a_piece_is_heard_although_the_next_frame_is_bad() {
    // Whichever of the two is noticed first ends the connection.
    download(&sample(), |talk, sample| {
        talk.greet(sample, FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        let wanted: Vec<BlockRequest> = (0..16).map(|_| talk.next_request()).collect::<io::Result<_>>()?;
        let mut bytes = Vec::new();
        for (at, block) in wanted.iter().enumerate() {
            let mut data = sample.block(block.index, block.begin, block.length).to_vec();
            if at == 15 {
                data[0] ^= 1;
            }
            Message::Piece { index: block.index, begin: block.begin, data: &data }.write_to(&mut bytes);
        }
        // have with the wrong length
        bytes.extend([0, 0, 0, 4, 4, 0, 0, 0]);
        talk.say_bytes(&bytes)
    });
}
