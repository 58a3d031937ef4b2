//! Events of the jobs that this server ran, in memory: for readers who follow along, and those who come a little late.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Notify;

use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::store::{JobEvent, Lease};

/// Events of one job; of more the first go.
const MOST_OF_A_JOB: usize = 1000;
/// Bytes of them, about; the last one is kept however long it is.
const MOST_BYTES_OF_A_JOB: usize = 4 * 1024 * 1024;
/// Events of all jobs that are over. With chunks of some hundred bytes that is some ten megabytes.
const MOST_OF_THE_ENDED: usize = 50_000;
/// Bytes of those, where chunks are longer.
const MOST_BYTES_OF_THE_ENDED: usize = 64 * 1024 * 1024;
/// Numbers that a run has for its events.
const NUMBERS: u32 = 32;
/// How long events of a job that is over are kept for readers that come late.
const KEPT: Duration = Duration::from_secs(300);

#[derive(Default)]
pub struct Hub(Mutex<Stories>);

#[derive(Default)]
struct Stories {
    jobs: HashMap<JobId, Story>,
    /// Jobs that are over, in the order of their ends.
    ended: VecDeque<(Instant, JobId)>,
    /// Events of those.
    events_of_ended: usize,
    bytes_of_ended: usize,
}

struct Story {
    /// Who may publish: the attempt of the last claim.
    attempt: u32,
    events: VecDeque<(u64, JobEvent)>,
    /// Of all events, about.
    bytes: usize,
    /// The number of the last event.
    last: u64,
    status: Status,
    progress: Option<Value>,
    bell: Arc<Notify>,
}

impl Default for Story {
    /// Every story begins in the queue, whether or not somebody reads it there.
    fn default() -> Self {
        Self {
            attempt: 0,
            events: VecDeque::from([(1, JobEvent::Status(Status::Queued))]),
            bytes: 0,
            last: 1,
            status: Status::Queued,
            progress: None,
            bell: Arc::default(),
        }
    }
}

impl Hub {
    pub fn knows(&self, id: JobId) -> bool {
        self.stories().jobs.contains_key(&id)
    }

    /// Begins the story of a job that waits. Not to be called for one that is over: its story would have no end.
    pub fn open(&self, id: JobId) {
        self.stories().jobs.entry(id).or_default();
    }

    /// A run begins, which is told; what an earlier one still publishes is not heard any more.
    pub fn claimed(&self, lease: &Lease) {
        let mut stories = self.stories();
        let story = stories.jobs.entry(lease.job).or_default();
        if story.attempt == 0 {
            // Earlier runs ended with their server. A reader who comes back with a number of theirs is told all of this
            // one, whose numbers are higher.
            story.last = story.last.max(u64::from(lease.attempt.saturating_sub(1)) << NUMBERS);
        }
        story.attempt = lease.attempt;
        story.progress = None;
        story.push(JobEvent::Status(Status::Running));
    }

    /// The store changed the status of a job.
    pub fn status(&self, id: JobId, status: Status) {
        let mut stories = self.stories();
        let story = stories.jobs.entry(id).or_default();
        if story.status.is_over() {
            return;
        }
        story.push(JobEvent::Status(status));
        if status.is_over() {
            let (events, bytes) = (story.events.len(), story.bytes);
            stories.ended.push_back((Instant::now(), id));
            stories.events_of_ended += events;
            stories.bytes_of_ended += bytes;
            stories.sweep();
        }
    }

    /// The run of a lease tells of itself. Statuses are left out: they are told as they are recorded.
    pub fn publish(&self, lease: &Lease, events: Vec<JobEvent>) {
        let mut stories = self.stories();
        let Some(story) = stories.jobs.get_mut(&lease.job) else {
            return;
        };
        if story.attempt != lease.attempt || story.status.is_over() {
            return;
        }
        for event in events {
            if !matches!(event, JobEvent::Status(_)) {
                story.push(event);
            }
        }
    }

    pub fn progress(&self, id: JobId) -> Option<Value> {
        self.stories().jobs.get(&id).and_then(|story| story.progress.clone())
    }

    /// A job with what is known of its progress since it was written.
    pub fn brought_up(&self, mut job: Job) -> Job {
        if job.status == Status::Running {
            job.progress = self.progress(job.id);
        }
        job
    }

    /// Events after the `after`th; waits for the first of them, unless the job is over.
    pub async fn events(&self, id: JobId, after: u64, patience: Duration) -> Vec<(u64, JobEvent)> {
        let some = async {
            loop {
                let Some(bell) = self.bell(id) else { return Vec::new() };
                // Before looking: what comes after the look ends the wait.
                let rung = bell.notified();
                match self.look(id, after) {
                    Some(events) => return events,
                    None => rung.await,
                }
            }
        };
        tokio::time::timeout(patience, some).await.unwrap_or_default()
    }

    fn bell(&self, id: JobId) -> Option<Arc<Notify>> {
        self.stories().jobs.get(&id).map(|story| Arc::clone(&story.bell))
    }

    /// `None` where there is something to wait for.
    fn look(&self, id: JobId, after: u64) -> Option<Vec<(u64, JobEvent)>> {
        let mut stories = self.stories();
        stories.sweep();
        let Some(story) = stories.jobs.get(&id) else {
            return Some(Vec::new());
        };
        // A number that was not given yet comes from before a restart, when others were.
        let after = if after > story.last { 0 } else { after };
        let events: Vec<_> = story
            .events
            .iter()
            .filter(|(number, _)| *number > after)
            .cloned()
            .collect();
        (!events.is_empty() || story.status.is_over()).then_some(events)
    }

    fn stories(&self) -> MutexGuard<'_, Stories> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stories {
    /// Drops the stories of jobs that ended long ago, or before too many others.
    fn sweep(&mut self) {
        while let Some((ended, id)) = self.ended.front()
            && (self.events_of_ended > MOST_OF_THE_ENDED
                || self.bytes_of_ended > MOST_BYTES_OF_THE_ENDED
                || ended.elapsed() > KEPT)
        {
            if let Some(story) = self.jobs.remove(id) {
                self.events_of_ended = self.events_of_ended.saturating_sub(story.events.len());
                self.bytes_of_ended = self.bytes_of_ended.saturating_sub(story.bytes);
                story.bell.notify_waiters();
            }
            self.ended.pop_front();
        }
    }
}

impl Story {
    fn push(&mut self, event: JobEvent) {
        match &event {
            JobEvent::Status(status) => self.status = *status,
            JobEvent::Progress(progress) => self.progress = Some(progress.clone()),
            JobEvent::Chunk(_) => {}
        }
        self.last += 1;
        self.bytes += bytes_of(&event);
        self.events.push_back((self.last, event));
        while self.events.len() > MOST_OF_A_JOB || (self.bytes > MOST_BYTES_OF_A_JOB && self.events.len() > 1) {
            let gone = self.events.pop_front().map_or(0, |(_, event)| bytes_of(&event));
            self.bytes = self.bytes.saturating_sub(gone);
        }
        self.bell.notify_waiters();
    }
}

/// About how much memory an event takes, beside its place in the list.
fn bytes_of(event: &JobEvent) -> usize {
    match event {
        JobEvent::Status(_) => 0,
        JobEvent::Progress(value) | JobEvent::Chunk(value) => bytes_in(value),
    }
}

fn bytes_in(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(bytes_in).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + bytes_in(value)).sum(),
    };
    size_of::<Value>() + inside
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn lease(attempt: u32) -> Lease {
        Lease {
            job: Uuid::from_u128(1),
            model: "digits".into(),
            attempt,
        }
    }

    async fn numbers(hub: &Hub, after: u64) -> Vec<u64> {
        let events = hub.events(lease(1).job, after, Duration::ZERO).await;
        events.into_iter().map(|(number, _)| number).collect()
    }

    #[tokio::test]
    async fn a_story_begins_in_the_queue_and_ends_once() {
        let hub = Hub::default();
        hub.claimed(&lease(1));
        // Only the store says what the status is.
        hub.publish(
            &lease(1),
            vec![JobEvent::Status(Status::Running), JobEvent::Chunk(json!("a"))],
        );
        hub.publish(&lease(1), vec![JobEvent::Status(Status::Succeeded)]);
        hub.status(lease(1).job, Status::Succeeded);
        hub.status(lease(1).job, Status::Failed);
        let events = hub.events(lease(1).job, 0, Duration::ZERO).await;
        assert_eq!(
            events,
            [
                (1, JobEvent::Status(Status::Queued)),
                (2, JobEvent::Status(Status::Running)),
                (3, JobEvent::Chunk(json!("a"))),
                (4, JobEvent::Status(Status::Succeeded)),
            ]
        );
        assert_eq!(numbers(&hub, 3).await, [4]);
        // Over: nobody waits for what cannot come.
        assert!(hub.events(lease(1).job, 4, Duration::MAX).await.is_empty());
    }

    #[tokio::test]
    async fn of_many_events_the_last_thousand_are_kept() {
        let hub = Hub::default();
        hub.claimed(&lease(1));
        for n in 0..1500 {
            hub.publish(&lease(1), vec![JobEvent::Chunk(json!(n))]);
        }
        let kept = numbers(&hub, 0).await;
        assert_eq!((kept.len(), kept[0], kept[999]), (1000, 503, 1502));
    }

    #[tokio::test]
    async fn long_events_do_not_pile_up() {
        let hub = Hub::default();
        let long = JobEvent::Chunk("x".repeat(1024 * 1024).into());
        for n in 0..100 {
            let job = Uuid::from_u128(n);
            hub.claimed(&Lease { job, ..lease(1) });
            hub.publish(&Lease { job, ..lease(1) }, vec![long.clone(); 6]);
            assert_eq!(hub.events(job, 1, Duration::ZERO).await.len(), 3);
            hub.status(job, Status::Succeeded);
        }
        let stories = hub.stories();
        assert!(stories.bytes_of_ended <= MOST_BYTES_OF_THE_ENDED);
        let kept: usize = stories.jobs.values().map(|story| story.bytes).sum();
        assert_eq!((kept, stories.jobs.len()), (stories.bytes_of_ended, 21));
    }

    #[tokio::test]
    async fn a_reader_from_before_a_restart_begins_anew() {
        let hub = Hub::default();
        hub.open(lease(1).job);
        assert_eq!(numbers(&hub, 57).await, [1]);
        assert!(numbers(&hub, 1).await.is_empty());
        // Also where this run has told more by then than the one before.
        hub.claimed(&lease(2));
        for n in 0..100 {
            hub.publish(&lease(2), vec![JobEvent::Chunk(json!(n))]);
        }
        assert_eq!(numbers(&hub, 57).await.len(), 101);
    }

    #[tokio::test]
    async fn an_earlier_run_is_not_heard() {
        let hub = Hub::default();
        hub.claimed(&lease(1));
        hub.publish(&lease(1), vec![JobEvent::Progress(json!(0.5))]);
        hub.claimed(&lease(2));
        hub.publish(&lease(1), vec![JobEvent::Progress(json!(0.6))]);
        assert_eq!(hub.progress(lease(1).job), None);
        hub.publish(&lease(2), vec![JobEvent::Progress(json!(0.1))]);
        assert_eq!(hub.progress(lease(1).job), Some(json!(0.1)));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let hub = Arc::new(Hub::default());
        hub.claimed(&lease(1));
        let reader = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { hub.events(lease(1).job, 2, Duration::MAX).await }
        });
        tokio::task::yield_now().await;
        hub.publish(&lease(1), vec![JobEvent::Chunk(json!(1))]);
        assert_eq!(reader.await.unwrap(), [(3, JobEvent::Chunk(json!(1)))]);
    }

    #[test]
    fn stories_of_ended_jobs_do_not_pile_up() {
        let hub = Hub::default();
        for n in 0..60_000 {
            hub.status(Uuid::from_u128(n), Status::Cancelled);
        }
        let stories = hub.stories();
        assert!(stories.jobs.len() <= MOST_OF_THE_ENDED, "{}", stories.jobs.len());
        assert_eq!(stories.jobs.len(), stories.ended.len());
        let kept: usize = stories.jobs.values().map(|story| story.events.len()).sum();
        assert_eq!(kept, stories.events_of_ended);
        assert!(stories.jobs.contains_key(&Uuid::from_u128(59_999)));
    }
}
