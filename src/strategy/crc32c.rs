//! The checksum CRC-32C (Castagnoli). BitTorrent uses it as a cheap hash that all clients compute alike: for
//! peer priority (BEP 40) and for the node IDs of the DHT (BEP 42).

/// The checksum of these bytes. They are few, so it is computed bit by bit and needs no table.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let register = bytes.iter().fold(u32::MAX, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |register, _| {
            (register >> 1) ^ if register & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    });
    !register
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm_comes_out() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }
}
