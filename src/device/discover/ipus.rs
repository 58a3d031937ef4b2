//! IPUs. They are not probed: Graphcore's library comes with its SDK and lives in the Python child. They are taken from
//! the variables that describe the partition, or as they are listed by hand.

use crate::device::error::DeviceError;
use crate::device::identity::{Device, IpuRange};
use crate::device::inventory::{DeviceInfo, Inventory};

/// The two variables by which Poplar finds its partition (Graphcore, "Getting
/// started": they are set once a partition has been made).
const PARTITION: [&str; 2] = ["IPUOF_VIPU_API_HOST", "IPUOF_VIPU_API_PARTITION_ID"];

/// How many IPUs the partition has. Poplar itself has no variable for it; this
/// one is set by Graphcore's notebook images and read by their examples.
const IPU_COUNT: &str = "NUM_AVAILABLE_IPU";

pub fn add(inventory: &mut Inventory, range: IpuRange) {
    let each = range.ipus().map(|ipu| DeviceInfo {
        device: Device::Ipu(IpuRange::single(ipu)),
        name: "Graphcore IPU".to_owned(),
        total_memory: None,
        free_memory: None,
    });
    inventory.devices.extend(each);
}

/// The IPUs that the environment describes, numbered from 0.
pub fn partition(
    inventory: &mut Inventory,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<IpuRange>, DeviceError> {
    let set = |name: &&str| env(name).is_some_and(|value| !value.trim().is_empty());
    match PARTITION.iter().filter(|name| set(name)).count() {
        0 => return Ok(None),
        1 => {
            let [host, id] = PARTITION;
            let note = format!("no IPU is used: only one of {host} and {id} is set");
            inventory.notes.push(note);
            return Ok(None);
        }
        _ => {}
    }
    let Some(read) = env(IPU_COUNT).filter(|read| !read.trim().is_empty()) else {
        inventory.notes.push(format!(
            "{IPU_COUNT} is not set, so the IPU partition is taken to have one IPU: \
             set it, or list the IPUs in SERVER_DEVICES (ipu:0-3)"
        ));
        return Ok(Some(IpuRange::single(0)));
    };
    let count = read.trim().parse::<u32>().ok();
    let range = count.and_then(|count| IpuRange::new(0, count.checked_sub(1)?));
    range.map(Some).ok_or(DeviceError::IpuCount {
        variable: IPU_COUNT,
        read,
    })
}
