//! What a remote pipeline is made from.

use std::time::Duration;

use super::super::child::Launch;
use super::super::message::Hello;
use super::super::process::Process;
use crate::contract::Signature;
use crate::error::Error;
use crate::pipeline::ReplicaContext;
use crate::store::Store;

/// In which order a child works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One call after the other, in the order they were sent.
    OneByOne,
    /// All calls sent together are one run.
    Batch,
    /// Several calls under way, answered as they get done.
    Concurrent,
}

/// What a remote pipeline is made from.
#[derive(Clone, Debug)]
pub struct RemoteSpec {
    pub hello: Hello,
    pub launch: Launch,
    /// What the child may ask for keys and values.
    pub store: Option<Store>,
    pub order: Order,
    /// For pipelines of tensors: names, dtypes and order of the outputs.
    pub signature: Option<Signature>,
    /// How long loading and compiling may take together.
    pub start_timeout: Duration,
    /// How long one call may take before the child is killed.
    pub call_timeout: Duration,
    /// A child whose calls nobody waits for any more is killed after so long; never where it costs more to start
    /// anew than to let it finish.
    pub patience: Option<Duration>,
    /// After so many answers the child is replaced, without a gap.
    pub max_requests: Option<u64>,
}

impl RemoteSpec {
    /// Starts a child of this spec.
    pub(super) fn start(&self, context: &ReplicaContext) -> Result<Process, Error> {
        let wake = context.wake.clone();
        Process::start(&self.launch, &self.hello, self.store.as_ref(), context, wake)
    }
}
