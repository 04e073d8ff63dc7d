//! The options that name the folder of a payload: the one that it is downloaded into, and the one where it already is.
//! Each command takes them by the same names, as `-o` and as `-d`.

use super::exit::{CommandFailure, Exit};
use super::help::headings::{DOWNLOAD, FILES};
use clap::{Arg, Args, ValueHint};
use std::path::{Path, PathBuf};

/// The folder that something is written into.
#[derive(Args, Debug)]
pub struct OutputOption {
    /// Download into this folder
    #[arg(
        short,
        long,
        visible_short_alias = 'd',
        visible_alias = "dir",
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        help_heading = DOWNLOAD
    )]
    pub output_dir: Option<PathBuf>,
}

impl OutputOption {
    /// Changes its argument, where it stands among those of a command: one that is changed alone goes to the end.
    pub fn changed(argument: Arg, change: impl FnOnce(Arg) -> Arg) -> Arg {
        if argument.get_id() == "output_dir" { change(argument) } else { argument }
    }

    /// Fails where standard output is meant, as wget and curl have it.
    pub fn check(&self) -> Result<(), CommandFailure> {
        match self.folder() == Path::new("-") {
            true => Err((Exit::BAD_OPTION, "--output-dir is a folder (use --stdout)".to_owned())),
            false => Ok(()),
        }
    }

    /// The folder: the current one, unless another was named.
    pub fn folder(&self) -> &Path {
        self.output_dir.as_deref().unwrap_or(Path::new("."))
    }
}

/// The folder that a payload is read from.
#[derive(Args, Debug)]
pub struct PayloadOption {
    /// Where the torrent's file or folder is
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "output-dir",
        value_name = "DIR",
        default_value = ".",
        value_hint = ValueHint::DirPath,
        help_heading = FILES
    )]
    pub dir: PathBuf,
}
