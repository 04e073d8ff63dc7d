//! Measures what a download costs: the project's own bench, for `make bench`.
//!
//! `bench PROGRAM [--size BYTES] [--piece BYTES] [--peers N] [--round-trip MILLISECONDS] [--runs N]`
//!
//! Serves a payload from memory over loopback, from as many addresses as there are peers and behind
//! a delay if one is asked for, and runs the program against it. Figures are of the whole process and
//! the median of the runs: wall and CPU seconds (resolution 10 ms) and peak resident memory, as the
//! kernel tells in `/proc`. Linux only.

#[path = "../tests/support/delay.rs"]
mod delay;
#[path = "../tests/support/firehose.rs"]
mod firehose;
#[path = "../tests/support/noise.rs"]
mod noise;
#[path = "../tests/support/process.rs"]
mod process;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use noise::Noise;

/// Often enough for the peak of a download of a tenth of a second, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Parser)]
struct Arguments {
    /// The femtotorrent binary
    program: PathBuf,
    /// Bytes in the payload
    #[arg(long, default_value_t = 1 << 30)]
    size: usize,
    /// Bytes in a piece
    #[arg(long, default_value_t = 1 << 20)]
    piece: u32,
    /// Seeders, at 127.0.0.1, 127.0.0.2, ...
    #[arg(long, default_value_t = 1)]
    peers: u8,
    /// Delay there and back, in milliseconds
    #[arg(long, default_value_t = 0)]
    round_trip: u64,
    /// Runs that count; one more goes first to warm up
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Folder for the downloads
    #[arg(long, default_value = "/dev/shm")]
    r#where: PathBuf,
}

/// What one run cost.
struct Cost {
    wall: f64,
    cpu: f64,
    peak_mib: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let folder = arguments.r#where.join(format!("femtotorrent-bench-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let result = measure(&arguments, &folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn measure(arguments: &Arguments, folder: &Path) -> Result<(), Box<dyn Error>> {
    let Noise { payload, metainfo, info_hash } = Noise::new(arguments.size, arguments.piece)?;
    let torrent = folder.join("bench.torrent");
    fs::write(&torrent, metainfo)?;
    let shared = Arc::new(firehose::Shared { payload, piece_length: arguments.piece, info_hash });
    let peers = start_peers(arguments, &shared)?;

    let output = folder.join("download");
    let mut costs = Vec::new();
    for run in 0..=arguments.runs {
        let mut command = Command::new(&arguments.program);
        command.arg("get").arg(&torrent).arg("-o").arg(&output).arg("-q");
        command.args(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
        let cost = run_once(&mut command)?;
        if fs::read(output.join("bench.bin"))? != shared.payload {
            return Err("the download differs from the payload".into());
        }
        fs::remove_dir_all(&output)?;
        if run > 0 {
            costs.push(cost);
        }
    }
    let wall = median(costs.iter().map(|cost| cost.wall));
    let rate = f64::from(u32::try_from(arguments.size >> 10)?) / 1024.0 / wall;
    println!(
        "{} bytes, pieces of {}, {} peer(s), {} ms round trip, median of {}",
        arguments.size, arguments.piece, arguments.peers, arguments.round_trip, arguments.runs
    );
    println!("{:>9} {:>9} {:>9} {:>9}", "wall s", "MiB/s", "CPU s", "peak MiB");
    let (cpu, peak) =
        (median(costs.iter().map(|cost| cost.cpu)), median(costs.iter().map(|cost| cost.peak_mib)));
    println!("{wall:>9.3} {rate:>9.0} {cpu:>9.2} {peak:>9.1}");
    Ok(())
}

fn start_peers(
    arguments: &Arguments,
    shared: &Arc<firehose::Shared>,
) -> Result<Vec<SocketAddr>, Box<dyn Error>> {
    let one_way = Duration::from_millis(arguments.round_trip) / 2;
    (1..=arguments.peers)
        .map(|number| {
            let peer = firehose::serve(Arc::clone(shared), SocketAddr::from(([127, 0, 0, number], 0)))?;
            Ok(if one_way.is_zero() { peer } else { delay::delaying_proxy(peer, one_way)? })
        })
        .collect()
}

/// Runs the command to its end and reads what it cost while the kernel still knows.
fn run_once(command: &mut Command) -> Result<Cost, Box<dyn Error>> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let watched = watch(&child, begun);
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("{command:?} failed: {status}").into());
    }
    watched
}

/// Watches a process until it is a zombie: then its times are final, while its memory is gone.
fn watch(child: &Child, begun: Instant) -> Result<Cost, Box<dyn Error>> {
    let mut peak_mib = 0.0;
    while let Some(peak) = process::peak_mib(child.id())? {
        peak_mib = peak;
        thread::sleep(LOOK_EVERY);
    }
    Ok(Cost { wall: begun.elapsed().as_secs_f64(), cpu: process::cpu_seconds(child.id())?, peak_mib })
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
