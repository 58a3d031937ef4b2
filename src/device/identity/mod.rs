//! The name of a device: `cpu`, `cuda:0`, `ipu:0-1`.
//! Names only: whether a device exists is discovery's business, who owns it
//! is placement's.

mod ipus;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use ipus::IpuRange;
pub use parse::DeviceParseError;

/// A device that a replica can own.
///
/// The order is CPU, then GPUs, then IPUs, each by number. Written as a
/// string everywhere: in settings, in JSON, in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// The host's processor, shared by every replica placed on it.
    Cpu,
    /// A CUDA GPU by the ordinal that the driver gives it in this process,
    /// that is after `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`.
    Cuda(u32),
    /// One or more neighbouring Graphcore IPUs.
    Ipu(IpuRange),
}

impl Device {
    /// Which sort of device this is.
    #[must_use]
    pub const fn kind(self) -> DeviceKind {
        match self {
            Self::Cpu => DeviceKind::Cpu,
            Self::Cuda(_) => DeviceKind::Cuda,
            Self::Ipu(_) => DeviceKind::Ipu,
        }
    }
}

/// The sort of a device, as a model says what it can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// Any processor.
    Cpu,
    /// NVIDIA GPUs.
    Cuda,
    /// Graphcore IPUs.
    Ipu,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Ipu => "ipu",
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Ipu(range) => write!(f, "ipu:{range}"),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
