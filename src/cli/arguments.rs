//! The command line: the subcommands, their arguments, and the parsers of single values.

use super::create::CreateArguments;
use super::exit;
use super::network_options::NetworkOptions;
use super::selection_options::{OrderOptions, SelectionOptions};
use super::sharing_options::{SeedGoalOptions, SharingOptions};
use super::source_name::source_name;
use super::verify::VerifyArguments;
use super::web_seed_options::WebSeedOptions;
use crate::storage::Allocate;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const COMMANDS: [&str; 7] = ["get", "seed", "create", "verify", "show", "demo", "help"];

/// A BitTorrent client for the command line.
#[derive(Debug, Parser)]
#[command(name = "femtotorrent", version, after_help = exit::TABLE)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Download torrents (the default: `femtotorrent x.torrent`)
    #[command(after_help = exit::TABLE)]
    Get(GetArguments),
    /// Share what is already on the disk, and write nothing
    #[command(after_help = exit::TABLE)]
    Seed(SeedArguments),
    /// Make a torrent from a file or a folder
    #[command(after_help = exit::TABLE)]
    Create(CreateArguments),
    /// Check which files and pieces of a torrent are on the disk and correct
    #[command(after_help = exit::TABLE)]
    Verify(VerifyArguments),
    /// Show what a torrent contains (for a magnet link, ask its peers), and download no payload
    #[command(after_help = exit::TABLE)]
    Show(ShowArguments),
    /// Watch a download at work, with a tracker and two seeders inside this process
    Demo {
        /// Keep the downloaded file in this folder
        #[arg(short, long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub struct ShowArguments {
    /// A .torrent file, `-` for standard input, an http(s) or file address, a magnet link or an info-hash
    #[arg(value_parser = source_name())]
    pub torrent: String,
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Ask its trackers how many peers seed it and how many download it (exit code 6 if none answers)
    #[arg(long)]
    pub scrape: bool,
    /// Write the torrent to this file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Give up after this time without progress (exit code 2)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub timeout: Option<u64>,
    #[command(flatten)]
    pub network: NetworkOptions,
    /// Print only errors and the result
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log what peers and trackers do (twice for more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Args, Debug)]
pub struct GetArguments {
    /// .torrent files, `-` for standard input, http(s) addresses, magnet links or info-hashes; several run
    /// side by side
    #[arg(required = true, value_name = "TORRENT", value_parser = source_name())]
    pub torrents: Vec<String>,
    /// The folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output_dir: PathBuf,
    /// Memory for pieces that are not on disk yet, for all torrents together (K, M, G)
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = size)]
    pub memory: u64,
    /// Allocate disk space as pieces arrive (sparse), or all of it at the start (full)
    #[arg(long, value_name = "HOW", default_value = "sparse", value_parser = allocation())]
    pub allocate: Allocate,
    /// Replace existing files that do not belong to the torrent
    #[arg(long)]
    pub overwrite: bool,
    /// Give up after this time without progress (exit code 2)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub timeout: Option<u64>,
    /// Maximum download rate in bytes a second, from all peers together (K, M, G)
    #[arg(long, value_name = "RATE", value_parser = down_rate)]
    pub down_limit: Option<u64>,
    #[command(flatten)]
    pub web: WebSeedOptions,
    /// Keep seeding when the download is complete, until Ctrl-C
    #[arg(long)]
    pub seed: bool,
    #[command(flatten)]
    pub goals: SeedGoalOptions,
    #[command(flatten)]
    pub selection: SelectionOptions,
    #[command(flatten)]
    pub order: OrderOptions,
    #[command(flatten)]
    pub sharing: SharingOptions,
}

#[derive(Args, Debug)]
pub struct SeedArguments {
    /// .torrent files, `-` for standard input, http(s) addresses, magnet links or info-hashes; several are
    /// shared side by side
    #[arg(required = true, value_name = "TORRENT", value_parser = source_name())]
    pub torrents: Vec<String>,
    /// The folder that the payload was downloaded into: the one that contains the torrent's file or folder
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Super-seeding: show each peer one piece at a time, for the only seed of a new torrent (BEP 16)
    #[arg(long = "super")]
    pub super_seeding: bool,
    #[command(flatten)]
    pub goals: SeedGoalOptions,
    #[command(flatten)]
    pub sharing: SharingOptions,
}

/// Inserts `get` where the first argument is not a subcommand.
pub fn with_default_command(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let names_a_command = match arguments.get(1).map(|first| first.to_string_lossy()) {
        None => true,
        Some(first) => COMMANDS.contains(&&*first) || ["-h", "--help", "-V", "--version"].contains(&&*first),
    };
    if !names_a_command {
        arguments.insert(1, "get".into());
    }
    arguments
}

/// How disk space is allocated: `sparse` or `full`.
fn allocation() -> impl TypedValueParser<Value = Allocate> {
    PossibleValuesParser::new(["sparse", "full"]).map(|how| match how.as_str() {
        "full" => Allocate::Full,
        _ => Allocate::Sparse,
    })
}

/// A size: `500K`, `32M`, `1G`, or a plain number of bytes. At least one byte.
pub fn size(text: &str) -> Result<u64, String> {
    let number = bytes(text).filter(|size| *size > 0);
    number.ok_or_else(|| "a size such as 500K, 32M or 1G is expected".to_owned())
}

/// A rate in bytes a second, written like a [`size`]. Zero is allowed.
pub fn rate(text: &str) -> Result<u64, String> {
    bytes(text).ok_or_else(|| "bytes a second, such as 500K, 2M or 0, are expected".to_owned())
}

/// A [`rate`] that is not zero.
fn down_rate(text: &str) -> Result<u64, String> {
    match rate(text)? {
        0 => Err("a limit of 0 would download nothing (leave it out for no limit)".to_owned()),
        rate => Ok(rate),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (text.get(..at)?, 1 << 10),
        (at, 'm' | 'M') => (text.get(..at)?, 1 << 20),
        (at, 'g' | 'G') => (text.get(..at)?, 1 << 30),
        _ => (text, 1_u64),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `HOST:PORT`, checked and left in one piece.
pub fn host_and_port(text: &str) -> Result<String, String> {
    node(text).map(|_| text.to_owned())
}

/// `HOST:PORT` in its two parts: the host without brackets, and the port.
pub fn node(text: &str) -> Result<(String, u16), String> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parsed {
        Some((host, port @ 1..)) if !host.is_empty() => Ok((host.trim_matches(['[', ']']).to_owned(), port)),
        _ => Err("HOST:PORT is expected, such as 192.0.2.7:6881 or [2001:db8::7]:6881".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(with_default_command(line.split(' ').map(OsString::from)))
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn get_is_the_default_wherever_the_torrent_stands() {
        for line in
            ["femtotorrent x.torrent", "femtotorrent -o d x.torrent", "femtotorrent get x.torrent -o d"]
        {
            match parse(line).unwrap().command {
                CliCommand::Get(get) => assert_eq!(get.torrents, ["x.torrent"]),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(parse("femtotorrent show -").unwrap().command, CliCommand::Show(_)));
    }

    #[test]
    fn sizes_and_peers_are_checked() {
        assert_eq!(size("32M"), Ok(32 << 20));
        assert_eq!(size("7"), Ok(7));
        for bad in ["", "M", "0", "-1", "1T", "99999999999G", "é"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(rate("0"), Ok(0));
        assert!(rate("0x").is_err());
        assert!(host_and_port("[::1]:6881").is_ok());
        for bad in ["", "host", ":1", "host:0", "host:65536", "host:x"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
