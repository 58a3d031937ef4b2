//! Finding the devices of this machine and holding them against what the
//! operator asked for. Whatever was asked for by name and is not there is an
//! error; nothing is replaced by something else.
//!
//! IPUs are not probed: Graphcore's library comes with its SDK and lives in
//! the Python child. They are taken from the variables that describe the
//! partition, or as they are listed by hand.

use super::cuda::{CudaDriver, SystemDriver};
use super::error::DeviceError;
use super::host;
use super::identity::{Device, IpuRange};
use super::inventory::{DeviceInfo, Inventory};
use super::selection::Selection;

/// The two variables by which Poplar finds its partition (Graphcore, "Getting
/// started": they are set once a partition has been made).
const PARTITION: [&str; 2] = ["IPUOF_VIPU_API_HOST", "IPUOF_VIPU_API_PARTITION_ID"];

/// How many IPUs the partition has. Poplar itself has no variable for it; this
/// one is set by Graphcore's notebook images and read by their examples.
const IPU_COUNT: &str = "NUM_AVAILABLE_IPU";

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
    note_mixed_gpus(&mut inventory, env);
    Ok(inventory)
}

fn take_all(
    inventory: &mut Inventory,
    env: &dyn Fn(&str) -> Option<String>,
    cuda: &dyn CudaDriver,
) -> Result<(), DeviceError> {
    inventory.devices.push(host::cpu());
    match cuda.gpu_names() {
        Ok(names) => {
            for (ordinal, name) in (0..).zip(names) {
                add_gpu(inventory, ordinal, name, cuda);
            }
        }
        Err(fault) => inventory.notes.push(format!("no GPU is used: {fault}")),
    }
    if let Some(ipus) = partition(inventory, env)? {
        add_ipus(inventory, ipus);
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
    let gpus = if any_gpu { cuda.gpu_names() } else { Ok(Vec::new()) };
    for &device in listed {
        match (device, &gpus) {
            (Device::Cpu, _) => inventory.devices.push(host::cpu()),
            (Device::Ipu(range), _) => add_ipus(inventory, range),
            (Device::Cuda(ordinal), Ok(names)) => match names.get(ordinal as usize) {
                Some(name) => add_gpu(inventory, ordinal, name.clone(), cuda),
                None => errors.push(DeviceError::NotFound {
                    device,
                    found: gpus_found(names.len(), env),
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

fn add_gpu(inventory: &mut Inventory, ordinal: u32, name: String, cuda: &dyn CudaDriver) {
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

fn add_ipus(inventory: &mut Inventory, range: IpuRange) {
    let each = range.ipus().map(|ipu| DeviceInfo {
        device: Device::Ipu(IpuRange::single(ipu)),
        name: "Graphcore IPU".to_owned(),
        total_memory: None,
        free_memory: None,
    });
    inventory.devices.extend(each);
}

/// The IPUs that the environment describes, numbered from 0.
fn partition(inventory: &mut Inventory, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<IpuRange>, DeviceError> {
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

/// `1 CUDA GPU (cuda:0)`, with the variable that may hide the others.
fn gpus_found(count: usize, env: &dyn Fn(&str) -> Option<String>) -> String {
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
fn note_mixed_gpus(inventory: &mut Inventory, env: &dyn Fn(&str) -> Option<String>) {
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

#[cfg(test)]
mod tests {
    use super::super::cuda::CudaMemory;
    use super::super::error::CudaFault;
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A driver that shows these GPUs; one named "busy" has no memory to tell.
    struct Gpus(&'static [&'static str]);

    impl CudaDriver for Gpus {
        fn gpu_names(&self) -> Result<Vec<String>, CudaFault> {
            Ok(self.0.iter().map(|&name| name.to_owned()).collect())
        }

        fn memory(&self, ordinal: u32) -> Result<CudaMemory, CudaFault> {
            if self.0[ordinal as usize] == "busy" {
                return Err(CudaFault::Driver("CUDA_ERROR_DEVICE_UNAVAILABLE".into()));
            }
            Ok(CudaMemory {
                free: 30 * GIB,
                total: 40 * GIB,
            })
        }
    }

    struct Broken(CudaFault);

    impl CudaDriver for Broken {
        fn gpu_names(&self) -> Result<Vec<String>, CudaFault> {
            Err(self.0.clone())
        }

        fn memory(&self, _: u32) -> Result<CudaMemory, CudaFault> {
            Err(self.0.clone())
        }
    }

    struct Untouchable;

    impl CudaDriver for Untouchable {
        fn gpu_names(&self) -> Result<Vec<String>, CudaFault> {
            panic!("the driver was asked although no GPU is listed")
        }

        fn memory(&self, _: u32) -> Result<CudaMemory, CudaFault> {
            panic!("the driver was asked although no GPU is listed")
        }
    }

    const NO_DRIVER: Broken = Broken(CudaFault::NoDriver);

    fn try_discover(selection: &str, vars: &[(&str, &str)], cuda: &dyn CudaDriver) -> Result<Inventory, Vec<String>> {
        let env = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        discover_with(&selection.parse().unwrap(), &env, cuda)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn found(selection: &str, vars: &[(&str, &str)], cuda: &dyn CudaDriver) -> Inventory {
        try_discover(selection, vars, cuda).unwrap()
    }

    fn refused(selection: &str, vars: &[(&str, &str)], cuda: &dyn CudaDriver) -> Vec<String> {
        try_discover(selection, vars, cuda).unwrap_err()
    }

    const VIPU: [(&str, &str); 2] = [
        ("IPUOF_VIPU_API_HOST", "10.0.0.1"),
        ("IPUOF_VIPU_API_PARTITION_ID", "p1"),
    ];

    #[test]
    fn auto_without_a_driver_is_the_cpu_and_says_so() {
        let here = found("auto", &[], &NO_DRIVER);
        assert_eq!(here.summary(), "cpu");
        assert_eq!(here.notes, ["no GPU is used: no CUDA driver was found (libcuda.so.1)"]);
    }

    #[test]
    fn auto_with_a_driver_that_fails_says_why() {
        let cuda = Broken(CudaFault::Driver("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH".into()));
        let here = found("auto", &[], &cuda);
        assert_eq!(here.summary(), "cpu");
        assert!(here.notes[0].contains("SYSTEM_DRIVER_MISMATCH"));
    }

    #[test]
    fn auto_takes_the_cpu_and_every_gpu() {
        let here = found("auto", &[], &Gpus(&["H200", "H200"]));
        assert_eq!(here.summary(), "cpu, cuda:0, cuda:1");
        assert!(here.notes.is_empty());
        let gpu = &here.devices[1];
        assert_eq!(gpu.name, "H200");
        assert_eq!(gpu.total_memory, Some(40 * GIB));
        assert_eq!(gpu.free_memory, Some(30 * GIB));
    }

    #[test]
    fn a_driver_without_gpus_needs_no_note() {
        assert_eq!(found("auto", &[], &Gpus(&[])).notes, Vec::<String>::new());
    }

    #[test]
    fn a_gpu_that_does_not_tell_its_memory_is_still_there() {
        let here = found("cuda:1", &[], &Gpus(&["A", "busy"]));
        assert_eq!(here.summary(), "cuda:1");
        assert_eq!(here.devices[0].total_memory, None);
        assert_eq!(
            here.notes,
            ["cuda:1: its memory is not known: the CUDA driver answered CUDA_ERROR_DEVICE_UNAVAILABLE"]
        );
    }

    #[test]
    fn a_list_keeps_its_order_and_adds_nothing() {
        let here = found("cuda:1,cuda:0", &VIPU, &Gpus(&["A", "A", "A"]));
        let order: Vec<Device> = here.devices.iter().map(|info| info.device).collect();
        assert_eq!(order, [Device::Cuda(1), Device::Cuda(0)]);
    }

    #[test]
    fn a_list_without_gpus_leaves_the_driver_alone() {
        assert_eq!(found("cpu", &[], &Untouchable).summary(), "cpu");
        assert_eq!(found("ipu:0-3", &[], &Untouchable).summary(), "ipu:0-3");
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_with_what_is() {
        assert_eq!(
            refused("cuda:1", &[], &Gpus(&["A"])),
            ["cuda:1 was asked for, but this machine shows 1 CUDA GPU (cuda:0)"]
        );
        assert_eq!(
            refused("cuda:0", &[("CUDA_VISIBLE_DEVICES", "")], &Gpus(&[])),
            [r#"cuda:0 was asked for, but this machine shows no CUDA GPU, with CUDA_VISIBLE_DEVICES="""#]
        );
        assert_eq!(
            refused("cuda:0", &[], &NO_DRIVER),
            ["cuda:0 was asked for, but no CUDA driver was found (libcuda.so.1)"]
        );
    }

    #[test]
    fn every_missing_gpu_is_reported() {
        let errors = refused("cuda:0,cuda:2,cpu,cuda:7", &[], &Gpus(&["A", "A"]));
        assert_eq!(
            errors,
            [
                "cuda:2 was asked for, but this machine shows 2 CUDA GPUs (cuda:0 to cuda:1)",
                "cuda:7 was asked for, but this machine shows 2 CUDA GPUs (cuda:0 to cuda:1)",
            ]
        );
    }

    #[test]
    fn auto_reads_the_partition_from_the_environment() {
        let mut vars = VIPU.to_vec();
        vars.push(("NUM_AVAILABLE_IPU", "4"));
        let here = found("auto", &vars, &Gpus(&[]));
        assert_eq!(here.summary(), "cpu, ipu:0-3");
        assert_eq!(here.devices.len(), 5);
        assert!(here.notes.is_empty());
    }

    #[test]
    fn a_partition_of_unknown_size_is_one_ipu_and_says_so() {
        for vars in [VIPU.to_vec(), [&VIPU[..], &[("NUM_AVAILABLE_IPU", " ")]].concat()] {
            let here = found("auto", &vars, &Gpus(&[]));
            assert_eq!(here.summary(), "cpu, ipu:0");
            assert!(here.notes[0].starts_with("NUM_AVAILABLE_IPU is not set"));
        }
    }

    #[test]
    fn half_a_partition_is_none_and_says_so() {
        for half in [&VIPU[..1], &VIPU[1..]] {
            let here = found("auto", half, &Gpus(&[]));
            assert_eq!(here.summary(), "cpu");
            assert!(here.notes[0].starts_with("no IPU is used: only one of"));
        }
    }

    #[test]
    fn a_count_that_is_no_number_is_an_error() {
        for count in ["many", "0", "-1", "4097"] {
            let vars = [&VIPU[..], &[("NUM_AVAILABLE_IPU", count)]].concat();
            assert_eq!(
                refused("auto", &vars, &Gpus(&[])),
                [format!(
                    "NUM_AVAILABLE_IPU is {count:?}, expected the number of IPUs in the partition, 1 to 4096"
                )]
            );
        }
    }

    #[test]
    fn unlike_gpus_bring_a_note_about_their_order() {
        let mixed = Gpus(&["H200", "T4"]);
        assert!(found("auto", &[], &mixed).notes[0].contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
        let ordered = [("CUDA_DEVICE_ORDER", "PCI_BUS_ID")];
        assert!(found("auto", &ordered, &mixed).notes.is_empty());
        assert!(found("cuda:1", &[], &mixed).notes.is_empty());
    }

    #[test]
    fn this_machine_is_discovered() {
        let env = |name: &str| std::env::var(name).ok();
        assert!(discover(&Selection::Auto, &env).unwrap().has_cpu());
    }
}
