//! What a stranger can send does no harm, and each rule of a conversation holds.

use femtotorrent::strategy::utp::{Conversation, EndReason, State};
use femtotorrent::wire::utp::{HEADER_LENGTH, Header, Kind, Packet};
use std::time::{Duration, Instant};

const KINDS: [Kind; 5] = [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn];

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Everything that leaves now.
fn leaving(talk: &mut Conversation, now: Instant) -> Vec<Vec<u8>> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    while talk.next_packet(now, &mut packet) {
        packets.push(packet.clone());
        assert!(packets.len() < 3000, "it never stops");
    }
    packets
}

fn headers(packets: &[Vec<u8>]) -> Vec<Header> {
    packets.iter().map(|packet| Packet::read(packet).unwrap().header).collect()
}

fn header(kind: Kind, sequence: u16, acknowledgement: u16) -> Header {
    let (connection_id, window) = (7, 1 << 20);
    Header { kind, connection_id, timestamp: 0, timestamp_difference: 0, window, sequence, acknowledgement }
}

fn give(talk: &mut Conversation, header: Header, payload: &[u8], now: Instant) {
    talk.take(&Packet { header, selective: None, payload }, now);
}

/// A conversation that we began with the number 99 under the id 7: our next packet is 100, that of the peer 500.
fn open(now: Instant) -> Conversation {
    let mut talk = Conversation::connect(7, 99, now);
    leaving(&mut talk, now);
    give(&mut talk, header(Kind::State, 500, 99), &[], now);
    assert_eq!(talk.state(), State::Open);
    leaving(&mut talk, now + milliseconds(20));
    talk
}

#[test]
fn any_packets_in_any_order_do_no_harm() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut now = Instant::now();
        let mut talk = if random.bool() { open(now) } else { Conversation::connect(7, 99, now) };
        let mut bytes = vec![0; 3000];
        for _ in 0..300 {
            now += milliseconds(random.u64(..300));
            let mut header = header(
                KINDS[random.usize(..5)],
                500u16.wrapping_add_signed(random.i16(-5..50)),
                99u16.wrapping_add_signed(random.i16(-5..50)),
            );
            if random.u8(..20) == 0 {
                (header.sequence, header.acknowledgement) = (random.u16(..), random.u16(..));
            }
            if header.kind == Kind::Reset {
                header.connection_id = random.u16(100..);
            }
            header.window = [0, 1, 1000, u32::MAX][random.usize(..4)];
            (header.timestamp, header.timestamp_difference) = (random.u32(..), random.u32(..));
            let mask: Vec<u8> = (0..random.usize(..255)).map(|_| random.u8(..)).collect();
            let selective = random.bool().then_some(&mask[..]);
            let payload = bytes.get(..random.usize(..1500)).unwrap();
            talk.take(&Packet { header, selective, payload }, now);
            talk.write(&payload[..random.usize(..=payload.len())]);
            leaving(&mut talk, now);
            if random.bool() {
                talk.read(&mut bytes);
            }
            if random.u8(..100) == 0 {
                talk.close(now);
            }
            talk.expire(now);
            assert!(talk.readable() < 3 << 20);
        }
    }
}

#[test]
fn flipped_bits_and_cut_packets_are_read_or_refused() {
    let packet =
        Packet { header: header(Kind::Data, 1, 2), selective: Some(&[1, 0, 0, 0]), payload: b"bytes" };
    let mut whole = Vec::new();
    packet.write(&mut whole);
    assert_eq!(Packet::read(&whole), Ok(packet));
    for length in 0..whole.len() {
        let cut = Packet::read(&whole[..length]);
        assert_eq!(cut.is_ok(), length >= HEADER_LENGTH + 6, "{length}");
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut talk = open(Instant::now());
        if let Ok(packet) = Packet::read(&flipped) {
            talk.take(&packet, Instant::now());
        }
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_makes_its_packet_void() {
    let now = Instant::now();
    let mut talk = open(now);
    give(&mut talk, header(Kind::Data, 500, 100), b"forged", now);
    assert_eq!(talk.readable(), 0);
    // An old one is no lie: the packet was overtaken.
    give(&mut talk, header(Kind::Data, 500, 98), b"true", now);
    assert_eq!(talk.readable(), 4);
}

#[test]
fn only_the_right_id_ends_or_feeds_a_conversation() {
    let now = Instant::now();
    for (id, ends) in [(6, false), (7, true), (8, true), (9, false)] {
        let mut talk = open(now);
        let forged = Header { connection_id: id, ..header(Kind::Reset, 500, 99) };
        give(&mut talk, forged, &[], now);
        assert_eq!(talk.state() == State::Ended(EndReason::Reset), ends, "{id}");
        assert_eq!(talk.is_finished(), ends);
        let data = Header { connection_id: id, ..header(Kind::Data, 500, 99) };
        let mut talk = open(now);
        give(&mut talk, data, b"data", now);
        assert_eq!(talk.readable(), if id == 7 { 4 } else { 0 });
    }
}

/// One of which so many full packets have come in order and were read, and the number of the next one.
fn after(packets: u16, now: Instant) -> (Conversation, u16) {
    let mut talk = open(now);
    for number in 0..packets {
        give(&mut talk, header(Kind::Data, 500 + number, 99), &[1; 1332], now);
        assert_eq!(talk.read(&mut [0; 1332]), 1332);
    }
    (talk, 500 + packets)
}

#[test]
fn what_is_early_is_bounded_by_packets_and_by_bytes() {
    let now = Instant::now();
    let full = vec![1; 1332];
    let (mut talk, missing) = after(250, now);
    for ahead in 1..60_000u16 {
        give(&mut talk, header(Kind::Data, missing.wrapping_add(ahead), 99), &full, now);
    }
    let told = headers(&leaving(&mut talk, now));
    // The room at first is 256 KiB.
    assert!(told.last().unwrap().window < 1332, "{}", told[0].window);
    // The one that is missing finds room all the same.
    give(&mut talk, header(Kind::Data, missing, 99), &full, now);
    assert!(talk.readable() >= 195 * 1332 && talk.readable() <= 200 * 1332, "{}", talk.readable());
    // Small ones: 1,023 of them.
    let (mut talk, missing) = after(250, now);
    (1..30_000u16).for_each(|ahead| give(&mut talk, header(Kind::Data, missing + ahead, 99), &[1], now));
    give(&mut talk, header(Kind::Data, missing, 99), &[1], now);
    assert_eq!(talk.readable(), 1024);
}

#[test]
fn of_one_that_has_sent_nothing_in_order_hardly_anything_is_kept() {
    let now = Instant::now();
    for (length, kept) in [(1332, 14), (1, 359)] {
        let mut talk = open(now);
        let packet = vec![1; length];
        (1..30_000u16).for_each(|ahead| give(&mut talk, header(Kind::Data, 500 + ahead, 99), &packet, now));
        give(&mut talk, header(Kind::Data, 500, 99), &packet, now);
        assert_eq!(talk.readable(), (kept + 1) * length);
    }
}

#[test]
fn who_does_not_read_holds_the_peer_back() {
    let now = Instant::now();
    let mut talk = open(now);
    let full = vec![1; 1332];
    for number in 0..2000u16 {
        give(&mut talk, header(Kind::Data, 500 + number, 99), &full, now);
    }
    assert!(talk.readable() < (256 << 10) + 2 * 1332, "{}", talk.readable());
    let told = headers(&leaving(&mut talk, now)).pop().unwrap();
    assert_eq!((told.window, told.acknowledgement), (0, 500 + 196));
    // When there is room again, the peer hears of it.
    let mut bytes = vec![0; 100 << 10];
    talk.read(&mut bytes);
    assert!(headers(&leaving(&mut talk, now)).pop().unwrap().window > 98 << 10);
}

#[test]
fn the_end_waits_for_what_is_missing_and_nothing_comes_after_it() {
    let now = Instant::now();
    let mut talk = open(now);
    give(&mut talk, header(Kind::Fin, 502, 99), &[], now);
    give(&mut talk, header(Kind::Data, 503, 99), b"after", now);
    give(&mut talk, header(Kind::Data, 501, 99), b"two", now);
    assert!(!talk.peer_closed() && talk.state() == State::Open);
    give(&mut talk, header(Kind::Data, 500, 99), b"one", now);
    assert!(talk.peer_closed() && talk.state() == State::Ended(EndReason::Closed));
    let mut bytes = [0; 10];
    assert_eq!((talk.read(&mut bytes), &bytes[..6]), (6, &b"onetwo"[..]));
    assert_eq!(headers(&leaving(&mut talk, now))[0].acknowledgement, 502);
    // An end in front of what has come is a lie.
    let mut talk = open(now);
    give(&mut talk, header(Kind::Data, 505, 99), b"early", now);
    give(&mut talk, header(Kind::Fin, 503, 99), &[], now);
    give(&mut talk, header(Kind::Fin, 505, 99), &[], now);
    for number in 500..505 {
        give(&mut talk, header(Kind::Data, number, 99), b"x", now);
    }
    assert_eq!((talk.readable(), talk.peer_closed()), (10, false));
}

#[test]
fn a_conversation_ends_when_the_peer_has_all_and_is_forgotten() {
    let now = Instant::now();
    let mut talk = open(now);
    talk.write(b"last words");
    talk.close(now);
    assert_eq!(talk.write(b"more"), 0);
    let kinds: Vec<Kind> = headers(&leaving(&mut talk, now)).iter().map(|header| header.kind).collect();
    assert_eq!(kinds, [Kind::Data, Kind::Fin]);
    give(&mut talk, header(Kind::State, 500, 100), &[], now);
    assert!(!talk.is_finished());
    // Its own end is acknowledged before we go.
    give(&mut talk, header(Kind::Fin, 500, 101), &[], now);
    assert!(!talk.is_finished());
    assert_eq!(headers(&leaving(&mut talk, now))[0].acknowledgement, 500);
    assert_eq!((talk.is_finished(), talk.state()), (true, State::Ended(EndReason::Ours)));
}

#[test]
fn a_call_that_nobody_answers_is_repeated_and_ends() {
    let start = Instant::now();
    let (mut talk, mut calls) = (Conversation::connect(7, 99, start), Vec::new());
    let mut now = start;
    while !talk.is_finished() {
        for header in headers(&leaving(&mut talk, now)) {
            assert_eq!((header.kind, header.connection_id, header.sequence), (Kind::Syn, 7, 99));
            calls.push((now - start).as_millis());
        }
        now = talk.due().unwrap();
        talk.expire(now);
    }
    assert_eq!((calls, talk.state()), (vec![0, 400, 1200, 2800, 6000], State::Ended(EndReason::TimedOut)));
}

#[test]
fn an_answer_is_repeated_and_nothing_else_leaves_before_the_caller_is_known() {
    let now = Instant::now();
    let syn = header(Kind::Syn, 42, 0);
    let packet = Packet { header: syn, selective: None, payload: &[] };
    let mut talk = Conversation::accept(&packet, 500, now).unwrap();
    talk.write(b"speaks first");
    for _ in 0..2 {
        let answer = headers(&leaving(&mut talk, now));
        let fields =
            |header: &Header| (header.kind, header.connection_id, header.sequence, header.acknowledgement);
        assert_eq!(answer.iter().map(fields).collect::<Vec<_>>(), [(Kind::State, 7, 500, 42)]);
        talk.take(&packet, now);
    }
    leaving(&mut talk, now);
    // Another call is none of this conversation.
    give(&mut talk, Header { sequence: 43, ..syn }, &[], now);
    assert_eq!(leaving(&mut talk, now).len(), 0);
    // Who has not seen the answer does not know its number.
    for guess in [498, 500, 42] {
        give(&mut talk, Header { connection_id: 8, ..header(Kind::Data, 43, guess) }, b"guessed", now);
        assert!(!talk.is_confirmed() && talk.readable() == 0 && leaving(&mut talk, now).is_empty());
    }
    give(&mut talk, Header { connection_id: 8, ..header(Kind::State, 43, 499) }, &[], now);
    assert!(talk.is_confirmed());
    assert_eq!(headers(&leaving(&mut talk, now))[0].kind, Kind::Data);
    let state = Packet { header: header(Kind::State, 1, 1), selective: None, payload: &[] };
    assert!(Conversation::accept(&state, 1, now).is_none());
}

#[test]
fn one_packet_waits_for_a_second_one_and_a_gap_waits_for_nothing() {
    let now = Instant::now();
    let mut talk = open(now);
    give(&mut talk, header(Kind::Data, 500, 99), b"one", now);
    assert_eq!(leaving(&mut talk, now + milliseconds(10)).len(), 0);
    assert!(talk.due().unwrap() <= now + milliseconds(100));
    let due = talk.due().unwrap();
    assert_eq!(headers(&leaving(&mut talk, due))[0].acknowledgement, 500);
    give(&mut talk, header(Kind::Data, 501, 99), b"two", now);
    give(&mut talk, header(Kind::Data, 502, 99), b"three", now);
    assert_eq!(headers(&leaving(&mut talk, now))[0].acknowledgement, 502);
    give(&mut talk, header(Kind::Data, 504, 99), b"five", now);
    let packets = leaving(&mut talk, now);
    let packet = Packet::read(&packets[0]).unwrap();
    assert_eq!((packet.header.acknowledgement, packet.selective), (502, Some(&[1, 0, 0, 0][..])));
}

#[test]
fn three_later_ones_or_three_repeats_and_a_lost_packet_leaves_again_at_once() {
    let now = Instant::now();
    for masks in [true, false] {
        let mut talk = open(now);
        talk.write(&[1; 2000]);
        assert_eq!(leaving(&mut talk, now).len(), 4);
        for number in 0..3u8 {
            assert_eq!(leaving(&mut talk, now).len(), 0);
            let mask = [(2 << number) - 1, 0, 0, 0];
            let selective = masks.then_some(&mask[..]);
            talk.take(
                &Packet { header: header(Kind::State, 500, 99), selective, payload: &[] },
                now + milliseconds(9),
            );
        }
        let again = headers(&leaving(&mut talk, now + milliseconds(9)));
        assert_eq!(again.iter().map(|header| header.sequence).collect::<Vec<_>>(), [100], "{masks}");
    }
}

#[test]
fn where_the_answer_to_the_last_packets_is_late_one_of_them_leaves_again() {
    let start = Instant::now();
    let (mut talk, mut now) = (open(start), start);
    for number in 0..20 {
        talk.write(&[1; 100]);
        leaving(&mut talk, now);
        now += milliseconds(20);
        give(&mut talk, header(Kind::State, 500, 100 + number), &[], now);
    }
    talk.write(&[1; 1500]);
    assert_eq!(leaving(&mut talk, now).len(), 3);
    let due = talk.due().unwrap();
    assert!(due > now + milliseconds(40) && due < now + milliseconds(100), "{:?}", due - now);
    talk.expire(due);
    let again = headers(&leaving(&mut talk, due));
    assert_eq!(again.iter().map(|header| header.sequence).collect::<Vec<_>>(), [120]);
    assert!(talk.due().unwrap() > due + milliseconds(100), "it is asked once");
    // The answer comes, and the other two are not in it.
    let now = due + milliseconds(20);
    give(&mut talk, header(Kind::State, 500, 120), &[], now);
    let again = headers(&leaving(&mut talk, now));
    assert_eq!(again.iter().map(|header| header.sequence).collect::<Vec<_>>(), [121, 122]);
}

#[test]
fn a_silent_conversation_keeps_its_way_open() {
    let now = Instant::now();
    let mut talk = open(now);
    let due = talk.due().unwrap();
    assert!(due > now + milliseconds(28_000) && due < now + milliseconds(30_000));
    assert_eq!(leaving(&mut talk, due - milliseconds(1)).len(), 0);
    assert_eq!(headers(&leaving(&mut talk, due))[0].kind, Kind::State);
}

#[test]
fn one_packet_is_filled_up_and_if_it_is_lost_it_leaves_again_as_it_is() {
    let now = Instant::now();
    let lengths = |packets: &[Vec<u8>]| packets.iter().map(Vec::len).collect::<Vec<_>>();
    let (small, large) = (20 + 528, 20 + 1332);
    for arrives in [false, true] {
        let mut talk = open(now);
        talk.write(&[1; 4 * 528]);
        let first = leaving(&mut talk, now);
        assert_eq!(lengths(&first), [large, small, small, small]);
        assert_eq!(Packet::read(&first[0]).unwrap().payload, [1; 528]);
        if !arrives {
            let mask =
                Packet { header: header(Kind::State, 500, 99), selective: Some(&[7, 0, 0, 0]), payload: &[] };
            talk.take(&mask, now);
            assert_eq!(lengths(&leaving(&mut talk, now)), [small], "it is the same without the filling");
        }
        give(&mut talk, header(Kind::State, 500, 103), &[], now);
        talk.write(&[1; 4 * 1332]);
        let next = lengths(&leaving(&mut talk, now));
        if arrives {
            assert_eq!(next, [large; 4]);
        } else {
            assert_eq!(next[..3], [large, small, small], "any packet may be lost: it is tried again");
            assert!(next.iter().sum::<usize>() > 4 * 1332, "its loss leaves the window as it was: {next:?}");
        }
    }
}
