//! The requests of one run, and the control a supervisor has over that run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::request::{Request, RequestState};

/// Where waiting requests come from between the steps of an iterative model.
pub trait Admit {
    /// Up to `rows` rows of requests that wait now; never blocks. Called between steps also when there is no room.
    fn admit(&mut self, rows: usize) -> Vec<Request>;
}

/// One or more requests that are answered in one run.
pub struct Batch {
    requests: Vec<Request>,
    max_size: usize,
    source: Option<Box<dyn Admit>>,
    control: Arc<RunControl>,
    progressed: bool,
}

impl Batch {
    /// A batch that nothing can join; for tests and single calls.
    pub fn new(requests: Vec<Request>) -> Self {
        let max_size = requests.len().max(1);
        Self {
            requests,
            max_size,
            source: None,
            control: Arc::new(RunControl::default()),
            progressed: false,
        }
    }

    /// A batch of a replica: waiting requests may join up to `max_size` rows.
    pub fn with_source(
        requests: Vec<Request>,
        max_size: usize,
        source: Box<dyn Admit>,
        control: Arc<RunControl>,
    ) -> Self {
        control.begin(&requests);
        // Who is to run alone is not to be joined either.
        let source = (!requests.iter().any(Request::is_alone)).then_some(source);
        Self {
            requests,
            max_size,
            source,
            control,
            progressed: false,
        }
    }

    pub const fn len(&self) -> usize {
        self.requests.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Rows of all requests together.
    pub fn rows(&self) -> usize {
        self.requests.iter().map(Request::rows).sum()
    }

    /// The most rows one run may take.
    pub const fn max_size(&self) -> usize {
        self.max_size
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Request> {
        self.requests.iter_mut()
    }

    /// Takes all requests out, those that nobody waits for left away.
    pub fn drain(&mut self) -> impl Iterator<Item = Request> + use<> {
        std::mem::take(&mut self.requests)
            .into_iter()
            .filter(|r| !r.is_cancelled())
    }

    /// Puts a request back, to be stepped again.
    pub fn put_back(&mut self, request: Request) {
        self.requests.push(request);
    }

    /// Drops what is finished or nobody waits for any more. Returns how many were dropped.
    pub fn retain_live(&mut self) -> usize {
        let before = self.requests.len();
        self.requests.retain(|r| !r.is_finished() && !r.is_cancelled());
        before - self.requests.len()
    }

    /// Lets waiting requests join while there is room; called between the steps of an iterative model.
    /// Returns how many joined, at the end of the batch.
    pub fn admit(&mut self) -> usize {
        self.admit_up_to(self.max_size.saturating_sub(self.rows()))
    }

    /// As [`Batch::admit`], for a pipeline that has taken its requests out and knows itself how many it can take.
    pub fn admit_up_to(&mut self, free: usize) -> usize {
        let Some(source) = &mut self.source else {
            return 0;
        };
        let mut joined = source.admit(free);
        let now = Instant::now();
        joined.iter_mut().for_each(|r| r.start(now));
        self.control.join(&joined);
        let count = joined.len();
        self.requests.extend(joined);
        count
    }

    /// Tells that this run has answered requests: should it fail later on, the pipeline was of use until then, and
    /// the failure is no link of a crash loop.
    pub const fn progress(&mut self) {
        self.progressed = true;
    }

    pub const fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// The control of this run: a pipeline tells it how the run can be ended from outside.
    pub fn control(&self) -> &Arc<RunControl> {
        &self.control
    }
}

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

    fn begin(&self, requests: &[Request]) {
        let mut running = self.lock();
        running.active = true;
        running.asked = None;
        running.requests.clear();
        running
            .requests
            .extend(requests.iter().map(|r| (r.state(), r.deadline())));
    }

    fn join(&self, requests: &[Request]) {
        let mut running = self.lock();
        // A long run is joined by many: those that are answered or gone are let go.
        if running.requests.len() >= JOINED {
            running.requests.retain(|(state, _)| !state.is_cancelled());
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

    /// Whether this run was asked to end; an error it then returns is no failure of the pipeline.
    pub fn is_terminated(&self) -> bool {
        self.lock().asked.is_some()
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
