//! Child processes, and what Linux tells of a process in `/proc`.

use std::fs;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};

/// A child that ends with its guard.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Gone already, at worst.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Guard {
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

/// Times in `/proc` are in ticks of 1/100 s, on every architecture (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process, all its threads together.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    ticks(&pid.to_string(), [14, 15])
}

/// User and system time of this process.
pub fn own_cpu_time() -> Result<Duration> {
    ticks("self", [14, 15])
}

/// User and system time of the children of this process that have ended.
pub fn ended_children_cpu_time() -> Result<Duration> {
    ticks("self", [16, 17])
}

/// The sum of two fields of `/proc/PID/stat`, numbered from 1 as in proc(5).
fn ticks(pid: &str, fields: [usize; 2]) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading CPU time")?;
    // The second field, the command's name, may hold spaces; it ends with the last bracket.
    let (_, rest) = text.rsplit_once(')').context("reading CPU time")?;
    let values: Vec<&str> = rest.split_ascii_whitespace().collect();
    let mut sum = 0;
    for field in fields {
        sum += values.get(field - 3).context("reading CPU time")?.parse::<u32>()?;
    }
    Ok(TICK * sum)
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    pub rss: f64,
    pub pss: f64,
    pub anonymous: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("reading memory")?;
        let field = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|rest| rest.split_ascii_whitespace().next());
            Ok(kibibytes.context("reading memory")?.parse::<f64>()? * 1024.0)
        };
        Ok(Self {
            rss: field("Rss:")?,
            pss: field("Pss:")?,
            anonymous: field("Anonymous:")?,
        })
    }
}
