//! Peers that die, fall silent or are late: their blocks come from another peer, and the end game says which
//! blocks it no longer needs.

use std::collections::HashSet;

use femtotorrent::piece::BLOCK_LENGTH;
use femtotorrent::wire::{BlockRequest, Message};

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{PLAIN, Said};

fn sorted(mut blocks: Vec<BlockRequest>) -> Vec<(u32, u32)> {
    blocks.sort_by_key(|wanted| (wanted.index, wanted.begin));
    blocks.into_iter().map(|wanted| (wanted.index, wanted.begin)).collect()
}

#[test]
fn a_peer_may_die_at_any_byte() {
    let sample = Sample::single(250, 100);
    let everything = 68 + 6 + 5 + 2 * 113 + 63;
    for life in 0..=everything {
        let gate = Gate::new();
        let mortal = ScriptedPeer::start(&sample, move |talk| {
            talk.life = if talk.turn == 0 { life } else { 0 };
            let end = (|| {
                talk.greet(PLAIN)?;
                talk.say_bitfield(|_| true)?;
                talk.say(Message::Unchoke)?;
                talk.serve()
            })();
            gate.open();
            end
        });
        let heir = ScriptedPeer::honest_after(&sample, gate);
        Download::start(&sample, &[&mortal, &heir]).complete(&sample);
    }
}

#[test]
fn blocks_that_a_silent_peer_owes_come_from_another() {
    let sample = Sample::small();
    let gate = Gate::new();
    let silent = ScriptedPeer::seed(&sample).then(move |talk| {
        let first = talk.next_request()?;
        talk.send(first)?;
        talk.next_requests(15)?;
        gate.open();
        talk.hear_out()
    });
    let other = ScriptedPeer::honest_after(&sample, gate);
    Download::start(&sample, &[&silent, &other]).complete(&sample);
    let record = silent.wait_until(|record| record.ended == 1);
    assert_eq!(other.record().served, sample.blocks() - 1);
    let asked: HashSet<_> = sorted(record.requests()).into_iter().collect();
    let cancelled: HashSet<_> = sorted(record.cancels()).into_iter().collect();
    assert!(!cancelled.is_empty() && cancelled.is_subset(&asked), "the end game says what it needs no more");
}

#[test]
fn a_helper_finds_what_no_other_helper_has_taken_over() {
    let sample = Sample::small();
    let (first_asked, second_silent, gone) = (Gate::new(), Gate::new(), Gate::new());
    let silent = ScriptedPeer::seed(&sample).then(move |talk| {
        let owed = talk.next_requests(16)?;
        first_asked.open();
        // It comes back when the others have done all that they can.
        gone.pass()?;
        for wanted in owed {
            talk.send(wanted)?;
        }
        talk.hear_out()
    });
    let helps_and_falls_silent = ScriptedPeer::seed(&sample).unchoking_after(first_asked).then(move |talk| {
        talk.serve_next(16)?;
        // The first of what it takes over.
        talk.next_request()?;
        second_silent.open();
        talk.hear_out()
    });
    let helper = ScriptedPeer::seed(&sample).unchoking_after(second_silent).then(move |talk| {
        let wanted = talk.next_request()?;
        gone.open();
        talk.send(wanted)?;
        talk.serve()
    });
    Download::start(&sample, &[&silent, &helps_and_falls_silent, &helper]).complete(&sample);
    assert!(silent.record().served > 0, "the helper was asked while the others were silent");
}

#[test]
fn a_silent_peer_cannot_hold_the_memory_for_long() {
    let sample = Sample::small();
    let gate = Gate::new();
    let silent = ScriptedPeer::seed(&sample).then(move |talk| {
        talk.next_requests(4)?;
        gate.open();
        talk.hear_out()
    });
    let other = ScriptedPeer::honest_after(&sample, gate);
    let one_piece = u64::from(sample.piece_length);
    let download = Download::with(&sample, &[&silent, &other], TestFolder::new(), |job| {
        job.limits.memory = one_piece;
    });
    download.complete(&sample);
}

#[test]
fn a_piece_that_no_peer_can_finish_gives_its_memory_to_another() {
    let sample = Sample::small();
    let (gone, rest_is_there) = (Gate::new(), Gate::new());
    let only_source_of_the_last = ScriptedPeer::start(&sample, move |talk| {
        if talk.turn > 0 {
            rest_is_there.pass()?;
        }
        talk.greet(PLAIN)?;
        talk.say_bitfield(|piece| piece == 7)?;
        talk.say(Message::Unchoke)?;
        if talk.turn == 0 {
            let first = talk.next_request()?;
            talk.send(first)?;
            gone.open();
            return Ok(());
        }
        talk.serve()
    });
    let rest =
        ScriptedPeer::seed(&sample).having(|piece| piece != 7).unchoking_after(gone).then(move |talk| {
            talk.serve_next(28)?;
            rest_is_there.open();
            talk.hear_out()
        });
    let one_piece = u64::from(sample.piece_length);
    let download = Download::with(&sample, &[&only_source_of_the_last, &rest], TestFolder::new(), |job| {
        job.limits.memory = one_piece;
    });
    download.complete(&sample);
}

#[test]
fn a_block_that_comes_after_its_cancel_is_no_offence() {
    let sample = Sample::small();
    let (has_leases, late_sent) = (Gate::new(), Gate::new());
    let late = ScriptedPeer::seed(&sample).then(move |talk| {
        let owed = talk.next_requests(16)?;
        has_leases.open();
        let cancelled = loop {
            if let Said::Cancel(wanted) = talk.next()? {
                break wanted;
            }
        };
        talk.send(cancelled)?;
        late_sent.open();
        for wanted in owed.into_iter().filter(|wanted| *wanted != cancelled) {
            talk.send(wanted)?;
        }
        talk.serve()
    });
    let first = ScriptedPeer::seed(&sample).unchoking_after(has_leases).then(move |talk| {
        // Its own blocks and one of the other's; whatever else it was asked for is left to the other.
        talk.serve_next(17)?;
        late_sent.pass()?;
        talk.say(Message::Choke)?;
        talk.hear_out()
    });
    Download::start(&sample, &[&late, &first]).complete(&sample);
    assert_eq!(late.record().connections, 1, "it was not dropped");
    // What the other has sent of the same pieces comes twice.
    assert!(late.record().served >= 16, "and what it sent late did no harm");
}

#[test]
fn a_peer_whose_requests_were_all_cancelled_is_asked_again() {
    let length = 16 * BLOCK_LENGTH;
    let sample = Sample::single(length as usize, length);
    let asked = Gate::new();
    let slow = ScriptedPeer::seed(&sample).then(move |talk| {
        talk.next_requests(16)?;
        asked.open();
        let mut cancels = 0;
        while cancels < 16 {
            cancels += usize::from(matches!(talk.next()?, Said::Cancel(_)));
        }
        talk.serve()
    });
    let corrupt = ScriptedPeer::seed(&sample).unchoking_after(asked).then(move |talk| {
        loop {
            let wanted = talk.next_request()?;
            talk.send_data(wanted, &vec![9; wanted.length as usize])?;
        }
    });
    Download::start(&sample, &[&slow, &corrupt]).complete(&sample);
}
