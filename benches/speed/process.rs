//! What a process costs, as the kernel counts it.

use std::time::Duration;

/// Unit of processor times in /proc: the same on every Linux that containers run on.
const TICKS_PER_SECOND: u64 = 100;

/// Resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> f64 {
    field_kib(pid, "VmRSS:")
}

fn field_kib(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Processor time that a process has used so far.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name may hold blanks; what follows it does not.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

/// The machine, as far as it matters: cores, memory, kernel.
pub fn machine() -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: f64 = kib.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    // What follows the number names who built it.
    let kernel: String = release.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    Machine { cores, memory_gib: kib / 1024.0 / 1024.0, kernel: format!("Linux {kernel}") }
}

/// What the figures were measured on.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// Memory, in GiB.
    pub memory_gib: f64,
    /// Kernel and its version.
    pub kernel: String,
}
