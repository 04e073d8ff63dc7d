//! The option that writes what is downloaded to standard output, in order, and nothing to the disk.

use super::exit::{CommandFailure, Exit};
use super::help::headings::DOWNLOAD;
use super::source_list::NamedSource;
use super::terminal;
use crate::session::Aim;
use crate::storage::stream::{Outlet, StreamFormat};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::sync::Arc;

/// Options that say what becomes of files on the disk, or of peers once all is there.
const MEANINGLESS: [&str; 12] = [
    "output_dir",
    "output_name",
    "part",
    "continues",
    "overwrite",
    "allocate",
    "seed",
    "seed_ratio",
    "seed_time",
    "first",
    "on_complete",
    "json",
];

/// Whether files are written to standard output.
#[derive(Args, Debug)]
pub struct StreamOptions {
    /// Write one file to standard output, none to the disk
    ///
    /// In order, as it verifies. With =tar, any number of files as a tar archive. Nothing is uploaded meanwhile.
    #[arg(
        long = "stdout",
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "file",
        value_parser = PossibleValuesParser::new(["file", "tar"]),
        conflicts_with_all = MEANINGLESS,
        help_heading = DOWNLOAD
    )]
    pub format: Option<String>,
}

impl StreamOptions {
    /// What a download of these torrents is for.
    ///
    /// # Errors
    ///
    /// There is more than one, or standard output is a terminal.
    pub fn aim(&self, sources: &[NamedSource]) -> Result<Aim, CommandFailure> {
        let Some(format) = &self.format else { return Ok(Aim::Download) };
        let format = if format == "tar" { StreamFormat::Tar } else { StreamFormat::File };
        if sources.len() > 1 {
            let text = "--stdout writes one torrent, and there are";
            return Err((
                Exit::BAD_OPTION,
                format!("{text} {} (run the command once for each)", sources.len()),
            ));
        }
        let failed = |error| (Exit::IO, format!("cannot write to standard output: {error}"));
        Ok(Aim::Stream(Outlet { format, file: Arc::new(terminal::stream().map_err(failed)?) }))
    }
}
