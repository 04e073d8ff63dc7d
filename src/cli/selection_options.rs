//! The options that choose files of a torrent, and their order.

use super::help::headings::FILES;
use crate::metainfo::{FileChoice, FilePattern};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Which files.
#[derive(Args, Debug)]
#[command(next_help_heading = FILES)]
pub struct SelectionOptions {
    /// Only these files: '*.mkv', Extras/, 0, 3-5
    ///
    /// Numbers are those that `show` prints: 3, 2-5, 7- (and all after it). A pattern with a slash matches the path,
    /// such as 'Extras/*'; Extras/ is the whole folder. `[3]` is a file named 3.
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub select: Vec<String>,
    /// As --select, ignoring case
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub iselect: Vec<String>,
    /// Not these files, of the selected ones or of all
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// As --exclude, ignoring case
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub iexclude: Vec<String>,
}

/// In which order.
#[derive(Args, Debug)]
pub struct OrderOptions {
    /// These files before the others, in this order
    ///
    /// Within each, the rarest pieces come first.
    #[arg(long, help_heading = FILES, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub first: Vec<String>,
    /// Fetch pieces in the order of the files
    ///
    /// One that no peer has is passed over, and one that a peer gives while it chokes us may come early. The swarm is
    /// better served by the rarest piece first.
    #[arg(long, help_heading = FILES)]
    pub sequential: bool,
}

impl SelectionOptions {
    /// What they mean.
    pub fn choice(&self) -> FileChoice {
        let patterns = |exact: &[String], any_case: &[String]| {
            let exact = exact.iter().flat_map(|text| FilePattern::each(text, false));
            exact.chain(any_case.iter().flat_map(|text| FilePattern::each(text, true))).collect()
        };
        let (select, exclude) =
            (patterns(&self.select, &self.iselect), patterns(&self.exclude, &self.iexclude));
        FileChoice { select, exclude, ..FileChoice::default() }
    }
}

impl OrderOptions {
    /// The choice in this order.
    pub fn of(&self, choice: FileChoice) -> FileChoice {
        let first = self.first.iter().flat_map(|text| FilePattern::each(text, false)).collect();
        FileChoice { first, is_sequential: self.sequential, ..choice }
    }
}
