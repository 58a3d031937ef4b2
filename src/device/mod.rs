//! Devices: what they are called, which ones this machine has, which replica
//! owns which, and what environment a child process on one of them gets.
//! A leaf: it knows no model, no ONNX Runtime, no HTTP and no async runtime,
//! and it reads environment variables only through the closure it is handed.

pub mod cuda;
mod discover;
mod environment;
mod error;
mod host;
mod identity;
mod inventory;
mod placement;
mod selection;

pub use cuda::{CudaBinding, CudaDriver, CudaMemory};
pub use discover::{discover, discover_with};
pub use environment::replica_environment;
pub use error::{CudaFault, DeviceError};
pub use identity::{Device, DeviceKind, DeviceParseError, IpuRange};
pub use inventory::{DeviceInfo, Inventory};
pub use placement::{Demand, PlacementError, place};
pub use selection::{Selection, SelectionError};
