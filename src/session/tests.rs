//! A run on a disk that does not answer.

use super::*;
use crate::metainfo::{FileChoice, InfoHash};
use crate::piece::PieceDigest;
use crate::storage::faults::{Disk, Fault};
use crate::storage::{Allocate, Call, Check, Existing};
use crate::swarm::{Limits, UploadPolicy};
use crate::wire::{HANDSHAKE_LENGTH, Handshake, Message};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

const PAYLOAD: &[u8] = b"one piece";
const DEADLINE: Duration = Duration::from_secs(60);

fn metainfo() -> Metainfo {
    let head = format!("d4:infod6:lengthi{}e4:name5:stuck12:piece lengthi16384e6:pieces20:", PAYLOAD.len());
    Metainfo::parse([head.as_bytes(), &PieceDigest::of(PAYLOAD).0, b"ee"].concat()).unwrap()
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

#[test]
fn a_run_ends_when_the_user_wants_although_the_disk_is_stuck() {
    let metainfo = metainfo();
    let folder = std::env::temp_dir().join(format!("femtotorrent-stuck-{}", std::process::id()));
    let peer = seed(metainfo.info_hash);
    let job = Job {
        torrent: Torrent::Whole(Arc::new(metainfo)),
        selected: Vec::new(),
        choice: FileChoice::default(),
        aim: Aim::Download,
        folder: folder.clone(),
        uploads: UploadPolicy::default(),
        sources: PeerSourceOptions { peers: vec![peer.to_string()], ..PeerSourceOptions::of_the_torrent() },
        naming: Naming::default(),
        limits: Limits { max_peers: 5, memory: 1 << 20, timeout: None, idle_before: Duration::ZERO },
        allocate: Allocate::Sparse,
        existing: Existing::Keep,
        open_files: 4,
        check: Check::Changed,
        cache: None,
    };
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
