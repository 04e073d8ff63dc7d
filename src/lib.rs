//! femtotorrent: a synchronous, thread-per-peer BitTorrent client.

pub mod bencode;
pub mod cli;
pub mod message;
pub mod metainfo;
pub mod net;
pub mod peer;
pub mod piece;
pub mod session;
pub mod storage;
pub mod strategy;
pub mod swarm;
pub mod text;
pub mod tracker;
pub mod wire;
