//! A run on a disk that does not answer; what a run gives to whoever looks at it.

use super::*;
use crate::metainfo::{FileChoice, InfoHash};
use crate::piece::PieceDigest;
use crate::storage::faults::{Disk, Fault};
use crate::storage::{Allocate, Call, Check, Existing};
use crate::swarm::{Limits, UploadPolicy};
use crate::wire::{HANDSHAKE_LENGTH, Handshake, Message};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

const PAYLOAD: &[u8] = b"one piece";
const DEADLINE: Duration = Duration::from_secs(60);

fn metainfo() -> Metainfo {
    let head = format!("d4:infod6:lengthi{}e4:name5:stuck12:piece lengthi16384e6:pieces20:", PAYLOAD.len());
    Metainfo::parse([head.as_bytes(), PieceDigest::sha1_of(PAYLOAD).bytes(), b"ee"].concat()).unwrap()
}

/// Sends the only piece to one peer, unasked for nothing else.
fn seed(info_hash: InfoHash) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        serve(&mut stream, info_hash);
        // Until the other end hangs up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}

fn serve(stream: &mut TcpStream, info_hash: InfoHash) {
    stream.read_exact(&mut [0; HANDSHAKE_LENGTH]).unwrap();
    let mut said = Handshake::ours(info_hash, PeerId([9; 20]), false).to_wire().to_vec();
    Message::Bitfield(&[0x80]).write_to(&mut said);
    Message::Unchoke.write_to(&mut said);
    stream.write_all(&said).unwrap();
    // Until it requests the piece: the frame of a request has this length and this number.
    let mut heard = Vec::new();
    while !heard.ends_with(&[0, 0, 0, PAYLOAD.len() as u8]) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        heard.push(byte[0]);
    }
    let mut piece = Vec::new();
    Message::Piece { index: 0, begin: 0, data: PAYLOAD }.write_to(&mut piece);
    stream.write_all(&piece).unwrap();
}

fn job(torrent: Torrent, sources: PeerSourceOptions, folder: &Path) -> Job {
    Job {
        torrent,
        selected: Vec::new(),
        choice: FileChoice::default(),
        aim: Aim::Download,
        folder: folder.to_owned(),
        uploads: UploadPolicy::default(),
        sources,
        naming: Naming::default(),
        limits: Limits { max_peers: 5, memory: 1 << 20, timeout: None, idle_before: Duration::ZERO },
        allocate: Allocate::Sparse,
        existing: Existing::Keep,
        open_files: 4,
        check: Check::Changed,
        cache: None,
        fetched: Arc::default(),
    }
}

#[test]
fn a_run_ends_when_the_user_wants_although_the_disk_is_stuck() {
    let metainfo = metainfo();
    let folder = std::env::temp_dir().join(format!("femtotorrent-stuck-{}", std::process::id()));
    let peer = seed(metainfo.info_hash);
    let sources = PeerSourceOptions { peers: vec![peer.to_string()], ..PeerSourceOptions::of_the_torrent() };
    let job = job(Torrent::Whole(Arc::new(metainfo)), sources, &folder);
    let disk = Disk::with(Some(Fault::Stuck(Call::Write)));
    let stop = Arc::<Stop>::default();
    let (user, calls) = (Arc::clone(&stop), disk.clone());
    let user = std::thread::spawn(move || {
        let deadline = Instant::now() + DEADLINE;
        while !calls.is_stuck() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        user.stop();
    });
    let outcome = run(&job, &Network::unlimited(), &stop, &|_| (), &Door::default());
    // Only now the disk goes on.
    disk.release();
    Disk::mend();
    assert_eq!(outcome.unwrap().end, RunEnd::Stopped);
    user.join().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

/// Runs this torrent, whose only tracker refuses connections, and asks for a look whenever something is told, until the
/// look has that tracker's answer. Returns what was seen then.
fn looked_at(torrent: Torrent, name: &str) -> Option<Progress> {
    let folder = std::env::temp_dir().join(format!("femtotorrent-{name}-{}", std::process::id()));
    let trackers = vec!["http://127.0.0.1:1/announce".to_owned()];
    let job = job(torrent, PeerSourceOptions { trackers, ..PeerSourceOptions::of_the_torrent() }, &folder);
    let (stop, began) = (Stop::default(), Instant::now());
    let last = Mutex::new(None);
    let show = |progress: Progress| {
        let has_answer = match &progress {
            Progress::Sight(seen) => seen.sight.sources.iter().any(|source| source.is_trouble),
            Progress::SearchSight(seen) => seen.sources.iter().any(|source| source.is_trouble),
            _ => return stop.look(),
        };
        if has_answer || began.elapsed() > DEADLINE {
            *last.lock().unwrap() = Some(progress);
            stop.stop();
        }
    };
    let outcome = run(&job, &Network::unlimited(), &stop, &show, &Door::default());
    assert_eq!(outcome.unwrap().end, RunEnd::Stopped);
    let _ = std::fs::remove_dir_all(folder);
    last.into_inner().unwrap()
}

#[test]
fn whoever_looks_at_a_torrent_sees_its_files_its_pieces_and_its_sources() {
    let metainfo = Arc::new(metainfo());
    let seen = looked_at(Torrent::Whole(Arc::clone(&metainfo)), "look");
    let Some(Progress::Sight(seen)) = seen else { panic!("{seen:?}") };
    let [tracker] = seen.sight.sources.as_slice() else { panic!("{:?}", seen.sight.sources) };
    assert_eq!((tracker.kind, tracker.name.as_str()), ("tracker", "http://127.0.0.1:1"));
    assert!(tracker.last.contains("connection refused") && tracker.next.is_some(), "{tracker:?}");
    assert!(Arc::ptr_eq(&seen.metainfo, &metainfo) && seen.selection.is_none());
    assert_eq!((seen.sight.pieces.count, seen.sight.stored.count()), (1, 0));
}

#[test]
fn before_the_metadata_is_there_the_sources_can_be_seen() {
    let magnet = crate::metainfo::Magnet::parse(&"7".repeat(40)).unwrap();
    let seen = looked_at(Torrent::Magnet(Arc::new(magnet)), "look-magnet");
    let Some(Progress::SearchSight(seen)) = seen else { panic!("{seen:?}") };
    assert!(seen.peers.is_empty() && seen.sources[0].name == "http://127.0.0.1:1", "{:?}", seen.sources);
}

#[test]
fn a_run_that_nobody_looks_at_shows_no_sight() {
    let stop = Stop::default();
    assert!(!stop.takes_sight());
    stop.look();
    stop.look();
    assert!(stop.takes_sight() && !stop.takes_sight(), "one look for however many wishes");
}
