//! How a supervisor sees the run of a replica, and ends one that nobody waits for any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::request::{Request, RequestState};

/// Ends a run of a pipeline from another thread.
pub trait Interrupt: Send + Sync {
    /// Asks the run under way to return soon.
    fn interrupt(&self);
    /// Takes the request back, so that the next run is not ended by it.
    fn reset(&self);
}

/// Requests of one run that are kept in mind before the answered ones are sorted out.
const JOINED: usize = 64;

/// Lets a supervisor end a run that nobody waits for any more.
#[derive(Default)]
pub struct RunControl {
    inner: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    active: bool,
    by_itself: bool,
    requests: Vec<(Arc<RequestState>, Option<Instant>)>,
    interrupt: Option<Arc<dyn Interrupt>>,
    asked: Option<Instant>,
}

/// What a supervisor sees of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Nothing runs.
    Idle,
    /// Somebody still waits for this run; look again at the earliest deadline, if there is one.
    Wanted,
    /// Nobody waits; the run was asked to end at this time. `expired` tells that a deadline passed, as opposed
    /// to all clients having left.
    Unwanted { since: Instant, expired: bool },
}

impl RunControl {
    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, requests: &[Request]) {
        let mut running = self.lock();
        running.active = true;
        running.asked = None;
        running.requests.clear();
        running
            .requests
            .extend(requests.iter().map(|r| (r.state(), r.deadline())));
    }

    pub(super) fn join(&self, requests: &[Request]) {
        let mut running = self.lock();
        // A long run is joined by many: those that are answered or gone are let go.
        if running.requests.len() >= JOINED {
            let waits = |state: &Arc<RequestState>| !state.is_cancelled() && Arc::strong_count(state) > 1;
            running.requests.retain(|(state, _)| waits(state));
        }
        // Between two steps nobody may have waited for the run, and it was asked to end; now somebody does again.
        if !requests.is_empty()
            && running.asked.take().is_some()
            && let Some(interrupt) = &running.interrupt
        {
            interrupt.reset();
        }
        running
            .requests
            .extend(requests.iter().map(|r| (r.state(), r.deadline())));
    }

    /// The run returned.
    pub(crate) fn end(&self) {
        let mut running = self.lock();
        running.active = false;
        running.requests.clear();
        // Under the same lock as the asking: no late interrupt can reach the next run.
        if let (Some(_), Some(interrupt)) = (running.asked, &running.interrupt) {
            interrupt.reset();
        }
    }

    /// Tells how runs of this pipeline are ended from another thread.
    pub fn set_interrupt(&self, interrupt: Arc<dyn Interrupt>) {
        self.lock().interrupt = Some(interrupt);
    }

    /// The pipeline looks after deadlines and hangs of its runs itself: no supervisor ends them.
    pub fn ends_by_itself(&self) {
        self.lock().by_itself = true;
    }

    /// Looks at the run, and asks it to end when all its requests are past their deadline or cancelled.
    pub(crate) fn supervise(&self, now: Instant) -> RunState {
        let mut running = self.lock();
        if !running.active || running.requests.is_empty() {
            return RunState::Idle;
        }
        if running.by_itself {
            return RunState::Wanted;
        }
        let expired = |deadline: &Option<Instant>| deadline.is_some_and(|d| d <= now);
        if !running
            .requests
            .iter()
            .all(|(state, deadline)| state.is_cancelled() || expired(deadline))
        {
            return RunState::Wanted;
        }
        let any_expired = running.requests.iter().any(|(_, deadline)| expired(deadline));
        if let Some(since) = running.asked {
            return RunState::Unwanted {
                since,
                expired: any_expired,
            };
        }
        running.asked = Some(now);
        // Called under the lock: the run cannot end and another begin between the look and the call.
        if let Some(interrupt) = &running.interrupt {
            interrupt.interrupt();
        }
        RunState::Unwanted {
            since: now,
            expired: any_expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::payload::Payload;
    use crate::pipeline::unary;

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Interrupt for Flag {
        fn interrupt(&self) {
            self.0.store(true, Ordering::SeqCst);
        }

        fn reset(&self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }

    fn request() -> Request {
        let (reply, _receiver) = unary(Instant::now());
        let state = RequestState::new(Payload::Json(serde_json::Value::Null));
        Request::new(Arc::from("r"), 1, state, reply)
    }

    fn control() -> (RunControl, Arc<Flag>) {
        let (control, flag) = (RunControl::default(), Arc::new(Flag::default()));
        control.set_interrupt(Arc::clone(&flag) as Arc<dyn Interrupt>);
        (control, flag)
    }

    #[test]
    fn a_run_that_nobody_waits_for_is_ended_and_the_next_one_is_not() {
        let (control, flag) = control();
        assert_eq!(control.supervise(Instant::now()), RunState::Idle);
        let gone = request();
        control.begin(std::slice::from_ref(&gone));
        assert_eq!(control.supervise(Instant::now()), RunState::Wanted);
        gone.state().cancel();
        assert!(matches!(
            control.supervise(Instant::now()),
            RunState::Unwanted { expired: false, .. }
        ));
        assert!(flag.0.load(Ordering::SeqCst));
        control.end();
        assert!(!flag.0.load(Ordering::SeqCst));
    }

    #[test]
    fn who_joins_a_run_that_was_asked_to_end_keeps_it_going() {
        let (control, flag) = control();
        let (gone, late) = (request(), request());
        control.begin(std::slice::from_ref(&gone));
        gone.state().cancel();
        control.supervise(Instant::now());
        control.join(&[]);
        assert!(flag.0.load(Ordering::SeqCst), "nobody joined");
        control.join(std::slice::from_ref(&late));
        assert!(!flag.0.load(Ordering::SeqCst));
        assert_eq!(control.supervise(Instant::now()), RunState::Wanted);
        late.state().cancel();
        assert!(matches!(control.supervise(Instant::now()), RunState::Unwanted { .. }));
        assert!(flag.0.load(Ordering::SeqCst));
    }
}
