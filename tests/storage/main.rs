//! The storage on a real file system: what is written where, what is kept, what is refused, and
//! what is never touched.

#![cfg(test)]

mod sample;
#[path = "../support/mod.rs"]
mod support;

mod believing;
mod changing;
mod continuing;
mod creating;
mod doubts;
mod foreign;
mod hard_links;
mod links;
mod naming;
mod obstacles;
mod programs;
mod replacing;
mod resuming;
mod selecting;
mod verifying;
mod writing;
