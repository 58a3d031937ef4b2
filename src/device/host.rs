//! The processor and the memory of the host, from Linux's `/proc`.
//! A file that is missing or reads oddly leaves a gap, never an error: the
//! CPU is there whatever `/proc` says.

use std::fs;

use super::identity::Device;
use super::inventory::DeviceInfo;

/// The host's CPU. Memory is the machine's: a container's own limit is not in
/// `/proc/meminfo`.
pub(super) fn cpu() -> DeviceInfo {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    describe(&cpuinfo, &meminfo)
}

fn describe(cpuinfo: &str, meminfo: &str) -> DeviceInfo {
    DeviceInfo {
        device: Device::Cpu,
        // Linux on Arm writes no model name.
        name: model_name(cpuinfo).unwrap_or_else(|| format!("{} CPU", std::env::consts::ARCH)),
        total_memory: bytes(meminfo, "MemTotal"),
        // What a new program can have without swapping (proc_meminfo(5));
        // MemFree leaves out the page cache and would look like a full machine.
        free_memory: bytes(meminfo, "MemAvailable"),
    }
}

fn model_name(cpuinfo: &str) -> Option<String> {
    let name = field(cpuinfo, "model name")?;
    (!name.is_empty()).then(|| name.to_owned())
}

// The "kB" of `/proc/meminfo` are 1,024 bytes (proc_meminfo(5)).
fn bytes(meminfo: &str, key: &str) -> Option<u64> {
    let kibibytes = field(meminfo, key)?.strip_suffix("kB")?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The value of the first `key : value` line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = pairs.filter(|(name, _)| name.trim() == key);
    values.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\n\
        model name\t: Intel(R) Xeon(R) CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: another\n";
    const MEMINFO: &str = "MemTotal:       32880668 kB\nMemFree:          512000 kB\n\
        MemAvailable:   30000000 kB\nSwapTotal:             0 kB\n";

    #[test]
    fn reads_name_and_memory() {
        let cpu = describe(CPUINFO, MEMINFO);
        assert_eq!(cpu.device, Device::Cpu);
        assert_eq!(cpu.name, "Intel(R) Xeon(R) CPU @ 2.00GHz");
        assert_eq!(cpu.total_memory, Some(32_880_668 * 1024));
        assert_eq!(cpu.free_memory, Some(30_000_000 * 1024));
    }

    #[test]
    fn a_processor_without_a_model_name_is_named_by_its_architecture() {
        let arm = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\nmodel name\t:\n";
        for cpuinfo in ["", arm] {
            let name = describe(cpuinfo, MEMINFO).name;
            assert_eq!(name, format!("{} CPU", std::env::consts::ARCH));
        }
    }

    #[test]
    fn odd_memory_lines_are_gaps() {
        for meminfo in [
            "",
            "MemTotal: kB\nMemAvailable: -1 kB",
            "MemTotal: 12\nMemAvailable: 12 MB",
            "MemTotal: 99999999999999999999 kB",
            "MemTotal: 18446744073709551615 kB",
            "no colon here",
        ] {
            let cpu = describe("", meminfo);
            assert_eq!((cpu.total_memory, cpu.free_memory), (None, None), "{meminfo:?}");
        }
    }

    #[test]
    fn this_machine_has_a_cpu() {
        assert_eq!(cpu().device, Device::Cpu);
        assert!(!cpu().name.is_empty());
    }
}
