//! What the kernel knows of a process, in `/proc`. Linux only.

use std::error::Error;
use std::fs;

/// The kernel's unit of CPU time in `/proc`, on every Linux there is.
const TICKS_A_SECOND: f64 = 100.0;

/// User and system time of all threads of a process so far, fields 14 and 15 of its `stat`.
///
/// # Errors
///
/// Where there is no such process.
pub fn cpu_seconds(id: u32) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold spaces; the fields after it, from the third on, do not.
    let (_, fields) = stat.rsplit_once(')').ok_or("a process without a name")?;
    let ticks: Result<u32, _> = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum();
    Ok(f64::from(ticks?) / TICKS_A_SECOND)
}

/// The most memory that it has held so far, in MiB. `None` where it has ended: then its
/// times are final, while its memory is gone.
///
/// # Errors
///
/// Where there is no such process.
pub fn peak_mib(id: u32) -> Result<Option<f64>, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak: Option<u32> =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
    Ok(peak.map(|kib| f64::from(kib) / 1024.0))
}
