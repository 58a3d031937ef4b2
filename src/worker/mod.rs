//! Groups of replicas: admission, queue, batching, threads, supervision.
//!
//! Plain threads and channels. Knows no runtime, no HTTP and no ONNX: a request comes in over a channel and
//! leaves through its own reply handle.

mod backoff;
mod gather;
mod group;
mod idle;
mod intake;
mod manners;
mod queue;
mod replica;
mod status;
mod supervise;

pub use gather::BatchPolicy;
pub use group::{Group, GroupSpec, InFlight, Ticket};
pub use queue::{Permit, Priority};
pub use status::{GroupState, ReplicaState, ReplicaStatus, Snapshot};
