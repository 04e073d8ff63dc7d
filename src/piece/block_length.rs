//! How long a block is.

/// Bytes in a block, which is what we ask for in one request. BEP 3 leaves the size open, and many
/// clients refuse to send more than 16 KiB. That we would send up to 128 KiB is another matter: BEP 3 allows it.
pub const BLOCK_LENGTH: u32 = 16 * 1024;
