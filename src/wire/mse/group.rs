//! The Diffie-Hellman key exchange of MSE: numbers of 768 bits modulo a fixed prime.
//!
//! Each side has a private number `x` and sends `2^x`. With the other side's `2^y` both compute the same secret,
//! `2^(xy)`, which nobody who only listens can. All arithmetic here rests on one property of the prime: it is
//! `2^768 - EXCESS`, so whatever stands above the 768th bit may be taken away and added below, `EXCESS` times.
//!
//! The time that it takes depends on the private number. That number is used once, and for hiding what a connection
//! is, not for keeping secrets.

use super::MseFault;
use std::mem;

/// Bytes of a public key and of the secret. Short numbers are padded with zeros in front.
pub const KEY_LENGTH: usize = 96;
/// Bytes of a private number.
pub const EXPONENT_LENGTH: usize = 20;

const LIMBS: usize = KEY_LENGTH / 8;
/// 64 bits a limb, the lowest first.
type Number = [u64; LIMBS];

const ONE: Number = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const GENERATOR: Number = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The prime, taken from 2^768.
const EXCESS: Number = [
    0xffff_ffff_fff6_fa9d,
    0x0bb3_bd16_59c5_c9de,
    0x1b7a_4a89_9da1_8139,
    0xb01e_ca92_92ae_3dba,
    0xcfd4_f592_0da0_ebc8,
    0x106a_e64c_32c5_bce4,
    0xaeb5_f786_71cb_fb22,
    0xfdf4_4159_c4ec_64dd,
    0xd6fd_b1f7_7598_338b,
    0x3b39_9d74_7f23_e32e,
    0x36f0_255d_de97_3dcb,
    0x0000_0000_0000_0000,
];

/// The private number of one side.
pub struct PrivateKey([u8; EXPONENT_LENGTH]);

impl PrivateKey {
    /// Of these bytes, which have to come by chance.
    pub fn new(bytes: [u8; EXPONENT_LENGTH]) -> PrivateKey {
        PrivateKey(bytes)
    }

    /// What the other side is sent.
    pub fn public_key(&self) -> [u8; KEY_LENGTH] {
        to_wire(power(&GENERATOR, &self.0))
    }

    /// The secret that this number and the other side's public key make.
    ///
    /// # Errors
    ///
    /// [`MseFault::PublicKey`] for a key outside of [2, P - 2]. With it the secret would be one of two numbers that
    /// anyone can guess.
    pub fn secret(&self, theirs: &[u8; KEY_LENGTH]) -> Result<[u8; KEY_LENGTH], MseFault> {
        let theirs = from_wire(theirs);
        let [lowest, higher @ ..] = &theirs;
        let at_least_two = *lowest >= 2 || higher.iter().any(|limb| *limb > 0);
        // P - 1 and one more is the first that reaches 2^768 - EXCESS.
        let mut more = theirs;
        let beyond = add_scaled(&mut more, &ONE, 1) + add_scaled(&mut more, &EXCESS, 1);
        if !at_least_two || beyond > 0 {
            return Err(MseFault::PublicKey);
        }
        Ok(to_wire(power(&theirs, &self.0)))
    }
}

/// `base` to the power of `exponent`: square for each bit, and multiply where it is set.
fn power(base: &Number, exponent: &[u8; EXPONENT_LENGTH]) -> Number {
    let mut result = ONE;
    for bit in exponent.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        result = multiply(&result, &result);
        if bit == 1 {
            result = multiply(&result, base);
        }
    }
    result
}

/// As in long multiplication, from the highest limb down. What leaves the top comes in again at once, so that the
/// sum never gets longer.
fn multiply(one: &Number, other: &Number) -> Number {
    let mut sum = [0; LIMBS];
    for &limb in other.iter().rev() {
        sum.rotate_right(1);
        let [lowest, ..] = &mut sum;
        let top = mem::take(lowest);
        fold(&mut sum, top);
        let carry = add_scaled(&mut sum, one, limb);
        fold(&mut sum, carry);
    }
    sum
}

/// Adds 2^768 this many times.
fn fold(sum: &mut Number, mut above: u64) {
    while above > 0 {
        above = add_scaled(sum, &EXCESS, above);
    }
}

/// Adds a number this many times. Returns what stands above the 768th bit then.
fn add_scaled(sum: &mut Number, number: &Number, times: u64) -> u64 {
    let mut carry = 0;
    for (limb, part) in sum.iter_mut().zip(number) {
        // At most 2^128 - 1.
        let total = u128::from(*limb) + u128::from(*part) * u128::from(times) + u128::from(carry);
        (*limb, carry) = (total as u64, (total >> 64) as u64);
    }
    carry
}

fn from_wire(bytes: &[u8; KEY_LENGTH]) -> Number {
    let mut number = [0; LIMBS];
    let (limbs, _) = bytes.as_chunks();
    number.iter_mut().rev().zip(limbs).for_each(|(limb, bytes)| *limb = u64::from_be_bytes(*bytes));
    number
}

/// The number below the prime, in all 96 bytes.
fn to_wire(number: Number) -> [u8; KEY_LENGTH] {
    let mut less = number;
    let below = if add_scaled(&mut less, &EXCESS, 1) > 0 { less } else { number };
    let mut bytes = [0; KEY_LENGTH];
    let (limbs, _) = bytes.as_chunks_mut();
    limbs.iter_mut().zip(below.iter().rev()).for_each(|(bytes, limb)| *bytes = limb.to_be_bytes());
    bytes
}
