//! Peers that mean harm while the digests of a torrent of version 2 are asked for: each is dropped, and the honest peer gives
//! digests and payload.

use femtotorrent::message::{HangUp, MessageKind, Violation};
use femtotorrent::piece::NodeRange;
use femtotorrent::wire::{HashRequest, Message};
use std::fmt::Display;
use std::io;

use crate::support::download::Download;
use crate::support::gate::Gate;
use crate::support::log_capture;
use crate::support::metadata::{asked_for, claim_honestly, give_of, info};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{MODERN, Said, Talk};

/// So many pieces that their digests come in two answers.
fn sample() -> Sample {
    Sample::of_version_two(600 * 32_768 - 100)
}

/// What a peer does that was asked for these hashes.
type Answer = fn(&mut Talk, HashRequest) -> io::Result<()>;

/// A peer that gives the metadata and, where `serves`, the payload.
fn serve(talk: &mut Talk, serves: bool, answer: Answer) -> io::Result<()> {
    claim_honestly(talk)?;
    let info = info(&talk.sample);
    if serves {
        talk.say(Message::Unchoke)?;
    }
    loop {
        match talk.next()? {
            Said::HashRequest(request) => answer(talk, request)?,
            Said::Request(wanted) if serves => talk.send(wanted)?,
            said => {
                if let Some(piece) = asked_for(&said) {
                    give_of(talk, &info, piece)?;
                }
            }
        }
    }
}

/// The hashes that are asked for.
fn good(talk: &Talk, request: HashRequest) -> Vec<u8> {
    talk.sample.metainfo().nodes(&request.pieces_root, request.range).unwrap().concat()
}

fn honest(sample: &Sample, over: Gate) -> ScriptedPeer {
    ScriptedPeer::seed(sample).speaking(MODERN).choking().then(move |talk| {
        over.pass()?;
        serve(talk, true, |talk, request| {
            let answer = good(talk, request);
            talk.say(Message::Hashes(request, &answer))
        })
    })
}

/// Downloads from an honest peer, and from one that answers so and is dropped for this reason before.
fn is_dropped(reason: impl Display, answer: Answer) {
    log_capture::open();
    let (sample, over) = (sample(), Gate::new());
    let hostile = ScriptedPeer::start(&sample, move |talk| {
        let end = talk.greet(MODERN).and_then(|()| serve(talk, false, answer));
        talk.wait_for_end();
        over.open();
        end
    });
    let honest = honest(&sample, over);
    Download::by_link(&sample, &[&hostile, &honest]).complete(&sample);
    log_capture::wait_for(hostile.address(), reason);
}

#[test]
fn hashes_that_do_not_lead_to_the_root() {
    is_dropped(Violation::WrongMetadata, |talk, request| {
        let mut answer = good(talk, request);
        *answer.last_mut().unwrap() ^= 1;
        talk.say(Message::Hashes(request, &answer))
    });
    is_dropped(Violation::WrongMetadata, |talk, request| talk.say(Message::Hashes(request, &[])));
    is_dropped(Violation::WrongMetadata, |talk, request| {
        let answer = [good(talk, request), vec![7; 32]].concat();
        talk.say(Message::Hashes(request, &answer))
    });
}

#[test]
fn hashes_that_were_not_asked_for() {
    is_dropped(Violation::UnaskedMetadata, |talk, request| {
        let range = NodeRange { base_layer: 0, ..request.range };
        talk.say(Message::Hashes(HashRequest { range, ..request }, &[]))
    });
}

#[test]
fn a_peer_that_rejects_every_hash() {
    is_dropped(HangUp::RejectsMetadata, |talk, request| talk.say(Message::HashReject(request)));
}

#[test]
fn a_flood_of_requests_for_hashes_while_we_have_none() {
    is_dropped(Violation::Flood(MessageKind::Hashes), |talk, request| {
        let mut flood = Vec::new();
        (0..1000).for_each(|_| Message::HashRequest(request).write_to(&mut flood));
        (0..5000).try_for_each(|_| talk.say_bytes(&flood))
    });
}

#[test]
fn a_peer_that_owes_hashes_and_sends_none_holds_up_nobody() {
    let sample = sample();
    let over = Gate::new();
    let silent = ScriptedPeer::start(&sample, move |talk| {
        talk.greet(MODERN)?;
        claim_honestly(talk)?;
        let info = info(&talk.sample);
        loop {
            match talk.next()? {
                Said::HashRequest(_) => over.open(),
                said => {
                    if let Some(piece) = asked_for(&said) {
                        give_of(talk, &info, piece)?;
                    }
                }
            }
        }
    });
    let honest = honest(&sample, over);
    Download::by_link(&sample, &[&silent, &honest]).complete(&sample);
    assert!(honest.record().served > 0);
}
