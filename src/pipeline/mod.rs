//! What a replica runs: the trait, the batch it sees, the handle it answers through.
//!
//! A leaf. A pipeline knows nothing of queues, threads of the front, or protocols; it gets a batch and answers
//! each request in it. There is one trait for one-shot and iterative models.

mod batch;
mod control;
mod reply;
mod request;
mod wake;

use std::path::PathBuf;
use std::sync::Arc;

pub use batch::{Admit, Batch};
pub use control::{Interrupt, RunControl, RunState};
pub use reply::{Event, Final, Reply, ReplyReceiver, SendError, Timing, stream, unary};
pub use request::{Request, RequestState};
pub use wake::Wake;

use crate::device::Device;
use crate::error::Error;
use crate::store::Store;

/// A compiled model on one device, owned by one replica.
///
/// ```
/// use hostler::{Batch, Error, Output, Pipeline};
///
/// struct Shout;
///
/// impl Pipeline for Shout {
///     fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
///         for mut request in batch.drain() {
///             let text = request.take_input().into_json()?;
///             let loud = text.as_str().unwrap_or_default().to_uppercase();
///             request.finish(Output::json(&loud));
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Pipeline {
    /// Answers every request of the batch.
    ///
    /// A one-shot model answers all and returns. An iterative one steps, emits, drops the cancelled, and may
    /// [`Batch::admit`] waiting requests between steps.
    ///
    /// # Errors
    /// An error answers every request that is still in the batch. A request that was taken out and dropped
    /// unanswered is answered "replica lost" by its handle. After an error of that kind the replica is built anew.
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error>;

    /// A dummy run that fills the cache and warms the device, before the replica counts as ready.
    ///
    /// # Errors
    /// When the model cannot run; the replica is then built anew with back-off.
    fn compile(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the pipeline can take work; asked before each run, and when [`ReplicaContext::wake`] was called.
    ///
    /// # Errors
    /// When it cannot, since a process it needs has ended for one: the replica is then built anew, and the requests
    /// at hand go to others.
    fn check(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a replica's thread knows when it builds its pipeline.
#[derive(Clone, Debug)]
pub struct ReplicaContext {
    pub model: Arc<str>,
    /// Number of the replica, from 0.
    pub replica: usize,
    pub device: Device,
    /// Threads the pipeline may use inside one run: cores ÷ replicas unless the manifest says otherwise.
    pub threads: usize,
    /// Where compiled artefacts of this model are kept.
    pub cache_dir: PathBuf,
    /// Has the replica look after its pipeline though no request waits.
    pub wake: Wake,
    /// The model's keys and values; a process that only compiles or checks has none.
    pub store: Option<Store>,
}

impl ReplicaContext {
    /// The model's keys and values in the server's store, which all its replicas share and which outlive them.
    ///
    /// # Errors
    /// Where there is none: in a process that does not serve.
    pub fn store(&self) -> Result<Store, Error> {
        let none = || Error::pipeline("there is no store here: a replica of a running server has one");
        self.store.clone().ok_or_else(none)
    }
}

/// Builds pipelines: called on the replica's own thread, at start and again after a failure.
pub trait Build: Send + Sync {
    /// # Errors
    /// When the pipeline cannot be built on that device; it is tried again with back-off.
    fn build(&self, context: &ReplicaContext) -> Result<Box<dyn Pipeline>, Error>;
}

impl<F> Build for F
where
    F: Fn(&ReplicaContext) -> Result<Box<dyn Pipeline>, Error> + Send + Sync,
{
    fn build(&self, context: &ReplicaContext) -> Result<Box<dyn Pipeline>, Error> {
        self(context)
    }
}
