//! How a replica cuts its next batch from what waits.

use std::time::{Duration, Instant};

use super::intake::{First, Intake};
use crate::pipeline::{Admit, Request};

/// When a batch is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPolicy {
    /// The most rows a run may take; 1 switches batching off.
    pub max_size: usize,
    /// How long the first request of a batch may wait for more; zero takes what waits and adds no latency.
    pub max_delay: Duration,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            max_size: 1,
            max_delay: Duration::ZERO,
        }
    }
}

/// How many of `waiting` requests a replica may take while `idle` replicas, itself among them, want work:
/// ⌈waiting ÷ idle⌉, so that a greedy one leaves the others theirs.
pub fn share(waiting: usize, idle: usize) -> usize {
    waiting.div_ceil(idle.max(1))
}

/// Adds to `first` what waits, up to the policy's limits. Requests nobody waits for are dropped on the way. Background
/// work joins none but its own kind: interactive requests would wait for it.
pub fn gather(first: First, policy: BatchPolicy, intake: &Intake) -> Vec<Request> {
    let First {
        request: first,
        background,
    } = first;
    let most = background.unwrap_or(usize::MAX);
    let mut batch = Vec::with_capacity(policy.max_size.min(64));
    let mut rows = 0;
    let now = Instant::now();
    let end = first
        .deadline()
        .map_or(now + policy.max_delay, |d| d.min(now + policy.max_delay));
    let alone = first.is_alone();
    push(&mut batch, &mut rows, first, now);
    if policy.max_size <= 1 || alone {
        return batch;
    }
    let (waiting, room) = match background {
        Some(_) => (intake.waiting(), policy.max_size - intake.reserve(policy.max_size)),
        None => (intake.urgent(), policy.max_size),
    };
    let quota = share(waiting + 1, intake.idle() + 1).min(most);
    let mut seen = 1;
    while rows < room && seen < quota {
        let Some(request) = intake.try_join(background.is_some()) else {
            break;
        };
        push(&mut batch, &mut rows, request, now);
        seen += 1;
    }
    // Nobody waits for background work to be answered soon, nor gains by its waiting for more.
    while background.is_none() && !policy.max_delay.is_zero() && rows < policy.max_size {
        match intake.take_urgent_until(end) {
            Some(request) if request.is_alone() => {
                intake.give_back(request);
                break;
            }
            Some(request) => push(&mut batch, &mut rows, request, Instant::now()),
            None => break,
        }
    }
    batch
}

fn push(batch: &mut Vec<Request>, rows: &mut usize, request: Request, now: Instant) {
    // Dropped, an expired request answers that its deadline passed.
    if request.is_abandoned() || request.is_expired(now) {
        return;
    }
    *rows += request.rows();
    batch.push(request);
}

/// Lets waiting requests join a running batch.
pub struct Joining {
    pub intake: Intake,
    pub max_size: usize,
}

impl Admit for Joining {
    fn admit(&mut self, rows: usize) -> Vec<Request> {
        // A waiting request may have more rows than there is room for; models that admit take one row each.
        let (mut joined, mut taken, now) = (Vec::new(), 0, Instant::now());
        let quota = share(self.intake.waiting(), self.intake.idle() + 1);
        while taken < rows && joined.len() < quota {
            let background = self.intake.joins(rows - taken, self.max_size);
            let Some(request) = self.intake.try_join(background) else {
                break;
            };
            push(&mut joined, &mut taken, request, now);
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lone_replica_takes_all_and_two_take_half_each() {
        assert_eq!(share(8, 1), 8);
        assert_eq!(share(8, 2), 4);
        assert_eq!(share(7, 2), 4);
        assert_eq!(share(1, 4), 1);
    }

    proptest! {
        #[test]
        fn shares_cover_what_waits_and_leave_no_idle_replica_without_work_for_long(waiting in 1usize..1000, idle in 1usize..32) {
            let each = share(waiting, idle);
            prop_assert!(each >= 1);
            prop_assert!(each * idle >= waiting);
            prop_assert!((each - 1) * idle < waiting);
        }
    }
}
