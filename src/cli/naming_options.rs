//! What the payload is called on the disk, and what becomes of a file that is there already.

use super::exit::Exit;
use super::runs::CommandFailure;
use crate::storage::{Existing, output_name_fault};
use clap::Args;

/// What the payload is called.
#[derive(Args, Debug)]
pub struct NameOption {
    /// Call the file, or the folder of all files, NAME instead of what the torrent calls it
    #[arg(short = 'O', long, value_name = "NAME", value_parser = name, allow_hyphen_values = true)]
    pub output_name: Option<String>,
}

impl NameOption {
    /// Fails if there is a name, and more than this one torrent.
    pub fn check(&self, torrents: usize) -> Result<(), CommandFailure> {
        match self.output_name {
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
        // As wget has it.
        None if text == "-" => Err("use --stdout for standard output".to_owned()),
        Some(fault) => Err(fault.to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// What becomes of existing files.
#[derive(Args, Debug)]
pub struct ExistingOptions {
    /// Take over files that differ from the torrent or were begun by another program: keep the pieces that are right,
    /// fetch the rest. Our own downloads always go on
    #[arg(short, long = "continue")]
    pub continues: bool,
    /// Overwrite existing files that differ from the torrent, even if no piece is right
    #[arg(long)]
    pub overwrite: bool,
    /// Call each new file NAME.part until it is whole and verified
    #[arg(long)]
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
