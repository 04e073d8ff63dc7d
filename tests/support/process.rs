//! What the kernel knows of a process, in `/proc`. Linux only.

use std::fs;

/// The most memory that a process has held so far, in bytes.
pub fn peak_memory(id: u32) -> u64 {
    status(id, "VmHWM:").trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The most address space that a process has reserved so far, in bytes.
pub fn peak_address_space(id: u32) -> u64 {
    status(id, "VmPeak:").trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// How many threads a process has.
pub fn thread_count(id: u32) -> usize {
    status(id, "Threads:").parse().unwrap()
}

/// The names of the threads of this process that have this in their name.
pub fn threads_named(part: &str) -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.contains(part)).collect()
}

fn status(id: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned()
}
