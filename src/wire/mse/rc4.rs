//! RC4, the stream cipher of MSE: a stream of bytes that both sides know, and that is XORed with what is sent.
//!
//! It is old and broken as a cipher. Here it only has to make a connection look like chance.

use std::array;

/// The position in one direction's keystream.
#[derive(Clone)]
pub struct Rc4 {
    /// A permutation of the numbers from 0 to 255. In 16 bits each, because that takes two thirds of the time that
    /// bytes take: the processor need not put together what it wrote a moment before.
    state: [u16; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// The beginning of the keystream that this key makes. Only the first 256 bytes of a key count.
    pub fn new(key: &[u8]) -> Rc4 {
        let (mut state, mut j) = (array::from_fn(|number| number as u16), 0_u8);
        for (i, part) in (0..=u8::MAX).zip(key.iter().cycle()) {
            j = j.wrapping_add(at(&state, i) as u8).wrapping_add(*part);
            state.swap(usize::from(i), usize::from(j));
        }
        Rc4 { state, i: 0, j: 0 }
    }

    /// The same key's stream, without its first bytes.
    pub fn after(mut self, count: usize) -> Rc4 {
        (0..count).for_each(|_| _ = self.next());
        self
    }

    /// Encrypts or decrypts these bytes, which is the same, and goes on behind them.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let (eights, rest) = bytes.as_chunks_mut();
        for eight in eights {
            // Written out, as releases are optimised for size: with a loop here it would take a third longer.
            let keys = [
                self.next(),
                self.next(),
                self.next(),
                self.next(),
                self.next(),
                self.next(),
                self.next(),
                self.next(),
            ];
            *eight = (u64::from_ne_bytes(*eight) ^ u64::from_ne_bytes(keys)).to_ne_bytes();
        }
        rest.iter_mut().for_each(|byte| *byte ^= self.next());
    }

    /// The next byte of the stream.
    #[inline(always)]
    fn next(&mut self) -> u8 {
        self.i = self.i.wrapping_add(1);
        let one = at(&self.state, self.i);
        self.j = self.j.wrapping_add(one as u8);
        let other = at(&self.state, self.j);
        put(&mut self.state, self.i, other);
        put(&mut self.state, self.j, one);
        at(&self.state, (one as u8).wrapping_add(other as u8)) as u8
    }
}

#[inline(always)]
fn at(state: &[u16; 256], index: u8) -> u16 {
    state.get(usize::from(index)).copied().unwrap_or_default()
}

#[inline(always)]
fn put(state: &mut [u16; 256], index: u8, value: u16) {
    if let Some(entry) = state.get_mut(usize::from(index)) {
        *entry = value;
    }
}
