//! What peers tell each other beside the payload: of other peers (BEP 11), and the metadata (BEP 9).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::support::addresses::free_address;
use crate::support::download::Download;
use crate::support::extension::{OUR_METADATA, OUR_PEX, extend, next_extended, say_pex};
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::instance::Instance;
use crate::support::leech::leech;
use crate::support::log_capture;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::seeder::Seeder;
use crate::support::talk::{FAST, MODERN, Said, Talk};
use femtotorrent::message::Violation;
use femtotorrent::wire::Message;
use femtotorrent::wire::extension::{UT_METADATA, UT_PEX};
use femtotorrent::wire::metadata::{MetadataMessage, PIECE};
use femtotorrent::wire::pex::{PeerExchange, REACHABLE, UPLOAD_ONLY};
use sha1::{Digest, Sha1};

const LIMIT: Duration = Duration::from_secs(180);

/// A seed that tells of these peers, and serves when the gate is open.
fn teller(sample: &Sample, told: Vec<SocketAddr>, gate: Gate) -> ScriptedPeer {
    ScriptedPeer::seed(sample).speaking(MODERN).choking().then(move |talk| {
        let said = extend(talk)?;
        assert_eq!(said.pex.is_none(), talk.sample.metainfo().private);
        say_pex(talk, told.iter().copied())?;
        gate.pass()?;
        talk.say(Message::Unchoke)?;
        talk.serve()
    })
}

#[test]
fn in_a_chain_of_three_the_ends_find_each_other_through_the_middle() {
    let sample = Sample::small();
    let third = Seeder::start(&sample, &[]);
    let (folder, outputs) = (TestFolder::new(), [TestFolder::new(), TestFolder::new()]);
    let torrent = sample.write_torrent(folder.path());
    let torrent = Path::new(&torrent);
    let (port, knows) = (free_address(Ipv4Addr::UNSPECIFIED).port(), third.address.to_string());
    // So slow that no peer gets the payload from it.
    let slow = ["-v", "--down-limit", "4K", "--port", &port.to_string(), "--peer", &knows];
    let second = Instance::get(torrent, outputs[0].path(), &slow);
    second.wait_for(": connected");
    let knows = second.address(port).to_string();
    let first = Instance::get(torrent, outputs[1].path(), &["-v", "--peer", &knows]);
    let outcome = first.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    // Whichever of the two was told first: the seed may have connected to the leecher.
    let seed = third.address.ip().to_string();
    let met = |line: &str| line.contains(&format!(" {seed}:")) && line.contains(": connected");
    assert!(outcome.output.lines().any(met), "{}", outcome.output);
    sample.assert_downloaded(outputs[1].path());
}

#[test]
fn a_peer_that_another_named_is_downloaded_from() {
    let sample = Sample::small();
    let (never, other) = (Gate::new(), ScriptedPeer::honest(&sample));
    let teller = teller(&sample, vec![other.address()], never);
    Download::start(&sample, &[&teller]).complete(&sample);
    assert_eq!(other.record().served, sample.blocks());
    never.open();
}

#[test]
fn a_hundred_of_ten_thousand_named_peers_are_kept() {
    log_capture::open();
    let sample = Sample::small();
    // On this host, where no program listens.
    let many = (0..10_000_u16).map(|number| {
        let [high, low] = number.to_be_bytes();
        SocketAddr::from(([127, 200, high, low], 1))
    });
    let gate = Gate::new();
    let teller = teller(&sample, many.collect(), gate);
    let download = Download::start(&sample, &[&teller]);
    log_capture::wait_for(teller.address(), "PEX: 100 peers, 100 new");
    gate.open();
    download.complete(&sample);
}

#[test]
fn one_address_is_not_tried_at_a_hundred_ports() {
    log_capture::open();
    let sample = Sample::small();
    let gate = Gate::new();
    let victim = (1..=1_000).map(|port| SocketAddr::from(([10, 99, 99, 99], port)));
    let teller = teller(&sample, victim.collect(), gate);
    // With no room for another peer, so that nothing leaves this host.
    let download = Download::with(&sample, &[&teller], TestFolder::new(), |job| job.limits.max_peers = 1);
    log_capture::wait_for(teller.address(), "PEX: 100 peers, 4 new");
    gate.open();
    download.complete(&sample);
}

#[test]
fn a_peer_that_never_stops_telling_of_peers_is_heard_a_few_times_only() {
    let sample = Sample::small();
    let trap = ScriptedPeer::honest(&sample);
    let too_late = trap.address();
    let teller = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(move |talk| {
        extend(talk)?;
        for number in 0..3 {
            say_pex(talk, [SocketAddr::from(([127, 201, 0, number], 1))])?;
        }
        for _ in 0..50 {
            say_pex(talk, [too_late])?;
        }
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    Download::start(&sample, &[&teller]).complete(&sample);
    assert_eq!(trap.record().connections, 0);
}

#[test]
fn a_private_torrent_has_no_peers_but_those_of_its_trackers() {
    let sample = Sample::small().private();
    let trap = ScriptedPeer::honest(&sample);
    let gate = Gate::new();
    gate.open();
    let teller = teller(&sample, vec![trap.address()], gate);
    Download::start(&sample, &[&teller]).complete(&sample);
    assert_eq!(trap.record().connections, 0);
    let extended = teller.record().said.into_iter().filter(|said| matches!(said, Said::Extended(_)));
    assert_eq!(extended.count(), 1, "the handshake and no more");
}

#[test]
fn no_pex_means_that_nothing_is_told_and_nothing_believed() {
    let sample = Sample::small();
    let trap = ScriptedPeer::honest(&sample);
    let told = trap.address();
    let teller = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(move |talk| {
        assert_eq!(extend(talk)?.pex, None);
        say_pex(talk, [told])?;
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    Download::with(&sample, &[&teller], TestFolder::new(), |job| job.sources.pex = false).complete(&sample);
    assert_eq!((trap.record().connections, teller.record().served), (0, sample.blocks()));
}

#[test]
fn each_peer_is_told_of_the_other_and_not_of_itself() {
    let sample = Sample::small();
    let told = Gate::new();
    let other = ScriptedPeer::honest_after(&sample, told);
    let (seed, expected) = (other.address(), UPLOAD_ONLY | REACHABLE);
    let listener = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(move |talk| {
        let said = extend(talk)?;
        assert_eq!((said.metadata, said.pex), (Some(UT_METADATA), Some(UT_PEX)));
        let (number, body) = next_extended(talk)?;
        assert_eq!(number, OUR_PEX);
        let news = PeerExchange::from_wire(&body).unwrap();
        assert_eq!(news, PeerExchange { added: vec![(seed, expected)], dropped: Vec::new() });
        told.open();
        talk.say(Message::Unchoke)?;
        talk.serve()
    });
    let download = Download::start(&sample, &[&listener, &other]);
    told.pass().expect("it was told of the other");
    download.complete(&sample);
}

/// A torrent whose metadata has two pieces.
fn two_pieces() -> Sample {
    Sample::single(1_000 * 1_024, 1_024)
}

/// Asks for a piece of the metadata and waits for the answer.
fn ask_for(talk: &mut Talk, piece: u32) -> Vec<u8> {
    talk.say(Message::Extended(UT_METADATA, &MetadataMessage::Request(piece).to_wire())).unwrap();
    let (number, body) = next_extended(talk).unwrap();
    assert_eq!(number, OUR_METADATA);
    body
}

#[test]
fn metadata_is_given_on_request_and_has_the_info_hash() {
    let sample = two_pieces();
    let seeder = Seeder::start(&sample, &["--up-limit", "200K"]);
    let mut talk = seeder.meet(MODERN);
    let size = extend(&mut talk).unwrap().metadata_size.unwrap();
    let mut info = Vec::new();
    for piece in 0..2 {
        let body = ask_for(&mut talk, piece);
        match MetadataMessage::from_wire(&body) {
            Some(MetadataMessage::Data { piece: given, total_size, bytes }) => {
                assert_eq!((given, total_size), (piece, Some(size)));
                assert!(bytes.len() == PIECE as usize || piece == 1);
                info.extend_from_slice(bytes);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(info.len() as u64, size);
    assert_eq!(<[u8; 20]>::from(Sha1::digest(&info)), sample.info_hash());
    for piece in [2, 3, u32::MAX] {
        let body = ask_for(&mut talk, piece);
        assert_eq!(MetadataMessage::from_wire(&body), Some(MetadataMessage::Reject(piece)));
    }
}

#[test]
fn a_seed_that_uploads_nothing_gives_no_metadata() {
    let sample = two_pieces();
    let seeder = Seeder::start(&sample, &["--up-limit", "0"]);
    let mut talk = seeder.meet(MODERN);
    assert_eq!(extend(&mut talk).unwrap().metadata_size, None);
    let body = ask_for(&mut talk, 0);
    assert_eq!(MetadataMessage::from_wire(&body), Some(MetadataMessage::Reject(0)));
}

#[test]
fn a_flood_of_requests_for_metadata_ends_and_others_are_served() {
    let sample = two_pieces();
    let seeder = Seeder::start(&sample, &[]);
    let mut hostile = seeder.meet(MODERN);
    extend(&mut hostile).unwrap();
    let mut flood = Vec::new();
    let request = MetadataMessage::Request(0).to_wire();
    (0..100_000).for_each(|_| Message::Extended(UT_METADATA, &request).write_to(&mut flood));
    // That femtotorrent hangs up in the middle is expected.
    let _ = hostile.say_bytes(&flood);
    seeder.says_of(hostile.address(), Violation::MetadataRequestFlood);
    leech(&mut seeder.meet(FAST)).unwrap();
    assert!(seeder.peak_memory() < 40 << 20, "{} bytes", seeder.peak_memory());
}
