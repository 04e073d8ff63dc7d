//! Torrents that are larger than any test could serve. Only a few of their pieces are, and the file
//! stays sparse.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::PLAIN;
use femtotorrent::metainfo::Metainfo;
use femtotorrent::session::{Job, Torrent};
use femtotorrent::wire::Message;
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// A torrent of `pieces` pieces of which `known` have digests that can be met.
pub fn torrent(pieces: u32, piece_length: u32, known: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut digests = vec![7; pieces as usize * 20];
    for (piece, bytes) in known {
        digests[*piece as usize * 20..][..20].copy_from_slice(&Sha1::digest(bytes));
    }
    let length = u64::from(pieces) * u64::from(piece_length);
    let head = format!(
        "d4:infod6:lengthi{length}e4:name5:large12:piece lengthi{piece_length}e6:pieces{}:",
        digests.len()
    );
    [head.as_bytes(), &digests, b"ee"].concat()
}

/// Downloads these pieces from a peer that has no others, and looks where they went.
fn only_these_pieces_come(pieces: u32, piece_length: u32, which: &[u32]) {
    let mut random = fastrand::Rng::with_seed(u64::from(pieces));
    let known: Vec<(u32, Vec<u8>)> = which
        .iter()
        .map(|piece| {
            let mut bytes = vec![0; piece_length as usize];
            random.fill(&mut bytes);
            (*piece, bytes)
        })
        .collect();
    let raw = torrent(pieces, piece_length, &known);
    let info_hash = Metainfo::parse(raw.clone()).unwrap().info_hash.0;
    let served = known.clone();
    let small = Sample::small();
    let peer = ScriptedPeer::start(&small, move |talk| {
        talk.hear_handshake()?;
        talk.say_handshake(PLAIN, info_hash, *b"-SC0001-abcdefghijkl")?;
        let mut bits = vec![0; pieces.div_ceil(8) as usize];
        for (piece, _) in &served {
            bits[*piece as usize / 8] |= 0x80 >> (piece % 8);
        }
        talk.say(Message::Bitfield(&bits))?;
        talk.say(Message::Unchoke)?;
        loop {
            let wanted = talk.next_request()?;
            let (_, bytes) = served.iter().find(|(piece, _)| *piece == wanted.index).unwrap();
            talk.send_data(wanted, &bytes[wanted.begin as usize..][..wanted.length as usize])?;
        }
    });
    let download = Download::with(&small, &[&peer], TestFolder::new(), |job: &mut Job| {
        job.torrent = Torrent::Whole(Arc::new(Metainfo::parse(raw).unwrap()));
    });
    let all = u64::from(piece_length) * which.len() as u64;
    download.wait_until(|snapshot| snapshot.done == all);
    let (folder, _) = download.stop();
    let file = File::open(folder.path().join("large")).unwrap();
    for (piece, bytes) in known {
        let mut found = vec![0; bytes.len()];
        file.read_exact_at(&mut found, u64::from(piece) * u64::from(piece_length)).unwrap();
        assert!(found == bytes, "piece {piece}");
    }
}

#[test]
fn pieces_beyond_four_gigabytes_go_where_they_belong() {
    only_these_pieces_come(5 * 1024, 1 << 20, &[0, 4095, 4096, 5 * 1024 - 1]);
}

#[test]
fn a_terabyte_in_large_pieces_starts_and_downloads() {
    only_these_pieces_come(1 << 16, 16 << 20, &[(1 << 16) - 1]);
}

#[test]
fn a_million_pieces_start_and_download() {
    only_these_pieces_come(1_000_000, 16 << 10, &[0, 77, 500_000, 999_999]);
}
