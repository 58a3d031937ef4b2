//! Jobs that run on this server now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::job::JobId;
use super::store::Lease;

/// Leases held, and how their runs are called off.
#[derive(Default)]
pub struct Running(Mutex<HashMap<JobId, (Lease, Arc<Calls>)>>);

/// What a run is told from outside.
#[derive(Default)]
pub struct Calls {
    /// Somebody asked for the job's end.
    pub cancel: Notify,
    /// The lease is lost: whatever comes of the run is not wanted.
    pub lost: Notify,
}

impl Running {
    /// Takes note of a run until the guard is dropped.
    pub fn begin(self: &Running, lease: &Lease) -> Arc<Calls> {
        let calls = Arc::new(Calls::default());
        self.lock().insert(lease.job, (lease.clone(), Arc::clone(&calls)));
        calls
    }

    /// The run is over. A later run of the same job is not forgotten by the end of an earlier one.
    pub fn end(&self, lease: &Lease) {
        let mut all = self.lock();
        if all.get(&lease.job).is_some_and(|(held, _)| held == lease) {
            all.remove(&lease.job);
        }
    }

    pub fn leases(&self) -> Vec<Lease> {
        self.lock().values().map(|(lease, _)| lease.clone()).collect()
    }

    pub fn cancel(&self, id: JobId) {
        if let Some((_, calls)) = self.lock().get(&id) {
            calls.cancel.notify_one();
        }
    }

    pub fn lost(&self, lease: &Lease) {
        if let Some((held, calls)) = self.lock().get(&lease.job)
            && held == lease
        {
            calls.lost.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, (Lease, Arc<Calls>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
