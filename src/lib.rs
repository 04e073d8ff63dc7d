//! femtotorrent: a synchronous, thread-per-peer BitTorrent client.

pub mod bencode;
pub mod message;
pub mod metainfo;
pub mod net;
pub mod peer;
pub mod piece;
pub mod strategy;
pub mod wire;
