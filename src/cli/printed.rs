//! What becomes of a command whose output cannot be written.

use super::exit::{CommandFailure, Exit};
use crate::text::reason;
use std::io::{self, ErrorKind};

/// A reader that has gone away wants no more, and that is no failure. A full disk is one.
///
/// # Errors
///
/// The output cannot be written for another reason than that.
pub fn printed(written: io::Result<()>) -> Result<(), CommandFailure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err((Exit::IO, format!("cannot write the output: {}", reason(&error))))
        }
        _ => Ok(()),
    }
}
