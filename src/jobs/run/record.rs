//! What became of a run, recorded as often as it takes.

use std::time::Duration;

use super::{Run, failed};
use crate::error::Kind;
use crate::jobs::job::Outcome;
use crate::jobs::shared::{Phase, Shared, now};
use crate::jobs::store::{Ending, Lease, Return};
use crate::jobs::telling::ending;
use crate::service::decoding;
use crate::store::StoreError;

/// After a model or the store could not take something. Doubled each time up to [`LONGEST_RETRY`].
pub const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// A store that is away comes back. One that refuses something this often will not have it.
const REFUSALS: u32 = 3;

impl Run<'_> {
    /// Records what came of the job; where that cannot be kept, that it failed.
    pub async fn record(&self, outcome: Outcome) {
        let Err(error) = self.finish(&outcome).await else {
            return;
        };
        if self.shared.is_giving_up() {
            return;
        }
        // Too long for the store, for one: that would be so after each further run.
        let told = format!("what came of it cannot be kept: {error}");
        if self.finish(&failed(Kind::PipelineFailed, told)).await.is_err() {
            tracing::error!(job = %self.job.id, "a job is left as it is: the store takes no end of it");
        }
    }

    /// Records an end, as often as it takes: a job whose end is not recorded would run again.
    ///
    /// # Errors
    /// What the store says against it, unless it is only away; or the server stops.
    async fn finish(&self, outcome: &Outcome) -> Result<(), StoreError> {
        let (mut tries, mut unsure) = (Tries::default(), false);
        loop {
            let at = now();
            let size = match outcome {
                Outcome::Succeeded(answer) => answer.body.len(),
                Outcome::Failed(_) | Outcome::Cancelled => 0,
            };
            let ending = Ending {
                outcome: outcome.clone(),
                at,
                delivery: decoding(size, || ending(&self.job, outcome, at)),
            };
            let error = match self.shared.store.finish(&self.lease, ending).await {
                Ok(true) => return Ok(()),
                // Its answer may be all that was lost of a try before.
                Ok(false) if unsure => {
                    tracing::info!(job = %self.job.id, "the end of a job is recorded: by a try before, or somebody else");
                    return Ok(());
                }
                Ok(false) => {
                    tracing::warn!(job = %self.job.id, "a job was ended before; this result is dropped");
                    return Ok(());
                }
                Err(error) => error,
            };
            unsure = true;
            if !tries.again(self.shared, &self.lease, &error).await {
                return Err(error);
            }
        }
    }
}

/// Puts a job back into the queue, as often as it takes.
pub async fn put_back(shared: &Shared, lease: &Lease, why: Return) {
    let mut tries = Tries::default();
    while let Err(error) = shared.store.put_back(lease, why).await {
        if !tries.again(shared, lease, &error).await {
            return;
        }
    }
}

/// Tries to write something to a store that did not take it.
#[derive(Default)]
struct Tries {
    made: u32,
    refused: u32,
}

impl Tries {
    /// Waits before another try; false where there is to be none: the server stops, or the store will not have it.
    async fn again(&mut self, shared: &Shared, lease: &Lease, error: &StoreError) -> bool {
        if self.made == 0 {
            tracing::warn!(job = %lease.job, "what became of a job could not be recorded yet: {error}");
        }
        self.made += 1;
        self.refused += u32::from(!matches!(error, StoreError::Away(_)));
        if shared.is_giving_up() || self.refused >= REFUSALS {
            return false;
        }
        let pause = RETRY.saturating_mul(1 << (self.made - 1).min(2)).min(LONGEST_RETRY);
        let mut phase = shared.stop.subscribe();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // For one last try.
            _ = phase.wait_for(|phase| *phase >= Phase::GivingUp) => {}
        }
        true
    }
}
