//! Scripts that are a test by themselves: hosts in network namespaces, with programs and cables between them.

use std::process::Command;

use crate::support::skip::skip;

/// Runs one of these with the program's path and more. Returns what it printed; nothing where this machine cannot run
/// it, which it says with 77.
///
/// # Panics
///
/// Where it fails, with all that it printed: where tests are run by others, often nothing but that is kept.
pub fn run(name: &str, more: &[&str]) -> Option<String> {
    let mut command = Command::new("unshare");
    // What it starts ends with it, whatever happens.
    command.args(["-rnm", "--fork", "--pid", "--mount-proc", "--kill-child", "python3"]);
    command.arg(format!("{}/tests/interop/{name}", env!("CARGO_MANIFEST_DIR")));
    command.arg(env!("CARGO_BIN_EXE_femtotorrent")).args(more);
    let run = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let [said, errors] = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match run.status.code() {
        Some(0) => Some(said),
        Some(77) => {
            skip(said.lines().last().unwrap_or_default());
            None
        }
        code => panic!("{name} {more:?}: it ended with {code:?}\n{said}\n{errors}"),
    }
}
