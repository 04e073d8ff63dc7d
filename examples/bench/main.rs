//! Measures what a download costs: the project's own bench, for `make bench`.
//!
//! `bench PROGRAM [--size BYTES] [--piece BYTES] [--peers N] [--round-trip MILLISECONDS] [--runs N]`
//!
//! Serves a payload from memory over loopback, from as many addresses as there are peers and behind
//! a delay if one is asked for, and runs the program against it. Figures are of the whole process and
//! the median of the runs: wall and CPU seconds (resolution 10 ms) and peak resident memory, as the
//! kernel tells in `/proc`. Linux only.

mod delaying_proxy;
mod fast_seeder;
#[path = "../measuring/mod.rs"]
mod measuring;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use delaying_proxy::delaying_proxy;
use fast_seeder::Served;
use measuring::payload::Payload;
use measuring::{CommonArguments, Cost, process};

/// Often enough for the peak of a download of a tenth of a second, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Seeders, at 127.0.0.1, 127.0.0.2, ...
    #[arg(long, default_value_t = 1)]
    peers: u8,
    /// Delay there and back, in milliseconds
    #[arg(long, default_value_t = 0)]
    round_trip: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    measuring::measure_in_folder("bench", &arguments.common, |payload, folder| {
        measure(&arguments, payload, folder)
    })
}

fn measure(arguments: &Arguments, payload: Payload, folder: &Path) -> Result<(), Box<dyn Error>> {
    let CommonArguments { program, size, piece, runs, .. } = &arguments.common;
    let torrent = folder.join("bench.torrent");
    fs::write(&torrent, payload.metainfo)?;
    let served =
        Arc::new(Served { payload: payload.bytes, piece_length: *piece, info_hash: payload.info_hash });
    let peers = start_peers(arguments, &served)?;

    let output = folder.join("download");
    let cost = measuring::median_of_runs(*runs, || {
        let mut command = Command::new(program);
        command.arg("get").arg(&torrent).arg("-o").arg(&output).arg("-q").env("XDG_CONFIG_HOME", "/dev/null");
        command.args(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
        let cost = run_once(&mut command)?;
        if fs::read(output.join("bench.bin"))? != served.payload {
            return Err("the download differs from the payload".into());
        }
        fs::remove_dir_all(&output)?;
        Ok(cost)
    })?;
    println!(
        "{size} bytes, pieces of {piece}, {} peer(s), {} ms round trip, median of {runs}",
        arguments.peers, arguments.round_trip
    );
    println!("{:>9} {:>9} {:>9} {:>9}", "wall s", "MiB/s", "CPU s", "peak MiB");
    let Cost { wall, cpu, peak_mib } = cost;
    println!("{wall:>9.3} {:>9.0} {cpu:>9.2} {peak_mib:>9.1}", measuring::mib(*size)? / wall);
    Ok(())
}

fn start_peers(arguments: &Arguments, served: &Arc<Served>) -> Result<Vec<SocketAddr>, Box<dyn Error>> {
    let one_way = Duration::from_millis(arguments.round_trip) / 2;
    (1..=arguments.peers)
        .map(|number| {
            let peer = fast_seeder::serve(Arc::clone(served), SocketAddr::from(([127, 0, 0, number], 0)))?;
            Ok(if one_way.is_zero() { peer } else { delaying_proxy(peer, one_way)? })
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
