//! The option that writes each message, in words, to a file or a pipe; and `-vv`, which writes it to standard error.

use super::exit::{CommandFailure, Exit};
use super::help::headings::OUTPUT;
use super::terminal;
use super::trace::{Form, Sink, Trace};
use crate::text::{reason, shown};
use clap::{Args, ValueHint};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How often `-v` is given to see each message.
const ALL_MESSAGES: u8 = 2;

/// Whether each message is written down.
#[derive(Args, Debug)]
pub struct TraceOption {
    /// Write each message, its meaning, and why we sent it to this file
    ///
    /// Of peers, trackers, web seeds, the router, the DHT and the local network, and each attempt to connect. A line
    /// each, or an object of JSON if the name ends in .jsonl. The file must not exist; - is
    /// standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub trace: Option<PathBuf>,
}

impl TraceOption {
    /// Says so if `what` goes to standard output, and the trace does too.
    ///
    /// # Errors
    ///
    /// As it says.
    pub fn check(&self, goes_to_output: bool, what: &str) -> Result<(), CommandFailure> {
        if goes_to_output && self.goes_to_output() {
            let text = "cannot both go to standard output (name a file with --trace)";
            return Err((Exit::BAD_OPTION, format!("the trace and {what} {text}")));
        }
        Ok(())
    }

    /// Whether standard output is taken by the trace.
    pub fn goes_to_output(&self) -> bool {
        self.trace.as_deref().is_some_and(is_standard_output)
    }

    /// Begins the trace, if the user wants one.
    ///
    /// # Errors
    ///
    /// The file exists, or cannot be created; standard output cannot be used; or the system has no more threads.
    pub fn begin(&self, verbose: u8) -> Result<Trace, CommandFailure> {
        let mut sinks = Vec::new();
        if let Some(path) = &self.trace {
            sinks.push(sink(path)?);
        }
        if verbose >= ALL_MESSAGES {
            let out = Box::new(terminal::lines());
            sinks.push(Sink { name: "standard error".to_owned(), form: Form::Text, out });
        }
        Trace::to(sinks)
            .map_err(|error| (Exit::OTHER, format!("cannot start the thread of --trace: {}", reason(&error))))
    }
}

fn sink(path: &Path) -> Result<Sink, CommandFailure> {
    if is_standard_output(path) {
        let out = terminal::output_lines()
            .map_err(|error| (Exit::IO, format!("cannot write to standard output: {}", reason(&error))))?;
        return Ok(Sink { name: "standard output".to_owned(), form: Form::Text, out });
    }
    Ok(Sink { name: shown(path), form: form(path), out: Box::new(create(path, "--trace")?) })
}

/// Whether an option that names a file means standard output by that.
pub fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// Creates the file that this option names.
///
/// # Errors
///
/// It exists, or cannot be created.
pub fn create(path: &Path, option: &str) -> Result<File, CommandFailure> {
    File::create_new(path).map_err(|error| {
        let (exit, why, way_out) = match error.kind() {
            ErrorKind::AlreadyExists => {
                (Exit::EXISTS, "it exists".to_owned(), " (remove it, or name another file)")
            }
            _ => (Exit::CANNOT_CREATE, reason(&error), " (name another file)"),
        };
        (exit, format!("cannot create {}, for {option}: {why}{way_out}", shown(path)))
    })
}

/// How a file of this name is written.
fn form(path: &Path) -> Form {
    if path.extension().is_some_and(|end| end == "jsonl") { Form::Json } else { Form::Text }
}
