use super::*;
use crate::device::cuda::CudaMemory;
use crate::device::error::CudaFault;

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
