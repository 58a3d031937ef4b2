//! Child processes, and what Linux tells of a process in `/proc`.

use std::collections::HashMap;
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

/// User and system time of a process and of all that descend from it and run: workers and replicas may be processes.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended since it was listed.
        if let Ok([parent]) = numbers(&child.to_string(), [4]) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut sum = ticks(&pid.to_string(), [14, 15])?;
    let mut waiting = children.remove(&pid).unwrap_or_default();
    while let Some(child) = waiting.pop() {
        sum += ticks(&child.to_string(), [14, 15]).unwrap_or_default();
        waiting.extend(children.remove(&child).unwrap_or_default());
    }
    Ok(sum)
}

/// User and system time of this process.
pub fn own_cpu_time() -> Result<Duration> {
    ticks("self", [14, 15])
}

/// User and system time of the children of this process that have ended.
pub fn ended_children_cpu_time() -> Result<Duration> {
    ticks("self", [16, 17])
}

/// The sum of two times of `/proc/PID/stat`.
fn ticks(pid: &str, fields: [usize; 2]) -> Result<Duration> {
    let [user, system] = numbers(pid, fields)?;
    Ok(TICK * (user + system))
}

/// Fields of `/proc/PID/stat`, numbered from 1 as in proc(5).
fn numbers<const N: usize>(pid: &str, fields: [usize; N]) -> Result<[u32; N]> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading CPU time")?;
    // The second field, the command's name, may hold spaces; it ends with the last bracket.
    let (_, rest) = text.rsplit_once(')').context("reading CPU time")?;
    let values: Vec<&str> = rest.split_ascii_whitespace().collect();
    let mut found = [0; N];
    for (number, field) in found.iter_mut().zip(fields) {
        *number = values.get(field - 3).context("reading CPU time")?.parse()?;
    }
    Ok(found)
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
