//! The digests of a torrent of version 2 (BEP 52), put together from what an honest peer and several others send, and what is
//! given of them to who asks for anything.
//!
//! Whatever the others do, the honest peer is never blamed, and once it may answer alone the digests are there and right.

#![no_main]

use femtotorrent::magnet::{MetadataAssembly, Verdict};
use femtotorrent::metainfo::Metainfo;
use femtotorrent::piece::merkle::{self, Node, Subtree};
use femtotorrent::piece::{NodeRange, PeerKey};
use femtotorrent::wire::HashRequest;
use femtotorrent_fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const HONEST: PeerKey = PeerKey(0);
/// Pieces of each file.
const FILES: [u32; 4] = [1, 2, 3, 1025];

fn torrent() -> &'static Metainfo {
    static TORRENT: OnceLock<Metainfo> = OnceLock::new();
    TORRENT.get_or_init(|| {
        let (mut files, mut layers) = (Vec::new(), BTreeMap::new());
        for (number, pieces) in (0_u8..).zip(FILES) {
            let nodes: Vec<Node> = (0..pieces).map(|piece| [(piece % 251) as u8 + number + 1; 32]).collect();
            let mut tree = Subtree::default();
            nodes.iter().for_each(|node| tree.push(*node));
            let root = tree.root(merkle::levels(pieces.into()), [0; 32]);
            files.extend(format!("1:{number}d0:d6:lengthi{}e11:pieces root32:", pieces * 16_384).as_bytes());
            files.extend([&root[..], b"ee"].concat());
            layers.extend((pieces > 1).then(|| (root, nodes.as_flattened().to_vec())));
        }
        let mut bytes = [b"d4:infod9:file treed", &files[..]].concat();
        bytes.extend(b"e12:meta versioni2e4:name1:x12:piece lengthi16384ee12:piece layersd");
        for (root, layer) in layers {
            bytes.extend([b"32:", &root[..], format!("{}:", layer.len()).as_bytes(), &layer].concat());
        }
        bytes.extend(b"ee");
        Metainfo::parse(bytes).expect("a good torrent")
    })
}

fn nodes(request: HashRequest) -> Option<Vec<Node>> {
    torrent().nodes(&request.pieces_root, request.range)
}

/// What a good peer sends.
fn good(request: HashRequest) -> Vec<u8> {
    nodes(request).expect("what is asked for is there").concat()
}

fn any_request(choices: &mut Choices<'_>) -> HashRequest {
    let known = torrent().info_bytes();
    let at = known.windows(8).position(|part| part == b" root32:").unwrap_or(0) + 8;
    let mut pieces_root: Node = *known.get(at..).and_then(|rest| rest.first_chunk()).expect("a root");
    pieces_root[0] ^= u8::from(choices.below(4) == 0);
    let [base_layer, index, length, proof_layers] = [(); 4].map(|()| choices.number());
    HashRequest { pieces_root, range: NodeRange { base_layer, index, length, proof_layers } }
}

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let info = torrent().info_bytes();
    let mut assembly = MetadataAssembly::new(torrent().info_hash.into());
    assembly.joined(HONEST, info.len() as u64).expect("a usual size");
    assert_eq!(assembly.next(HONEST), Some(0));
    assert_eq!(assembly.received(HONEST, 0, Some(info.len() as u64), info), Verdict::Kept);
    let mut asked: BTreeMap<PeerKey, Vec<HashRequest>> = BTreeMap::new();
    let mut complete = false;
    while !choices.is_over() && !complete {
        let key = PeerKey(choices.below(4).into());
        let theirs = asked.entry(key).or_default();
        match choices.below(8) {
            0 if key != HONEST => {
                theirs.clear();
                assembly.left(key);
            }
            1 if key != HONEST => {
                let request = theirs.pop().unwrap_or_else(|| any_request(&mut choices));
                assembly.rejected_hashes(key, &request);
            }
            2 => {
                let sent = nodes(any_request(&mut choices));
                assert!(sent.is_none_or(|nodes| (1..=512 + 32).contains(&nodes.len())));
            }
            3..=5 => theirs.extend(assembly.next_hashes(key)),
            _ => {
                let Some(request) =
                    theirs.pop().or_else(|| (key != HONEST).then(|| any_request(&mut choices)))
                else {
                    continue;
                };
                let mut sent = nodes(request).unwrap_or_default().concat();
                if key != HONEST && choices.below(3) == 0 {
                    let at = choices.number() as usize;
                    sent.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
                    sent.truncate(if choices.coin() { choices.number() as usize } else { usize::MAX });
                    sent.extend(choices.bytes(64));
                }
                match assembly.received_hashes(key, &request, &sent) {
                    Verdict::Kept => {}
                    Verdict::Complete => complete = true,
                    Verdict::Wrong(liars) => {
                        assert!(liars == [key] && key != HONEST, "the honest one is blamed");
                        theirs.clear();
                    }
                    Verdict::Broke(why) => {
                        assert!(key != HONEST, "{why}");
                        theirs.clear();
                        assembly.left(key);
                    }
                }
            }
        }
        let (there, needed) = assembly.progress();
        assert!(there <= needed);
    }
    // All others leave, and the honest one answers what it is asked and was asked.
    (1..4).for_each(|key| assembly.left(PeerKey(key)));
    let mut open = asked.remove(&HONEST).unwrap_or_default();
    for _ in 0..20 {
        open.extend(assembly.next_hashes(HONEST));
        let Some(request) = open.pop() else { break };
        let verdict = assembly.received_hashes(HONEST, &request, &good(request));
        assert!(matches!(verdict, Verdict::Kept | Verdict::Complete), "{verdict:?}");
    }
    let found = assembly.take().expect("the digests are there");
    assert_eq!(found.layers.len(), FILES.len() - 1);
    for (root, layer) in found.layers {
        let mut tree = Subtree::default();
        layer.as_chunks().0.iter().for_each(|node| tree.push(*node));
        assert_eq!(tree.root(merkle::levels(layer.len() as u64 / 32), [0; 32]), root);
    }
});
