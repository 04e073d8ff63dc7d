//! A reader of captures that believes nothing: both lengths of each block, the length and the checksums of each packet.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A packet as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub time: u64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// Over TCP the flags, and the two numbers.
    pub tcp: Option<(u8, u32, u32)>,
    pub payload: Vec<u8>,
    pub inbound: bool,
    pub lost: u64,
    pub comments: Vec<String>,
}

/// The packets of a capture that may end anywhere, and how many were left out in all if it has its end.
pub fn read(mut file: &[u8]) -> (Vec<Read>, Option<u64>) {
    let (mut packets, mut lost, mut number) = (Vec::new(), None, 0);
    while let Some((kind, body)) = block(&mut file) {
        match (number, kind) {
            (0, 0x0a0d_0d0a) => {
                assert_eq!(body[..16], *b"\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
                assert_eq!(
                    options(&body[16..]),
                    [(4, concat!("femtotorrent ", env!("CARGO_PKG_VERSION")).into())]
                );
            }
            (1, 1) => {
                assert_eq!(body[..8], [101, 0, 0, 0, 0, 0, 0, 0]);
                let options = options(&body[8..]);
                assert_eq!((&options[0], &options[2]), (&(2, b"femtotorrent".into()), &(9, [9].into())));
            }
            (2.., 6) => packets.push(packet(body)),
            (2.., 5) => lost = Some(number_of(&options(&body[12..])[0].1)),
            other => panic!("{other:?}"),
        }
        number += 1;
    }
    (packets, lost)
}

/// The next block, if it is whole.
fn block<'a>(file: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let length = u32_at(file.get(4..8)?) as usize;
    assert!(length >= 12 && length.is_multiple_of(4), "{length}");
    let block = file.get(..length)?;
    *file = &file[length..];
    assert_eq!(u32_at(&block[length - 4..]) as usize, length);
    Some((u32_at(block), &block[8..length - 4]))
}

fn u32_at(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().unwrap())
}

fn number_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// All options, up to their end, which is that of the block.
fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut options = Vec::new();
    loop {
        let [code, length] = [0, 2].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        if code == 0 {
            assert_eq!(bytes, [0; 4]);
            return options;
        }
        options.push((code, bytes[4..4 + usize::from(length)].to_vec()));
        bytes = &bytes[4 + usize::from(length).next_multiple_of(4)..];
    }
}

fn packet(body: &[u8]) -> Read {
    let [interface, high, low, captured, original] = [0, 4, 8, 12, 16].map(|at| u32_at(&body[at..]));
    assert_eq!((interface, captured), (0, original));
    let (bytes, rest) = body[20..].split_at(captured as usize);
    let rest = &rest[(captured as usize).next_multiple_of(4) - captured as usize..];
    let mut read = ip(bytes);
    read.time = u64::from(high) << 32 | u64::from(low);
    for (code, value) in options(rest) {
        match code {
            1 => read.comments.push(String::from_utf8(value).unwrap()),
            2 => read.inbound = u32_at(&value) == 1,
            4 => read.lost = number_of(&value),
            _ => panic!("{code}"),
        }
    }
    read
}

fn ip(bytes: &[u8]) -> Read {
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (protocol, from, to, body) = match bytes[0] {
        0x45 => {
            assert_eq!(usize::from(word(bytes, 2)), bytes.len());
            assert_eq!(sum(&bytes[..20]), 0xffff);
            let ip = |at| IpAddr::from(*bytes[at..].first_chunk::<4>().unwrap());
            (bytes[9], ip(12), ip(16), &bytes[20..])
        }
        0x60 => {
            assert_eq!(usize::from(word(bytes, 4)), bytes.len() - 40);
            let ip = |at| IpAddr::from(Ipv6Addr::from(*bytes[at..].first_chunk::<16>().unwrap()));
            (bytes[6], ip(8), ip(24), &bytes[40..])
        }
        other => panic!("{other}"),
    };
    let addresses = if from.is_ipv4() { &bytes[12..20] } else { &bytes[8..40] };
    let length = (body.len() as u32).to_be_bytes();
    assert_eq!(sum(&[addresses, &[0, 0, 0, protocol], &length, body].concat()), 0xffff);
    let number = |at: usize| u32::from_be_bytes(*body[at..].first_chunk().unwrap());
    let (tcp, header) = match protocol {
        6 => (Some((body[13], number(4), number(8))), usize::from(body[12] >> 4) * 4),
        _ => {
            assert_eq!((protocol, usize::from(word(body, 4))), (17, body.len()));
            (None, 8)
        }
    };
    Read {
        time: 0,
        from: (from, word(body, 0)).into(),
        to: (to, word(body, 2)).into(),
        tcp,
        payload: body[header..].to_vec(),
        inbound: false,
        lost: 0,
        comments: Vec::new(),
    }
}

/// The sum of words of 16 bits that RFC 1071 has, word for word.
fn sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u16, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
