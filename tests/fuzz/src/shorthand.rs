//! Bencode that survives mutation.
//!
//! In bencode one byte more in a string makes nonsense of all that follows, and of every string
//! around it, so that a fuzzer that changes bytes at random mostly tests the same early refusal. The
//! shorthand says the same with nothing to keep consistent: every sequence of bytes is a whole value
//! or several, and a changed byte changes the place where it stands. It can also say in three bytes
//! what is long and dull, the digests of a torrent for one.
//!
//! | byte | then | stands for |
//! |---|---|---|
//! | `l`, `d`, `e` | | the bracket |
//! | `i` | 4 bytes, little-endian | an integer of 32 bits |
//! | `I` | 8 bytes, little-endian | an integer of 64 bits |
//! | `z` | 2 bytes, little-endian | a string of that many zeros |
//! | 128 and more | as many bytes as it exceeds 128 | a string |
//! | any other | | nothing |

/// The bencode that a shorthand stands for. What is still open at its end is closed.
pub fn spelled_out(mut shorthand: &[u8]) -> Vec<u8> {
    let mut bencode = Vec::with_capacity(shorthand.len() * 2);
    let mut open = 0_usize;
    while let Some((&byte, rest)) = shorthand.split_first() {
        shorthand = rest;
        match byte {
            b'l' | b'd' => {
                bencode.push(byte);
                open += 1;
            }
            b'e' if open > 0 => {
                bencode.push(byte);
                open -= 1;
            }
            b'i' => {
                let number = i32::from_le_bytes(taken(&mut shorthand));
                bencode.extend(format!("i{number}e").bytes());
            }
            b'I' => {
                let number = i64::from_le_bytes(taken(&mut shorthand));
                bencode.extend(format!("i{number}e").bytes());
            }
            b'z' => {
                let length = usize::from(u16::from_le_bytes(taken(&mut shorthand)));
                bencode.extend(format!("{length}:").bytes());
                bencode.resize(bencode.len() + length, 0);
            }
            128.. => {
                let (string, rest) = shorthand.split_at(shorthand.len().min(usize::from(byte) - 128));
                shorthand = rest;
                bencode.extend(format!("{}:", string.len()).bytes());
                bencode.extend(string);
            }
            _ => {}
        }
    }
    bencode.resize(bencode.len() + open, b'e');
    bencode
}

/// The next bytes, with zeros for those that are not there.
fn taken<const LENGTH: usize>(from: &mut &[u8]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (taken, rest) = from.split_at(from.len().min(LENGTH));
    bytes[..taken.len()].copy_from_slice(taken);
    *from = rest;
    bytes
}
