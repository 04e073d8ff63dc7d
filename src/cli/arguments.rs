//! The command line.

use super::create::Create;
use super::exit;
use super::network_options::Finding;
use super::sharing_options::{Peering, Until};
use super::verify::Verify;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const COMMANDS: [&str; 7] = ["get", "seed", "create", "verify", "show", "demo", "help"];

/// A BitTorrent client for the command line.
#[derive(Debug, Parser)]
#[command(name = "femtotorrent", version, after_help = exit::TABLE)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download torrents (the default: `femtotorrent x.torrent`)
    #[command(after_help = exit::TABLE)]
    Get(Get),
    /// Share what is there of torrents, and write nothing
    #[command(after_help = exit::TABLE)]
    Seed(Seed),
    /// Make a torrent of a file or a folder
    #[command(after_help = exit::TABLE)]
    Create(Create),
    /// Say what of a torrent is there and verifies
    #[command(after_help = exit::TABLE)]
    Verify(Verify),
    /// Say what a torrent holds; of a magnet, ask its peers, and download nothing
    #[command(after_help = exit::TABLE)]
    Show(Show),
    /// Watch a download at work, with a tracker and two seeders inside this process
    Demo {
        /// Keep the downloaded file in this folder
        #[arg(short, long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub struct Show {
    /// A .torrent file, `-` for standard input, an http(s) address, a magnet link or an info-hash
    pub torrent: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Ask its trackers how many share it and how many fetch it (exit code 6 where none answers)
    #[arg(long)]
    pub scrape: bool,
    /// Write the torrent to this file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Give up when nothing came for so long (exit code 2)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub timeout: Option<u64>,
    #[command(flatten)]
    pub finding: Finding,
    /// Print nothing but errors and what was asked for
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell what peers and trackers do (twice for more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Args, Debug)]
pub struct Get {
    /// .torrent files, `-` for standard input, http(s) addresses, magnet links or info-hashes; several run
    /// side by side
    #[arg(required = true, value_name = "TORRENT")]
    pub torrents: Vec<String>,
    /// The folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output_dir: PathBuf,
    /// Memory for pieces that are not on disk yet, all torrents together (K, M, G)
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = size)]
    pub memory: u64,
    /// Take the room on the disk as pieces arrive, or all of it first
    #[arg(long, value_name = "HOW", default_value = "sparse")]
    pub allocate: Allocate,
    /// Replace existing files that are not what the torrent holds
    #[arg(long)]
    pub overwrite: bool,
    /// Give up when nothing moved for so long (exit code 2)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub timeout: Option<u64>,
    /// Download so many bytes a second at most, from all peers together (K, M, G)
    #[arg(long, value_name = "RATE", value_parser = down_rate)]
    pub down_limit: Option<u64>,
    /// Go on sharing when everything is there, until Ctrl-C
    #[arg(long)]
    pub seed: bool,
    #[command(flatten)]
    pub goals: Until,
    #[command(flatten)]
    pub peering: Peering,
}

#[derive(Args, Debug)]
pub struct Seed {
    /// .torrent files, `-` for standard input, http(s) addresses, magnet links or info-hashes; several are
    /// shared side by side
    #[arg(required = true, value_name = "TORRENT")]
    pub torrents: Vec<String>,
    /// The folder that the payload was downloaded into: the one that holds the torrent's file or folder
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Tell each peer of one piece at a time: for the only seed of a new torrent (BEP 16)
    #[arg(long = "super")]
    pub super_seeding: bool,
    #[command(flatten)]
    pub goals: Until,
    #[command(flatten)]
    pub peering: Peering,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Allocate {
    Sparse,
    Full,
}

/// Puts `get` in front of arguments that name no command.
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

/// `500K`, `32M`, `1G` or plain bytes, at least one.
pub fn size(text: &str) -> Result<u64, String> {
    let number = bytes(text).filter(|size| *size > 0);
    number.ok_or_else(|| "a size such as 500K, 32M or 1G is expected".to_owned())
}

/// The same, or zero.
pub fn rate(text: &str) -> Result<u64, String> {
    bytes(text).ok_or_else(|| "bytes a second, such as 500K, 2M or 0, are expected".to_owned())
}

/// The same, but not zero.
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

pub fn host_and_port(text: &str) -> Result<String, String> {
    node(text).map(|_| text.to_owned())
}

/// The same, apart: the host without brackets, and the port.
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
                Command::Get(get) => assert_eq!(get.torrents, ["x.torrent"]),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(parse("femtotorrent show -").unwrap().command, Command::Show(_)));
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
