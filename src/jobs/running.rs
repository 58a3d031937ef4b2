//! Jobs that run on this server now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::job::JobId;
use super::store::Lease;

/// Leases held, and how their runs are called off.
#[derive(Default)]
pub struct Running(Mutex<HashMap<JobId, (Lease, Arc<Calls>)>>);

/// Stands for a run; dropped, however the run ended, its lease is renewed no more.
pub struct Entry<'a> {
    running: &'a Running,
    lease: Lease,
    pub calls: Arc<Calls>,
}

/// What a run is told from outside.
#[derive(Default)]
pub struct Calls {
    /// Somebody asked for the job's end.
    pub cancel: Notify,
    /// The lease is lost: whatever comes of the run is not wanted.
    pub lost: Notify,
}

impl Running {
    /// Takes note of a run until the entry is dropped.
    pub fn begin(&self, lease: &Lease) -> Entry<'_> {
        let calls = Arc::new(Calls::default());
        let before = self.lock().insert(lease.job, (lease.clone(), Arc::clone(&calls)));
        // The same job, claimed by this server while it still ran it: that run is worth nothing any more.
        if let Some((_, earlier)) = before {
            earlier.lost.notify_one();
        }
        Entry {
            running: self,
            lease: lease.clone(),
            calls,
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

impl Drop for Entry<'_> {
    /// A later run of the same job is not forgotten by the end of an earlier one.
    fn drop(&mut self) {
        let mut all = self.running.lock();
        if all.get(&self.lease.job).is_some_and(|(held, _)| *held == self.lease) {
            all.remove(&self.lease.job);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn lease(attempt: u32) -> Lease {
        Lease {
            job: Uuid::nil(),
            model: "m".to_owned(),
            attempt,
        }
    }

    #[tokio::test]
    async fn a_later_run_calls_off_an_earlier_one_and_outlives_its_end() {
        let running = Running::default();
        let earlier = running.begin(&lease(1));
        let later = running.begin(&lease(2));
        earlier.calls.lost.notified().await;
        drop(earlier);
        assert_eq!(running.leases(), [lease(2)]);
        drop(later);
        assert!(running.leases().is_empty());
    }
}
