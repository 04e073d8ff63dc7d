//! The packets of uTP, a connection over UDP (BEP 29, "header format").
//!
//! ```text
//! 0       4       8               16                              32
//! +-------+-------+---------------+-------------------------------+
//! | kind  | 1     | extension     | connection id                 |
//! +-------+-------+---------------+-------------------------------+
//! | timestamp, microseconds                                       |
//! | timestamp difference, microseconds                            |
//! | window, bytes                                                 |
//! +-------------------------------+-------------------------------+
//! | sequence                      | acknowledgement               |
//! +-------------------------------+-------------------------------+
//! ```
//!
//! Then extensions, each with the kind of the next one and its own length, and the payload. One extension is known:
//! the *selective acknowledgement*, a mask of the packets that came behind one that is missing.
//!
//! Pure. What comes is checked here for its form; what it means for a connection, `strategy/utp/` decides.

use std::fmt;

/// Bytes of a header.
pub const HEADER_LENGTH: usize = 20;
/// The only version that is spoken.
const VERSION: u8 = 1;
/// The kind of the extension with a selective acknowledgement.
const SELECTIVE: u8 = 1;
/// The kind of an extension that nobody knows, and that is skipped: it makes a packet larger.
const FILLING: u8 = 0x7f;
/// Bytes of the longest extension, with its kind and its length.
const LONGEST_EXTENSION: usize = 257;
/// The most extensions of one packet. One is in use.
const MAX_EXTENSIONS: usize = 16;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It carries bytes.
    Data,
    /// The sender has no more to send.
    Fin,
    /// It carries an acknowledgement alone.
    State,
    /// The sender knows no such connection.
    Reset,
    /// It asks for a connection.
    Syn,
}

impl Kind {
    fn from_wire(number: u8) -> Option<Kind> {
        [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn].get(usize::from(number)).copied()
    }
}

/// What every packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the packet is for.
    pub kind: Kind,
    /// The id under which the receiver knows the connection. In a [`Syn`](Kind::Syn) it is the id under which the
    /// sender will know it; the other direction has the one after it.
    pub connection_id: u16,
    /// When the packet was sent, in microseconds of the sender's clock. It wraps.
    pub timestamp: u32,
    /// How long the last packet that came had been on its way, in microseconds, by both clocks: the receiver's
    /// minus the sender's. 0 where none has come yet. Only its changes mean something.
    pub timestamp_difference: u32,
    /// How many bytes the sender has room for.
    pub window: u32,
    /// The number of this packet, or, if it takes none, of the next one that will. It wraps.
    pub sequence: u16,
    /// The last packet up to which everything has come.
    pub acknowledgement: u16,
}

/// A packet. What it points to stays in the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fields of fixed length.
    pub header: Header,
    /// Which packets have come behind the missing one: the first bit, the lowest of the first byte, stands for
    /// [`acknowledgement`](Header::acknowledgement) + 2. We write a multiple of four bytes (BEP 29), others do not.
    pub selective: Option<&'a [u8]>,
    /// The bytes that it carries.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A packet from a datagram. Extensions that are not known are skipped.
    ///
    /// # Errors
    ///
    /// [`PacketError`] says what is wrong with it.
    pub fn read(datagram: &'a [u8]) -> Result<Packet<'a>, PacketError> {
        let Some((bytes, mut rest)) = datagram.split_first_chunk::<HEADER_LENGTH>() else {
            return Err(PacketError::Short);
        };
        let [first, mut extension, bytes @ ..] = *bytes;
        let words = bytes.map(u32::from);
        let [i, j, a, b, c, d, e, f, g, h, k, l, m, n, o, p, q, r] = words;
        let word = |a: u32, b: u32, c: u32, d: u32| a << 24 | b << 16 | c << 8 | d;
        if first & 0x0f != VERSION {
            return Err(PacketError::Version);
        }
        let header = Header {
            kind: Kind::from_wire(first >> 4).ok_or(PacketError::Kind)?,
            connection_id: word(0, 0, i, j) as u16,
            timestamp: word(a, b, c, d),
            timestamp_difference: word(e, f, g, h),
            window: word(k, l, m, n),
            sequence: word(0, 0, o, p) as u16,
            acknowledgement: word(0, 0, q, r) as u16,
        };
        let mut selective = None;
        for _ in 0..MAX_EXTENSIONS {
            if extension == 0 {
                return Ok(Packet { header, selective, payload: rest });
            }
            let [next, length, behind @ ..] = rest else { return Err(PacketError::Extension) };
            let (body, behind) =
                behind.split_at_checked(usize::from(*length)).ok_or(PacketError::Extension)?;
            if extension == SELECTIVE {
                // BEP 29 wants multiples of four, but libtorrent says as many bytes as it needs.
                selective = Some(body);
            }
            (extension, rest) = (*next, behind);
        }
        Err(PacketError::Extension)
    }

    /// Appends the packet as it goes over the wire. A selective acknowledgement of more than 252 bytes is cut.
    pub fn write(&self, into: &mut Vec<u8>) {
        self.write_filled(0, into);
    }

    /// The same, with at least so many bytes more that mean nothing: whoever reads it skips them. 0, or 2 and more.
    pub fn write_filled(&self, mut filling: usize, into: &mut Vec<u8>) {
        let Header { kind, connection_id, timestamp, timestamp_difference, window, .. } = self.header;
        let selective = self.selective.map(|mask| mask.get(..252).unwrap_or(mask));
        let next = |filling: usize| if filling > 0 { FILLING } else { 0 };
        let first = if selective.is_some() { SELECTIVE } else { next(filling) };
        into.extend([(kind as u8) << 4 | VERSION, first]);
        into.extend(connection_id.to_be_bytes());
        into.extend([timestamp, timestamp_difference, window].map(u32::to_be_bytes).as_flattened());
        into.extend([self.header.sequence, self.header.acknowledgement].map(u16::to_be_bytes).as_flattened());
        if let Some(mask) = selective {
            into.extend([next(filling), mask.len() as u8]);
            into.extend(mask);
        }
        while filling > 0 {
            // A rest of a single byte would be none.
            let most = if filling == LONGEST_EXTENSION + 1 { filling - 2 } else { LONGEST_EXTENSION };
            let length = filling.min(most).saturating_sub(2);
            filling = filling.saturating_sub(length + 2);
            into.extend([next(filling), length as u8]);
            into.extend(std::iter::repeat_n(0, length));
        }
        into.extend(self.payload);
    }
}

/// Whether a datagram is one of uTP: its length and its first byte fit. A packet of the hash table is a bencoded
/// dictionary, and its first byte, a `d`, does not.
pub fn looks_like_utp(datagram: &[u8]) -> bool {
    let Some(first) = datagram.first() else { return false };
    datagram.len() >= HEADER_LENGTH && first & 0x0f == VERSION && Kind::from_wire(first >> 4).is_some()
}

/// Why a datagram is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// It is shorter than a header.
    Short,
    /// It is of another version.
    Version,
    /// There is no such kind.
    Kind,
    /// An extension ends behind the packet, or there are too many.
    Extension,
}

impl fmt::Display for PacketError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            PacketError::Short => "a uTP packet shorter than its header",
            PacketError::Version => "a uTP packet of another version",
            PacketError::Kind => "a uTP packet of an unknown kind",
            PacketError::Extension => "a uTP packet with a broken extension",
        })
    }
}

impl std::error::Error for PacketError {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        kind: Kind::Data,
        connection_id: 0x0102,
        timestamp: 0x0304_0506,
        timestamp_difference: 0x0708_090a,
        window: 0x0b0c_0d0e,
        sequence: 0x0f10,
        acknowledgement: 0x1112,
    };

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        for kind in [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn] {
            for selective in [None, Some(&[1, 2, 3, 4][..])] {
                let packet = Packet { header: Header { kind, ..HEADER }, selective, payload: b"payload" };
                let mut bytes = Vec::new();
                packet.write(&mut bytes);
                assert_eq!(Packet::read(&bytes), Ok(packet));
                assert!(looks_like_utp(&bytes));
            }
        }
        let mut bytes = Vec::new();
        Packet { header: HEADER, selective: None, payload: &[] }.write(&mut bytes);
        assert_eq!(bytes[..3], [1, 0, 1]);
        assert_eq!(bytes[3..], (2..=0x12).collect::<Vec<u8>>());
        assert_eq!(bytes.len(), HEADER_LENGTH);
    }

    #[test]
    fn a_packet_that_is_filled_is_as_large_as_it_should_be_and_means_the_same() {
        for filling in [0, 2, 3, 257, 258, 259, 515, 516, 804] {
            for selective in [None, Some(&[1, 2, 3, 4][..])] {
                let packet = Packet { header: HEADER, selective, payload: b"payload" };
                let (mut plain, mut bytes) = (Vec::new(), Vec::new());
                packet.write(&mut plain);
                packet.write_filled(filling, &mut bytes);
                assert_eq!((Packet::read(&bytes), bytes.len()), (Ok(packet), plain.len() + filling));
            }
        }
    }

    #[test]
    fn unknown_extensions_are_skipped_and_broken_ones_refused() {
        let mut bytes = Vec::new();
        Packet { header: HEADER, selective: None, payload: &[] }.write(&mut bytes);
        let with = |first: u8, rest: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[1] = first;
            bytes.extend(rest);
            bytes
        };
        let known = with(9, &[1, 3, 7, 7, 7, 0, 5, 1, 2, 3, 4, 5, 6]);
        let packet = Packet::read(&known).unwrap();
        assert_eq!((packet.selective, packet.payload), (Some(&[1, 2, 3, 4, 5][..]), &[6][..]));
        for broken in [with(1, &[]), with(1, &[0]), with(1, &[0, 4, 1, 2, 3]), with(9, &[1, 0])] {
            assert_eq!(Packet::read(&broken), Err(PacketError::Extension));
        }
        let endless = with(2, &[2, 0].repeat(1000));
        assert_eq!(Packet::read(&endless), Err(PacketError::Extension));
    }

    #[test]
    fn other_datagrams_are_none_of_ours() {
        let mut bytes = Vec::new();
        Packet { header: HEADER, selective: None, payload: &[] }.write(&mut bytes);
        assert_eq!(Packet::read(&bytes[..19]), Err(PacketError::Short));
        bytes[0] = 0x02;
        assert_eq!(Packet::read(&bytes), Err(PacketError::Version));
        bytes[0] = 0x51;
        assert_eq!(Packet::read(&bytes), Err(PacketError::Kind));
        for other in [&b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"[..], &bytes, &[1; 19], &[]]
        {
            assert!(!looks_like_utp(other));
        }
    }
}
