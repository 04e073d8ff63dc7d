//! The blocks of a pcapng file (the PCAP Next Generation Capture File Format, a draft of the IETF's OPSAWG). Pure.
//!
//! Each block has its length in front and behind, so a file that ends anywhere can be read up to there. Numbers are
//! little-endian, which the first block says; what is in packets is big-endian, as on the wire.

use super::batch::Batch;
use super::headers::Headers;
use crate::net::tap::Direction;
use crate::text::excerpt;
use std::borrow::Cow;

/// The types of blocks (section 11.1).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// By this number the reader knows the order of the bytes.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// The section's length is not known before it ends.
const UNKNOWN_LENGTH: u64 = u64::MAX;
/// Packets begin with an IP header, of version 4 or 6 (`LINKTYPE_RAW`).
const RAW_IP: u16 = 101;
/// Times are in units of 10^-9 s.
const NANOSECONDS: u8 = 9;
/// The most characters of a comment, which may have words of strangers in it.
const LONGEST_COMMENT: usize = 400;

/// The codes of options (sections 3.5, 4.1, 4.2, 4.3 and 4.6).
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const EPB_DROPCOUNT: u16 = 4;
const ISB_IFDROP: u16 = 5;
/// The direction of a packet, in its flags.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// A packet, and what is said of it.
pub(super) struct Packet<'a> {
    /// When, in nanoseconds since 1970.
    pub(super) time: u64,
    /// Which way it went.
    pub(super) direction: Direction,
    /// What stands in front of its bytes.
    pub(super) headers: Headers,
    /// These.
    pub(super) payload: Cow<'a, [u8]>,
    /// So many messages before it were left out.
    pub(super) lost: usize,
    /// What is to be said of it.
    pub(super) comments: &'a [String],
}

/// What a file begins with: who has written it, and where the packets were seen.
pub(super) fn beginning(out: &mut Batch) {
    block(out, SECTION_HEADER, |out| {
        put(out, &BYTE_ORDER.to_le_bytes());
        // Version 1.0.
        put(out, &[1, 0, 0, 0]);
        put(out, &UNKNOWN_LENGTH.to_le_bytes());
        option(out, SHB_USERAPPL, concat!("femtotorrent ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(out, END_OF_OPTIONS, &[]);
    });
    block(out, INTERFACE_DESCRIPTION, |out| {
        put(out, &RAW_IP.to_le_bytes());
        // Reserved, and no limit to the bytes of a packet.
        put(out, &[0; 6]);
        option(out, IF_NAME, b"femtotorrent");
        option(out, IF_DESCRIPTION, b"what femtotorrent said and heard, not encrypted");
        option(out, IF_TSRESOL, &[NANOSECONDS]);
        option(out, END_OF_OPTIONS, &[]);
    });
}

/// A packet.
pub(super) fn packet(out: &mut Batch, packet: Packet<'_>) {
    block(out, ENHANCED_PACKET, |out| {
        // The first and only interface.
        put(out, &[0; 4]);
        time(out, packet.time);
        let bytes = out.bytes();
        let start = bytes.len();
        bytes.extend([0; 8]);
        packet.headers.write(&packet.payload, bytes);
        let length = (bytes.len() - start - 8).saturating_add(packet.payload.len());
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        // As much was captured as there was.
        if let Some(room) = bytes.get_mut(start..start + 8) {
            room.copy_from_slice([length, length].as_flattened());
        }
        out.payload(packet.payload);
        pad(out);
        let flags = if packet.direction == Direction::In { INBOUND } else { OUTBOUND };
        option(out, EPB_FLAGS, &flags.to_le_bytes());
        if packet.lost > 0 {
            option(out, EPB_DROPCOUNT, &(packet.lost as u64).to_le_bytes());
        }
        let comments = packet.comments.iter();
        comments.for_each(|text| option(out, COMMENT, excerpt(text, LONGEST_COMMENT).as_bytes()));
        option(out, END_OF_OPTIONS, &[]);
    });
}

/// What a file ends with: how much was left out in all.
pub(super) fn end(out: &mut Batch, now: u64, lost: usize) {
    block(out, INTERFACE_STATISTICS, |out| {
        put(out, &[0; 4]);
        time(out, now);
        option(out, ISB_IFDROP, &(lost as u64).to_le_bytes());
        option(out, END_OF_OPTIONS, &[]);
    });
}

/// A block of this type, with what `write` puts into it. `out` begins and ends with whole words of 32 bits.
fn block(out: &mut Batch, kind: u32, write: impl FnOnce(&mut Batch)) {
    let (before, start) = (out.len(), out.bytes().len());
    put(out, &kind.to_le_bytes());
    put(out, &[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - before + 4).unwrap_or(u32::MAX).to_le_bytes();
    put(out, &length);
    if let Some(room) = out.bytes().get_mut(start + 4..start + 8) {
        room.copy_from_slice(&length);
    }
}

fn option(out: &mut Batch, code: u16, value: &[u8]) {
    put(out, &code.to_le_bytes());
    put(out, &u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    put(out, value);
    pad(out);
}

/// The high half comes first, whatever the order of the bytes.
fn time(out: &mut Batch, time: u64) {
    put(out, &((time >> 32) as u32).to_le_bytes());
    put(out, &(time as u32).to_le_bytes());
}

fn pad(out: &mut Batch) {
    let missing = out.len().next_multiple_of(4) - out.len();
    put(out, [0; 4].get(..missing).unwrap_or_default());
}

fn put(out: &mut Batch, bytes: &[u8]) {
    out.bytes().extend_from_slice(bytes);
}
