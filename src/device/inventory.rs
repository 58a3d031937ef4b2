//! The devices that the server may use. Filled by discovery, read by
//! placement and by the pages that show it; knows neither.

use std::collections::BTreeSet;

use serde::Serialize;

use super::identity::{Device, IpuRange};

/// One device and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Its name in settings. IPUs are listed one by one.
    pub device: Device,
    /// What the hardware calls itself.
    pub name: String,
    /// Bytes of memory; `None` where nothing says.
    pub total_memory: Option<u64>,
    /// Bytes free when it was discovered; `None` where nothing says.
    pub free_memory: Option<u64>,
}

/// Every device the server may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The devices: in the order of the list, or CPU, GPUs, IPUs.
    pub devices: Vec<DeviceInfo>,
    /// What an operator should know and no error says, one sentence each.
    pub notes: Vec<String>,
}

impl Inventory {
    /// Whether replicas may run on the CPU.
    #[must_use]
    pub fn has_cpu(&self) -> bool {
        self.devices.iter().any(|info| info.device == Device::Cpu)
    }

    /// The ordinals of the GPUs, ascending.
    #[must_use]
    pub fn gpus(&self) -> BTreeSet<u32> {
        let ordinal = |info: &DeviceInfo| match info.device {
            Device::Cuda(ordinal) => Some(ordinal),
            _ => None,
        };
        self.devices.iter().filter_map(ordinal).collect()
    }

    /// The numbers of the IPUs, ascending.
    #[must_use]
    pub fn ipus(&self) -> BTreeSet<u32> {
        let range = |info: &DeviceInfo| match info.device {
            Device::Ipu(range) => Some(range),
            _ => None,
        };
        let ranges = self.devices.iter().filter_map(range);
        ranges.flat_map(IpuRange::ipus).collect()
    }

    /// Whether the whole device is here: for IPUs, each of the range.
    #[must_use]
    pub fn holds(&self, device: Device) -> bool {
        match device {
            Device::Cpu => self.has_cpu(),
            Device::Cuda(ordinal) => self.gpus().contains(&ordinal),
            Device::Ipu(range) => {
                let ipus = self.ipus();
                range.ipus().all(|ipu| ipus.contains(&ipu))
            }
        }
    }

    /// The devices in as few words as possible: `cpu, cuda:0, ipu:0-3`, or
    /// `no device`.
    #[must_use]
    pub fn summary(&self) -> String {
        let cpu = self.has_cpu().then_some(Device::Cpu);
        let gpus = self.gpus().into_iter().map(Device::Cuda);
        let ipus = runs(&self.ipus()).into_iter().map(Device::Ipu);
        let all = cpu.into_iter().chain(gpus).chain(ipus);
        let names: Vec<String> = all.map(|device| device.to_string()).collect();
        if names.is_empty() {
            "no device".to_owned()
        } else {
            names.join(", ")
        }
    }
}

/// The set as ranges of neighbours, ascending.
pub(super) fn runs(ipus: &BTreeSet<u32>) -> Vec<IpuRange> {
    let mut runs: Vec<IpuRange> = Vec::new();
    for &ipu in ipus {
        let longer = runs.last().and_then(|run| {
            let next = run.last().checked_add(1) == Some(ipu);
            next.then(|| IpuRange::new(run.first(), ipu)).flatten()
        });
        match (longer, runs.last_mut()) {
            (Some(longer), Some(run)) => *run = longer,
            _ => runs.push(IpuRange::single(ipu)),
        }
    }
    runs
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An inventory of devices by their names.
    pub(crate) fn inventory(names: &[&str]) -> Inventory {
        let info = |name: &&str| DeviceInfo {
            device: name.parse().unwrap(),
            name: "test".into(),
            total_memory: None,
            free_memory: None,
        };
        Inventory {
            devices: names.iter().map(info).collect(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn ranges_and_single_ipus_read_alike() {
        assert_eq!(inventory(&["ipu:0-3"]).ipus(), inventory(&["ipu:3", "ipu:0-2"]).ipus());
    }

    #[test]
    fn holds_whole_ranges_only() {
        let here = inventory(&["cpu", "cuda:1", "ipu:0", "ipu:1"]);
        for (device, held) in [
            ("cpu", true),
            ("cuda:1", true),
            ("cuda:0", false),
            ("ipu:0-1", true),
            ("ipu:1-2", false),
        ] {
            assert_eq!(here.holds(device.parse().unwrap()), held, "{device}");
        }
        assert!(!inventory(&["cuda:0"]).holds(Device::Cpu));
    }

    #[test]
    fn the_summary_joins_neighbours() {
        let here = inventory(&["ipu:5", "ipu:1", "cuda:1", "ipu:0", "cpu", "cuda:0"]);
        assert_eq!(here.summary(), "cpu, cuda:0, cuda:1, ipu:0-1, ipu:5");
        assert_eq!(Inventory::default().summary(), "no device");
    }

    #[test]
    fn runs_end_at_the_widest_range_and_at_the_highest_number() {
        let many: BTreeSet<u32> = (0..=IpuRange::MAX_COUNT).collect();
        assert_eq!(runs(&many).len(), 2);
        assert_eq!(runs(&BTreeSet::from([u32::MAX])), [IpuRange::single(u32::MAX)]);
    }
}
