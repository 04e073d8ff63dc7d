//! In the place of `--trace` and `-vv`, where they were left out of the program: nothing is written down, and `-vv`
//! is `-v`.

use super::exit::CommandFailure;
use crate::net::tap::Tap;
use clap::Args;
use log::warn;

/// How often `-v` is given to see each message.
const ALL_MESSAGES: u8 = 2;

/// There is no such option.
#[derive(Args, Debug)]
pub struct TraceOption {}

impl TraceOption {
    pub fn check(&self, _: bool, _: &str) -> Result<(), CommandFailure> {
        Ok(())
    }

    pub fn goes_to_output(&self) -> bool {
        false
    }

    pub fn begin(&self, verbose: u8) -> Result<Trace, CommandFailure> {
        if verbose >= ALL_MESSAGES {
            warn!("this build writes down no messages, so -vv is -v (use the full build)");
        }
        Ok(Trace)
    }
}

/// There is none of it.
pub struct Trace;

impl Trace {
    /// Nobody can ever listen.
    pub fn tap(&self) -> Tap {
        Tap::default()
    }

    pub fn end(self) {}
}
