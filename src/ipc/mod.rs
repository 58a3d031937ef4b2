//! A replica in a process of its own: frames over a Unix socket, tensors in shared memory, the child's life.
//!
//! Knows pipelines and leaves; nothing of Python or ONNX, queues or HTTP. The wire is told in
//! `python/hostler_worker/WIRE.md`; frames recorded under `python/fixtures/wire` are read by the tests of both sides.

mod channel;
mod child;
mod files;
#[cfg(test)]
mod fixtures;
mod frame;
mod log;
mod memory;
mod message;
mod process;
mod remote;
mod serve;
mod store;
mod tensors;
mod translate;

pub use child::{Launch, PARENT};
pub use message::Hello;
pub use remote::{Order, Remote, RemoteSpec};
pub use serve::{ServeError, serve};

/// The version both sides tell in their first message.
pub const VERSION: u32 = 2;
