//! femtotorrent: a synchronous, thread-per-peer BitTorrent client.

pub mod bencode;
pub mod cli;
pub mod metainfo;
pub mod piece;
pub mod text;
