//! What the payload is called on the disk, and what becomes of a file that is there already.

use crate::storage::Existing;
use clap::Args;

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
