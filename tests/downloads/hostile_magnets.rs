//! Peers that mean harm while nothing but the info-hash is known: each is dropped or tolerated, and the honest
//! peer gives metadata and payload.

use femtotorrent::message::{HangUp, Violation};
use femtotorrent::metainfo::InfoHash;
use std::fmt::Display;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::hostile::{Known, download_beside_honest, impossible_length};
use crate::support::log_capture;
use crate::support::metadata::{
    self, claim, give, give_of, info, link, next_request, refuse, whole, whole_at, with_long_metadata,
};
use crate::support::process::peak_memory;
use crate::support::program::{Program, TERMINATED};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{MODERN, PLAIN, Talk};
use femtotorrent::magnet::{MetadataAssembly, Verdict};
use femtotorrent::piece::PeerKey;
use femtotorrent::wire::Message;
use sha1::{Digest, Sha1};

const MIB: i128 = 1024 * 1024;
const LIMIT: Duration = Duration::from_secs(120);

/// Downloads from a peer with this script, which begins after the handshakes, and from an honest one that says
/// that it has the metadata when the other is finished.
fn download(
    sample: &Sample,
    reserved: [u8; 8],
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static,
) -> ScriptedPeer {
    download_beside_honest(sample, Known::Link, move |talk| {
        talk.greet(reserved)?;
        script(talk)
    })
}

/// Expects that the peer is dropped for this reason.
fn is_dropped(reason: impl Display, script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static) {
    let odd = download(&Sample::small(), MODERN, script);
    log_capture::wait_for(odd.address(), reason);
}

/// The same where it is asked for a piece of long metadata first, whose size it says as it is.
fn is_dropped_when_asked(
    reason: impl Display,
    script: impl Fn(&mut Talk, &[u8], u32) -> io::Result<()> + Send + 'static,
) {
    let odd = download(&with_long_metadata(), MODERN, move |talk| {
        let info = info(&talk.sample);
        claim(talk, info.len() as i128)?;
        let piece = next_request(talk)?;
        script(talk, &info, piece)
    });
    log_capture::wait_for(odd.address(), reason);
}

#[test]
fn sizes_that_metadata_cannot_have() {
    for size in [65 * MIB, 64 * MIB + 1, 1 << 31, 1 << 32, i128::from(i64::MAX)] {
        is_dropped(Violation::LongMetadata, move |talk| claim(talk, size));
    }
}

#[test]
fn peers_that_have_no_metadata_or_do_not_say_how_much() {
    let reason = HangUp::NoMetadata;
    for size in [0, -1, i128::from(i64::MIN)] {
        is_dropped(reason, move |talk| claim(talk, size));
    }
    for body in ["de", "d1:mdee", "d1:md11:ut_metadatai0ee13:metadata_sizei99ee", "d1:md11:ut_metadatai3eee"]
    {
        is_dropped(reason, |talk| talk.say(Message::Extended(0, body.as_bytes())));
    }
    let odd = download(&Sample::small(), PLAIN, |_| Ok(()));
    log_capture::wait_for(odd.address(), HangUp::NoExtensions);
}

#[test]
fn a_wrong_size_and_bytes_that_fit_it() {
    is_dropped(Violation::WrongMetadata, |talk| {
        claim(talk, 1)?;
        let piece = next_request(talk)?;
        give(talk, piece, 1, b"d")
    });
    is_dropped(Violation::WrongMetadata, |talk| {
        claim(talk, MIB)?;
        loop {
            let piece = next_request(talk)?;
            give(talk, piece, MIB as u64, &[7; 16_384])?;
        }
    });
}

#[test]
fn pieces_that_we_did_not_ask_for_or_of_another_length_or_size() {
    let unasked = Violation::UnaskedMetadata;
    is_dropped_when_asked(unasked, |talk, info, _| give(talk, 99, info.len() as u64, &[1; 16_384]));
    is_dropped_when_asked(unasked, |talk, info, _| give(talk, u32::MAX, info.len() as u64, &[1; 16_384]));
    is_dropped_when_asked(unasked, |talk, info, piece| {
        give_of(talk, info, piece)?;
        give_of(talk, info, piece)
    });
    is_dropped_when_asked(Violation::MetadataSize, |talk, info, piece| {
        give(talk, piece, info.len() as u64 + 1, &[1; 16_384])
    });
    let reason = Violation::MetadataPieceLength;
    for bytes in [0, 1, 16_383, 16_385, 60_000] {
        is_dropped_when_asked(reason, move |talk, info, piece| {
            give(talk, piece, info.len() as u64, &vec![1; bytes])
        });
    }
}

#[test]
fn a_peer_that_rejects_every_piece() {
    is_dropped_when_asked(HangUp::RejectsMetadata, |talk, _, piece| {
        refuse(talk, piece)?;
        loop {
            let piece = next_request(talk)?;
            refuse(talk, piece)?;
        }
    });
}

#[test]
fn floods_before_the_metadata_is_there() {
    let reason = Violation::TalkWithoutMetadata;
    is_dropped(reason, |talk| {
        let mut haves = Vec::new();
        (0..100_000).for_each(|count| Message::Have(count % 8).write_to(&mut haves));
        talk.say_bytes(&haves)
    });
    is_dropped(reason, |talk| (0..1_000).try_for_each(|_| talk.say(Message::Bitfield(&[0; 60_000]))));
    is_dropped(reason, |talk| (0..1_000).try_for_each(|_| talk.say(Message::Extended(2, &[b'd'; 60_000]))));
}

#[test]
fn frames_that_cannot_be() {
    is_dropped(impossible_length(5, u32::MAX), |talk| talk.say_bytes(&[0xff, 0xff, 0xff, 0xff, 5]));
    is_dropped(impossible_length(20, 1048577), |talk| talk.say_bytes(&[0, 0x10, 0, 1, 20]));
    let reason = Violation::ExtensionHandshake;
    is_dropped(reason, |talk| talk.say(Message::Extended(0, b"garbage")));
    for size in [1 << 63, 1 << 64, i128::MAX] {
        is_dropped(reason, move |talk| claim(talk, size));
    }
}

#[test]
fn messages_about_metadata_that_mean_nothing_are_tolerated() {
    let sample = Sample::small();
    let peer = whole_at("127.0.0.1", &sample, |talk| {
        for body in [&b""[..], b"x", b"le", b"d8:msg_typei9e5:piecei0ee", b"d8:msg_typei0e5:piecei0ee"] {
            talk.say(Message::Extended(1, &[body, b" "].concat()))?;
            talk.say(Message::Extended(99, &[body, b" "].concat()))?;
        }
        refuse(talk, 7)?;
        talk.say_frame(99, &[7; 30_000])?;
        talk.say(Message::KeepAlive)
    });
    Download::by_link(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn one_that_mixes_bad_pieces_among_those_of_honest_peers() {
    let sample = with_long_metadata();
    let fake = ScriptedPeer::start(&sample, move |talk| {
        let info = info(&talk.sample);
        talk.greet(MODERN)?;
        claim(talk, info.len() as i128)?;
        loop {
            let piece = next_request(talk)?;
            let mut bytes = info.chunks(16_384).nth(piece as usize).unwrap().to_vec();
            bytes[9] ^= 1;
            give(talk, piece, info.len() as u64, &bytes)?;
        }
    });
    let honest = [whole(&sample), whole(&sample)];
    Download::by_link(&sample, &[&fake, &honest[0], &honest[1]]).complete(&sample);
}

#[test]
fn peers_that_never_answer_do_not_delay_the_metadata() {
    let sample = with_long_metadata();
    let silent: Vec<ScriptedPeer> = (0..24)
        .map(|number| {
            ScriptedPeer::start(&sample, move |talk| {
                talk.greet(if number % 4 == 0 { PLAIN } else { MODERN })?;
                if number % 2 == 1 {
                    metadata::claim_honestly(talk)?;
                }
                talk.hear_out()
            })
        })
        .collect();
    let honest = whole(&sample);
    let mut all: Vec<&ScriptedPeer> = silent.iter().collect();
    all.push(&honest);
    Download::by_link(&sample, &all).complete(&sample);
}

#[test]
fn metadata_of_a_usual_size_finds_room_beside_what_many_claim_and_never_complete() {
    let honest = info(&with_long_metadata());
    let mut assembly = MetadataAssembly::new(InfoHash(Sha1::digest(&honest).into()).into());
    for (fake, size) in [(1, 31), (2, 31), (3, 30), (4, 30)] {
        assembly.joined(PeerKey(fake), size * MIB as u64).unwrap();
    }
    for fake in [3, 1] {
        while let Some(piece) = assembly.next(PeerKey(fake)) {
            // The first is never sent.
            if piece > 0 {
                assembly.received(PeerKey(fake), piece, None, &[7; 16_384]);
            }
        }
    }
    assembly.joined(PeerKey(99), honest.len() as u64).unwrap();
    let mut verdict = Verdict::Kept;
    while verdict != Verdict::Complete {
        let piece = assembly.next(PeerKey(99)).expect("there is room for it");
        let bytes = honest.chunks(16_384).nth(piece as usize).unwrap();
        verdict = assembly.received(PeerKey(99), piece, None, bytes);
    }
}

#[test]
fn forty_that_claim_63_mib_and_send_garbage_take_little_memory() {
    let sample = Sample::small();
    let begun = Gate::new();
    // More than are asked at once.
    let fakes: Vec<ScriptedPeer> = (0..40)
        .map(|_| {
            ScriptedPeer::start(&sample, move |talk| {
                talk.greet(MODERN)?;
                claim(talk, 63 * MIB)?;
                loop {
                    let piece = next_request(talk)?;
                    give(talk, piece, 63 * MIB as u64, &[7; 16_384])?;
                    begun.open();
                }
            })
        })
        .collect();
    // Two seconds are enough for them to send all that is asked for.
    let honest = whole_at("127.0.0.1", &sample, move |_| {
        begun.pass()?;
        sleep(Duration::from_secs(2));
        Ok(())
    });
    let folder = TestFolder::new();
    let mut arguments = vec!["get".to_owned(), link(&sample), "--no-listen".to_owned()];
    // So that its memory can be looked at.
    arguments.extend(["--seed".to_owned(), "-o".to_owned(), folder.path().to_str().unwrap().to_owned()]);
    let peers = fakes.iter().chain([&honest]);
    arguments.extend(peers.flat_map(|peer| ["--peer".to_owned(), peer.address().to_string()]));
    let program = Program::start(arguments);
    program.wait_for(LIMIT, |line| line.contains("seeding").then_some(()));
    let peak = peak_memory(program.child.id());
    program.terminate();
    assert_eq!(program.finish(LIMIT).code, Some(TERMINATED));
    sample.assert_downloaded(folder.path());
    assert!(peak < 64 * MIB as u64, "{peak} bytes");
}
