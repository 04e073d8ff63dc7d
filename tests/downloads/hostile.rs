//! Peers that mean harm or are broken: each is dropped for a reason that is told, what it was asked
//! for comes from another peer, and the download completes.

use std::fmt::Display;
use std::io;

use crate::support::download::Download;
use crate::support::gate::{Gate, Rendezvous};
use crate::support::hostile::{Known, download_beside_honest, impossible_length};
use crate::support::log_capture;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{FAST, MODERN, PLAIN, Talk};
use femtotorrent::message::{HangUp, MessageKind, PeerError, Violation, Wait};
use femtotorrent::piece::BLOCK_LENGTH;
use femtotorrent::wire::{BlockRequest, HandshakeError, Message};

/// Five pieces, so that a bitfield has bits to spare.
fn sample() -> Sample {
    Sample::single(5 * 65_536 - 10, 65_536)
}

/// Runs a script from its first byte and expects that the peer is dropped for this reason.
fn is_dropped(reason: impl Display, script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static) {
    let connections = connections_until_dropped(&reason, script);
    assert_eq!(connections, 1, "{reason}");
}

/// The same of a peer that may be tried again. Returns how often we connected to it.
fn connections_until_dropped(
    reason: impl Display,
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static,
) -> usize {
    let odd = download_beside_honest(&sample(), Known::Torrent, script);
    log_capture::wait_for(odd.address(), &reason);
    odd.record().connections
}

/// The same after the peer was asked for a block.
fn is_dropped_when_asked(
    reason: impl Display,
    script: impl Fn(&mut Talk, BlockRequest) -> io::Result<()> + Send + 'static,
) {
    is_dropped(reason, move |talk| {
        talk.greet(FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        let wanted = talk.next_request()?;
        script(talk, wanted)
    });
}

/// Runs a script before and during an honest exchange, and expects that the peer is kept.
fn is_tolerated(script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static) {
    let sample = sample();
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(move |talk| {
        script(talk)?;
        talk.say(Message::Unchoke)?;
        let first = talk.next_request()?;
        talk.send(first)?;
        script(talk)?;
        talk.serve()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_frame_that_claims_four_gigabytes() {
    is_dropped_when_asked(impossible_length(7, u32::MAX), |talk, _| {
        talk.say_bytes(&[0xff, 0xff, 0xff, 0xff, 7])
    });
    is_dropped_when_asked(impossible_length(99, u32::MAX), |talk, _| {
        talk.say_bytes(&[0xff, 0xff, 0xff, 0xff, 99])
    });
}

#[test]
fn a_frame_of_the_wrong_length_whatever_its_type() {
    let wrong: [(u8, usize); 27] = [
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
        (21, 47),
        (22, 47),
        (23, 49),
    ];
    for (id, body) in wrong {
        let reason = impossible_length(id, body as u32 + 1);
        is_dropped_when_asked(reason, move |talk, _| talk.say_frame(id, &vec![0; body]));
    }
}

#[test]
fn a_block_that_the_torrent_does_not_have() {
    let reason = Violation::BlockOutOfRange;
    is_dropped_when_asked(reason, |talk, wanted| {
        talk.send_data(BlockRequest { index: 5, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(reason, |talk, wanted| {
        talk.send_data(BlockRequest { index: u32::MAX, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(reason, |talk, wanted| {
        talk.send_data(BlockRequest { begin: 65_536, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(reason, |talk, wanted| {
        talk.send_data(BlockRequest { begin: u32::MAX - 16_383, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(reason, |talk, wanted| {
        talk.send_data(BlockRequest { begin: wanted.begin + 1, ..wanted }, &[1; 16_384])
    });
    is_dropped_when_asked(reason, |talk, wanted| talk.send_data(wanted, &[1; 16_000]));
    is_dropped_when_asked(reason, |talk, wanted| talk.send_data(wanted, &[1]));
}

#[test]
fn a_flood_of_blocks_that_we_did_not_ask_for() {
    let reason = Violation::UnaskedBlocks;
    let block = BlockRequest { index: 1, begin: 16_384, length: 16_384 };
    is_dropped(reason, move |talk| {
        talk.greet(FAST)?;
        talk.say(Message::HaveAll)?;
        (0..1000).try_for_each(|_| talk.send(block))
    });
    is_dropped_when_asked(reason, |talk, wanted| (0..1000).try_for_each(|_| talk.send(wanted)));
}

#[test]
fn an_only_peer_that_sends_every_block_twice_and_some_unasked_is_kept_to_the_end() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).then(move |talk| {
        (0..8).try_for_each(|_| talk.send(BlockRequest { index: 1, begin: 0, length: 16_384 }))?;
        loop {
            let wanted = talk.next_request()?;
            talk.send(wanted)?;
            talk.send(wanted)?;
        }
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_bitfield_that_cannot_be() {
    is_dropped(Violation::Flood(MessageKind::Bitfield), |talk| {
        talk.greet(PLAIN)?;
        (0..1000).try_for_each(|_| talk.say_bitfield(|piece| piece == 1))
    });
    is_dropped(Violation::SecondBitfield, |talk| {
        talk.greet(FAST)?;
        talk.say(Message::HaveNone)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::HaveAll)
    });
    is_dropped(Violation::SecondBitfield, |talk| {
        talk.greet(FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::HaveNone)
    });
    is_dropped(impossible_length(5, 3), |talk| {
        talk.greet(PLAIN)?;
        talk.say(Message::Bitfield(&[0xff, 0xff]))
    });
}

#[test]
fn a_piece_number_out_of_range() {
    for index in [5, u32::MAX] {
        is_dropped(Violation::HaveOutOfRange, move |talk| {
            talk.greet(PLAIN)?;
            talk.say(Message::Have(index))
        });
    }
    is_dropped_when_asked(Violation::RejectOutOfRange, |talk, wanted| {
        talk.say(Message::Reject(BlockRequest { index: 7, ..wanted }))
    });
}

#[test]
fn a_message_of_an_extension_that_the_peer_does_not_speak() {
    let reason = Violation::FastWithoutHandshake;
    is_dropped(reason, |talk| {
        talk.greet(PLAIN)?;
        talk.say(Message::HaveAll)
    });
    is_dropped(reason, |talk| {
        talk.greet(PLAIN)?;
        talk.say(Message::AllowedFast(1))
    });
}

#[test]
fn wrong_data_is_banned_when_it_came_from_one_peer_alone() {
    is_dropped_when_asked(HangUp::WrongData, |talk, first| {
        let mut wanted = first;
        loop {
            talk.send_data(wanted, &vec![7; wanted.length as usize])?;
            wanted = talk.next_request()?;
        }
    });
}

#[test]
fn a_handshake_that_is_not_answered() {
    // A peer that is only silent may be tried in another way before the other one has given all.
    let silence = std::thread::spawn(|| connections_until_dropped(Wait::Handshake, |_| Ok(())));
    let loris = std::thread::spawn(|| {
        connections_until_dropped(Wait::Handshake, |talk| {
            talk.hear_handshake()?;
            let whole = [&b"\x13BitTorrent protocol"[..], &[0; 8], &talk.sample.info_hash()].concat();
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
fn a_handshake_of_another_torrent_of_ourselves_or_of_another_protocol() {
    is_dropped(PeerError::OtherTorrent, |talk| {
        talk.hear_handshake()?;
        talk.say_handshake(MODERN, [9; 20], *b"-SC0001-abcdefghijkl")
    });
    is_dropped(PeerError::Ourselves, |talk| {
        let (_, our_id) = talk.hear_handshake()?;
        talk.say_handshake(MODERN, talk.sample.info_hash(), our_id)
    });
    is_dropped(HandshakeError, |talk| {
        talk.say_bytes(&[b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), &[0xaa; 60]].concat())
    });
}

#[test]
fn a_connection_that_is_closed_at_once() {
    log_capture::open();
    let sample = sample();
    let gate = Gate::new();
    let rude = ScriptedPeer::start(&sample, move |talk| {
        talk.hear_handshake()?;
        gate.open();
        Ok(())
    });
    let honest = ScriptedPeer::honest_after(&sample, gate);
    Download::start(&sample, &[&rude, &honest]).complete(&sample);
    log_capture::wait_for(rude.address(), PeerError::Closed);
}

#[test]
fn as_many_haves_as_a_torrent_of_some_hundred_pieces_has_are_tolerated() {
    is_tolerated(|talk| {
        let mut haves = Vec::new();
        (0..500).for_each(|count| Message::Have(count % 5).write_to(&mut haves));
        talk.say_bytes(&haves)
    });
}

#[test]
fn a_flood_of_requests_that_are_choked() {
    is_dropped(Violation::RequestsWhileChoked, |talk| {
        talk.greet(PLAIN)?;
        // A peer that is not interested is never unchoked.
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
fn messages_that_we_do_not_know_are_tolerated() {
    is_tolerated(|talk| {
        for garbage in [&b"garbage"[..], b"d", b"i-0e", b"le", b"d1:m1:xe", b"d4:reqqi-1ee", &[0xff; 9000]] {
            talk.say(Message::Extended(0, garbage))?;
            talk.say(Message::Extended(77, garbage))?;
        }
        talk.say(Message::KeepAlive)?;
        talk.say(Message::Port(6881))?;
        talk.say(Message::Suggest(4_000_000_000))?;
        talk.say(Message::Interested)?;
        talk.say(Message::NotInterested)?;
        talk.say_frame(99, &[7; 30_000])?;
        talk.say_frame(255, &[])
    });
}

#[test]
fn a_peer_that_sets_spare_bits_is_tolerated() {
    is_tolerated(|talk| talk.say(Message::Bitfield(&[0xff])));
}

#[test]
fn a_peer_that_rejects_what_it_was_never_asked_for_is_tolerated() {
    let sample = sample();
    let peer = ScriptedPeer::seed(&sample).speaking(FAST).choking().then(move |talk| {
        for begin in [0, 16_384, 32_768] {
            talk.say(Message::Reject(BlockRequest { index: 3, begin, length: 16_384 }))?;
        }
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn an_absurd_request_queue_is_brought_into_bounds() {
    for reqq in ["0", "4294967296", "-7", "99999999999999999999999"] {
        let said = format!("d4:reqqi{reqq}ee");
        is_tolerated(move |talk| talk.say(Message::Extended(0, said.as_bytes())));
    }
}

#[test]
fn the_verdict_on_a_piece_counts_although_the_next_frame_is_bad() {
    // Whichever of the two is noticed first ends the connection.
    download_beside_honest(&sample(), Known::Torrent, |talk| {
        talk.greet(FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        let wanted: Vec<BlockRequest> = (0..16).map(|_| talk.next_request()).collect::<io::Result<_>>()?;
        let mut bytes = Vec::new();
        for (at, block) in wanted.iter().enumerate() {
            let mut data = talk.sample.block(block.index, block.begin, block.length).to_vec();
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

#[test]
fn the_peer_whose_block_was_wrong_is_found_among_those_of_one_piece() {
    log_capture::open();
    let length = 64 * BLOCK_LENGTH;
    let sample = Sample::single(2 * length as usize, length);
    let (both_asked, corrupt_is_gone) = (Rendezvous::of(2), Gate::new());
    let start = |corrupt: bool| {
        ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece == 0).then(move |talk| {
            let first = talk.next_request()?;
            both_asked.wait()?;
            if corrupt && talk.turn == 0 {
                talk.send_data(first, &vec![7; first.length as usize])?;
                // It sends the right bytes from now on, which does not help it.
                let end = talk.serve();
                corrupt_is_gone.open();
                return end;
            }
            talk.send(first)?;
            talk.serve()
        })
    };
    let (corrupt, honest) = (start(true), start(false));
    let of_the_rest = ScriptedPeer::seed(&sample)
        .speaking(MODERN)
        .having(|piece| piece == 1)
        .unchoking_after(corrupt_is_gone)
        .serving();
    Download::start(&sample, &[&corrupt, &honest, &of_the_rest]).complete(&sample);
    log_capture::wait_for(corrupt.address(), HangUp::WrongData);
    assert_eq!(honest.record().connections, 1, "the honest one is kept");
    assert!(honest.record().served > 0);
}
