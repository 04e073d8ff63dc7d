//! uTP over a network on a virtual clock: what is written arrives, in time, and gives way.

#![cfg(test)]

mod giving_way;
mod hostile;
mod large_packets;
mod network;
mod transfers;
