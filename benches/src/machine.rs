//! The machine a table was taken on.

use std::fs;

pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let load = read("/proc/loadavg");
    format!(
        "{}, {} cores, Linux {}; load average of the minute before: {}",
        model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        std::thread::available_parallelism().map_or(1, usize::from),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}
