//! Calls that nobody waits for any more, and those that take too long.

use std::time::Instant;

use super::{Order, Remote};
use crate::error::{Error, Kind};

impl Remote {
    /// Looks for readers that have room again, clients that left, and time that passed.
    pub(super) fn look_after_calls(&mut self, now: Instant) -> Result<(), Error> {
        for place in 0..self.calls.len() {
            let Some(call) = self.calls[place].as_mut() else {
                continue;
            };
            if !call.cancelled && !call.backlog.is_empty() {
                call.drain();
            }
            if !call.cancelled && call.request.is_cancelled() {
                self.cancel(place)?;
            }
        }
        for parting in std::mem::take(&mut self.parting) {
            self.part(parting);
        }
        self.end_overdue(now)?;
        self.end_unwanted(now)
    }

    /// Kills a child one of whose calls takes too long.
    fn end_overdue(&mut self, now: Instant) -> Result<(), Error> {
        let (limit, last_answer) = (self.spec.call_timeout, self.last_answer);
        let late = |since: Instant| now.saturating_duration_since(since) >= limit;
        let mut calls = self.calls.iter_mut().flatten();
        let overdue = match self.spec.order {
            // Of calls done one after the other only the first unanswered is being worked on.
            Order::OneByOne => calls
                .min_by_key(|call| call.number)
                .filter(|call| late(call.sent.max(last_answer))),
            Order::Batch | Order::Concurrent => calls.find(|call| late(call.sent)),
        };
        let Some(call) = overdue else { return Ok(()) };
        self.process.child.kill();
        let seconds = limit.as_secs_f64();
        let told =
            format!("the call took longer than {seconds} s (call_timeout); its process was killed and starts again");
        call.request.finish(Err(Error::new(Kind::Deadline, told)));
        let told = format!("a call took longer than {seconds} s (call_timeout) and the replica's process was killed");
        Err(Error::new(Kind::ReplicaLost, told))
    }

    /// Kills a child that works on nothing anybody waits for, where that is wanted.
    fn end_unwanted(&mut self, now: Instant) -> Result<(), Error> {
        let Some(patience) = self.spec.patience else {
            return Ok(());
        };
        // With no call under way the child rests: only readers that are behind keep the run.
        if self.under_way == 0 || self.calls.iter().flatten().any(|call| !call.cancelled) {
            self.unwanted_since = None;
            return Ok(());
        }
        let since = *self.unwanted_since.get_or_insert(now);
        if now.duration_since(since) < patience {
            return Ok(());
        }
        self.unwanted_since = None;
        self.process.child.kill();
        Err(Error::new(
            Kind::ReplicaLost,
            "the run outlived everybody who waited for it and was killed",
        ))
    }
}
