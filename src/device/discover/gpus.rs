//! GPUs, as the CUDA driver shows them.

use crate::device::cuda::CudaDriver;
use crate::device::identity::Device;
use crate::device::inventory::{DeviceInfo, Inventory};

/// Takes all that the driver shows; a driver that is missing or fails shows none.
pub fn add_all(inventory: &mut Inventory, cuda: &dyn CudaDriver) {
    match cuda.gpu_names() {
        Ok(names) => {
            for (ordinal, name) in (0..).zip(names) {
                add(inventory, ordinal, name, cuda);
            }
        }
        Err(fault) => inventory.notes.push(format!("no GPU is used: {fault}")),
    }
}

pub fn add(inventory: &mut Inventory, ordinal: u32, name: String, cuda: &dyn CudaDriver) {
    let device = Device::Cuda(ordinal);
    let memory = cuda.memory(ordinal);
    if let Err(fault) = &memory {
        let note = format!("{device}: its memory is not known: {fault}");
        inventory.notes.push(note);
    }
    let memory = memory.ok();
    inventory.devices.push(DeviceInfo {
        device,
        name,
        total_memory: memory.map(|memory| memory.total),
        free_memory: memory.map(|memory| memory.free),
    });
}

/// `1 CUDA GPU (cuda:0)`, with the variable that may hide the others.
pub fn found(count: usize, env: &dyn Fn(&str) -> Option<String>) -> String {
    let gpus = match count {
        0 => "no CUDA GPU".to_owned(),
        1 => "1 CUDA GPU (cuda:0)".to_owned(),
        _ => format!("{count} CUDA GPUs (cuda:0 to cuda:{})", count - 1),
    };
    match env("CUDA_VISIBLE_DEVICES") {
        Some(visible) => format!("{gpus}, with CUDA_VISIBLE_DEVICES={visible:?}"),
        None => gpus,
    }
}

/// Among unlike GPUs the driver counts the fastest first, `nvidia-smi` by bus;
/// an operator who compares the two would name the wrong one.
pub fn note_mixed(inventory: &mut Inventory, env: &dyn Fn(&str) -> Option<String>) {
    let is_gpu = |info: &&DeviceInfo| matches!(info.device, Device::Cuda(_));
    let mut gpus = inventory.devices.iter().filter(is_gpu);
    let first = gpus.next();
    let mixed = first.is_some_and(|first| gpus.any(|other| other.name != first.name));
    if mixed && env("CUDA_DEVICE_ORDER").is_none() {
        inventory.notes.push(
            "the GPUs differ and are numbered fastest first: \
             set CUDA_DEVICE_ORDER=PCI_BUS_ID to number them as nvidia-smi does"
                .to_owned(),
        );
    }
}
