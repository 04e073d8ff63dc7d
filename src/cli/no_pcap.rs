//! In the place of `--pcap`, where it was left out of the program: nothing is written down.

use super::exit::CommandFailure;
use crate::net::BindAddress;
use crate::net::tap::Tap;
use clap::Args;

/// There is no such option.
#[derive(Args, Debug)]
pub struct PcapOption {}

impl PcapOption {
    pub fn check(&self, _: bool, _: &str) -> Result<(), CommandFailure> {
        Ok(())
    }

    pub fn begin(&self, _: &Tap, _: BindAddress) -> Result<Pcap, CommandFailure> {
        Ok(Pcap)
    }
}

/// There is none of it.
pub struct Pcap;

impl Pcap {
    pub fn end(self) {}
}
