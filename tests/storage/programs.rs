//! Programs that tests start. Until such a program runs, it is a copy of this process and has all that this has open, with
//! the locks on it. So that no lock is found taken that nobody has any more, none runs while a storage is opened.

use std::io;
use std::process::{Command, Output};
use std::sync::{PoisonError, RwLock};

static RUNNING: RwLock<()> = RwLock::new(());

/// Runs this and waits for its end.
pub fn run(command: &mut Command) -> io::Result<Output> {
    // To its end: the system says that it has begun a moment before what it had open is closed.
    let _alone = RUNNING.write().unwrap_or_else(PoisonError::into_inner);
    command.output()
}

/// Does this while no program runs.
pub fn while_none_runs<Done>(work: impl FnOnce() -> Done) -> Done {
    let _none = RUNNING.read().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Makes a named pipe.
pub fn make_pipe(path: &std::path::Path) {
    assert!(run(Command::new("mkfifo").arg(path)).unwrap().status.success());
}
