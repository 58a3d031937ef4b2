//! Finding the devices of this machine and holding them against what the
//! operator asked for. Whatever was asked for by name and is not there is an
//! error; nothing is replaced by something else.

mod gpus;
mod ipus;
#[cfg(test)]
mod tests;

use super::cuda::{CudaDriver, SystemDriver};
use super::error::DeviceError;
use super::host;
use super::identity::Device;
use super::inventory::Inventory;
use super::selection::Selection;

/// The devices that the server may use.
///
/// `auto` takes the CPU, every GPU that the CUDA driver shows, and, where
/// `IPUOF_VIPU_API_HOST` and `IPUOF_VIPU_API_PARTITION_ID` are set, the IPUs
/// of that partition: as many as `NUM_AVAILABLE_IPU` says, else one. A list
/// takes what it names: GPUs must exist, IPUs are believed.
///
/// `env` reads an environment variable.
///
/// # Errors
/// Every device that was listed and is not there, and an IPU count that is no
/// number, all together.
pub fn discover(selection: &Selection, env: &dyn Fn(&str) -> Option<String>) -> Result<Inventory, Vec<DeviceError>> {
    discover_with(selection, env, &SystemDriver::find(env))
}

/// As [`discover`], with the CUDA driver given.
///
/// # Errors
/// As [`discover`].
pub fn discover_with(
    selection: &Selection,
    env: &dyn Fn(&str) -> Option<String>,
    cuda: &dyn CudaDriver,
) -> Result<Inventory, Vec<DeviceError>> {
    let mut inventory = Inventory::default();
    match selection {
        Selection::Auto => take_all(&mut inventory, env, cuda).map_err(|error| vec![error])?,
        Selection::List(devices) => take_listed(devices, &mut inventory, env, cuda)?,
    }
    gpus::note_mixed(&mut inventory, env);
    Ok(inventory)
}

fn take_all(
    inventory: &mut Inventory,
    env: &dyn Fn(&str) -> Option<String>,
    cuda: &dyn CudaDriver,
) -> Result<(), DeviceError> {
    inventory.devices.push(host::cpu());
    gpus::add_all(inventory, cuda);
    if let Some(range) = ipus::partition(inventory, env)? {
        ipus::add(inventory, range);
    }
    Ok(())
}

fn take_listed(
    listed: &[Device],
    inventory: &mut Inventory,
    env: &dyn Fn(&str) -> Option<String>,
    cuda: &dyn CudaDriver,
) -> Result<(), Vec<DeviceError>> {
    let mut errors = Vec::new();
    // Without a GPU in the list the driver is left alone.
    let any_gpu = listed.iter().any(|device| matches!(device, Device::Cuda(_)));
    let shown = if any_gpu { cuda.gpu_names() } else { Ok(Vec::new()) };
    for &device in listed {
        match (device, &shown) {
            (Device::Cpu, _) => inventory.devices.push(host::cpu()),
            (Device::Ipu(range), _) => ipus::add(inventory, range),
            (Device::Cuda(ordinal), Ok(names)) => match names.get(ordinal as usize) {
                Some(name) => gpus::add(inventory, ordinal, name.clone(), cuda),
                None => errors.push(DeviceError::NotFound {
                    device,
                    found: gpus::found(names.len(), env),
                }),
            },
            (Device::Cuda(_), Err(fault)) => errors.push(DeviceError::Unavailable {
                device,
                fault: fault.clone(),
            }),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
