//! The option that writes what is said to a file that Wireshark reads, or to a pipe.

use super::exit::{CommandFailure, Exit};
use super::help::headings::OUTPUT;
use super::pcap::{Pcap, PcapSink};
use super::terminal;
use super::trace_option::{create, is_standard_output};
use crate::net::BindAddress;
use crate::net::tap::Tap;
use crate::text::{reason, shown};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Whether all bytes that are said are written down.
#[derive(Args, Debug)]
pub struct PcapOption {
    /// Write what is said, decrypted, to this file for Wireshark
    ///
    /// With peers, trackers and web seeds; our reasons are the comments of packets. Keys and passwords are left out. A
    /// file of the format pcapng, which must not exist; - is standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub pcap: Option<PathBuf>,
}

impl PcapOption {
    /// Says so if `what` goes to standard output, and the capture does too.
    ///
    /// # Errors
    ///
    /// As it says.
    pub fn check(&self, goes_to_output: bool, what: &str) -> Result<(), CommandFailure> {
        if goes_to_output && self.pcap.as_deref().is_some_and(is_standard_output) {
            let text = "cannot both go to standard output (name a file with --pcap)";
            return Err((Exit::BAD_OPTION, format!("the capture and {what} {text}")));
        }
        Ok(())
    }

    /// Begins the capture of what is seen at this door, if the user wants one. Datagrams leave by `bind_address`.
    ///
    /// # Errors
    ///
    /// The file exists, or cannot be created; standard output is a terminal; or the system has no more threads.
    pub fn begin(&self, tap: &Tap, bind_address: BindAddress) -> Result<Pcap, CommandFailure> {
        let Some(path) = &self.pcap else { return Ok(Pcap::default()) };
        let sink = if is_standard_output(path) {
            let out = terminal::stream()
                .map_err(|error| (Exit::IO, format!("cannot write to standard output: {error}")))?;
            PcapSink { name: "standard output".to_owned(), out: Box::new(out) }
        } else {
            PcapSink { name: shown(path), out: Box::new(create(path, "--pcap")?) }
        };
        Pcap::of(tap, sink, bind_address)
            .map_err(|error| (Exit::OTHER, format!("cannot start the thread of --pcap: {}", reason(&error))))
    }
}
