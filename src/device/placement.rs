//! Which replica runs on which device. Pure: demands and an inventory in, a
//! device for every replica out, or every reason why not. It knows no model
//! beyond its name and what it can run on, and starts nothing.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::identity::{Device, DeviceKind, IpuRange};
use super::inventory::{Inventory, runs};

/// What a model wants of the devices.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The model's name, for sentences.
    pub model: &'a str,
    /// How many replicas.
    pub replicas: usize,
    /// The devices it is confined to; `None` lets the server choose.
    pub devices: Option<&'a [Device]>,
    /// How many IPUs a replica takes, side by side; on others it has no
    /// meaning, as a replica owns one GPU or shares the CPU. 0 counts as 1.
    pub devices_per_replica: usize,
    /// What it can run on. Where the server chooses between sorts of
    /// accelerator, the one that stands first here wins.
    pub runs_on: &'a [DeviceKind],
}

/// Why replicas cannot be placed; each sentence names the model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlacementError {
    /// The list of devices is empty.
    #[error("model {model:?} lists no device: name one, or leave the list out")]
    EmptyList {
        /// The model's name.
        model: String,
    },
    /// A device that the server may not use.
    #[error("model {model:?} asks for {device}, but this server has {has} (see SERVER_DEVICES)")]
    NotHere {
        /// The model's name.
        model: String,
        /// The device it lists.
        device: Device,
        /// What the server has.
        has: String,
    },
    /// An IPU for a model that is no Python pipeline.
    #[error(
        "model {model:?} asks for {device}, but ONNX models do not run on IPUs here; \
         IPU replicas run Python pipelines"
    )]
    NotOnIpu {
        /// The model's name.
        model: String,
        /// The IPUs it lists.
        device: Device,
    },
    /// A sort of device that the model cannot run on.
    #[error("model {model:?} asks for {device}, but it runs on {runs_on} only")]
    WrongKind {
        /// The model's name.
        model: String,
        /// The device it lists.
        device: Device,
        /// What it runs on.
        runs_on: String,
    },
    /// Nothing the server has suits the model.
    #[error("model {model:?} runs on {runs_on}, but this server has {has} (see SERVER_DEVICES)")]
    NothingSuitable {
        /// The model's name.
        model: String,
        /// What it runs on.
        runs_on: String,
        /// What the server has.
        has: String,
    },
    /// Fewer IPUs are free than the replicas take, or not side by side.
    #[error("model {model:?} wants {}, {}", wants(*replicas, *each), left(*free, *replicas, *each, of))]
    NotEnoughIpus {
        /// The model's name.
        model: String,
        /// How many replicas go on IPUs.
        replicas: usize,
        /// IPUs a replica takes.
        each: usize,
        /// IPUs that nobody has, of those the model may use.
        free: usize,
        /// The IPUs it lists; empty where the server chooses.
        of: String,
    },
}

/// `3 replicas of 2 IPUs = 6`.
fn wants(replicas: usize, each: usize) -> String {
    let plural = |count| if count == 1 { "" } else { "s" };
    let total = replicas.saturating_mul(each);
    let (replica, ipu) = (plural(replicas), plural(each));
    format!("{replicas} replica{replica} of {each} IPU{ipu} = {total}")
}

/// `4 are free`, and what is the matter with them if they would be enough.
fn left(free: usize, replicas: usize, each: usize, of: &str) -> String {
    let verb = if free == 1 { "is" } else { "are" };
    let of = if of.is_empty() {
        String::new()
    } else {
        format!(" of those it lists ({of})")
    };
    let scattered = if free >= replicas.saturating_mul(each) {
        " but not side by side"
    } else {
        ""
    };
    format!("{free} {verb} free{of}{scattered}")
}

/// A device for every replica: one list a demand, in the order of the demands.
///
/// With `devices`, replicas go round the list; its IPUs are one pool of which
/// each replica in turn takes as many as it needs. Without, a model gets an
/// accelerator it can run on if the server has one, else the CPU. GPUs and the
/// CPU are shared, and the GPU with the fewest replicas comes next. IPUs are
/// not shared: a replica owns `devices_per_replica` neighbours.
///
/// # Errors
/// Everything that cannot be placed, of all demands, in their order.
pub fn place(demands: &[Demand<'_>], inventory: &Inventory) -> Result<Vec<Vec<Device>>, Vec<PlacementError>> {
    let mut ledger = Ledger::new(inventory);
    let mut placed = vec![Vec::new(); demands.len()];
    let mut errors = Vec::new();
    for index in turns(demands) {
        match ledger.serve(&demands[index]) {
            Ok(devices) => placed[index] = devices,
            Err(found) => errors.push((index, found)),
        }
    }
    if errors.is_empty() {
        return Ok(placed);
    }
    errors.sort_by_key(|(index, _)| *index);
    Err(errors.into_iter().flat_map(|(_, found)| found).collect())
}

/// Who is served when. Whoever names devices comes first, since the others can
/// go elsewhere. Then the widest, since narrow replicas fit into the gaps that
/// wide ones leave and not the other way round; it also starts pairs and fours
/// on even numbers, as Poplar groups them.
fn turns(demands: &[Demand<'_>]) -> Vec<usize> {
    let mut turns: Vec<usize> = (0..demands.len()).collect();
    turns.sort_by_key(|&index| {
        let demand = &demands[index];
        match demand.devices {
            Some(_) => (false, 0),
            None => (true, usize::MAX - demand.devices_per_replica),
        }
    });
    turns
}

/// What is left while placing.
struct Ledger<'a> {
    inventory: &'a Inventory,
    /// IPUs that no replica owns.
    free_ipus: BTreeSet<u32>,
    /// Replicas on each GPU.
    gpu_loads: BTreeMap<u32, usize>,
}

impl<'a> Ledger<'a> {
    fn new(inventory: &'a Inventory) -> Self {
        Self {
            inventory,
            free_ipus: inventory.ipus(),
            gpu_loads: inventory.gpus().into_iter().map(|gpu| (gpu, 0)).collect(),
        }
    }

    fn serve(&mut self, demand: &Demand<'_>) -> Result<Vec<Device>, Vec<PlacementError>> {
        match demand.devices {
            Some(listed) => self.serve_listed(demand, listed),
            None => self.serve_freely(demand).map_err(|error| vec![error]),
        }
    }

    fn serve_listed(&mut self, demand: &Demand<'_>, listed: &[Device]) -> Result<Vec<Device>, Vec<PlacementError>> {
        let model = || demand.model.to_owned();
        if listed.is_empty() {
            return Err(vec![PlacementError::EmptyList { model: model() }]);
        }
        let distinct: BTreeSet<Device> = listed.iter().copied().collect();
        let faults: Vec<_> = distinct
            .into_iter()
            .filter_map(|device| self.fault(demand, device))
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }

        let round = || listed.iter().copied().cycle().take(demand.replicas);
        let pool: BTreeSet<u32> = listed.iter().flat_map(|&device| ipus(device)).collect();
        let on_ipus = round().filter(|device| device.kind() == DeviceKind::Ipu);
        let mut blocks = self
            .take_ipus(demand, on_ipus.count(), Some(&pool))
            .map_err(|error| vec![error])?
            .into_iter();
        let devices = round().map(|device| match device {
            Device::Cpu => device,
            Device::Cuda(ordinal) => {
                *self.gpu_loads.entry(ordinal).or_default() += 1;
                device
            }
            // As many blocks were taken as the round has IPU turns.
            Device::Ipu(_) => blocks.next().unwrap_or(device),
        });
        Ok(devices.collect())
    }

    fn fault(&self, demand: &Demand<'_>, device: Device) -> Option<PlacementError> {
        let model = demand.model.to_owned();
        if !demand.runs_on.contains(&device.kind()) {
            return Some(match device {
                Device::Ipu(_) => PlacementError::NotOnIpu { model, device },
                _ => PlacementError::WrongKind {
                    model,
                    device,
                    runs_on: kinds(demand.runs_on, "and"),
                },
            });
        }
        let has = || self.inventory.summary();
        let absent = !self.inventory.holds(device);
        absent.then(|| PlacementError::NotHere {
            model,
            device,
            has: has(),
        })
    }

    fn serve_freely(&mut self, demand: &Demand<'_>) -> Result<Vec<Device>, PlacementError> {
        match self.choose(demand.runs_on) {
            Some(DeviceKind::Cpu) => Ok(vec![Device::Cpu; demand.replicas]),
            Some(DeviceKind::Cuda) => {
                let gpus = (0..demand.replicas).map_while(|_| self.least_loaded_gpu());
                Ok(gpus.collect())
            }
            Some(DeviceKind::Ipu) => self.take_ipus(demand, demand.replicas, None),
            None => Err(PlacementError::NothingSuitable {
                model: demand.model.to_owned(),
                runs_on: kinds(demand.runs_on, "or"),
                has: self.inventory.summary(),
            }),
        }
    }

    /// The sort of device is chosen by what the server has, not by what is
    /// still free: IPUs that are all taken are refused, not replaced.
    fn choose(&self, runs_on: &[DeviceKind]) -> Option<DeviceKind> {
        let here = |kind: &DeviceKind| match kind {
            DeviceKind::Cpu => self.inventory.has_cpu(),
            DeviceKind::Cuda => !self.gpu_loads.is_empty(),
            DeviceKind::Ipu => !self.inventory.ipus().is_empty(),
        };
        let mut usable: Vec<DeviceKind> = runs_on.iter().copied().filter(here).collect();
        usable.sort_by_key(|&kind| kind == DeviceKind::Cpu);
        usable.first().copied()
    }

    fn least_loaded_gpu(&mut self) -> Option<Device> {
        let (&ordinal, load) = self
            .gpu_loads
            .iter_mut()
            .min_by_key(|(ordinal, load)| (**load, **ordinal))?;
        *load += 1;
        Some(Device::Cuda(ordinal))
    }

    /// All the blocks or none, so that a refused demand takes nothing from the
    /// next, whose own sentence would be wrong.
    fn take_ipus(
        &mut self,
        demand: &Demand<'_>,
        replicas: usize,
        pool: Option<&BTreeSet<u32>>,
    ) -> Result<Vec<Device>, PlacementError> {
        let each = demand.devices_per_replica.max(1);
        let mut free = match pool {
            Some(pool) => self.free_ipus.intersection(pool).copied().collect(),
            None => self.free_ipus.clone(),
        };
        let before = free.len();
        let mut blocks = Vec::new();
        while blocks.len() < replicas {
            let Some(block) = first_block(&free, each) else {
                return Err(PlacementError::NotEnoughIpus {
                    model: demand.model.to_owned(),
                    replicas,
                    each,
                    free: before,
                    of: pool.map(in_words).unwrap_or_default(),
                });
            };
            free.retain(|ipu| !(block.first()..=block.last()).contains(ipu));
            blocks.push(block);
        }
        for ipu in blocks.iter().copied().flat_map(IpuRange::ipus) {
            self.free_ipus.remove(&ipu);
        }
        Ok(blocks.into_iter().map(Device::Ipu).collect())
    }
}

fn ipus(device: Device) -> impl Iterator<Item = u32> {
    let range = match device {
        Device::Ipu(range) => Some(range),
        _ => None,
    };
    range.into_iter().flat_map(IpuRange::ipus)
}

/// The lowest `each` neighbours.
fn first_block(free: &BTreeSet<u32>, each: usize) -> Option<IpuRange> {
    let each = u32::try_from(each).ok()?;
    let wide_enough = |run: &IpuRange| run.count() >= each;
    let run = runs(free).into_iter().find(wide_enough)?;
    IpuRange::new(run.first(), run.first() + (each - 1))
}

/// `ipu:0-3, ipu:6`.
fn in_words(ipus: &BTreeSet<u32>) -> String {
    let names = runs(ipus).into_iter().map(|run| Device::Ipu(run).to_string());
    names.collect::<Vec<_>>().join(", ")
}

/// `cpu`, `cpu or cuda`, `cpu, cuda or ipu`.
fn kinds(kinds: &[DeviceKind], last: &str) -> String {
    let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
