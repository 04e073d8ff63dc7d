//! Peers that mean harm while nothing but the info-hash is known: each is dropped or borne, and the honest
//! peer gives metadata and payload.

use femtotorrent::metainfo::InfoHash;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::folder::TestFolder;
use crate::logbook;
use crate::magnets::start;
use crate::metadata::{
    self, claim, give, give_of, info, link, next_request, refuse, whole, whole_at, with_long_metadata,
};
use crate::peer::{Gate, MODERN, PLAIN, Peer, Talk};
use crate::program::Program;
use crate::sample::Sample;
use femtotorrent::magnet::{MetadataAssembly, Verdict};
use femtotorrent::piece::PeerKey;
use femtotorrent::wire::Message;
use sha1::{Digest, Sha1};

const MIB: i128 = 1024 * 1024;
const LIMIT: Duration = Duration::from_secs(120);

/// Downloads from a peer with this script, which begins behind the handshakes, and an honest one that says
/// that it has the metadata when the other is finished.
fn download(
    sample: &Arc<Sample>,
    reserved: [u8; 8],
    script: impl Fn(&mut Talk, &Sample) -> io::Result<()> + Send + 'static,
) -> Peer {
    logbook::open();
    let gate = Gate::default();
    let (served, over) = (Arc::clone(sample), gate.clone());
    let odd = Peer::start(move |talk| {
        talk.greet(&served, reserved)?;
        let end = script(talk, &served);
        talk.wait_for_end();
        over.open();
        end
    });
    let honest = whole_at("127.0.0.1", sample, move |_| gate.pass());
    start(sample, &[&odd, &honest]).complete(sample);
    assert!(honest.record().served > 0);
    odd
}

/// Expects that the peer is dropped with these words.
fn is_dropped(words: &str, script: impl Fn(&mut Talk, &Sample) -> io::Result<()> + Send + 'static) {
    let odd = download(&Arc::new(Sample::small()), MODERN, script);
    logbook::wait_for(odd.address(), words);
}

/// The same where it is asked for a piece of long metadata first, whose size it says as it is.
fn is_dropped_when_asked(
    words: &str,
    script: impl Fn(&mut Talk, &[u8], u32) -> io::Result<()> + Send + 'static,
) {
    let odd = download(&Arc::new(with_long_metadata()), MODERN, move |talk, sample| {
        let info = info(sample);
        claim(talk, info.len() as i128)?;
        let piece = next_request(talk)?;
        script(talk, &info, piece)
    });
    logbook::wait_for(odd.address(), words);
}

#[test]
fn sizes_that_metadata_cannot_have() {
    for size in [33 * MIB, 32 * MIB + 1, 1 << 31, 1 << 32, i128::from(i64::MAX)] {
        is_dropped("the metadata has more than 32 MiB", move |talk, _| claim(talk, size));
    }
}

#[test]
fn whoever_has_no_metadata_or_does_not_say_how_much() {
    let words = "it has no metadata (yet)";
    for size in [0, -1, i128::from(i64::MIN)] {
        is_dropped(words, move |talk, _| claim(talk, size));
    }
    for body in ["de", "d1:mdee", "d1:md11:ut_metadatai0ee13:metadata_sizei99ee", "d1:md11:ut_metadatai3eee"]
    {
        is_dropped(words, |talk, _| talk.say(Message::Extended(0, body.as_bytes())));
    }
    let odd = download(&Arc::new(Sample::small()), PLAIN, |_, _| Ok(()));
    logbook::wait_for(odd.address(), "it does not speak the extension protocol");
}

#[test]
fn a_wrong_size_and_bytes_that_fit_it() {
    is_dropped("metadata that does not have the info-hash", |talk, _| {
        claim(talk, 1)?;
        let piece = next_request(talk)?;
        give(talk, piece, 1, b"d")
    });
    is_dropped("metadata that does not have the info-hash", |talk, _| {
        claim(talk, MIB)?;
        loop {
            let piece = next_request(talk)?;
            give(talk, piece, MIB as u64, &[7; 16_384])?;
        }
    });
}

#[test]
fn pieces_that_nobody_asked_for_or_of_another_length_or_size() {
    let nobody = "a piece of the metadata that we did not ask for";
    is_dropped_when_asked(nobody, |talk, info, _| give(talk, 99, info.len() as u64, &[1; 16_384]));
    is_dropped_when_asked(nobody, |talk, info, _| give(talk, u32::MAX, info.len() as u64, &[1; 16_384]));
    is_dropped_when_asked(nobody, |talk, info, piece| {
        give_of(talk, info, piece)?;
        give_of(talk, info, piece)
    });
    is_dropped_when_asked("metadata of another size than it said before", |talk, info, piece| {
        give(talk, piece, info.len() as u64 + 1, &[1; 16_384])
    });
    let length = "a piece of the metadata of a wrong length";
    for bytes in [0, 1, 16_383, 16_385, 60_000] {
        is_dropped_when_asked(length, move |talk, info, piece| {
            give(talk, piece, info.len() as u64, &vec![1; bytes])
        });
    }
}

#[test]
fn whoever_refuses_every_piece() {
    is_dropped_when_asked("it gives no metadata", |talk, _, piece| {
        refuse(talk, piece)?;
        loop {
            let piece = next_request(talk)?;
            refuse(talk, piece)?;
        }
    });
}

#[test]
fn floods_before_the_metadata_is_there() {
    let much = "many messages, and none of them is metadata";
    is_dropped(much, |talk, _| {
        let mut haves = Vec::new();
        (0..100_000).for_each(|count| Message::Have(count % 8).write_to(&mut haves));
        talk.say_bytes(&haves)
    });
    is_dropped(much, |talk, _| (0..1_000).try_for_each(|_| talk.say(Message::Bitfield(&[0; 60_000]))));
    is_dropped(much, |talk, _| (0..1_000).try_for_each(|_| talk.say(Message::Extended(2, &[b'd'; 60_000]))));
}

#[test]
fn frames_that_cannot_be() {
    is_dropped("a message of type 5 with the impossible length 4294967295", |talk, _| {
        talk.say_bytes(&[0xff, 0xff, 0xff, 0xff, 5])
    });
    is_dropped("a message of type 20 with the impossible length 1048577", |talk, _| {
        talk.say_bytes(&[0, 0x10, 0, 1, 20])
    });
    let broken = "a broken extension handshake";
    is_dropped(broken, |talk, _| talk.say(Message::Extended(0, b"garbage")));
    for size in [1 << 63, 1 << 64, i128::MAX] {
        is_dropped(broken, move |talk, _| claim(talk, size));
    }
}

#[test]
fn words_about_metadata_that_mean_nothing_are_borne() {
    let sample = Arc::new(Sample::small());
    let peer = whole_at("127.0.0.1", &sample, |talk| {
        for body in [&b""[..], b"x", b"le", b"d8:msg_typei9e5:piecei0ee", b"d8:msg_typei0e5:piecei0ee"] {
            talk.say(Message::Extended(1, &[body, b" "].concat()))?;
            talk.say(Message::Extended(99, &[body, b" "].concat()))?;
        }
        refuse(talk, 7)?;
        talk.say_frame(99, &[7; 60_000])?;
        talk.say(Message::KeepAlive)
    });
    start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn one_that_mixes_bad_pieces_among_those_of_honest_peers() {
    let sample = Arc::new(with_long_metadata());
    let served = Arc::clone(&sample);
    let liar = Peer::start(move |talk| {
        let info = info(&served);
        talk.greet(&served, MODERN)?;
        claim(talk, info.len() as i128)?;
        loop {
            let piece = next_request(talk)?;
            let mut bytes = info.chunks(16_384).nth(piece as usize).unwrap().to_vec();
            bytes[9] ^= 1;
            give(talk, piece, info.len() as u64, &bytes)?;
        }
    });
    let honest = [whole(&sample), whole(&sample)];
    start(&sample, &[&liar, &honest[0], &honest[1]]).complete(&sample);
}

#[test]
fn peers_that_never_answer_keep_nobody_waiting() {
    let sample = Arc::new(with_long_metadata());
    let silent: Vec<Peer> = (0..24)
        .map(|number| {
            let sample = Arc::clone(&sample);
            Peer::start(move |talk| {
                talk.greet(&sample, if number % 4 == 0 { PLAIN } else { MODERN })?;
                if number % 2 == 1 {
                    metadata::claim_honestly(talk, &sample)?;
                }
                talk.hear_out()
            })
        })
        .collect();
    let honest = whole(&sample);
    let mut all: Vec<&Peer> = silent.iter().collect();
    all.push(&honest);
    start(&sample, &all).complete(&sample);
}

#[test]
fn metadata_of_a_usual_size_finds_room_beside_what_many_claim_and_never_complete() {
    let honest = info(&with_long_metadata());
    let mut gathering = MetadataAssembly::new(InfoHash(Sha1::digest(&honest).into()));
    for (liar, size) in [(1, 31), (2, 31), (3, 30), (4, 30)] {
        gathering.joined(PeerKey(liar), size * MIB as u64).unwrap();
    }
    for liar in [3, 1] {
        while let Some(piece) = gathering.next(PeerKey(liar)) {
            // The first is never sent.
            if piece > 0 {
                gathering.received(PeerKey(liar), piece, None, &[7; 16_384]);
            }
        }
    }
    gathering.joined(PeerKey(99), honest.len() as u64).unwrap();
    let mut verdict = Verdict::Kept;
    while verdict != Verdict::Complete {
        let piece = gathering.next(PeerKey(99)).expect("there is room for it");
        let bytes = honest.chunks(16_384).nth(piece as usize).unwrap();
        verdict = gathering.received(PeerKey(99), piece, None, bytes);
    }
}

#[test]
fn twenty_that_claim_31_mib_and_send_garbage_take_bounded_memory_and_time() {
    let sample = Arc::new(Sample::small());
    let (sent, much) = (Arc::new(AtomicUsize::new(0)), Gate::default());
    let liars: Vec<Peer> = (0..20)
        .map(|_| {
            let (sample, sent, much) = (Arc::clone(&sample), Arc::clone(&sent), much.clone());
            Peer::start(move |talk| {
                talk.greet(&sample, MODERN)?;
                claim(talk, 31 * MIB)?;
                loop {
                    let piece = next_request(talk)?;
                    give(talk, piece, 31 * MIB as u64, &[7; 16_384])?;
                    // 64 MiB: more than may be held of all of them together.
                    if sent.fetch_add(1, Ordering::SeqCst) == 4_096 {
                        much.open();
                    }
                }
            })
        })
        .collect();
    let honest = whole_at("127.0.0.1", &sample, move |_| much.pass());
    let folder = TestFolder::new();
    let mut arguments = vec!["get".to_owned(), link(&sample), "--no-listen".to_owned()];
    // So that its memory can be looked at.
    arguments.extend(["--seed".to_owned(), "-o".to_owned(), folder.path().to_str().unwrap().to_owned()]);
    let peers = liars.iter().chain([&honest]);
    arguments.extend(peers.flat_map(|peer| ["--peer".to_owned(), peer.address().to_string()]));
    let program = Program::start(arguments);
    program.wait_for(LIMIT, |line| line.contains("seeding").then_some(()));
    let peak = peak_memory(program.child.id());
    program.terminate();
    assert_eq!(program.finish(LIMIT).code, Some(0));
    sample.assert_downloaded(folder.path());
    assert!(peak < 80 * MIB as u64, "{peak} bytes");
}

/// The most memory that a process has held so far, in bytes.
fn peak_memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    peak.unwrap().trim().parse::<u64>().unwrap() * 1024
}
