//! The live view of a running download: a full screen of peers, pieces, sources, files, messages and the log.

#[allow(dead_code)]
pub mod collector;
#[allow(dead_code)]
mod files;
mod lines;
#[allow(dead_code)]
pub mod log_ring;
#[allow(dead_code)]
pub mod scene;
#[allow(dead_code)]
mod wire_ring;
