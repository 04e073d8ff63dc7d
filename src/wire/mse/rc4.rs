//! RC4, the stream cipher of MSE: a stream of bytes that both sides know, and that is XORed with what is sent.
//!
//! It is old and broken as a cipher. Here it only has to make a connection look like chance.

use std::array;

/// The position in one direction's keystream.
///
/// The numbers are those of bytes, held in whole registers: with `u8` for them it takes an eighth longer, because the
/// processor then cuts each one down after each step. In memory they lie apart, too: where several share a word, the
/// processor waits for what was just written beside the one that it reads, which costs a twentieth.
#[derive(Clone)]
pub struct Rc4 {
    /// A permutation of the numbers from 0 to 255.
    state: [u32; 256],
    position: Position,
}

/// Where the stream is. Each number is below 256.
#[derive(Clone, Copy)]
struct Position {
    i: u32,
    j: u32,
    /// The entry behind that of `i`. It is read one byte early, which takes a quarter off the time: the processor need
    /// not wait until what was just written can be read.
    ahead: u32,
}

impl Rc4 {
    /// The beginning of the keystream that this key makes. Only the first 256 bytes of a key count.
    pub fn new(key: &[u8]) -> Rc4 {
        let (mut state, mut j) = (array::from_fn(|number| number as u32), 0);
        for (i, part) in (0..256).zip(key.iter().cycle()) {
            let one = at(&state, i);
            j = byte(j + one + u32::from(*part));
            let other = at(&state, j);
            put(&mut state, j, one);
            put(&mut state, i, other);
        }
        Rc4 { state, position: Position { i: 0, j: 0, ahead: at(&state, 1) } }
    }

    /// The same key's stream, without its first bytes.
    pub fn after(mut self, count: usize) -> Rc4 {
        (0..count).for_each(|_| _ = next(&mut self.state, &mut self.position));
        self
    }

    /// Encrypts or decrypts these bytes, which is the same, and goes on behind them.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let (state, mut position) = (&mut self.state, self.position);
        let (eights, rest) = bytes.as_chunks_mut();
        for eight in eights {
            // Written out, as releases are optimised for size: with a loop here it would take a third longer.
            let keys = [
                next(state, &mut position),
                next(state, &mut position),
                next(state, &mut position),
                next(state, &mut position),
                next(state, &mut position),
                next(state, &mut position),
                next(state, &mut position),
                next(state, &mut position),
            ];
            *eight = (u64::from_ne_bytes(*eight) ^ u64::from_ne_bytes(keys)).to_ne_bytes();
        }
        rest.iter_mut().for_each(|byte| *byte ^= next(state, &mut position));
        self.position = position;
    }
}

/// The next byte of the stream.
#[inline(always)]
fn next(state: &mut [u32; 256], position: &mut Position) -> u8 {
    let i = byte(position.i + 1);
    let one = position.ahead;
    let j = byte(position.j + one);
    let other = at(state, j);
    let behind = byte(i + 1);
    let ahead = at(state, behind);
    put(state, j, one);
    put(state, i, other);
    *position = Position { i, j, ahead: if behind == j { one } else { ahead } };
    at(state, byte(one + other)) as u8
}

#[inline(always)]
fn byte(number: u32) -> u32 {
    number & 0xff
}

#[inline(always)]
fn at(state: &[u32; 256], index: u32) -> u32 {
    state.get(byte(index) as usize).copied().unwrap_or_default()
}

#[inline(always)]
fn put(state: &mut [u32; 256], index: u32, value: u32) {
    if let Some(entry) = state.get_mut(byte(index) as usize) {
        *entry = value;
    }
}
