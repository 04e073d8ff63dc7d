//! The command line program: parse the arguments, run, turn the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    femtotorrent::cli::arenas::limit();
    femtotorrent::cli::end(femtotorrent::cli::run(std::env::args_os()))
}
