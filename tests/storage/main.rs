//! The storage on a real file system: what is written where, what is kept, what is refused, and
//! what is never touched.

#![cfg(test)]

#[path = "../support/folder.rs"]
mod folder;
mod sample;

mod creating;
mod foreign;
mod obstacles;
mod resuming;
mod selecting;
mod verifying;
mod writing;
