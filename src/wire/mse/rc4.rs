//! RC4, the stream cipher of MSE: a stream of bytes that both sides know, and that is XORed with what is sent.
//!
//! It is old and broken as a cipher. Here it only has to make a connection look like chance.

use std::array;

/// The position in one direction's keystream.
#[derive(Clone)]
pub struct Rc4 {
    /// A permutation of the numbers from 0 to 255.
    state: [u8; 256],
    i: u8,
    j: u8,
    /// The entry behind that of `i`. It is read one byte early, which takes a quarter off the time: the processor need
    /// not wait until what was just written can be read.
    ahead: u8,
}

impl Rc4 {
    /// The beginning of the keystream that this key makes. Only the first 256 bytes of a key count.
    pub fn new(key: &[u8]) -> Rc4 {
        let (mut state, mut j) = (array::from_fn(|number| number as u8), 0_u8);
        for (i, part) in (0..=u8::MAX).zip(key.iter().cycle()) {
            j = j.wrapping_add(at(&state, i)).wrapping_add(*part);
            state.swap(usize::from(i), usize::from(j));
        }
        Rc4 { state, i: 0, j: 0, ahead: at(&state, 1) }
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
        let one = self.ahead;
        self.j = self.j.wrapping_add(one);
        let other = at(&self.state, self.j);
        let behind = self.i.wrapping_add(1);
        let ahead = at(&self.state, behind);
        put(&mut self.state, self.j, one);
        put(&mut self.state, self.i, other);
        self.ahead = if behind == self.j { one } else { ahead };
        at(&self.state, one.wrapping_add(other))
    }
}

#[inline(always)]
fn at(state: &[u8; 256], index: u8) -> u8 {
    state.get(usize::from(index)).copied().unwrap_or_default()
}

#[inline(always)]
fn put(state: &mut [u8; 256], index: u8, value: u8) {
    if let Some(entry) = state.get_mut(usize::from(index)) {
        *entry = value;
    }
}
