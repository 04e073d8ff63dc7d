//! What we give to peers that connect to us and keep to the protocol: which messages come when, and that each
//! block is the right one.

use femtotorrent::message::HangUp;
use femtotorrent::metainfo::InfoHash;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::instance::Instance;
use crate::support::leech::{ask, assert_served, blocks, first_block_of, is_served, leech, wait_for_unchoke};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::seeder::Seeder;
use crate::support::talk::{DEADLINE, FAST, MODERN, PLAIN, Said, Talk, bits};
use crate::support::tracker::Tracker;
use femtotorrent::strategy::allowed_fast;
use femtotorrent::wire::{BlockRequest, Message};

#[test]
fn an_interested_peer_is_unchoked_and_gets_every_block_even_the_short_last_one() {
    let sample = Sample::small();
    let seeder = Seeder::start(&sample, &[]);
    for reserved in [PLAIN, FAST, MODERN] {
        leech(&mut seeder.meet(reserved)).unwrap();
    }
}

#[test]
fn blocks_come_whole_out_of_many_files() {
    let files = [("a", 20_000), ("b/c", 7), ("", 12_761), ("empty", 0), ("d", 100_001), ("e", 1)];
    let sample = Sample::multi(&files, 32_768);
    let seeder = Seeder::start(&sample, &[]);
    leech(&mut seeder.meet(PLAIN)).unwrap();
}

#[test]
fn a_request_need_not_be_a_block() {
    let sample = Sample::single(3 * 262_144 - 5, 262_144);
    let seeder = Seeder::start(&sample, &[]);
    let mut talk = seeder.meet(PLAIN);
    wait_for_unchoke(&mut talk).unwrap();
    let odd = [(0, 0, 1), (0, 262_143, 1), (1, 77, 16_385), (2, 131_067, 131_072)];
    for (index, begin, length) in odd {
        let wanted = BlockRequest { index, begin, length };
        ask(&mut talk, &[wanted]).unwrap();
        assert_served(&mut talk, wanted).unwrap();
    }
}

#[test]
fn the_first_message_says_that_we_have_everything() {
    let sample = Sample::single(5 * 65_536 - 10, 65_536);
    let seeder = Seeder::start(&sample, &[]);
    assert_eq!(seeder.meet(PLAIN).next().unwrap(), Said::Bitfield(vec![0b1111_1000]));
    assert_eq!(seeder.meet(FAST).next().unwrap(), Said::HaveAll);
    let mut modern = seeder.meet(MODERN);
    assert_eq!(modern.next().unwrap(), Said::HaveAll);
    let Said::Extended(handshake) = modern.next().unwrap() else { panic!("no extension handshake") };
    let handshake = String::from_utf8_lossy(&handshake).into_owned();
    let port = format!("1:pi{}e", seeder.address.port());
    for field in ["11:upload_onlyi1e", "4:reqqi500e", &port] {
        assert!(handshake.contains(field), "{field} is not in {handshake}");
    }
}

#[test]
fn some_pieces_are_served_while_we_choke() {
    let sample = Sample::single(40 * 32_768, 32_768);
    let seeder = Seeder::start(&sample, &[]);
    let mut talk = seeder.meet(FAST);
    talk.say(Message::HaveNone).unwrap();
    let given = allowed_fast([127, 0, 0, 1].into(), InfoHash(sample.info_hash()), sample.pieces(), 10);
    for piece in &given {
        talk.wait_for(&Said::AllowedFast(*piece)).unwrap();
    }
    for piece in 0..sample.pieces() {
        assert_eq!(
            is_served(&mut talk, first_block_of(piece)).unwrap(),
            given.contains(&piece),
            "piece {piece}"
        );
    }
}

#[test]
fn what_was_cancelled_is_refused_and_the_rest_is_served() {
    let sample = Sample::single(40 * 32_768, 32_768);
    // Slow, so that most requests still wait when the cancels come.
    let seeder = Seeder::start(&sample, &["--up-limit", "256K"]);
    let mut talk = seeder.meet(FAST);
    wait_for_unchoke(&mut talk).unwrap();
    let wanted = &blocks(&sample)[..60];
    let (kept, cancelled) = wanted.split_at(30);
    let mut bytes = Vec::new();
    wanted.iter().for_each(|wanted| Message::Request(*wanted).write_to(&mut bytes));
    cancelled.iter().for_each(|wanted| Message::Cancel(*wanted).write_to(&mut bytes));
    talk.say_bytes(&bytes).unwrap();

    let (mut served, mut refused) = (Vec::new(), Vec::new());
    while served.len() + refused.len() < wanted.len() {
        match talk.next().unwrap() {
            Said::Piece(block, _) => served.push(block),
            Said::Reject(block) => refused.push(block),
            _ => {}
        }
    }
    assert_eq!(&served[..kept.len()], kept);
    assert!(!refused.is_empty(), "every block was sent before its cancel was heard");
    assert!(refused.iter().all(|block| cancelled.contains(block)));
}

#[test]
fn a_peer_that_is_choked_is_told_which_requests_come_to_nothing() {
    let sample = Sample::single(40 * 32_768, 32_768);
    // More peers than slots, so that one has to give way when others have waited for their turn.
    let seeder = Seeder::start(&sample, &["--up-limit", "64K"]);
    let (tell, told) = channel();
    for _ in 0..8 {
        let (mut talk, tell) = (seeder.meet(FAST), tell.clone());
        std::thread::spawn(move || {
            // A peer that waits for its turn in vain has nothing to tell.
            let _ = answers_around_a_choke(&mut talk).map(|answers| tell.send(answers));
        });
    }
    let (asked, served, refused) = told.recv_timeout(2 * DEADLINE).unwrap();
    assert_eq!(served + refused, asked, "each request has one answer");
    assert!(refused > 0);
}

/// How much was asked for, served and refused, up to the first choke and its last refusal.
fn answers_around_a_choke(talk: &mut Talk) -> io::Result<(usize, usize, usize)> {
    talk.say(Message::Interested)?;
    // The turns pass on for the first time when the deadline of one wait is just over.
    talk.wait_for(&Said::Unchoke).or_else(|_| talk.wait_for(&Said::Unchoke))?;
    let wanted = [blocks(&talk.sample), blocks(&talk.sample)].concat();
    ask(talk, &wanted)?;
    let (mut served, mut refused, mut choked) = (0, 0, false);
    while served + refused < wanted.len() {
        match talk.next()? {
            Said::Piece(..) => served += 1,
            Said::Choke => choked = true,
            Said::Reject(_) => {
                assert!(choked, "it refused before it choked");
                refused += 1;
            }
            _ => {}
        }
    }
    Ok((wanted.len(), served, refused))
}

#[test]
fn a_super_seed_tells_of_one_piece_at_a_time() {
    let sample = Sample::small();
    let seeder = Seeder::start(&sample, &["--super"]);
    let mut talk = seeder.meet(FAST);
    assert_eq!(talk.next().unwrap(), Said::HaveNone);
    talk.say(Message::HaveNone).unwrap();
    let mut told = Vec::new();
    while told.len() < sample.pieces() as usize {
        let Said::Have(piece) = talk.next().unwrap() else { continue };
        assert!(!told.contains(&piece), "it told of piece {piece} twice");
        told.push(piece);
        // Nothing else was said of a piece before we have this one.
        talk.say(Message::Interested).unwrap();
        if told.len() == 1 {
            talk.wait_for(&Said::Unchoke).unwrap();
        }
        let wanted = first_block_of(piece);
        assert!(is_served(&mut talk, wanted).unwrap());
        talk.say(Message::Have(piece)).unwrap();
    }

    // libtorrent hangs up on a peer that has nothing and wants nothing.
    let mut modern = seeder.meet(MODERN);
    modern.wait_for(&Said::HaveNone).unwrap();
    let Said::Extended(handshake) = modern.next().unwrap() else { panic!("no extension handshake") };
    assert!(!String::from_utf8_lossy(&handshake).contains("upload_only"));
}

#[test]
fn two_seeds_part() {
    let sample = Sample::small();
    let seeder = Seeder::start(&sample, &[]);
    for reserved in [PLAIN, FAST] {
        let mut talk = seeder.meet(reserved);
        let everything = bits(&sample, |_| true);
        let all = if reserved == FAST { Message::HaveAll } else { Message::Bitfield(&everything) };
        talk.say(all).unwrap();
        talk.wait_for_end();
        seeder.says_of(talk.address(), HangUp::BothSeeds);
    }
}

#[test]
fn a_file_that_changes_while_it_is_seeded_is_looked_at_again_and_what_is_right_is_served() {
    let files = [("grows", 65_536), ("stays", 65_536), ("touched", 65_536), ("spoiled", 65_536)];
    let sample = Sample::multi(&files, 32_768);
    let seeder = Seeder::start(&sample, &[]);
    let mut talk = seeder.meet(FAST);
    leech(&mut talk).unwrap();

    let open = |path: &str| File::options().write(true).open(seeder.file(path)).unwrap();
    open("many/grows").write_all_at(b"more", 65_536).unwrap();
    open("many/touched").set_modified(SystemTime::UNIX_EPOCH).unwrap();
    // The last byte of its last piece, and nothing of it shows in the time that programs look at.
    let spoiled = open("many/spoiled");
    let before = spoiled.metadata().unwrap().modified().unwrap();
    spoiled.write_all_at(&[!sample.payload[4 * 65_536 - 1]], 65_535).unwrap();
    spoiled.set_modified(before).unwrap();

    // It looks at a file many times a second, not for each block.
    let until = Instant::now() + DEADLINE;
    loop {
        let served = blocks(&sample).into_iter().filter(|wanted| is_served(&mut talk, *wanted).unwrap());
        let served: Vec<u32> = served.map(|wanted| wanted.index).collect();
        if served == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6] {
            break;
        }
        assert!(Instant::now() < until, "{served:?}");
        // A peer that is rejected again and again would be a flood.
        sleep(Duration::from_millis(50));
    }
    seeder.says("grows: changed on disk");
    seeder.says("touched: changed on disk");
    seeder.says("spoiled: no longer uploaded, because the data has changed: 1 piece");
    let mut newcomer = seeder.meet(FAST);
    newcomer.wait_for(&Said::Bitfield(bits(&sample, |piece| piece != 7))).unwrap();
}

#[test]
fn pieces_are_given_on_while_the_others_still_come() {
    let tracker = Tracker::start(&[]);
    let sample = Sample::small().with_tracker(&tracker.url());
    let (gate, folder) = (Gate::new(), TestFolder::new());
    // One piece, and the others when the gate opens.
    let source = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
        let first = talk.next_request()?;
        talk.send(first)?;
        while let Ok(wanted) = talk.next_request() {
            if wanted.index != first.index {
                gate.pass()?;
            }
            talk.send(wanted)?;
        }
        Ok(())
    });
    let torrent = sample.write_torrent(folder.path());
    let output = TestFolder::new();
    let peer = source.address().to_string();
    let instance = Instance::get(torrent.as_ref(), output.path(), &["--seed", "--peer", &peer]);
    let port = tracker.wait_for(1)[0].get("port").parse().unwrap();

    let mut talk = Talk::dial(instance.address(port), &sample);
    talk.introduce(FAST).unwrap();
    talk.say(Message::Interested).unwrap();
    let (mut first, mut unchoked) = (None, false);
    while first.is_none() || !unchoked {
        match talk.next().unwrap() {
            Said::Have(piece) => first = Some(piece),
            // It may have been stored before we came.
            Said::Bitfield(bits) => first = Some(bits.iter().map(|byte| byte.leading_zeros()).sum()),
            Said::Unchoke => unchoked = true,
            _ => {}
        }
    }
    let first = first.unwrap();
    let wanted = first_block_of(first);
    assert!(is_served(&mut talk, wanted).unwrap());

    gate.open();
    let mut missing: Vec<u32> = (0..sample.pieces()).filter(|piece| *piece != first).collect();
    while !missing.is_empty() {
        if let Said::Have(piece) = talk.next().unwrap() {
            missing.retain(|other| *other != piece);
        }
    }
    for wanted in blocks(&sample) {
        assert!(is_served(&mut talk, wanted).unwrap());
    }
}
