//! The command line program: parse the arguments, run, turn the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    femtotorrent::cli::arenas::limit();
    ExitCode::from(femtotorrent::cli::run(std::env::args_os()).0)
}
