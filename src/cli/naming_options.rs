//! What the payload is called on the disk, and what becomes of a file that is there already.

use super::exit::{CommandFailure, Exit};
use super::help::headings::{DOWNLOAD, FILES};
use crate::storage::{Existing, output_name_fault};
use clap::Args;

/// What the payload is called.
#[derive(Args, Debug)]
pub struct NameOption {
    /// Name the downloaded file or folder NAME
    ///
    /// Instead of the name in the torrent; for one torrent. An unfinished download remembers it.
    #[arg(
        short = 'O',
        long,
        value_name = "NAME",
        value_parser = name,
        allow_hyphen_values = true,
        help_heading = FILES
    )]
    pub output_name: Option<String>,
}

impl NameOption {
    /// Fails if there is a name, and more than this one torrent, or if the name stands for something else.
    pub fn check(&self, torrents: usize) -> Result<(), CommandFailure> {
        match self.output_name.as_deref() {
            // As wget has it.
            Some("-") => {
                let text = "--output-name is the name of a file (--stdout writes to standard output)";
                Err((Exit::BAD_OPTION, text.to_owned()))
            }
            Some(_) if torrents > 1 => {
                let text = format!(
                    "--output-name is for one torrent, and there are {torrents} (run them one by one)"
                );
                Err((Exit::BAD_OPTION, text))
            }
            _ => Ok(()),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    match output_name_fault(text) {
        Some(fault) => Err(fault.to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// How files are called that are not complete, and what becomes of existing ones.
#[derive(Args, Debug)]
pub struct ExistingOptions {
    /// Complete files that another program began or damaged
    ///
    /// The pieces that verify are kept and the others are fetched, so the files are changed. Each has to have at least
    /// one piece that verifies. Downloads of this program go on without it.
    #[arg(short, long = "continue", help_heading = DOWNLOAD)]
    pub continues: bool,
    /// Overwrite existing files that differ from the torrent
    ///
    /// Pieces that verify are kept.
    #[arg(long, help_heading = DOWNLOAD)]
    pub overwrite: bool,
    /// Name each file NAME.part until it is complete
    ///
    /// A file gets its name when all its pieces are verified and on the disk.
    #[arg(long, help_heading = FILES)]
    pub part: bool,
}

impl ExistingOptions {
    /// What they mean together.
    pub fn existing(&self) -> Existing {
        match (self.overwrite, self.continues) {
            (true, _) => Existing::Overwrite,
            (false, true) => Existing::Continue,
            (false, false) => Existing::Keep,
        }
    }
}
