//! A whole worker against a web server that plays its part, good or bad.

mod ahead;
mod answers;
mod endings;
mod server;

use super::*;
use crate::message::{Event, Lease, News, Order, PeerError, WebSeedFailure, Write};
use crate::metainfo::Metainfo;
use crate::net::Throttle;
use crate::piece::{Assembly, BLOCK_LENGTH, Block, BufferPool, PieceIndex, Span};
use crate::storage::{Check, Payload, ServedPieces, digests_of};
use crate::wire::PeerId;
use crossbeam_channel::{Receiver, bounded};
use server::{Asked, Reply, Server, Then, empty, part, reply};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(20);
const KEY: PeerKey = PeerKey(7);
const PIECE_LENGTH: u32 = 4 * BLOCK_LENGTH;

/// A torrent of which we have nothing.
struct Torrent {
    context: Arc<TorrentContext>,
    payload: Vec<u8>,
    inbox: Receiver<Event>,
    writes: Receiver<Write>,
    folder: PathBuf,
    assemblies: BTreeMap<PieceIndex, Arc<Assembly>>,
}

/// What came of a worker: the pieces that were written, those that were wrong, and its end if that came.
#[derive(Default)]
struct Outcome {
    written: BTreeMap<u32, Vec<u8>>,
    corrupt: Vec<PieceIndex>,
    blocks: u32,
    gone: Option<PeerError>,
}

impl Outcome {
    fn failure(&self) -> &WebSeedFailure {
        let Some(PeerError::WebSeed(failure)) = &self.gone else { panic!("{:?}", self.gone) };
        failure
    }

    fn has_failed(&self) -> bool {
        matches!(self.failure(), WebSeedFailure::Failed(_))
    }
}

fn payload(length: usize) -> Vec<u8> {
    (0..length as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

impl Torrent {
    /// One file of this many bytes.
    fn single(length: usize) -> Torrent {
        Torrent::new(payload(length), &format!("6:lengthi{length}e4:name8:file.bin"), Throttle::unlimited())
    }

    /// These files, in a folder named `a b`. One without a name is padding.
    fn folder(files: &[(&str, usize)]) -> Torrent {
        let (mut list, mut at) = (String::new(), 0);
        let mut payload = payload(files.iter().map(|(_, length)| length).sum());
        for (path, length) in files {
            let elements = path.split('/').map(|element| format!("{}:{element}", element.len()));
            let (attr, elements) = match path.is_empty() {
                true => ("4:attr1:p", "4:.pad1:0".to_owned()),
                false => ("", elements.collect::<String>()),
            };
            list += &format!("d{attr}6:lengthi{length}e4:pathl{elements}ee");
            if path.is_empty() {
                payload[at..at + length].fill(0);
            }
            at += length;
        }
        Torrent::new(payload, &format!("5:filesl{list}e4:name3:a b"), Throttle::unlimited())
    }

    fn new(payload: Vec<u8>, info: &str, down: Throttle) -> Torrent {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("femtotorrent-web-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let digests: Vec<u8> = payload.chunks(PIECE_LENGTH as usize).flat_map(Sha1::digest).collect();
        let head = format!("d4:infod{info}12:piece lengthi{PIECE_LENGTH}e6:pieces{}:", digests.len());
        let metainfo = Arc::new(Metainfo::parse([head.as_bytes(), &digests, b"ee"].concat()).unwrap());
        let geometry = metainfo.geometry;
        let served = Payload {
            name: &metainfo.name,
            output_name: None,
            info_hash: metainfo.info_hash,
            files: &metainfo.files,
            geometry,
            digests: &digests_of(&metainfo),
            selection: None,
            cache: None,
        };
        let served_pieces = ServedPieces::open(&folder, &served, 4, Check::Changed, &|_, _| true).unwrap();
        let ((events, inbox), (writer, writes)) = (bounded(1000), bounded(1000));
        let context = TorrentContext {
            peer_id: PeerId([1; 20]),
            metainfo: Arc::clone(&metainfo),
            pex: true,
            geometry,
            events,
            writer,
            buffers: Arc::new(BufferPool::new(1 << 20)),
            read_memory: Arc::default(),
            down: Arc::new(down),
            up: Arc::new(Throttle::unlimited()),
            served_pieces: Some(served_pieces),
            ports: Default::default(),
            encryption: Default::default(),
            dht_ports: [None; 2],
            alive: bounded(0).0,
        };
        let assembly = |piece: PieceIndex| {
            let digest = metainfo.piece_digest(piece.get()).unwrap();
            (piece, Arc::new(Assembly::new(&geometry, piece, digest, Vec::new())))
        };
        let assemblies = geometry.pieces().map(assembly).collect();
        Torrent { context: Arc::new(context), payload, inbox, writes, folder, assemblies }
    }

    fn worker(&self, address: String) -> Worker {
        self.worker_with(address, Patience::default())
    }

    fn worker_with(&self, address: String, patience: Patience) -> Worker {
        let seed = WebSeed { address, word: OnWordOf::User, proxy: None };
        start_with(&self.context, KEY, seed, Outlet::default(), patience).unwrap()
    }

    /// All blocks of these pieces.
    fn order(&self, worker: &Worker, pieces: impl IntoIterator<Item = u32>) {
        let geometry = &self.context.geometry;
        let pieces = pieces.into_iter().map(|piece| geometry.piece(piece).unwrap());
        let spans = pieces.map(|piece| Span { piece, first: 0, count: geometry.block_count(piece) });
        self.order_spans(worker, spans.collect());
    }

    fn order_spans(&self, worker: &Worker, spans: Vec<Span>) {
        for span in &spans {
            worker.lease(Lease { assembly: Arc::clone(&self.assemblies[&span.piece]), span: *span });
        }
        worker.order(Order::Request(spans));
    }

    fn order_all(&self, worker: &Worker) {
        self.order(worker, 0..self.context.geometry.piece_count());
    }

    /// What comes until so many pieces have a verdict, or the worker is gone.
    fn outcome(&self, verdicts: usize) -> Outcome {
        let mut outcome = Outcome::default();
        let mut seen = 0;
        while seen < verdicts {
            match self.inbox.recv_timeout(DEADLINE).expect("nothing comes") {
                Event::Heard(KEY, report) => {
                    for news in report.news {
                        match news {
                            News::Blocks(span, _) => outcome.blocks += span.count,
                            News::Verified(_, convicted) => {
                                assert!(convicted.is_empty());
                                seen += 1;
                            }
                            News::Corrupt(assembly, _) => {
                                outcome.corrupt.push(assembly.piece());
                                seen += 1;
                            }
                            // It is said where reading takes long, as on a host that has much to do.
                            News::ReadsOn => {}
                            other => panic!("{other:?}"),
                        }
                    }
                }
                Event::Gone(KEY, why) => {
                    outcome.gone = Some(why);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        let expected = seen - outcome.corrupt.len();
        for _ in 0..expected {
            let Write::Piece(piece, bytes) = self.writes.recv_timeout(DEADLINE).unwrap() else { panic!() };
            let start = piece.slot() * PIECE_LENGTH as usize;
            assert!(self.payload[start..start + bytes.len()] == bytes, "piece {}", piece.get());
            outcome.written.insert(piece.get(), bytes);
        }
        outcome
    }

    /// All pieces come.
    fn completes(&self) {
        let pieces = self.assemblies.len();
        let outcome = self.outcome(pieces);
        assert_eq!(outcome.written.len(), pieces, "{:?}", outcome.gone);
    }

    /// Orders everything from a server that plays this, and waits for the end of the worker.
    fn end_at(&self, play: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Outcome, Server) {
        let server = Server::start(play);
        let worker = self.worker(server.url("/file.bin"));
        self.order_all(&worker);
        (self.outcome(usize::MAX), server)
    }
}

impl Drop for Torrent {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_run_of_pieces_is_one_request_and_one_connection_serves_all() {
    let torrent = Torrent::single(10 * PIECE_LENGTH as usize - 100);
    let server = Server::of_file(torrent.payload.clone());
    let worker = torrent.worker(server.url("/x/file.bin?key=1#fragment"));
    torrent.order(&worker, 0..4);
    assert_eq!(torrent.outcome(4).written.len(), 4);
    torrent.order(&worker, [9]);
    assert_eq!(torrent.outcome(1).written.len(), 1);
    torrent.order(&worker, 4..9);
    assert_eq!(torrent.outcome(5).written.len(), 5);
    let heard = server.heard();
    let length = u64::from(PIECE_LENGTH);
    let bytes: Vec<_> = heard.iter().map(|asked| asked.bytes.clone()).collect();
    assert_eq!(bytes, [0..4 * length, 9 * length..10 * length - 100, 4 * length..9 * length]);
    assert!(heard.iter().all(|asked| asked.path == "/x/file.bin?key=1"), "{heard:?}");
    assert!(heard.iter().all(|asked| asked.head.contains("accept-encoding: identity\r\n")), "{heard:?}");
    assert_eq!(server.connections(), 1);
}

#[test]
fn each_file_of_a_folder_is_asked_for_by_its_name_and_padding_is_not() {
    let block = BLOCK_LENGTH as usize;
    let torrent = Torrent::folder(&[
        ("one", 3 * block - 5),
        ("nothing", 0),
        ("\u{e9} #?%&+.txt", 7),
        ("", 6 * block - 2),
        ("c/d e", PIECE_LENGTH as usize),
    ]);
    let files: Vec<_> =
        torrent.context.metainfo.files.iter().map(|file| (file.offset, file.length)).collect();
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| {
        let file = match &*asked.path {
            "/m/a%20b/one" => files[0],
            "/m/a%20b/%C3%A9%20%23%3F%25%26%2B.txt" => files[2],
            "/m/a%20b/c/d%20e" => files[4],
            _ => return empty(404, ""),
        };
        part(&payload[file.0 as usize..][..file.1 as usize], &asked.bytes)
    });
    let worker = torrent.worker(server.url("/m"));
    torrent.order_all(&worker);
    torrent.completes();
    assert_eq!(server.heard().len(), 3, "{:?}", server.heard());
    assert_eq!(server.connections(), 1);
}

#[test]
fn blocks_that_were_cancelled_are_not_asked_for() {
    let torrent = Torrent::single(8 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let (asked_once, was_asked) = bounded(1);
    let (may_answer, answers) = bounded::<()>(1);
    let server = Server::start(move |asked| {
        if asked.number == 0 {
            asked_once.send(()).unwrap();
            answers.recv().unwrap();
        }
        part(&payload, &asked.bytes)
    });
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order(&worker, [0]);
    was_asked.recv_timeout(DEADLINE).unwrap();
    torrent.order(&worker, [2, 3]);
    let blocks = |piece| {
        let piece = torrent.context.geometry.piece(piece).unwrap();
        (0..4).map(move |number| Block { piece, number })
    };
    worker.order(Order::Cancel(blocks(2).collect()));
    may_answer.send(()).unwrap();
    assert_eq!(torrent.outcome(2).written.into_keys().collect::<Vec<_>>(), [0, 3]);
    let length = u64::from(PIECE_LENGTH);
    assert_eq!(server.heard()[1].bytes, 3 * length..4 * length);
}

#[test]
fn what_comes_counts_against_the_download_limit() {
    let length = 2 * PIECE_LENGTH as usize;
    let info = format!("6:lengthi{length}e4:name8:file.bin");
    let torrent = Torrent::new(payload(length), &info, Throttle::limited(1 << 20));
    let server = Server::of_file(torrent.payload.clone());
    let started = std::time::Instant::now();
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order_all(&worker);
    torrent.completes();
    // 128 KiB of 1 MiB a second are reserved: an eighth of a second, beginning now or later.
    let next = torrent.context.down.take(0, started);
    assert!(next >= started + Duration::from_millis(120), "{:?}", next - started);
}
