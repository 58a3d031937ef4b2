//! What is done now and then: leases are renewed, old jobs forgotten.

use std::sync::Arc;
use std::time::Duration;

use super::shared::{Phase, Shared, now};
use super::store::Kept;

/// No lease is looked after less often, so that the end of a job is asked for soon.
const SLOWEST: Duration = Duration::from_secs(1);
/// How often jobs are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// Renews the leases of what runs here, also while the server stops, until nothing runs.
pub async fn keep_leases(shared: Arc<Shared>) {
    let pace = (shared.store.lease_time() / 3).min(SLOWEST);
    loop {
        tokio::time::sleep(pace).await;
        let leases = shared.running.leases();
        if leases.is_empty() {
            if shared.phase() != Phase::Serving {
                return;
            }
            continue;
        }
        match shared.store.keep(&leases).await {
            Ok(kept) => {
                for (lease, kept) in leases.iter().zip(kept) {
                    match kept {
                        Kept::Yes => {}
                        Kept::Cancelling => shared.running.cancel(lease.job),
                        Kept::Lost => shared.running.lost(lease),
                    }
                }
            }
            // What runs goes on: if the store comes back in time, nothing is lost, else another server has the job and
            // this one's result is refused.
            Err(error) => tracing::warn!("leases of running jobs could not be renewed: {error}"),
        }
    }
}

/// Forgets jobs that ended long ago.
pub async fn forget(shared: Arc<Shared>) {
    while shared.phase() == Phase::Serving {
        let ttl = jiff::SignedDuration::try_from(shared.settings.ttl).unwrap_or(jiff::SignedDuration::MAX);
        if let Ok(before) = now().checked_sub(ttl) {
            // After a long stop there may be many: what is left of them when the server stops waits for the next sweep.
            match shared.or_stop(shared.store.forget(before)).await {
                None | Some(Ok(0)) => {}
                Some(Ok(forgotten)) => tracing::debug!("{forgotten} jobs are past their time to live"),
                Some(Err(error)) => tracing::debug!("old jobs could not be forgotten: {error}"),
            }
        }
        shared.pause(SWEEP).await;
    }
}
