//! The command line: the subcommands and their arguments.

use super::create::CreateArguments;
use super::exit;
use super::foreign_words;
use super::network_options::{NETWORK, NetworkOptions};
use super::selection_options::{OrderOptions, SelectionOptions};
use super::sharing_options::{SeedGoalOptions, SharingOptions};
use super::source_list::SourceOptions;
use super::source_name::source_name;
use super::stdout_options::StdoutOptions;
use super::values::{down_rate, seconds, size};
use super::verify::VerifyArguments;
use super::web_seed_options::WebSeedOptions;
use crate::storage::Allocate;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Command, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// A BitTorrent client for the command line.
#[derive(Debug, Parser)]
#[command(name = "femtotorrent", version, after_help = exit::TABLE, args_override_self = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Download torrents (the default: `femtotorrent x.torrent`)
    #[command(after_help = exit::TABLE, visible_alias = "download")]
    Get(GetArguments),
    /// Seed torrents from files that are already on the disk, and write nothing
    #[command(after_help = exit::TABLE, visible_alias = "share")]
    Seed(SeedArguments),
    /// Make a torrent from a file or a folder
    #[command(after_help = exit::TABLE, visible_alias = "make")]
    Create(CreateArguments),
    /// Check which files and pieces of a torrent are on the disk and correct
    #[command(after_help = exit::TABLE, visible_alias = "check")]
    Verify(VerifyArguments),
    /// List what is in a torrent or a magnet link, without downloading it
    #[command(after_help = exit::TABLE, visible_aliases = ["info", "list", "ls"])]
    Show(ShowArguments),
    /// Run a small download inside this process, with a tracker and two seeders, to see how it works
    Demo {
        /// Keep the downloaded file in this folder
        #[arg(short, long, visible_short_alias = 'd', visible_alias = "dir", value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub struct ShowArguments {
    /// A .torrent file, `-` for standard input, an http(s) or file address, a magnet link or an info-hash
    #[arg(value_parser = source_name())]
    pub torrent: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Ask its trackers how many peers seed it and how many download it (exit code 6 if none answers)
    #[arg(long)]
    pub scrape: bool,
    /// Write the torrent to this file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Give up after this time without progress (exit code 2), in seconds, or as 90s, 30m, 1h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<u64>,
    /// Print only errors and the result
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,
    /// Log what peers and trackers do (twice for more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub selection: SelectionOptions,
}

#[derive(Args, Debug)]
pub struct GetArguments {
    #[command(flatten)]
    pub sources: SourceOptions,
    /// The folder to download into
    #[arg(
        short,
        long,
        visible_short_alias = 'd',
        visible_alias = "dir",
        value_name = "DIR",
        default_value = "."
    )]
    pub output_dir: PathBuf,
    /// Limit the memory for pieces that are not on the disk yet, for all torrents together (K, M, G)
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = size)]
    pub memory: u64,
    /// Allocate disk space as pieces arrive (sparse), or all of it at the start (full)
    #[arg(long, value_name = "HOW", default_value = "sparse", value_parser = allocation())]
    pub allocate: Allocate,
    /// Overwrite existing files that differ from the torrent (pieces that verify are kept)
    #[arg(long)]
    pub overwrite: bool,
    /// Give up after this time without progress (exit code 2), in seconds, or as 90s, 30m, 1h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<u64>,
    /// Limit the download rate from all peers together, in bytes a second (500K, 1.5M)
    #[arg(long, value_name = "RATE", value_parser = down_rate, help_heading = NETWORK)]
    pub down_limit: Option<u64>,
    /// Keep seeding after the download, until Ctrl-C
    #[arg(long)]
    pub seed: bool,
    #[command(flatten)]
    pub goals: SeedGoalOptions,
    #[command(flatten)]
    pub sharing: SharingOptions,
    #[command(flatten)]
    pub web: WebSeedOptions,
    #[command(flatten)]
    pub selection: SelectionOptions,
    #[command(flatten)]
    pub order: OrderOptions,
    #[command(flatten)]
    pub stdout: StdoutOptions,
}

#[derive(Args, Debug)]
pub struct SeedArguments {
    #[command(flatten)]
    pub sources: SourceOptions,
    /// The folder that the payload was downloaded into: the one that contains the torrent's file or folder
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "output-dir",
        value_name = "DIR",
        default_value = "."
    )]
    pub dir: PathBuf,
    /// Super-seeding: show each peer one piece at a time, for the only seed of a new torrent (BEP 16)
    #[arg(long = "super")]
    pub super_seeding: bool,
    #[command(flatten)]
    pub goals: SeedGoalOptions,
    #[command(flatten)]
    pub sharing: SharingOptions,
}

/// How disk space is allocated: `sparse` or `full`.
fn allocation() -> impl TypedValueParser<Value = Allocate> {
    PossibleValuesParser::new(["sparse", "full"]).map(|how| match how.as_str() {
        "full" => Allocate::Full,
        _ => Allocate::Sparse,
    })
}

/// The program as `clap` knows it.
pub fn program() -> Command {
    foreign_words::taught(Arguments::command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    fn parse(line: &str) -> CliCommand {
        let matches = program().try_get_matches_from(line.split(' ')).unwrap();
        Arguments::from_arg_matches(&matches).unwrap().command
    }

    fn get(line: &str) -> GetArguments {
        match parse(line) {
            CliCommand::Get(get) => get,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        program().debug_assert();
    }

    #[test]
    fn a_flag_may_be_repeated_and_the_last_value_counts() {
        let twice =
            get("x get a -q --no-dht --no-dht -q -o b --port 7 --port 8 --select 1 --select 2 -o c d");
        assert!(twice.sharing.quiet && twice.sharing.network.no_dht);
        assert_eq!((twice.output_dir, twice.sharing.network.port), ("c".into(), Some(8)));
        assert_eq!((twice.selection.select.len(), twice.sources.torrents.len()), (2, 2));
        assert_eq!(get("x get a -v -v -v").sharing.verbose, 3);
        let loud = get("x get a -q -v").sharing;
        assert_eq!((loud.quiet, loud.verbose), (false, 1));
        let quiet = get("x get a -v -q").sharing;
        assert_eq!((quiet.quiet, quiet.verbose), (true, 0));
        let mapping = get("x get a --map-port --no-map-port").sharing.port_mapping;
        assert!(mapping.no_map_port && !mapping.map_port);
        assert!(matches!(parse("x create -q a -q --private --private"), CliCommand::Create(_)));
        assert!(matches!(parse("x verify -q a -q -d b -o c"), CliCommand::Verify(_)));
        assert!(matches!(parse("x show --json a --json"), CliCommand::Show(_)));
    }

    #[test]
    fn a_folder_is_named_alike_in_every_command() {
        for option in ["-o", "-d", "--dir", "--output-dir"] {
            let folders = [
                match parse(&format!("x get a {option} f")) {
                    CliCommand::Get(get) => get.output_dir,
                    other => panic!("{other:?}"),
                },
                match parse(&format!("x seed a {option} f")) {
                    CliCommand::Seed(seed) => seed.dir,
                    other => panic!("{other:?}"),
                },
                match parse(&format!("x verify a {option} f")) {
                    CliCommand::Verify(verify) => verify.dir,
                    other => panic!("{other:?}"),
                },
                match parse(&format!("x demo {option} f")) {
                    CliCommand::Demo { output_dir } => output_dir.unwrap(),
                    other => panic!("{other:?}"),
                },
            ];
            assert!(folders.iter().all(|folder| folder.as_os_str() == "f"), "{option}");
        }
    }

    #[test]
    fn options_of_other_programs_that_mean_the_same_are_taken() {
        let same =
            get("x download a -P f --limit-rate 100k --bt-stop-timeout=60 -p 7 --bind-address 127.0.0.1");
        assert_eq!((same.output_dir, same.down_limit, same.timeout), ("f".into(), Some(102_400), Some(60)));
        assert_eq!(same.sharing.network.port, Some(7));
        match parse("x make a -a http://a/announce -t http://b/announce -c words -p -w http://c/ -f") {
            CliCommand::Create(made) => {
                assert!(made.private && made.overwrite && made.comment.is_some());
                assert_eq!((made.trackers.len(), made.web_seeds.len()), (2, 1));
            }
            other => panic!("{other:?}"),
        }
    }
}
