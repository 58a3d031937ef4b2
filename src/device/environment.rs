//! The environment of a child process that owns one device: it sees that
//! device and no other, and uses its share of the host's threads.
//! Pure: it starts nothing and reads only through the closure it is handed.

use std::path::Path;

use super::identity::Device;

// Where numeric libraries read how many threads to start: OpenMP (PyTorch),
// MKL, OpenBLAS, NumExpr, and rayon (Hugging Face tokenizers). Each takes
// every core of the host when it is not told, so replicas would fight.
const THREADS: [&str; 5] = [
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

// Which GPUs a process sees, and in which order (CUDA programming guide,
// "CUDA environment variables"). Empty means none.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
const ORDER: &str = "CUDA_DEVICE_ORDER";

// How Poplar finds its partition: the V-IPU controller's address, the
// partition and graph compilation domain in it (the variables that PopRun hands
// to what it starts), or a file that says the same (V-IPU user guide,
// "Partitions").
const PARTITION: [&str; 6] = [
    "IPUOF_VIPU_API_HOST",
    "IPUOF_VIPU_API_PORT",
    "IPUOF_VIPU_API_PARTITION_ID",
    "IPUOF_VIPU_API_GCD_ID",
    "IPUOF_VIPU_API_TIMEOUT",
    "IPUOF_CONFIG_PATH",
];

// Where compiled executables are kept (PopTorch user guide, "Executable
// caching"; PopART and PopXL user guides, "Environment variables").
const CACHES: [&str; 3] = ["POPTORCH_CACHE_DIR", "POPART_CACHE_DIR", "POPXL_CACHE_DIR"];

/// The variables to lay over the environment of a child that owns `device`.
///
/// - All: `HOSTLER_DEVICE`, the device's name in this server; and the thread
///   counts, `threads` but at least 1.
/// - CPU and IPU: no GPU is visible.
/// - GPU: only that one is visible, so inside the child it is `cuda:0`.
/// - IPU: the partition as inherited, and the compile caches in `cache_dir`
///   unless the operator has put them elsewhere. `POPLAR_ENGINE_OPTIONS` is
///   the operator's. No variable picks IPUs: Poplar attaches the first that are
///   free, for one process alone, so replicas cannot share one; a pipeline that
///   wants exactly its own passes the number in `HOSTLER_DEVICE` to
///   `poptorch.Options.useIpuId`.
///
/// `cache_dir` should be absolute, as the child may start in another folder.
/// `inherited` reads a variable of the environment the child starts from.
#[must_use]
pub fn replica_environment(
    device: Device,
    threads: usize,
    cache_dir: &Path,
    inherited: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let mut pairs = vec![("HOSTLER_DEVICE", device.to_string())];
    let threads = threads.max(1).to_string();
    pairs.extend(THREADS.map(|name| (name, threads.clone())));
    match device {
        Device::Cpu => pairs.push((VISIBLE, String::new())),
        Device::Cuda(ordinal) => {
            pairs.push((VISIBLE, visible_gpu(ordinal, inherited(VISIBLE).as_deref())));
            // A number means the same GPU here and in the child only if both
            // count alike. This process has counted by the inherited order,
            // or by CUDA's default.
            let order = inherited(ORDER).unwrap_or_else(|| "FASTEST_FIRST".to_owned());
            pairs.push((ORDER, order));
        }
        Device::Ipu(_) => {
            pairs.push((VISIBLE, String::new()));
            let passed = |name| inherited(name).map(|value| (name, value));
            pairs.extend(PARTITION.into_iter().filter_map(passed));
            for name in CACHES {
                let chosen = inherited(name).filter(|folder| !folder.is_empty());
                let ours = || cache_dir.to_string_lossy().into_owned();
                pairs.push((name, chosen.unwrap_or_else(ours)));
            }
        }
    }
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    pairs.into_iter().map(owned).collect()
}

/// The GPU's entry in the inherited list: ordinals count within it, and its
/// entries may be numbers, `GPU-…` or `MIG-…`, which are passed on as they are.
fn visible_gpu(ordinal: u32, inherited: Option<&str>) -> String {
    let Some(list) = inherited else {
        return ordinal.to_string();
    };
    // An ordinal past the end names no GPU the driver could have shown. The
    // bare number would reach past what the operator allowed; empty shows
    // none, and the child says so.
    let entry = list.split(',').nth(ordinal as usize);
    entry.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn environment(device: &str, vars: &[(&str, &str)]) -> BTreeMap<String, String> {
        let inherited = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let device = device.parse().unwrap();
        let pairs = replica_environment(device, 3, Path::new("/cache"), &inherited);
        let count = pairs.len();
        let map: BTreeMap<_, _> = pairs.into_iter().collect();
        assert_eq!(map.len(), count, "a variable is set twice");
        map
    }

    fn visible(device: &str, vars: &[(&str, &str)]) -> String {
        environment(device, vars)[VISIBLE].clone()
    }

    #[test]
    fn every_child_learns_its_device_and_its_threads() {
        for device in ["cpu", "cuda:0", "ipu:0-1"] {
            let env = environment(device, &[("OMP_NUM_THREADS", "64")]);
            assert_eq!(env["HOSTLER_DEVICE"], device);
            for name in THREADS {
                assert_eq!(env[name], "3", "{name}");
            }
        }
    }

    #[test]
    fn no_threads_means_one() {
        let pairs = replica_environment(Device::Cpu, 0, Path::new(""), &|_| None);
        assert!(pairs.contains(&("OMP_NUM_THREADS".into(), "1".into())));
    }

    #[test]
    fn gpus_are_hidden_from_all_but_gpu_replicas() {
        for device in ["cpu", "ipu:0"] {
            let env = environment(device, &[(VISIBLE, "0,1")]);
            assert_eq!(env[VISIBLE], "");
            assert!(!env.contains_key(ORDER));
        }
    }

    #[test]
    fn a_gpu_replica_sees_its_own() {
        assert_eq!(visible("cuda:2", &[]), "2");
    }

    #[test]
    fn ordinals_count_within_the_inherited_list() {
        assert_eq!(visible("cuda:0", &[(VISIBLE, "3,5")]), "3");
        assert_eq!(visible("cuda:1", &[(VISIBLE, " 3 , 5 ")]), "5");
        assert_eq!(
            visible("cuda:1", &[(VISIBLE, "GPU-8932f937,GPU-d72c4106")]),
            "GPU-d72c4106"
        );
        let mig = "MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/2";
        assert_eq!(visible("cuda:0", &[(VISIBLE, mig)]), mig);
    }

    #[test]
    fn no_gpu_outside_the_inherited_list_is_reached() {
        assert_eq!(visible("cuda:2", &[(VISIBLE, "3,5")]), "");
        assert_eq!(visible("cuda:0", &[(VISIBLE, "")]), "");
    }

    #[test]
    fn the_child_counts_gpus_as_the_server_does() {
        assert_eq!(environment("cuda:0", &[])[ORDER], "FASTEST_FIRST");
        let by_bus = [(ORDER, "PCI_BUS_ID")];
        assert_eq!(environment("cuda:0", &by_bus)[ORDER], "PCI_BUS_ID");
    }

    #[test]
    fn an_ipu_replica_gets_partition_and_caches() {
        let env = environment(
            "ipu:0-1",
            &[
                ("IPUOF_VIPU_API_HOST", "10.0.0.1"),
                ("IPUOF_VIPU_API_PARTITION_ID", "p1"),
                ("POPLAR_ENGINE_OPTIONS", "{}"),
            ],
        );
        assert_eq!(env["IPUOF_VIPU_API_HOST"], "10.0.0.1");
        assert_eq!(env["IPUOF_VIPU_API_PARTITION_ID"], "p1");
        assert!(!env.contains_key("IPUOF_VIPU_API_PORT"));
        assert!(!env.contains_key("POPLAR_ENGINE_OPTIONS"));
        for name in CACHES {
            assert_eq!(env[name], "/cache", "{name}");
        }
    }

    #[test]
    fn a_cache_that_the_operator_chose_stays() {
        let env = environment("ipu:0", &[("POPTORCH_CACHE_DIR", "/mnt/exe"), ("POPART_CACHE_DIR", "")]);
        assert_eq!(env["POPTORCH_CACHE_DIR"], "/mnt/exe");
        assert_eq!(env["POPART_CACHE_DIR"], "/cache");
    }

    #[test]
    fn nothing_of_graphcore_reaches_other_children() {
        let vars = [("IPUOF_VIPU_API_HOST", "10.0.0.1")];
        for device in ["cpu", "cuda:0"] {
            let env = environment(device, &vars);
            assert!(
                !env.keys()
                    .any(|name| name.starts_with("IPU") || name.starts_with("POP"))
            );
        }
    }
}
