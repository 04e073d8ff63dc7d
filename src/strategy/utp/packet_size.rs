//! How large a packet may be (RFC 8899, "packetization layer path MTU discovery"). Pure.
//!
//! On some ways large packets vanish without a word: a tunnel takes some bytes of each, and the word that says so is
//! thrown away. A packet keeps its number and its bytes for ever, so one that is too large can never be replaced, and
//! nothing behind it is read. So all packets are small at first. One of them is filled up with bytes that mean nothing
//! until it is as large as we would like them to be. If it arrives, all that follow are as large. If it does not, it is
//! sent again without the filling, and nobody has waited for more than one lost packet.

/// Bytes of the largest packet behind its header. With all headers it has 1,400 bytes over IPv6, 1,380 over IPv4, which
/// fits through the usual tunnels; larger ones would save one header in twenty.
pub const FULL_PAYLOAD: usize = 1332;
/// The same for the packet that every network of IPv6 carries, of 1,280 bytes with all headers.
const MIDDLE_PAYLOAD: usize = 1212;
/// The same where larger ones have not arrived yet: every network carries these.
const SMALL_PAYLOAD: usize = 528;
/// What is tried.
const LARGER: [usize; 2] = [FULL_PAYLOAD, MIDDLE_PAYLOAD];
/// So often each is tried. Any packet may be lost, of whatever size.
const TRIES: usize = 3;

/// What is known of it on one way.
#[derive(Clone, Copy, Debug)]
pub struct PacketSize {
    payload: usize,
    failures: usize,
    is_trying: bool,
}

impl PacketSize {
    /// Nothing is known yet.
    pub fn new() -> PacketSize {
        PacketSize { payload: SMALL_PAYLOAD, failures: 0, is_trying: false }
    }

    /// Bytes of a full packet.
    pub fn payload(&self) -> usize {
        self.payload
    }

    /// How large a packet should be tried now, if one should.
    pub fn untried(&self) -> Option<usize> {
        let may_try = !self.is_trying && self.payload == SMALL_PAYLOAD;
        LARGER.get(self.failures / TRIES).copied().filter(|_| may_try)
    }

    /// That packet leaves.
    pub fn tries(&mut self) {
        self.is_trying = true;
    }

    /// It arrived, or only the same one without its filling did.
    pub fn tried(&mut self, arrived: bool) {
        self.is_trying = false;
        match LARGER.get(self.failures / TRIES) {
            Some(larger) if arrived => self.payload = *larger,
            _ => self.failures += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size that is found where larger packets, or the first few that are tried, are lost; and how many were tried.
    fn found(largest: usize, mut lost: usize) -> (usize, usize) {
        let (mut size, mut tries) = (PacketSize::new(), 0);
        while let Some(larger) = size.untried() {
            size.tries();
            assert_eq!(size.untried(), None, "one at a time");
            tries += 1;
            size.tried(larger <= largest && lost == 0);
            lost = lost.saturating_sub(1);
        }
        (size.payload(), tries)
    }

    #[test]
    fn the_largest_size_that_arrives_is_found_with_few_packets() {
        assert_eq!(found(1500, 0), (FULL_PAYLOAD, 1));
        assert_eq!(found(1500, 2), (FULL_PAYLOAD, 3), "two lost by chance change nothing");
        assert_eq!(found(1300, 0), (MIDDLE_PAYLOAD, 4));
        assert_eq!(found(1000, 0), (SMALL_PAYLOAD, 6), "then it is given up");
    }
}
