//! Placement: examples of each rule, then the laws.

use proptest::prelude::*;

use super::super::inventory::tests::inventory;
use super::*;

const ONNX: &[DeviceKind] = &[DeviceKind::Cpu, DeviceKind::Cuda];
const PYTHON: &[DeviceKind] = &[DeviceKind::Cpu, DeviceKind::Cuda, DeviceKind::Ipu];
const CPU_ONLY: &[DeviceKind] = &[DeviceKind::Cpu];
const IPU_ONLY: &[DeviceKind] = &[DeviceKind::Ipu];

fn demand<'a>(model: &'a str, replicas: usize, runs_on: &'a [DeviceKind]) -> Demand<'a> {
    Demand {
        model,
        replicas,
        devices: None,
        devices_per_replica: 1,
        runs_on,
    }
}

fn devices(names: &[&str]) -> Vec<Device> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn placed(demands: &[Demand<'_>], here: &[&str]) -> Vec<Vec<String>> {
    let placed = place(demands, &inventory(here)).unwrap();
    let names = |replicas: Vec<Device>| replicas.iter().map(ToString::to_string).collect();
    placed.into_iter().map(names).collect()
}

fn refused(demands: &[Demand<'_>], here: &[&str]) -> Vec<String> {
    let errors = place(demands, &inventory(here)).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn no_demands_and_no_replicas_are_placed() {
    assert_eq!(placed(&[], &[]), Vec::<Vec<String>>::new());
    assert_eq!(placed(&[demand("x", 0, ONNX)], &["cpu"]), [Vec::<String>::new()]);
}

#[test]
fn replicas_share_the_cpu() {
    assert_eq!(placed(&[demand("x", 3, ONNX)], &["cpu"]), [["cpu", "cpu", "cpu"]]);
}

#[test]
fn an_accelerator_is_preferred_with_and_without_a_cpu() {
    for here in [&["cpu", "cuda:0"][..], &["cuda:0"]] {
        assert_eq!(placed(&[demand("x", 2, ONNX)], here), [["cuda:0", "cuda:0"]]);
    }
}

#[test]
fn among_accelerators_the_models_order_decides() {
    let here = ["cpu", "cuda:0", "ipu:0"];
    assert_eq!(placed(&[demand("x", 1, PYTHON)], &here), [["cuda:0"]]);
    let ipu_first = [DeviceKind::Cpu, DeviceKind::Ipu, DeviceKind::Cuda];
    assert_eq!(placed(&[demand("x", 1, &ipu_first)], &here), [["ipu:0"]]);
}

#[test]
fn a_model_that_only_runs_on_the_cpu_stays_there() {
    let here = ["cpu", "cuda:0"];
    assert_eq!(placed(&[demand("x", 1, CPU_ONLY)], &here), [["cpu"]]);
    assert_eq!(
        refused(&[demand("x", 1, CPU_ONLY)], &["cuda:0", "cuda:1"]),
        [r#"model "x" runs on cpu, but this server has cuda:0, cuda:1 (see SERVER_DEVICES)"#]
    );
}

#[test]
fn gpus_fill_evenly_across_models() {
    let demands = [demand("a", 3, ONNX), demand("b", 2, ONNX)];
    assert_eq!(
        placed(&demands, &["cuda:1", "cuda:0"]),
        [vec!["cuda:0", "cuda:1", "cuda:0"], vec!["cuda:1", "cuda:0"]]
    );
}

#[test]
fn listed_gpus_count_before_the_rest_is_spread() {
    let pinned = devices(&["cuda:0"]);
    let demands = [
        demand("free", 2, ONNX),
        Demand {
            devices: Some(&pinned),
            ..demand("pinned", 2, ONNX)
        },
    ];
    assert_eq!(
        placed(&demands, &["cuda:0", "cuda:1"]),
        [["cuda:1", "cuda:1"], ["cuda:0", "cuda:0"]]
    );
}

#[test]
fn listed_devices_are_taken_in_turn() {
    let list = devices(&["cuda:1", "cpu"]);
    let model = Demand {
        devices: Some(&list),
        ..demand("x", 3, ONNX)
    };
    assert_eq!(
        placed(&[model], &["cpu", "cuda:0", "cuda:1"]),
        [["cuda:1", "cpu", "cuda:1"]]
    );
}

#[test]
fn listed_devices_must_be_here() {
    let list = devices(&["cuda:1", "cpu", "cuda:1", "ipu:0-3"]);
    let model = Demand {
        devices: Some(&list),
        ..demand("x", 1, PYTHON)
    };
    assert_eq!(
        refused(&[model], &["cuda:0", "ipu:0-1"]),
        [
            r#"model "x" asks for cpu, but this server has cuda:0, ipu:0-1 (see SERVER_DEVICES)"#,
            r#"model "x" asks for cuda:1, but this server has cuda:0, ipu:0-1 (see SERVER_DEVICES)"#,
            r#"model "x" asks for ipu:0-3, but this server has cuda:0, ipu:0-1 (see SERVER_DEVICES)"#,
        ]
    );
}

#[test]
fn an_empty_list_is_refused() {
    let model = Demand {
        devices: Some(&[]),
        ..demand("x", 1, ONNX)
    };
    assert_eq!(
        refused(&[model], &["cpu"]),
        [r#"model "x" lists no device: name one, or leave the list out"#]
    );
}

#[test]
fn an_onnx_model_is_not_put_on_an_ipu() {
    let list = devices(&["ipu:0"]);
    let model = Demand {
        devices: Some(&list),
        ..demand("x", 1, ONNX)
    };
    assert_eq!(
        refused(&[model], &["cpu", "ipu:0"]),
        ["model \"x\" asks for ipu:0, but ONNX models do not run on IPUs here; \
          IPU replicas run Python pipelines"]
    );
    assert_eq!(placed(&[demand("x", 1, ONNX)], &["cpu", "ipu:0"]), [["cpu"]]);
    assert_eq!(
        refused(&[demand("x", 1, ONNX)], &["ipu:0-3"]),
        [r#"model "x" runs on cpu or cuda, but this server has ipu:0-3 (see SERVER_DEVICES)"#]
    );
}

#[test]
fn a_gpu_for_a_model_that_cannot_use_it_is_refused() {
    let list = devices(&["cuda:0"]);
    let kinds = [DeviceKind::Cpu, DeviceKind::Ipu];
    let model = Demand {
        devices: Some(&list),
        ..demand("x", 1, &kinds)
    };
    assert_eq!(
        refused(&[model], &["cuda:0"]),
        [r#"model "x" asks for cuda:0, but it runs on cpu and ipu only"#]
    );
}

#[test]
fn ipus_are_owned_in_blocks() {
    let model = Demand {
        devices_per_replica: 2,
        ..demand("x", 2, IPU_ONLY)
    };
    assert_eq!(placed(&[model], &["cpu", "ipu:0-3"]), [["ipu:0-1", "ipu:2-3"]]);
}

#[test]
fn wide_replicas_are_placed_before_narrow_ones() {
    let demands = [
        demand("narrow", 2, IPU_ONLY),
        Demand {
            devices_per_replica: 2,
            ..demand("wide", 1, IPU_ONLY)
        },
    ];
    assert_eq!(
        placed(&demands, &["ipu:0-3"]),
        [vec!["ipu:2", "ipu:3"], vec!["ipu:0-1"]]
    );
}

#[test]
fn too_few_ipus_are_refused_with_the_numbers() {
    let wide = Demand {
        devices_per_replica: 2,
        ..demand("x", 3, IPU_ONLY)
    };
    assert_eq!(
        refused(&[wide], &["ipu:0-3"]),
        [r#"model "x" wants 3 replicas of 2 IPUs = 6, 4 are free"#]
    );
    assert_eq!(
        refused(&[demand("a", 1, IPU_ONLY), demand("b", 2, IPU_ONLY)], &["ipu:0-1"]),
        [r#"model "b" wants 2 replicas of 1 IPU = 2, 1 is free"#]
    );
}

#[test]
fn taken_ipus_are_not_replaced_by_the_cpu() {
    let ipu_or_cpu = [DeviceKind::Ipu, DeviceKind::Cpu];
    let demands = [demand("a", 1, &ipu_or_cpu), demand("b", 1, &ipu_or_cpu)];
    assert_eq!(
        refused(&demands, &["cpu", "ipu:0"]),
        [r#"model "b" wants 1 replica of 1 IPU = 1, 0 are free"#]
    );
}

#[test]
fn ipus_that_are_apart_are_no_block() {
    let model = Demand {
        devices_per_replica: 2,
        ..demand("x", 1, IPU_ONLY)
    };
    assert_eq!(
        refused(&[model], &["ipu:0", "ipu:2"]),
        [r#"model "x" wants 1 replica of 2 IPUs = 2, 2 are free but not side by side"#]
    );
}

#[test]
fn listed_ipus_are_one_pool() {
    let list = devices(&["ipu:2", "ipu:3", "ipu:0-1"]);
    let model = Demand {
        devices: Some(&list),
        devices_per_replica: 2,
        ..demand("x", 2, IPU_ONLY)
    };
    assert_eq!(placed(&[model], &["ipu:0-7"]), [["ipu:0-1", "ipu:2-3"]]);
}

#[test]
fn a_list_of_both_sorts_gives_ipus_only_in_their_turn() {
    let list = devices(&["cuda:0", "ipu:4-5"]);
    let model = Demand {
        devices: Some(&list),
        ..demand("x", 4, PYTHON)
    };
    assert_eq!(
        placed(&[model], &["cuda:0", "ipu:0-7"]),
        [["cuda:0", "ipu:4", "cuda:0", "ipu:5"]]
    );
    assert_eq!(
        refused(&[Demand { replicas: 6, ..model }], &["cuda:0", "ipu:0-7"]),
        [r#"model "x" wants 3 replicas of 1 IPU = 3, 2 are free of those it lists (ipu:4-5)"#]
    );
}

#[test]
fn listed_ipus_are_kept_from_the_rest() {
    let list = devices(&["ipu:0"]);
    let demands = [
        demand("free", 1, IPU_ONLY),
        Demand {
            devices: Some(&list),
            ..demand("pinned", 1, IPU_ONLY)
        },
    ];
    assert_eq!(placed(&demands, &["ipu:0-1"]), [["ipu:1"], ["ipu:0"]]);
}

#[test]
fn every_fault_is_reported_in_the_order_of_the_models() {
    let list = devices(&["cuda:9"]);
    let demands = [
        demand("a", 3, IPU_ONLY),
        demand("b", 1, CPU_ONLY),
        Demand {
            devices: Some(&list),
            ..demand("c", 1, ONNX)
        },
        demand("d", 2, IPU_ONLY),
    ];
    // The refused "a" leaves both IPUs to "d", which is therefore not at fault.
    let faults = refused(&demands, &["ipu:0-1"]);
    let models: Vec<&str> = faults.iter().filter_map(|fault| fault.split('"').nth(1)).collect();
    assert_eq!(models, ["a", "b", "c"]);
}

#[test]
fn absurd_numbers_are_refused_not_overflowed() {
    let model = Demand {
        devices_per_replica: usize::MAX,
        ..demand("x", usize::MAX, IPU_ONLY)
    };
    assert!(refused(&[model], &["ipu:0-3"])[0].ends_with("4 are free"));
    let none = Demand {
        devices_per_replica: 0,
        ..demand("x", 1, IPU_ONLY)
    };
    assert_eq!(placed(&[none], &["ipu:0"]), [["ipu:0"]]);
}

/// A demand without the borrowed parts.
type Plan = (usize, usize, bool, Option<Vec<u8>>);

fn listed(picks: &[u8], here: &Inventory) -> Vec<Device> {
    let pick = |&index: &u8| here.devices[usize::from(index) % here.devices.len()].device;
    picks.iter().map(pick).collect()
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let picks = prop::option::of(prop::collection::vec(any::<u8>(), 1..4));
    prop::collection::vec((0..5_usize, 1..4_usize, any::<bool>(), picks), 0..6)
}

fn stock() -> impl Strategy<Value = Vec<String>> {
    let gpus = prop::collection::btree_set(0..6_u32, 0..4);
    let ipus = prop::collection::btree_set(0..24_u32, 0..20);
    (gpus, ipus).prop_map(|(gpus, ipus)| {
        let gpus = gpus.iter().map(|gpu| format!("cuda:{gpu}"));
        let ipus = ipus.iter().map(|ipu| format!("ipu:{ipu}"));
        std::iter::once("cpu".to_owned()).chain(gpus).chain(ipus).collect()
    })
}

proptest! {
    #[test]
    fn what_is_placed_keeps_every_rule(plans in plans(), stock in stock()) {
        let stock: Vec<&str> = stock.iter().map(String::as_str).collect();
        let here = inventory(&stock);
        let lists: Vec<Option<Vec<Device>>> = plans
            .iter()
            .map(|plan| plan.3.as_ref().map(|picks| listed(picks, &here)))
            .collect();
        let demands: Vec<Demand<'_>> = plans
            .iter()
            .zip(&lists)
            .map(|(&(replicas, devices_per_replica, python, _), list)| Demand {
                devices: list.as_deref(),
                devices_per_replica,
                ..demand("x", replicas, if python { &[DeviceKind::Ipu, DeviceKind::Cpu] } else { ONNX })
            })
            .collect();
        let Ok(placed) = place(&demands, &here) else {
            return Ok(());
        };
        prop_assert_eq!(placed.len(), demands.len());
        let mut owned = BTreeSet::new();
        for (demand, devices) in demands.iter().zip(placed) {
            prop_assert_eq!(devices.len(), demand.replicas);
            for device in devices {
                prop_assert!(here.holds(device));
                prop_assert!(demand.runs_on.contains(&device.kind()));
                if let Some(list) = demand.devices {
                    let allowed: BTreeSet<u32> = list.iter().flat_map(|&d| ipus(d)).collect();
                    prop_assert!(list.contains(&device) || ipus(device).all(|i| allowed.contains(&i)));
                }
                if let Device::Ipu(block) = device {
                    prop_assert_eq!(block.count() as usize, demand.devices_per_replica);
                    for ipu in block.ipus() {
                        prop_assert!(owned.insert(ipu), "two replicas own ipu:{}", ipu);
                    }
                }
            }
        }
    }

    #[test]
    fn gpu_loads_differ_by_at_most_one(replicas in 0..50_usize, gpus in 1..9_u32) {
        let names: Vec<String> = (0..gpus).map(|gpu| format!("cuda:{gpu}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let placed = place(&[demand("x", replicas, ONNX)], &inventory(&names)).unwrap();
        let loads = (0..gpus).map(|gpu| placed[0].iter().filter(|d| **d == Device::Cuda(gpu)).count());
        let (low, high) = (loads.clone().min().unwrap(), loads.max().unwrap());
        prop_assert!(high - low <= 1);
    }

    // Poplar's groups are powers of two. In an unbroken partition those are
    // placed exactly when there are enough, each on a multiple of its size.
    #[test]
    fn powers_of_two_fit_whenever_there_are_enough(
        sizes in prop::collection::vec((0..4_usize, 0..4_u32), 0..6),
        ipus in 1..40_usize,
    ) {
        let demands: Vec<Demand<'_>> = sizes
            .iter()
            .map(|&(replicas, power)| Demand {
                devices_per_replica: 1 << power,
                ..demand("x", replicas, IPU_ONLY)
            })
            .collect();
        let wanted: usize = demands.iter().map(|d| d.replicas * d.devices_per_replica).sum();
        let placed = place(&demands, &inventory(&[&format!("ipu:0-{}", ipus - 1)]));
        prop_assert_eq!(placed.is_ok(), wanted <= ipus);
        for device in placed.into_iter().flatten().flatten() {
            let Device::Ipu(block) = device else {
                panic!("{device} is no IPU");
            };
            prop_assert_eq!(block.first() % block.count(), 0);
        }
    }
}
