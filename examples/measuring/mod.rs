//! What both measurements share: their arguments, a folder for their files, runs and medians.
//!
//! The peers of `bench` and `seeding` write and read the frames of the peer protocol (BEP 3) by hand, with the
//! numbers as the specification has them, although the library has `femtotorrent::wire`. They are an independent
//! implementation: a mistake of the library's cannot hide because both ends make it, and what the other end costs
//! stays the same when the library changes.

pub mod payload;
pub mod process;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use payload::Payload;

/// What both measurements take.
#[derive(Args)]
pub struct CommonArguments {
    /// The femtotorrent binary
    pub program: PathBuf,
    /// Bytes in the payload
    #[arg(long, default_value_t = 1 << 30)]
    pub size: usize,
    /// Bytes in a piece
    #[arg(long, default_value_t = 1 << 20)]
    pub piece: u32,
    /// Runs that count; one more goes first to warm up
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// Folder for the payload or the downloads
    #[arg(long, default_value = "/dev/shm")]
    pub r#where: PathBuf,
}

/// What one run cost, or the median of several.
pub struct Cost {
    /// Seconds on the clock.
    pub wall: f64,
    /// User and system time in seconds.
    pub cpu: f64,
    /// The most resident memory, in MiB.
    pub peak_mib: f64,
}

/// Makes the payload and a new folder, measures in it, and removes it.
///
/// # Errors
///
/// Where the folder cannot be made or removed, or the measurement fails.
pub fn measure_in_folder(
    name: &str,
    arguments: &CommonArguments,
    measure: impl FnOnce(Payload, &Path) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let folder = arguments.r#where.join(format!("femtotorrent-{name}-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let result = Payload::new(arguments.size, arguments.piece).and_then(|payload| measure(payload, &folder));
    fs::remove_dir_all(&folder)?;
    result
}

/// Runs this as often as was asked for, after one run to warm up: the medians.
///
/// # Errors
///
/// Where a run fails.
pub fn median_of_runs(
    runs: usize,
    mut run_once: impl FnMut() -> Result<Cost, Box<dyn Error>>,
) -> Result<Cost, Box<dyn Error>> {
    run_once()?;
    let costs: Vec<Cost> = (0..runs).map(|_| run_once()).collect::<Result<_, _>>()?;
    Ok(Cost {
        wall: median(costs.iter().map(|cost| cost.wall)),
        cpu: median(costs.iter().map(|cost| cost.cpu)),
        peak_mib: median(costs.iter().map(|cost| cost.peak_mib)),
    })
}

/// Bytes as MiB.
///
/// # Errors
///
/// Where there are 4 TiB or more.
pub fn mib(bytes: usize) -> Result<f64, Box<dyn Error>> {
    Ok(f64::from(u32::try_from(bytes >> 10)?) / 1024.0)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
