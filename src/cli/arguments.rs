//! The command line: the subcommands and their arguments.

use super::config::ConfigArguments;
use super::create::CreateArguments;
#[cfg(feature = "demo")]
use super::demo::DemoArguments;
#[cfg(feature = "doctor")]
use super::doctor::DoctorArguments;
use super::folder_options::{OutputOption, PayloadOption};
use super::foreign_words;
use super::help::headings::{FILES, LIMITS, OUTPUT, SEEDING};
use super::hook::HookOption;
use super::naming_options::ExistingOptions;
use super::network_options::NetworkOptions;
use super::selection_options::{OrderOptions, SelectionOptions};
use super::settings;
use super::sharing_options::{SeedGoalOptions, SharingOptions};
use super::source_list::SourceOptions;
use super::stream_options::StreamOptions;
use super::values::{down_rate, seconds, size};
use super::verify::VerifyArguments;
use super::web_seed_options::WebSeedOptions;
use crate::storage::Allocate;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Command, CommandFactory, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// A BitTorrent client for the command line: it downloads, verifies and exits.
#[derive(Debug, Parser)]
#[command(name = "femtotorrent", version, args_override_self = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Download torrents (the default command)
    #[command(visible_alias = "download")]
    Get(Box<GetArguments>),
    /// Seed torrents from files you already have (read-only)
    #[command(visible_alias = "share")]
    Seed(SeedArguments),
    /// Create a .torrent from a file or folder
    #[command(visible_alias = "make")]
    Create(CreateArguments),
    /// Check files on disk against a torrent (changes nothing)
    #[command(visible_alias = "check")]
    Verify(VerifyArguments),
    /// List what is in a torrent or magnet link, without downloading it
    #[command(visible_aliases = ["info", "list", "ls"])]
    Show(ShowArguments),
    /// Say why a torrent does not download, and what to do
    #[cfg(feature = "doctor")]
    Doctor(Box<DoctorArguments>),
    /// List the settings of the settings file and the environment
    Config(ConfigArguments),
    /// Run a small download entirely on this machine, to see how it works
    #[cfg(feature = "demo")]
    Demo(Box<DemoArguments>),
}

#[derive(Args, Debug)]
pub struct ShowArguments {
    #[command(flatten)]
    pub sources: SourceOptions,
    /// Print JSON
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Ask the trackers how many seeders and leechers there are
    ///
    /// If none answers, the exit code is 6.
    #[arg(long, help_heading = OUTPUT)]
    pub scrape: bool,
    /// Write the torrent to this file
    ///
    /// It must be the only one.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub save: Option<PathBuf>,
    /// Give up after this long without progress (exit code 2)
    ///
    /// In seconds, or as 90s, 30m, 1h.
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = LIMITS)]
    pub timeout: Option<u64>,
    /// Print only errors and the result
    #[arg(short, long, overrides_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,
    /// Log what peers and trackers do
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub selection: SelectionOptions,
}

#[derive(Args, Debug)]
#[command(mut_args(|argument| OutputOption::changed(argument, |folder| folder.default_value("."))))]
pub struct GetArguments {
    #[command(flatten)]
    pub sources: SourceOptions,
    #[command(flatten)]
    pub output: OutputOption,
    /// Limit memory for pieces not yet written, over all torrents
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = size, help_heading = LIMITS)]
    pub memory: u64,
    /// Allocate disk space as pieces arrive (sparse) or up front (full)
    #[arg(long, value_name = "HOW", default_value = "sparse", value_parser = allocation(), help_heading = FILES)]
    pub allocate: Allocate,
    #[command(flatten)]
    pub existing: ExistingOptions,
    /// Give up after this long without progress (exit code 2)
    ///
    /// In seconds, or as 90s, 30m, 1h.
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = LIMITS)]
    pub timeout: Option<u64>,
    /// Limit the total download rate, in bytes/s (500K, 1.5M)
    #[arg(long, value_name = "RATE", value_parser = down_rate, help_heading = LIMITS)]
    pub down_limit: Option<u64>,
    /// Keep seeding after the download finishes, until Ctrl-C
    #[arg(long, help_heading = SEEDING)]
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
    pub stream: StreamOptions,
    #[command(flatten)]
    pub hook: HookOption,
}

impl CliCommand {
    /// How much is logged.
    pub fn verbose(&self) -> u8 {
        match self {
            CliCommand::Get(get) => get.sharing.verbose,
            CliCommand::Seed(seed) => seed.sharing.verbose,
            CliCommand::Show(show) => show.verbose,
            #[cfg(feature = "doctor")]
            CliCommand::Doctor(doctor) => doctor.verbose,
            #[cfg(feature = "demo")]
            CliCommand::Demo(demo) => demo.verbose,
            CliCommand::Create(_) | CliCommand::Verify(_) | CliCommand::Config(_) => 0,
        }
    }

    /// Whether only errors are shown.
    pub fn is_quiet(&self) -> bool {
        match self {
            CliCommand::Get(get) => get.sharing.quiet,
            CliCommand::Seed(seed) => seed.sharing.quiet,
            CliCommand::Create(create) => create.quiet,
            CliCommand::Verify(verify) => verify.quiet,
            CliCommand::Show(show) => show.quiet,
            #[cfg(feature = "demo")]
            CliCommand::Demo(demo) => demo.quiet,
            #[cfg(feature = "doctor")]
            CliCommand::Doctor(_) => false,
            CliCommand::Config(_) => false,
        }
    }
}

#[derive(Args, Debug)]
pub struct SeedArguments {
    #[command(flatten)]
    pub sources: SourceOptions,
    #[command(flatten)]
    pub payload: PayloadOption,
    /// Super-seed: reveal one piece at a time to each peer
    ///
    /// For the first and only seed of a new torrent (BEP 16).
    #[arg(long = "super", help_heading = SEEDING)]
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
    // `help::page` prints the help. It is asked for only where there seems to be one.
    let silent = |command: Command| command.override_help("");
    silent(foreign_words::taught(settings::with_option(Arguments::command()))).mut_subcommands(silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use std::path::Path;

    fn parse(line: &str) -> CliCommand {
        let matches = program().try_get_matches_from(line.split(' ')).unwrap();
        Arguments::from_arg_matches(&matches).unwrap().command
    }

    fn get(line: &str) -> GetArguments {
        match parse(line) {
            CliCommand::Get(get) => *get,
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
        assert_eq!((twice.output.folder(), twice.sharing.network.port), (Path::new("c"), Some(8)));
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
                    CliCommand::Get(get) => get.output.output_dir.unwrap(),
                    other => panic!("{other:?}"),
                },
                match parse(&format!("x seed a {option} f")) {
                    CliCommand::Seed(seed) => seed.payload.dir,
                    other => panic!("{other:?}"),
                },
                match parse(&format!("x verify a {option} f")) {
                    CliCommand::Verify(verify) => verify.payload.dir,
                    other => panic!("{other:?}"),
                },
                #[cfg(feature = "doctor")]
                match parse(&format!("x doctor a {option} f")) {
                    CliCommand::Doctor(doctor) => doctor.output.output_dir.unwrap(),
                    other => panic!("{other:?}"),
                },
                #[cfg(feature = "demo")]
                match parse(&format!("x demo {option} f")) {
                    CliCommand::Demo(demo) => demo.output.output_dir.unwrap(),
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
        assert_eq!(
            (same.output.folder(), same.down_limit, same.timeout),
            (Path::new("f"), Some(102_400), Some(60))
        );
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
