//! Downloads from peers of every temper, each of which keeps to the protocol: partial ones, those that
//! choke, die, fall silent, refuse, or come late.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::download::Download;
use crate::folder::TestFolder;
use crate::logbook;
use crate::peer::{DEADLINE, FAST, Gate, MODERN, PLAIN, Peer, Said, Talk};
use crate::sample::Sample;
use femtotorrent::piece::BLOCK_LENGTH;
use femtotorrent::swarm::RunEnd;
use femtotorrent::wire::{BlockRequest, Message};

/// The bitfield of these pieces.
pub fn bits(sample: &Sample, has: impl Fn(u32) -> bool) -> Vec<u8> {
    let mut bits = vec![0; sample.pieces().div_ceil(8) as usize];
    for piece in (0..sample.pieces()).filter(|piece| has(*piece)) {
        bits[piece as usize / 8] |= 0x80 >> (piece % 8);
    }
    bits
}

/// Reads so many requests.
fn requests(talk: &mut Talk, count: usize) -> std::io::Result<Vec<BlockRequest>> {
    (0..count).map(|_| talk.next_request()).collect()
}

fn pieces(blocks: &[BlockRequest]) -> HashSet<u32> {
    blocks.iter().map(|wanted| wanted.index).collect()
}

fn sorted(mut blocks: Vec<BlockRequest>) -> Vec<(u32, u32)> {
    blocks.sort_by_key(|wanted| (wanted.index, wanted.begin));
    blocks.into_iter().map(|wanted| (wanted.index, wanted.begin)).collect()
}

#[test]
fn each_of_several_peers_is_used() {
    let sample = Arc::new(Sample::single(32 * 64 * 1024, 64 * 1024));
    let (asked, all_asked) = (Arc::new(AtomicUsize::new(0)), Gate::default());
    let peers: Vec<Peer> = (0..3)
        .map(|_| {
            let (sample, asked, all_asked) = (Arc::clone(&sample), Arc::clone(&asked), all_asked.clone());
            Peer::start(move |talk| {
                talk.greet(&sample, MODERN)?;
                talk.say(Message::HaveAll)?;
                talk.say(Message::Unchoke)?;
                let first = talk.next_request()?;
                if asked.fetch_add(1, Ordering::SeqCst) == 2 {
                    all_asked.open();
                }
                all_asked.pass()?;
                talk.send(&sample, first)?;
                talk.serve(&sample)
            })
        })
        .collect();
    Download::start(&sample, &peers.iter().collect::<Vec<_>>()).complete(&sample);
    assert!(peers.iter().all(|peer| peer.record().served > 0));
}

#[test]
fn peers_none_of_which_has_everything_make_a_whole_together() {
    let sample = Arc::new(Sample::small());
    let by_bitfield = {
        let sample = Arc::clone(&sample);
        Peer::start(move |talk| {
            talk.greet(&sample, PLAIN)?;
            talk.say(Message::Bitfield(&bits(&sample, |piece| piece % 3 == 0)))?;
            talk.say(Message::Unchoke)?;
            talk.serve(&sample)
        })
    };
    let by_have = {
        let sample = Arc::clone(&sample);
        Peer::start(move |talk| {
            talk.greet(&sample, FAST)?;
            talk.say(Message::HaveNone)?;
            talk.say(Message::Unchoke)?;
            for piece in (0..sample.pieces()).filter(|piece| piece % 3 == 1) {
                talk.say(Message::Have(piece))?;
            }
            talk.serve(&sample)
        })
    };
    // This one fetches itself: each piece comes when the one before it has been given on.
    let one_after_another = {
        let sample = Arc::clone(&sample);
        Peer::start(move |talk| {
            talk.greet(&sample, PLAIN)?;
            talk.say(Message::Unchoke)?;
            for piece in (0..sample.pieces()).filter(|piece| piece % 3 == 2) {
                talk.say(Message::Have(piece))?;
                for wanted in requests(talk, 4)? {
                    talk.send(&sample, wanted)?;
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
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, MODERN)?;
        talk.say(Message::Extended(0, b"d1:md6:ut_pexi1ee4:reqqi250ee"))?;
        talk.say(Message::Bitfield(&bits(&served, |piece| piece != 2 && piece != 5)))?;
        talk.say(Message::Have(5))?;
        // Some send a bitfield in the place of many `have`.
        talk.say(Message::Bitfield(&bits(&served, |piece| piece < 4)))?;
        talk.say(Message::Unchoke)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_peer_that_becomes_complete_may_say_so_in_one_word() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, FAST)?;
        talk.say(Message::HaveNone)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn what_a_choke_made_the_peer_forget_is_asked_for_again() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        for _ in 0..3 {
            let asked = requests(talk, 16)?;
            talk.say(Message::Choke)?;
            talk.say(Message::Unchoke)?;
            let again = requests(talk, 16)?;
            if pieces(&again) != pieces(&asked) {
                return Err(std::io::Error::other("it opened other pieces instead"));
            }
            talk.send(&served, again[0])?;
            talk.say(Message::Choke)?;
            talk.say(Message::Unchoke)?;
        }
        talk.serve(&served)
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_peer_that_serves_requests_from_before_its_choke_is_forgiven() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        let asked = requests(talk, 16)?;
        talk.say(Message::Choke)?;
        talk.say(Message::Unchoke)?;
        let again = requests(talk, 16)?;
        for wanted in asked.into_iter().chain(again) {
            talk.send(&served, wanted)?;
        }
        talk.serve(&served)
    });
    let end = Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
    assert_eq!(end.received, sample.payload.len() as u64, "what came late and twice counts for nothing");
}

#[test]
fn a_fast_peer_that_chokes_refuses_what_it_will_not_send_and_is_asked_again() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, FAST)?;
        talk.say(Message::HaveAll)?;
        for _ in 0..3 {
            talk.say(Message::Unchoke)?;
            let first = talk.next_request()?;
            talk.say(Message::Choke)?;
            talk.say(Message::Reject(first))?;
            // The others were on their way when it choked: each is refused as it comes.
            for _ in 1..16 {
                let wanted = talk.next_request()?;
                talk.say(Message::Reject(wanted))?;
            }
        }
        talk.say(Message::Unchoke)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn refused_blocks_are_asked_for_again() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, FAST)?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::Unchoke)?;
        let mut refused = HashSet::new();
        loop {
            let wanted = talk.next_request()?;
            if (wanted.begin / BLOCK_LENGTH).is_multiple_of(3) && refused.insert((wanted.index, wanted.begin))
            {
                talk.say(Message::Reject(wanted))?;
            } else {
                talk.send(&served, wanted)?;
            }
        }
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn a_peer_that_chokes_is_asked_for_what_it_allows_and_nothing_else() {
    let sample = Arc::new(Sample::small());
    let gate = Gate::default();
    let (served, given) = (Arc::clone(&sample), gate.clone());
    let choking = Peer::start(move |talk| {
        talk.greet(&served, FAST)?;
        talk.say(Message::AllowedFast(3))?;
        talk.say(Message::HaveAll)?;
        talk.say(Message::AllowedFast(5))?;
        talk.say(Message::AllowedFast(4_000_000))?;
        for _ in 0..8 {
            let wanted = talk.next_request()?;
            talk.send(&served, wanted)?;
        }
        given.open();
        talk.hear_out()
    });
    let other = Peer::honest_after(&sample, &gate);
    Download::start(&sample, &[&choking, &other]).complete(&sample);
    let mut pieces: Vec<u32> = choking.record().requests().iter().map(|wanted| wanted.index).collect();
    pieces.sort_unstable();
    assert_eq!(pieces, [3, 3, 3, 3, 5, 5, 5, 5]);
}

#[test]
fn a_peer_may_die_at_any_byte() {
    let sample = Arc::new(Sample::single(250, 100));
    let everything = 68 + 6 + 5 + 2 * 113 + 63;
    for life in 0..=everything {
        let gate = Gate::default();
        let (served, dead) = (Arc::clone(&sample), gate.clone());
        let mortal = Peer::start(move |talk| {
            talk.life = if talk.turn == 0 { life } else { 0 };
            let end = (|| {
                talk.greet(&served, PLAIN)?;
                talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
                talk.say(Message::Unchoke)?;
                talk.serve(&served)
            })();
            dead.open();
            end
        });
        let heir = Peer::honest_after(&sample, &gate);
        Download::start(&sample, &[&mortal, &heir]).complete(&sample);
    }
}

#[test]
fn blocks_that_a_silent_peer_owes_come_from_another() {
    let sample = Arc::new(Sample::small());
    let gate = Gate::default();
    let (served, silent_now) = (Arc::clone(&sample), gate.clone());
    let silent = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        let first = talk.next_request()?;
        talk.send(&served, first)?;
        requests(talk, 15)?;
        silent_now.open();
        talk.hear_out()
    });
    let other = Peer::honest_after(&sample, &gate);
    Download::start(&sample, &[&silent, &other]).complete(&sample);
    let record = silent.wait_until(|record| record.ended == 1);
    assert_eq!(other.record().served, sample.blocks() - 1);
    let asked: HashSet<_> = sorted(record.requests()).into_iter().collect();
    let cancelled: HashSet<_> = sorted(record.cancels()).into_iter().collect();
    assert!(!cancelled.is_empty() && cancelled.is_subset(&asked), "the end game says what it needs no more");
}

#[test]
fn a_helper_finds_what_no_other_helper_has_taken_over() {
    let sample = Arc::new(Sample::small());
    let (first_asked, second_silent, gone) = (Gate::default(), Gate::default(), Gate::default());
    let (served, asked, pass) = (Arc::clone(&sample), first_asked.clone(), gone.clone());
    let silent = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        let owed = requests(talk, 16)?;
        asked.open();
        // It comes back when the others have done all that they can.
        pass.pass()?;
        for wanted in owed {
            talk.send(&served, wanted)?;
        }
        talk.hear_out()
    });
    let (served, now_silent) = (Arc::clone(&sample), second_silent.clone());
    let helps_and_falls_silent = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        first_asked.pass()?;
        talk.say(Message::Unchoke)?;
        for _ in 0..16 {
            let wanted = talk.next_request()?;
            talk.send(&served, wanted)?;
        }
        // The first of what it takes over.
        talk.next_request()?;
        now_silent.open();
        talk.hear_out()
    });
    let served = Arc::clone(&sample);
    let helper = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        second_silent.pass()?;
        talk.say(Message::Unchoke)?;
        let wanted = talk.next_request()?;
        gone.open();
        talk.send(&served, wanted)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&silent, &helps_and_falls_silent, &helper]).complete(&sample);
    assert!(silent.record().served > 0, "the helper was asked while the others were silent");
}

#[test]
fn a_silent_peer_cannot_hold_the_memory_for_long() {
    let sample = Arc::new(Sample::small());
    let gate = Gate::default();
    let (served, silent_now) = (Arc::clone(&sample), gate.clone());
    let silent = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        requests(talk, 4)?;
        silent_now.open();
        talk.hear_out()
    });
    let other = Peer::honest_after(&sample, &gate);
    let one_piece = u64::from(sample.piece_length);
    let download = Download::with(&sample, &[&silent, &other], TestFolder::new(), |job| {
        job.limits.memory = one_piece;
    });
    download.complete(&sample);
}

#[test]
fn a_piece_that_nobody_can_finish_gives_its_memory_to_another() {
    let sample = Arc::new(Sample::small());
    let (gone, rest_is_there) = (Gate::default(), Gate::default());
    let (served, dead, comes_back) = (Arc::clone(&sample), gone.clone(), rest_is_there.clone());
    let only_source_of_the_last = Peer::start(move |talk| {
        if talk.turn > 0 {
            comes_back.pass()?;
        }
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |piece| piece == 7)))?;
        talk.say(Message::Unchoke)?;
        if talk.turn == 0 {
            let first = talk.next_request()?;
            talk.send(&served, first)?;
            dead.open();
            return Ok(());
        }
        talk.serve(&served)
    });
    let served = Arc::clone(&sample);
    let rest = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |piece| piece != 7)))?;
        gone.pass()?;
        talk.say(Message::Unchoke)?;
        for _ in 0..28 {
            let wanted = talk.next_request()?;
            talk.send(&served, wanted)?;
        }
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
    let sample = Arc::new(Sample::small());
    let (has_leases, late_sent) = (Gate::default(), Gate::default());
    let (served, asked, sent) = (Arc::clone(&sample), has_leases.clone(), late_sent.clone());
    let late = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        let owed = requests(talk, 16)?;
        asked.open();
        let cancelled = loop {
            if let Said::Cancel(wanted) = talk.next()? {
                break wanted;
            }
        };
        talk.send(&served, cancelled)?;
        sent.open();
        for wanted in owed.into_iter().filter(|wanted| *wanted != cancelled) {
            talk.send(&served, wanted)?;
        }
        talk.serve(&served)
    });
    let served = Arc::clone(&sample);
    let first = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        has_leases.pass()?;
        talk.say(Message::Unchoke)?;
        // Its own blocks and one of the other's; whatever else it was asked for is left to the other.
        for _ in 0..17 {
            let wanted = talk.next_request()?;
            talk.send(&served, wanted)?;
        }
        late_sent.pass()?;
        talk.say(Message::Choke)?;
        talk.hear_out()
    });
    Download::start(&sample, &[&late, &first]).complete(&sample);
    assert_eq!(late.record().connections, 1, "it was not dropped");
    assert_eq!(late.record().served, 16);
}

#[test]
fn a_peer_that_queues_few_requests_never_gets_more() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let peer = Peer::start(move |talk| {
        talk.greet(&served, [0, 0, 0, 0, 0, 0x10, 0, 0])?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Extended(0, b"d4:reqqi3ee"))?;
        talk.say(Message::Unchoke)?;
        // A fourth request would come in front of those that follow the choke.
        let asked = requests(talk, 3)?;
        talk.say(Message::Choke)?;
        talk.say(Message::Unchoke)?;
        let mut waiting = requests(talk, 3)?;
        if sorted(waiting.clone()) != sorted(asked) {
            return Err(std::io::Error::other("more than three"));
        }
        for _ in 0..served.blocks() - 3 {
            talk.send(&served, waiting.remove(0))?;
            waiting.push(talk.next_request()?);
        }
        for wanted in waiting {
            talk.send(&served, wanted)?;
        }
        talk.hear_out()
    });
    Download::start(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn files_with_padding_and_empty_files_come_out_as_they_are() {
    let files = [
        ("a.bin", 100_000),
        ("", 31_072),
        ("empty", 0),
        ("b/c.bin", 70_001),
        ("b/also empty", 0),
        ("", 61_071),
        ("d.bin", 5),
        ("e.bin", 200_000),
    ];
    let sample = Arc::new(Sample::multi(&files, 65_536));
    let peers = [Peer::honest(&sample), Peer::honest(&sample)];
    Download::start(&sample, &[&peers[0], &peers[1]]).complete(&sample);
}

#[test]
fn a_stopped_download_goes_on_from_what_is_there() {
    let sample = Arc::new(Sample::small());
    let served = Arc::clone(&sample);
    let half = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        for _ in 0..14 {
            let wanted = talk.next_request()?;
            talk.send(&served, wanted)?;
        }
        talk.hear_out()
    });
    let download = Download::start(&sample, &[&half]);
    let kept = download.wait_until(|snapshot| snapshot.done > 0).done;
    let (folder, outcome) = download.stop();
    assert_eq!(outcome.end, RunEnd::Stopped);
    assert!(outcome.snapshot.done >= kept);

    let rest = Peer::honest(&sample);
    let end = Download::with(&sample, &[&rest], folder, |_| {}).complete(&sample);
    let asked = rest.record().requests();
    assert!(end.received <= sample.payload.len() as u64 - kept);
    let pieces: HashSet<u32> = asked.iter().map(|wanted| wanted.index).collect();
    assert_eq!(asked.len(), pieces.len() * 4, "each missing block is asked for once");
    assert!(pieces.len() < 8);
}

#[test]
fn a_dead_tracker_does_not_keep_a_named_peer_from_serving() {
    let sample = Arc::new(Sample::small().with_tracker("http://127.0.0.1:1/announce"));
    let peer = Peer::honest(&sample);
    Download::start(&sample, &[&peer]).complete(&sample);
}

#[test]
fn more_peers_than_fit_into_the_inbox_may_be_named() {
    let sample = Arc::new(Sample::small());
    let peer = Peer::honest(&sample);
    let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
        job.sources.peers = vec![job.sources.peers[0].clone(); 3000];
    });
    download.complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

/// The threads of this process that were started for an address that starts so.
fn threads_for(ip: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.contains(ip)).collect()
}

#[test]
fn no_thread_outlives_a_download_however_it_ends() {
    let sample = Arc::new(Sample::small().with_tracker("http://127.0.77.9:1/announce"));
    let honest = {
        let sample = Arc::clone(&sample);
        Peer::at("127.0.77.1", move |talk| {
            talk.greet(&sample, MODERN)?;
            talk.say(Message::HaveAll)?;
            talk.say(Message::Unchoke)?;
            talk.serve(&sample)
        })
    };
    let choking = {
        let sample = Arc::clone(&sample);
        Peer::at("127.0.77.2", move |talk| {
            talk.greet(&sample, MODERN)?;
            talk.say(Message::HaveAll)?;
            talk.hear_out()
        })
    };
    // It takes the connection and says nothing.
    let mute = Peer::at("127.0.77.3", |talk| talk.hear_out());
    let stopped = Download::start(&sample, &[&choking, &mute]);
    stopped.wait_until(|snapshot| snapshot.peers == 1);
    assert!(threads_for("-127.0.77").len() >= 3, "workers are named after their peers");
    stopped.stop();
    none_is_left();
    Download::start(&sample, &[&honest, &choking, &mute]).complete(&sample);
    none_is_left();
}

fn none_is_left() {
    let deadline = Instant::now() + DEADLINE;
    while !threads_for("-127.0.77").is_empty() {
        assert!(Instant::now() < deadline, "left over: {:?}", threads_for("-127.0.77"));
        std::thread::yield_now();
    }
}

#[test]
fn of_those_who_made_a_wrong_piece_together_the_liar_is_found() {
    logbook::open();
    let length = 64 * BLOCK_LENGTH;
    let sample = Arc::new(Sample::single(2 * length as usize, length));
    let (asked, both_asked, liar_is_gone) = (Arc::new(AtomicUsize::new(0)), Gate::default(), Gate::default());
    let start = |lies: bool| {
        let (sample, asked, both_asked) = (Arc::clone(&sample), Arc::clone(&asked), both_asked.clone());
        let liar_is_gone = liar_is_gone.clone();
        Peer::start(move |talk| {
            talk.greet(&sample, MODERN)?;
            talk.say(Message::Bitfield(&bits(&sample, |piece| piece == 0)))?;
            talk.say(Message::Unchoke)?;
            let first = talk.next_request()?;
            if asked.fetch_add(1, Ordering::SeqCst) == 1 {
                both_asked.open();
            }
            both_asked.pass()?;
            if lies && talk.turn == 0 {
                talk.send_data(first, &vec![7; first.length as usize])?;
                // It tells the truth from now on, which does not help it.
                let end = talk.serve(&sample);
                liar_is_gone.open();
                return end;
            }
            talk.send(&sample, first)?;
            talk.serve(&sample)
        })
    };
    let (liar, honest) = (start(true), start(false));
    let (served, gone) = (Arc::clone(&sample), liar_is_gone.clone());
    let of_the_rest = Peer::start(move |talk| {
        talk.greet(&served, MODERN)?;
        talk.say(Message::Bitfield(&bits(&served, |piece| piece == 1)))?;
        gone.pass()?;
        talk.say(Message::Unchoke)?;
        talk.serve(&served)
    });
    Download::start(&sample, &[&liar, &honest, &of_the_rest]).complete(&sample);
    logbook::wait_for(liar.address(), "banned, it sent wrong data");
    assert_eq!(honest.record().connections, 1, "who told the truth is kept");
    assert!(honest.record().served > 0);
}

#[test]
fn a_peer_whose_requests_were_all_cancelled_is_asked_again() {
    let length = 16 * BLOCK_LENGTH;
    let sample = Arc::new(Sample::single(length as usize, length));
    let asked = Gate::default();
    let (served, gate) = (Arc::clone(&sample), asked.clone());
    let slow = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        talk.say(Message::Unchoke)?;
        requests(talk, 16)?;
        gate.open();
        let mut cancels = 0;
        while cancels < 16 {
            cancels += usize::from(matches!(talk.next()?, Said::Cancel(_)));
        }
        talk.serve(&served)
    });
    let served = Arc::clone(&sample);
    let liar = Peer::start(move |talk| {
        talk.greet(&served, PLAIN)?;
        talk.say(Message::Bitfield(&bits(&served, |_| true)))?;
        asked.pass()?;
        talk.say(Message::Unchoke)?;
        loop {
            let wanted = talk.next_request()?;
            talk.send_data(wanted, &vec![9; wanted.length as usize])?;
        }
    });
    Download::start(&sample, &[&slow, &liar]).complete(&sample);
}
