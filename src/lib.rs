//! femtotorrent: a synchronous, thread-per-peer BitTorrent client.

pub mod metainfo;
pub mod piece;
pub mod storage;
