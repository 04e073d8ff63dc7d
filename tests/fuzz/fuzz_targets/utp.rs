//! Packets of uTP, made up and as they come, into a conversation, with a program that writes, reads and closes at any
//! moment, and any time between.
//!
//! What is kept is bounded, what leaves is a packet that we can read, and it stops.

#![no_main]

use femtotorrent::strategy::utp::Conversation;
use femtotorrent::wire::utp::{Header, Kind, Packet, looks_like_utp};
use femtotorrent_fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant};

const KINDS: [Kind; 5] = [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn];

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let mut now = Instant::now();
    let first = [0, 100, 0xfff0][choices.below(3) as usize];
    let mut header = Header {
        kind: Kind::Syn,
        connection_id: first,
        timestamp: 0,
        timestamp_difference: 0,
        window: 1 << 20,
        sequence: first,
        acknowledgement: first,
    };
    let syn = Packet { header, selective: None, payload: &[] };
    let mut talk = match choices.below(2) {
        0 => Conversation::connect(first, first, now),
        _ => Conversation::accept(&syn, first, now).expect("a call"),
    };
    (header.connection_id, _) = talk.ids();
    let mut buffer = vec![0; 4096];
    let mut packet = Vec::new();
    if let Ok(packet) = Packet::read(bytes) {
        assert!(looks_like_utp(bytes));
        talk.take(&packet, now);
    }
    let mut steps = 0;
    while !choices.is_over() && steps < 3000 {
        steps += 1;
        now += Duration::from_millis([0, 1, 30, 700][choices.below(4) as usize]);
        match choices.below(8) {
            0 => {
                talk.write(&buffer[..choices.below(4096) as usize]);
            }
            1 => {
                talk.read(&mut buffer);
            }
            2 if choices.below(8) == 0 => talk.close(now),
            2 => talk.expire(now),
            _ => {
                header.kind = KINDS[choices.below(5) as usize];
                if header.kind == Kind::Reset && choices.below(8) > 0 {
                    continue;
                }
                // Around what fits, and now and then anywhere.
                let near = |byte: u8| u16::from(byte).wrapping_sub(8);
                header.sequence = first.wrapping_add(near(choices.byte()));
                header.acknowledgement = first.wrapping_add(near(choices.byte()));
                if choices.below(16) == 0 {
                    header.sequence = header.sequence.wrapping_mul(257);
                }
                header.timestamp_difference = u32::from(choices.byte()) << 13;
                header.window = 1 << choices.below(32);
                let mask = vec![choices.byte(); choices.below(64) as usize];
                let selective = (!mask.is_empty()).then_some(&mask[..]);
                let payload = &buffer[..choices.below(1500) as usize];
                talk.take(&Packet { header, selective, payload }, now);
            }
        }
        let mut left = 0;
        while talk.next_packet(now, &mut packet) {
            assert!(packet.len() <= 1352);
            Packet::read(&packet).expect("our own packet");
            left += 1;
            assert!(left < 3000, "it never stops");
        }
        assert!(talk.readable() <= 3 << 20);
        assert!(talk.due().is_none() == talk.is_finished() || talk.due().is_none());
    }
});
