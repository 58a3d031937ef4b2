//! The requests of one run.

use std::sync::Arc;
use std::time::Instant;

use super::control::RunControl;
use super::request::Request;

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
