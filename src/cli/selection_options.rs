//! The options that choose files of a torrent, and their order.

use crate::metainfo::{FileChoice, FilePattern};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Which files.
#[derive(Args, Debug)]
pub struct SelectionOptions {
    /// Only these files: a number or a range as `show` prints them (3, 2-5, 7-), or a pattern (*.mkv; with a slash it
    /// is for the path: 'Season 1/*', or 'Season 1/' for a whole folder; `[3]` is a file named 3) (repeatable)
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub select: Vec<String>,
    /// The same in upper and lower case alike (repeatable)
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub iselect: Vec<String>,
    /// Not these files; of those that are selected, or of all (repeatable)
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// The same in upper and lower case alike (repeatable)
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub iexclude: Vec<String>,
}

/// In which order.
#[derive(Args, Debug)]
pub struct OrderOptions {
    /// These files before the others, in this order, rarest pieces first within each (repeatable)
    #[arg(long, value_name = "FILES", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    pub first: Vec<String>,
    /// Fetch pieces in the order of the files, as far as peers have them (others are then slower: the rarest piece
    /// first is better for everyone)
    #[arg(long)]
    pub sequential: bool,
}

impl SelectionOptions {
    /// What they mean.
    pub fn choice(&self) -> FileChoice {
        let patterns = |exact: &[String], any_case: &[String]| {
            let exact = exact.iter().map(|text| FilePattern::new(text, false));
            exact.chain(any_case.iter().map(|text| FilePattern::new(text, true))).collect()
        };
        let (select, exclude) =
            (patterns(&self.select, &self.iselect), patterns(&self.exclude, &self.iexclude));
        FileChoice { select, exclude, ..FileChoice::default() }
    }
}

impl OrderOptions {
    /// The choice in this order.
    pub fn of(&self, choice: FileChoice) -> FileChoice {
        let first = self.first.iter().map(|text| FilePattern::new(text, false)).collect();
        FileChoice { first, is_sequential: self.sequential, ..choice }
    }
}
