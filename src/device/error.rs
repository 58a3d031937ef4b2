//! What can go wrong between this server and its devices, in sentences that
//! an operator can act on.

use thiserror::Error;

use super::identity::{Device, IpuRange};

/// Why the CUDA driver gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CudaFault {
    /// Nothing on this machine looks like an NVIDIA driver.
    #[error("no CUDA driver was found (libcuda.so.1)")]
    NoDriver,
    /// The driver is there but cannot be called: the library does not load,
    /// or is too old to have a function.
    #[error("the CUDA driver cannot be used: {0}")]
    Unusable(String),
    /// The driver's own error, by its name and text.
    #[error("the CUDA driver answered {0}")]
    Driver(String),
}

/// A device that cannot be had as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// A GPU that was listed, on a machine with fewer.
    #[error("{device} was asked for, but this machine shows {found}")]
    NotFound {
        /// The device that was listed.
        device: Device,
        /// What there is, as in `1 CUDA GPU (cuda:0)`.
        found: String,
    },
    /// A GPU that was listed, on a machine whose driver does not answer.
    #[error("{device} was asked for, but {fault}")]
    Unavailable {
        /// The device that was listed.
        device: Device,
        /// What the driver said.
        fault: CudaFault,
    },
    /// A call on a GPU that failed.
    #[error("{device}: {fault}")]
    Cuda {
        /// The device that was called.
        device: Device,
        /// What the driver said.
        fault: CudaFault,
    },
    /// The variable that counts the IPUs is no number of IPUs.
    #[error(
        "{variable} is {read:?}, expected the number of IPUs in the partition, 1 to {max}",
        max = IpuRange::MAX_COUNT
    )]
    IpuCount {
        /// The variable's name.
        variable: &'static str,
        /// Its value as it was read.
        read: String,
    },
}
