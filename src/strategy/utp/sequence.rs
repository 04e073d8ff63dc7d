//! The numbers of packets. They have 16 bits and wrap, so there is no smaller and no larger, only how far one is from
//! another: less than half of the way around. Pure.

/// The most packets that either side has open: sent and not acknowledged, or come behind one that is missing.
/// At full size they are more than the largest window of bytes.
pub const MAX_PACKETS: usize = 1024;

/// How far `to` is behind `from`; negative if it is in front of it.
pub fn distance(from: u16, to: u16) -> i32 {
    i32::from(to.wrapping_sub(from) as i16)
}

/// A set of packets that are all less than [`MAX_PACKETS`] apart. It is asked for 64 at a time, so that a mask of them
/// costs as many steps as it has words.
#[derive(Clone, Debug, Default)]
pub struct SequenceSet {
    words: [u64; MAX_PACKETS / 64],
}

impl SequenceSet {
    /// Adds a packet.
    pub fn insert(&mut self, sequence: u16) {
        let (word, bit) = self.place(sequence);
        *word |= bit;
    }

    /// Takes a packet out.
    pub fn remove(&mut self, sequence: u16) {
        let (word, bit) = self.place(sequence);
        *word &= !bit;
    }

    /// Which of the 64 packets from this one on are in it: the lowest bit is the first.
    pub fn word_from(&self, sequence: u16) -> u64 {
        let (at, shift) = (usize::from(sequence) / 64, u32::from(sequence) % 64);
        let word = |at: usize| self.words.get(at % self.words.len()).copied().unwrap_or_default();
        // Two steps, since a shift by all 64 is none.
        word(at) >> shift | (word(at + 1) << 1) << (63 - shift)
    }

    fn place(&mut self, sequence: u16) -> (&mut u64, u64) {
        let [words @ .., last] = &mut self.words;
        let word = words.get_mut(usize::from(sequence) / 64 % (MAX_PACKETS / 64)).unwrap_or(last);
        (word, 1 << (sequence % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        assert_eq!((distance(65_530, 4), distance(4, 65_530), distance(7, 7)), (10, -10, 0));
    }

    #[test]
    fn a_word_is_what_was_put_in_also_across_words_and_around_the_end() {
        for start in [0u16, 1, 63, 64, 1000, 65_500, 65_535] {
            let mut set = SequenceSet::default();
            for offset in [0, 3, 62, 63, 64] {
                set.insert(start.wrapping_add(offset));
            }
            assert_eq!(set.word_from(start), 1 | 1 << 3 | 1 << 62 | 1 << 63, "{start}");
            assert_eq!(set.word_from(start.wrapping_add(1)), 1 << 2 | 1 << 61 | 1 << 62 | 1 << 63);
            set.remove(start);
            assert_eq!(set.word_from(start) & 1, 0);
        }
    }
}
