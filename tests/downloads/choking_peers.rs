//! Peers that choke us, reject requests or queue few of them: what becomes of the requests that they do not
//! serve.

use std::collections::HashSet;

use femtotorrent::piece::BLOCK_LENGTH;
use femtotorrent::wire::{BlockRequest, Message};

use crate::support::download::Download;
use crate::support::gate::Gate;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::FAST;

fn pieces(blocks: &[BlockRequest]) -> HashSet<u32> {
    blocks.iter().map(|wanted| wanted.index).collect()
}

fn sorted(mut blocks: Vec<BlockRequest>) -> Vec<(u32, u32)> {
    blocks.sort_by_key(|wanted| (wanted.index, wanted.begin));
    blocks.into_iter().map(|wanted| (wanted.index, wanted.begin)).collect()
}

#[test]
fn what_a_choke_made_the_peer_forget_is_asked_for_again() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).then(move |talk| {
        // It chokes twice in vain in the second round, and is asked for less.
        for (before, after) in [(16, 16), (16, 4)] {
            let asked = talk.next_requests(before)?;
            talk.say(Message::Choke)?;
            talk.say(Message::Unchoke)?;
            let again = talk.next_requests(after)?;
            if !pieces(&again).is_subset(&pieces(&asked)) {
                return Err(std::io::Error::other("it opened other pieces instead"));
            }
            talk.send(again[0])?;
            talk.say(Message::Choke)?;
            talk.say(Message::Unchoke)?;
        }
        talk.serve()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_peer_that_serves_requests_from_before_its_choke_is_forgiven() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).then(move |talk| {
        let asked = talk.next_requests(16)?;
        talk.say(Message::Choke)?;
        talk.say(Message::Unchoke)?;
        let again = talk.next_requests(16)?;
        for wanted in asked.into_iter().chain(again) {
            talk.send(wanted)?;
        }
        talk.serve()
    });
    let end = Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
    assert_eq!(end.received - end.wasted, sample.payload.len() as u64);
    // The last block of the payload is shorter than the others.
    let twice = 15 * u64::from(BLOCK_LENGTH)..=16 * u64::from(BLOCK_LENGTH);
    assert!(twice.contains(&end.wasted), "{} came twice", end.wasted);
}

#[test]
fn a_fast_peer_that_chokes_refuses_what_it_will_not_send_and_is_asked_again() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).speaking(FAST).choking().then(move |talk| {
        // After the second choke in vain it is asked for less.
        for requests in [16, 16, 4] {
            talk.say(Message::Unchoke)?;
            let first = talk.next_request()?;
            talk.say(Message::Choke)?;
            talk.say(Message::Reject(first))?;
            // The others were on their way when it choked: each is refused as it comes.
            for _ in 1..requests {
                let wanted = talk.next_request()?;
                talk.say(Message::Reject(wanted))?;
            }
        }
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn refused_blocks_are_asked_for_again() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).speaking(FAST).then(move |talk| {
        let mut refused = HashSet::new();
        loop {
            let wanted = talk.next_request()?;
            if (wanted.begin / BLOCK_LENGTH).is_multiple_of(3) && refused.insert((wanted.index, wanted.begin))
            {
                talk.say(Message::Reject(wanted))?;
            } else {
                talk.send(wanted)?;
            }
        }
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_peer_that_chokes_is_asked_for_what_it_allows_and_nothing_else() {
    let sample = Sample::small();
    let gate = Gate::new();
    let choking = ScriptedPeer::start(&sample, move |talk| {
        talk.greet(FAST)?;
        talk.say(Message::AllowedFast(3))?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::AllowedFast(5))?;
        talk.say(Message::AllowedFast(4_000_000))?;
        talk.serve_next(8)?;
        gate.open();
        talk.hear_out()
    });
    let other = ScriptedPeer::honest_after(&sample, gate);
    Download::start(&sample, &[&choking, &other]).complete(&sample);
    let mut pieces: Vec<u32> = choking.record().requests().iter().map(|wanted| wanted.index).collect();
    pieces.sort_unstable();
    assert_eq!(pieces, [3, 3, 3, 3, 5, 5, 5, 5]);
}

#[test]
fn a_peer_that_queues_few_requests_never_gets_more() {
    let sample = Sample::small();
    let peer =
        ScriptedPeer::seed(&sample).speaking([0, 0, 0, 0, 0, 0x10, 0, 0]).choking().then(move |talk| {
            talk.say(Message::Extended(0, b"d4:reqqi3ee"))?;
            talk.say(Message::Unchoke)?;
            // A fourth request would come in front of those that follow the choke.
            let asked = talk.next_requests(3)?;
            talk.say(Message::Choke)?;
            talk.say(Message::Unchoke)?;
            let mut waiting = talk.next_requests(3)?;
            if sorted(waiting.clone()) != sorted(asked) {
                return Err(std::io::Error::other("more than three"));
            }
            for _ in 0..talk.sample.blocks() - 3 {
                talk.send(waiting.remove(0))?;
                waiting.push(talk.next_request()?);
            }
            for wanted in waiting {
                talk.send(wanted)?;
            }
            talk.hear_out()
        });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}
