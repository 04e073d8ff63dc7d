//! `--on-complete`: a program of the user that runs whenever a torrent is complete.
//!
//! It runs without a shell and gets what there is to know as variables, so that no name in a torrent can become a
//! command. It runs once for a torrent that this run has completed, when all of it is safe on the disk; not where all was
//! there at the start. One runs at a time, in the order in which the torrents were completed, and the process waits for
//! the last one.
//!
//! The thread `hook` starts it. What a thread starts has the rights of that thread, and the program has to have those of
//! the user; so this thread is started before the others give up theirs (`sandbox`). It never speaks with a stranger.

use super::exit::{CommandFailure, Exit};
use super::help::headings::DOWNLOAD;
use super::terminal;
use crate::metainfo::InfoHash;
use crate::session::Completion;
use crate::text::{printable, reason};
use crate::thread;
use clap::{Args, ValueHint};
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use log::{debug, error, warn};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// The variables that the program gets, behind `FEMTOTORRENT_`.
const FACTS: [&str; 5] = ["NAME", "PATH", "INFO_HASH", "TORRENT_FILE", "SIZE"];

/// Bytes in the stack of its thread: starting a program takes some.
const STACK: usize = 256 * 1024;

/// How long we wait before we say that we do.
const PATIENCE: Duration = Duration::from_secs(2);

/// The program to run.
#[derive(Args, Debug)]
pub struct HookOption {
    /// Run this program once a torrent is complete
    ///
    /// Without a shell; FEMTOTORRENT_NAME, _PATH, _SIZE, _INFO_HASH and _TORRENT_FILE tell it what.
    #[arg(
        long,
        value_name = "PROGRAM",
        value_parser = program,
        value_hint = ValueHint::CommandName,
        help_heading = DOWNLOAD
    )]
    pub on_complete: Option<PathBuf>,
}

/// The torrent files that were named, by their torrents.
pub type TorrentFiles = Vec<(InfoHash, PathBuf)>;

/// Where completions are told, with the number of the torrent; and that there are no more, since a run that was left
/// behind keeps its end of the channel.
pub type Completions = Sender<Option<(usize, Completion)>>;

/// The thread that starts the program.
pub struct Hook {
    program: PathBuf,
    completions: Completions,
    /// Disconnects when the last one has ended.
    done: Receiver<()>,
}

/// Whether the variable `FEMTOTORRENT_` with this end is what we tell the program. If it runs us, that is no setting.
pub fn is_fact(name: &str) -> bool {
    FACTS.contains(&name)
}

/// The program that this word means, as a shell finds it.
fn program(text: &str) -> Result<PathBuf, String> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|known| known.is_file() && known.permissions().mode() & 0o111 != 0)
    };
    if text.contains('/') {
        let path = std::path::absolute(text).map_err(|error| error.to_string())?;
        return match path.exists() {
            _ if is_program(&path) => Ok(path),
            true => Err("it is no program that can be run (see chmod +x)".to_owned()),
            false => Err("there is no such file".to_owned()),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join(text)).filter(is_program);
    let expected =
        "no such program is in PATH (it is run without a shell: name a program alone, or write ./PROGRAM)";
    let path = found.next().filter(|_| !text.is_empty()).ok_or(expected)?;
    std::path::absolute(path).map_err(|error| error.to_string())
}

impl Hook {
    /// Starts the thread, for so many torrents. It keeps the rights that the process has now. `tell` hears what became of
    /// each run of the program: the number of the torrent, the program, and why it failed, if it did.
    ///
    /// # Errors
    ///
    /// The system allows no further thread.
    pub fn start(
        program: PathBuf,
        files: TorrentFiles,
        torrents: usize,
        tell: impl Fn(usize, &Path, Option<String>) + Send + 'static,
    ) -> Result<Hook, CommandFailure> {
        // Each is completed once, and there is one end, so nobody ever waits for room.
        let (completions, orders) = bounded::<Option<(usize, Completion)>>(torrents.saturating_add(1));
        let (alive, done) = bounded(0);
        let path = program.clone();
        let life = move || {
            while let Ok(Some((number, completion))) = orders.recv() {
                let file = files.iter().find(|(info_hash, _)| *info_hash == completion.info_hash);
                tell(number, &path, run(&path, &completion, file.map(|(_, file)| file.as_path())));
            }
            drop::<Sender<()>>(alive);
        };
        match thread::spawn("hook", STACK, life) {
            Ok(_) => Ok(Hook { program, completions, done }),
            Err(error) => Err((Exit::OTHER, format!("--on-complete needs a thread: {error}"))),
        }
    }

    /// Where completions are told.
    pub fn completions(&self) -> Completions {
        self.completions.clone()
    }

    /// Waits until all have run, or the user does not want to wait.
    pub fn finish(self, interrupts: &Receiver<()>) {
        let Hook { program, completions, done } = self;
        let _ = completions.try_send(None);
        for (patience, is_last) in [(PATIENCE, false), (Duration::MAX, true)] {
            let over = if is_last { never() } else { crossbeam_channel::after(patience) };
            select! {
                recv(done) -> _ => return,
                recv(interrupts) -> _ => return,
                recv(over) -> _ => warn!(
                    "waiting for {}, which --on-complete has started (Ctrl-C goes without it)",
                    printable(&program.to_string_lossy())
                ),
            }
        }
    }
}

/// Runs the program for one torrent, to its end. Returns why it failed, if it did: the user has heard it.
fn run(program: &Path, completion: &Completion, torrent_file: Option<&Path>) -> Option<String> {
    let shown = printable(&program.to_string_lossy());
    let name = printable(&completion.name);
    debug!("{name}: running {shown}");
    let why = match start(program, completion, torrent_file) {
        Ok(status) if status.success() => return None,
        Ok(status) => format!("failed ({status})"),
        Err(error) if error.raw_os_error() == Some(ENOEXEC) => {
            "cannot be run: it is no program of this system (a script begins with #!, as in #!/bin/sh)"
                .to_owned()
        }
        Err(error) => format!("cannot be run: {}", reason(&error)),
    };
    let sentence = format!("the download is complete, but {shown} (--on-complete) {why}");
    error!("femtotorrent: {name}: {sentence}");
    Some(sentence)
}

/// The system's number for a file that is no program.
const ENOEXEC: i32 = 8;

fn start(program: &Path, completion: &Completion, torrent_file: Option<&Path>) -> io::Result<ExitStatus> {
    let mut command = Command::new(program);
    for fact in FACTS {
        let variable = format!("FEMTOTORRENT_{fact}");
        match fact {
            "NAME" => command.env(variable, printable(&completion.name)),
            "PATH" => command.env(variable, &completion.path),
            "INFO_HASH" => command.env(variable, completion.info_hash.to_string()),
            "SIZE" => command.env(variable, completion.size.to_string()),
            _ => match torrent_file {
                Some(file) => command.env(variable, file),
                None => command.env_remove(variable),
            },
        };
    }
    terminal::lead_to_errors(&mut command);
    // A pipe with nothing in it: a root folder may have no /dev/null.
    command.stdin(Stdio::piped()).status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it_before_anything_is_downloaded() {
        assert!(program("sh").unwrap().is_absolute());
        assert!(program("/bin/sh").is_ok());
        for (word, why) in [
            ("no-such-program", "PATH"),
            ("sh -c true", "without a shell"),
            ("", "PATH"),
            ("/bin/no-such-program", "no such file"),
            ("/etc/passwd", "chmod"),
            ("/bin", "chmod"),
        ] {
            let message = program(word).unwrap_err();
            assert!(message.contains(why), "{word}: {message}");
        }
    }
}
