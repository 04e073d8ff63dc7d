//! What leaves of a payload, and when. The writer's thread runs, with a pipe in place of standard output.

use super::*;
use crossbeam_channel::bounded;
use std::io::{PipeReader, Read, pipe};
use std::os::fd::OwnedFd;

const PIECE: usize = 64;
/// A test waits so long for what should come at once.
const LONG: Duration = Duration::from_secs(60);

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_goes_nowhere_does_so_without_the_device() {
    for device in ["/dev/null", "/no/such/device"] {
        assert_eq!((&sink(device).unwrap()).write(&[7; 100]).unwrap(), 100, "{device}");
    }
}

/// Files of these lengths; a negative one is padding. The bytes follow from the lengths.
fn payload(lengths: &[i64]) -> (Arc<Metainfo>, Vec<u8>) {
    let mut list = String::new();
    for (number, length) in lengths.iter().enumerate() {
        let attributes = if *length < 0 { "4:attr1:p" } else { "" };
        let name = format!("file-{number}");
        list += &format!("d{attributes}6:lengthi{}e4:pathl{}:{name}ee", length.abs(), name.len());
    }
    let total = lengths.iter().map(|length| length.unsigned_abs() as usize).sum::<usize>();
    let digests = "x".repeat(total.div_ceil(PIECE) * 20);
    let torrent = format!(
        "d4:infod5:filesl{list}e4:name4:many12:piece lengthi{PIECE}e6:pieces{}:{digests}ee",
        digests.len()
    );
    let mut bytes = vec![0; total];
    fastrand::Rng::with_seed(total as u64).fill(&mut bytes);
    (Arc::new(Metainfo::parse(torrent.into_bytes()).unwrap()), bytes)
}

fn select(metainfo: &Metainfo, numbers: &[usize]) -> Option<Selection> {
    let selected = (0..metainfo.files.len()).map(|number| numbers.contains(&number)).collect();
    Selection::of(selected, &metainfo.files, geometry(metainfo))
}

fn geometry(metainfo: &Metainfo) -> Geometry {
    metainfo.geometry
}

/// A stream at work.
struct Running {
    orders: Sender<WriteOrder>,
    events: Receiver<Event>,
    reader: PipeReader,
    thread: JoinHandle<Written>,
}

fn start(metainfo: &Arc<Metainfo>, selection: Option<Selection>, format: StreamFormat) -> Running {
    let (reader, writer) = pipe().unwrap();
    let outlet = Outlet { format, file: Arc::new(File::from(OwnedFd::from(writer))) };
    let stream = Stream::new(&outlet, Arc::clone(metainfo), geometry(metainfo), selection);
    drop(outlet);
    let ((orders, take), (tell, events), (alive, _)) = (bounded(5000), bounded(5000), bounded(0));
    let thread = stream.start(take, tell, Arc::new(BufferPool::new(0)), alive).unwrap();
    Running { orders, events, reader, thread }
}

impl Running {
    fn give(&self, metainfo: &Metainfo, bytes: &[u8], piece: PieceIndex) {
        let start = geometry(metainfo).offset(piece) as usize;
        let end = bytes.len().min(start + PIECE);
        self.orders.send(WriteOrder::Piece(piece, bytes[start..end].to_vec())).unwrap();
    }

    /// What left, which pieces were said to have left, and how it ended.
    fn end(mut self) -> (Vec<u8>, Vec<u32>, Written, Option<bool>) {
        drop(self.orders);
        let mut read = Vec::new();
        self.reader.read_to_end(&mut read).unwrap();
        let (mut stored, mut finished) = (Vec::new(), None);
        for event in self.events.iter() {
            match event {
                Event::Stored(pieces) => stored.extend(pieces.into_iter().map(PieceIndex::get)),
                Event::WriterEnded { finished: so } => finished = Some(so),
                other => panic!("{other:?}"),
            }
        }
        (read, stored, self.thread.join().unwrap(), finished)
    }
}

/// The files of an archive, as the shortest reader of one finds them.
fn files_in(mut archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    while let Some((head, rest)) = archive.split_at_checked(512).filter(|(head, _)| head[0] != 0) {
        let text = |range: std::ops::Range<usize>| {
            let text = String::from_utf8(head[range].to_vec()).unwrap();
            text.trim_end_matches(['\0', ' ']).to_owned()
        };
        let length = usize::from_str_radix(&text(124..136), 8).unwrap();
        let sum = head
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) });
        assert_eq!(u32::from_str_radix(&text(148..155), 8), Ok(sum.sum()), "the checksum");
        files.push((text(0..100), rest[..length].to_vec()));
        archive = &rest[length.div_ceil(512) * 512..];
    }
    assert_eq!(archive, [0; 1024], "the end");
    files
}

#[test]
fn whatever_the_files_and_the_order_in_which_pieces_come_the_payload_leaves_in_order() {
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..200 {
        let count = random.usize(1..9);
        let mut lengths: Vec<i64> = (0..count)
            .map(|_| match random.u8(..4) {
                0 => 0,
                1 => -random.i64(1..200),
                _ => random.i64(1..400),
            })
            .collect();
        lengths.push(7);
        let (metainfo, bytes) = payload(&lengths);
        let selected: Vec<usize> = (0..count).filter(|_| random.bool()).collect();
        let selection = select(&metainfo, &selected).filter(|_| round % 2 == 0);
        let geometry = geometry(&metainfo);
        let all = || geometry.pieces();
        let wanted = |piece: &PieceIndex| selection.as_ref().is_none_or(|it| it.pieces().has(*piece));
        let mut pieces: Vec<PieceIndex> = all().filter(wanted).collect();
        let in_order: Vec<u32> = pieces.iter().map(|piece| piece.get()).collect();
        random.shuffle(&mut pieces);
        let written = metainfo.files.iter().enumerate().filter(|(number, file)| {
            !file.padding && selection.as_ref().is_none_or(|selection| selection.has(*number))
        });
        let expected: Vec<(String, Vec<u8>)> = written
            .map(|(number, file)| {
                let range = file.offset as usize..(file.offset + file.length) as usize;
                (format!("many/file-{number}"), bytes[range].to_vec())
            })
            .collect();
        for format in [StreamFormat::File, StreamFormat::Tar] {
            let running = start(&metainfo, selection.clone(), format);
            pieces.iter().for_each(|piece| running.give(&metainfo, &bytes, *piece));
            running.orders.send(WriteOrder::Finish).unwrap();
            let (read, stored, written, finished) = running.end();
            assert!(written.is_ok() && finished == Some(true));
            assert_eq!(stored, in_order, "{lengths:?}");
            match format {
                StreamFormat::Tar => assert_eq!(files_in(&read), expected, "{lengths:?}, {selected:?}"),
                StreamFormat::File => {
                    let bytes: Vec<u8> = expected.iter().flat_map(|(_, bytes)| bytes).copied().collect();
                    assert_eq!(read, bytes, "{lengths:?}, {selected:?}");
                }
            }
        }
    }
}

#[test]
fn a_piece_has_left_when_the_reader_has_taken_it_and_not_before() {
    // More than a pipe holds.
    const LONG_PIECE: usize = 3 << 20;
    let torrent = format!(
        "d4:infod6:lengthi{}e4:name1:a12:piece lengthi{LONG_PIECE}e6:pieces40:{}ee",
        2 * LONG_PIECE,
        "x".repeat(40)
    );
    let metainfo = Arc::new(Metainfo::parse(torrent.into_bytes()).unwrap());
    let mut running = start(&metainfo, None, StreamFormat::File);
    let pieces: Vec<PieceIndex> = geometry(&metainfo).pieces().collect();
    running.orders.send(WriteOrder::Piece(pieces[1], vec![1; LONG_PIECE])).unwrap();
    running.orders.send(WriteOrder::Piece(pieces[0], vec![0; LONG_PIECE])).unwrap();
    let mut read = vec![9; LONG_PIECE - (1 << 20)];
    running.reader.read_exact(&mut read).unwrap();
    assert!(read.iter().all(|byte| *byte == 0));
    assert!(running.events.try_recv().is_err(), "a part of it is not taken");
    read.resize(1 << 20, 9);
    running.reader.read_exact(&mut read).unwrap();
    let first = running.events.recv_timeout(LONG).unwrap();
    assert!(matches!(first, Event::Stored(stored) if stored == [pieces[0]]));
    let (rest, stored, written, finished) = running.end();
    assert!(rest.len() == LONG_PIECE && rest.iter().all(|byte| *byte == 1));
    assert!(stored == [1] && written.is_ok() && finished == Some(false), "nobody said that this was all");
}

#[test]
fn a_reader_that_goes_away_is_no_failure_even_while_nothing_is_written() {
    let (metainfo, bytes) = payload(&[1000]);
    for writes in [true, false] {
        let Running { orders, events, reader, thread } = start(&metainfo, None, StreamFormat::File);
        drop(reader);
        let running = Running { orders, events, reader: pipe().unwrap().0, thread };
        if writes {
            running.give(&metainfo, &bytes, geometry(&metainfo).piece(0).unwrap());
        }
        let ended = running.events.recv_timeout(LONG).unwrap();
        assert!(matches!(ended, Event::WriterEnded { finished: false }), "{ended:?}");
        assert!(running.thread.join().unwrap().is_ok());
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_one() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let (metainfo, bytes) = payload(&[1000]);
    let outlet = Outlet { format: StreamFormat::File, file: Arc::new(full) };
    let stream = Stream::new(&outlet, Arc::clone(&metainfo), geometry(&metainfo), None);
    let ((orders, take), (tell, events), (alive, _)) = (bounded(50), bounded(50), bounded(0));
    let thread = stream.start(take, tell, Arc::new(BufferPool::new(0)), alive).unwrap();
    let first = geometry(&metainfo).piece(0).unwrap();
    orders.send(WriteOrder::Piece(first, bytes[..PIECE].to_vec())).unwrap();
    assert!(matches!(events.recv_timeout(LONG), Ok(Event::WriterEnded { finished: false })));
    let error = thread.join().unwrap().unwrap_err();
    assert_eq!(error.exit_code(), 9);
    let told = error.to_string();
    assert!(told.starts_with("cannot write standard output: "), "{told}");
    assert!(!told.contains("continue"), "what has left cannot be continued: {told}");
}
