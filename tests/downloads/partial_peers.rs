//! Peers that have a part of the payload, and the ways in which they say so.

use femtotorrent::wire::Message;

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::gate::Rendezvous;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{FAST, MODERN, PLAIN};

#[test]
fn each_of_several_peers_is_used() {
    let sample = Sample::single(32 * 64 * 1024, 64 * 1024);
    let all_asked = Rendezvous::of(3);
    let peers: Vec<ScriptedPeer> = (0..3)
        .map(|_| {
            ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
                let first = talk.next_request()?;
                all_asked.wait()?;
                talk.send(first)?;
                talk.serve()
            })
        })
        .collect();
    Download::start(&sample, &peers.iter().collect::<Vec<_>>()).complete(&sample);
    assert!(peers.iter().all(|peer| peer.record().served > 0));
}

#[test]
fn peers_none_of_which_has_everything_make_a_whole_together() {
    let sample = Sample::small();
    let by_bitfield = { ScriptedPeer::seed(&sample).having(|piece| piece % 3 == 0).serving() };
    let by_have = {
        ScriptedPeer::seed(&sample).speaking(FAST).having(|_| false).then(move |talk| {
            for piece in (0..talk.sample.pieces()).filter(|piece| piece % 3 == 1) {
                talk.say(Message::Have(piece))?;
            }
            talk.serve()
        })
    };
    // This one fetches itself: each piece comes when the one before it has been given on.
    let one_after_another = {
        ScriptedPeer::start(&sample, move |talk| {
            talk.greet(PLAIN)?;
            talk.say(Message::Unchoke)?;
            for piece in (0..talk.sample.pieces()).filter(|piece| piece % 3 == 2) {
                talk.say(Message::Have(piece))?;
                for wanted in talk.next_requests(4)? {
                    talk.send(wanted)?;
                }
            }
            talk.hear_out()
        })
    };
    let peers = [&by_bitfield, &by_have, &one_after_another];
    Download::start(&sample, &peers).complete(&sample);
    for (rest, peer) in peers.into_iter().enumerate() {
        let requests = peer.record().requests();
        assert!(!requests.is_empty() && requests.iter().all(|wanted| wanted.index as usize % 3 == rest));
    }
}

#[test]
fn a_bitfield_may_be_lazy_come_late_or_again_and_behind_an_extension_handshake() {
    let sample = Sample::small();
    let peer = ScriptedPeer::start(&sample, move |talk| {
        talk.greet(MODERN)?;
        talk.say(Message::Extended(0, b"d1:md6:ut_pexi1ee4:reqqi250ee"))?;
        talk.say_bitfield(|piece| piece != 2 && piece != 5)?;
        talk.say(Message::Have(5))?;
        // Some send a bitfield in the place of many `have`.
        talk.say_bitfield(|piece| piece < 4)?;
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_peer_that_becomes_complete_may_say_so_in_one_word() {
    let sample = Sample::small();
    let peer = ScriptedPeer::start(&sample, move |talk| {
        talk.greet(FAST)?;
        talk.say(Message::HaveNone)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn more_peers_than_fit_into_the_inbox_may_be_named() {
    let sample = Sample::small();
    let peer = ScriptedPeer::honest(&sample);
    let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
        job.sources.peers = vec![job.sources.peers[0].clone(); 3000];
    });
    download.complete(&sample);
    assert_eq!(peer.record().connections, 1);
}
