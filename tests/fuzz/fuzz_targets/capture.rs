//! The capture of anything that may be seen: messages of peers, packets of strangers, what web servers say.
//!
//! What is written is whole blocks of pcapng, each with the same length in front and behind, and each packet is as long
//! as its IP header says.

#![no_main]

use femtotorrent::cli::pcap::{Pcap, PcapSink};
use femtotorrent::net::tap::{Connection, Framed};
use femtotorrent::net::tap::{Direction, Protocol, Seen, Tap, WebEvent};
use femtotorrent::net::{BindAddress, PeerStream};
use femtotorrent_fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("a word")) as usize
}

/// Reads all blocks, and returns how many bytes the packets have behind their IP headers.
fn check(mut file: &[u8]) -> usize {
    let mut carried = 0;
    while !file.is_empty() {
        let length = word(file, 4);
        assert!(length % 4 == 0 && length >= 12);
        assert_eq!(word(file, length - 4), length);
        if word(file, 0) == 6 {
            let (captured, packet) = (word(file, 20), &file[28..]);
            assert_eq!(captured, word(file, 24));
            let of_ip = match packet[0] >> 4 {
                4 => usize::from(u16::from_be_bytes([packet[2], packet[3]])),
                _ => usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40,
            };
            assert_eq!(of_ip, captured);
            carried += captured;
        }
        file = &file[length..];
    }
    carried
}

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let (disk, tap) = (Disk::default(), Tap::switch());
    let sink = PcapSink { name: "disk".to_owned(), out: Box::new(disk.clone()) };
    let pcap = Pcap::of(&tap, sink, BindAddress::any()).expect("a thread");
    let (four, six) = (([192, 0, 2, 1], 6881).into(), ([0x2001_u16, 0xdb8, 0, 0, 0, 0, 0, 1], 6881).into());
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(&tap, six, choices.below(2) == 0);
    let connection = Connection { number: 1_000, address: four, local: None, incoming: false, is_utp: false };
    tap.tell(|| Seen::Web(connection, WebEvent::Open { by_tls: choices.below(2) == 0 }));
    let (mut said, mut offset) = (0, 0);
    while !choices.is_over() {
        let direction = if choices.below(2) == 0 { Direction::In } else { Direction::Out };
        let (kind, length) = (choices.below(3), choices.below(300) as usize);
        let part: Vec<u8> = (0..length).map(|_| choices.byte()).collect();
        if part.is_empty() {
            continue;
        }
        said += part.len();
        match kind {
            0 => tap.tell(|| Seen::Packet(Protocol::Tracker, direction, [four; 2], part)),
            1 => {
                let length = part.len() as u64;
                let framed = Framed { start: part, length, is_handshake: false, offset };
                offset += length;
                tap.tell(|| Seen::Web(connection, WebEvent::Bytes(direction, framed)));
            }
            _ if direction == Direction::In => {
                peer.write_all(&part).unwrap();
                stream.read(&mut vec![0; part.len()]).unwrap();
            }
            _ => {
                stream.write_all(&part).unwrap();
                peer.read(&mut vec![0; part.len()]).unwrap();
            }
        }
    }
    tap.tell(|| Seen::Web(connection, WebEvent::Ended(Direction::In)));
    drop(stream);
    pcap.end();
    assert!(check(&disk.0.lock().unwrap()) >= said / 4);
});
