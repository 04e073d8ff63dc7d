//! Finding peers without a tracker, over real sockets: whole networks of our own nodes on loopback.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod dht;
mod malicious_packets;
