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

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use sha1::{Digest, Sha1};

/// The kernel's unit of CPU time in `/proc`, on every Linux there is.
const TICKS_A_SECOND: f64 = 100.0;
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
    let mut payload = vec![0; arguments.size];
    fastrand::Rng::with_seed(1).fill(&mut payload);
    let info = info(&payload, arguments.piece)?;
    let torrent = folder.join("bench.torrent");
    fs::write(&torrent, [b"d4:info", info.as_slice(), b"e"].concat())?;
    let info_hash = Sha1::digest(&info).into();
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

/// The bencoded info dictionary of a single file (BEP 3).
fn info(payload: &[u8], piece_length: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let digests = payload
        .chunks(usize::try_from(piece_length)?)
        .flat_map(|piece| <[u8; 20]>::from(Sha1::digest(piece)));
    let digests: Vec<u8> = digests.collect();
    let mut info = format!(
        "d6:lengthi{}e4:name9:bench.bin12:piece lengthi{piece_length}e6:pieces{}:",
        payload.len(),
        digests.len()
    )
    .into_bytes();
    info.extend(digests);
    info.push(b'e');
    Ok(info)
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
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak_mib = 0.0;
    loop {
        let status = fs::read_to_string(process.join("status"))?;
        let peak: Option<u32> = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
        if let Some(kib) = peak {
            peak_mib = f64::from(kib) / 1024.0;
        }
        if status.lines().any(|line| line.starts_with("State:\tZ")) {
            let wall = begun.elapsed().as_secs_f64();
            return Ok(Cost { wall, cpu: cpu_seconds(&process)?, peak_mib });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// User and system time of a process, fields 14 and 15 of its `stat`.
fn cpu_seconds(process: &Path) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(process.join("stat"))?;
    // The name in parentheses may hold spaces; the fields after it, from the third on, do not.
    let (_, fields) = stat.rsplit_once(')').ok_or("a process without a name")?;
    let ticks: Result<u32, _> = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum();
    Ok(f64::from(ticks?) / TICKS_A_SECOND)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
