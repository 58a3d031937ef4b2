//! Transport-neutral serving: find the model, check its state, attach deadline and id, submit, cancel.
//!
//! Every protocol ends here, and knows no more of a model than its contract and its route. Knows no HTTP.

mod activity;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use activity::Load;
use activity::{Activity, Watch};

use crate::contract::{Contract, Manner};
use crate::error::{Error, Kind};
use crate::payload::{Output, Payload};
use crate::pipeline::{Event, Final, ReplyReceiver, Timing};
use crate::worker::{Group, InFlight, Priority, ReplicaState, ReplicaStatus, Ticket};

/// One way into a model: a contract and the handler it is for.
#[derive(Clone)]
pub struct Endpoint {
    /// Paths it is mounted at, the first being the canonical one.
    pub paths: Vec<String>,
    pub handler: usize,
    pub contract: Arc<Contract>,
    pub manner: Manner,
    /// A sentence for the docs.
    pub summary: Option<String>,
}

/// What is put behind an endpoint's path by a client that asks for a job.
pub const BACKGROUND: &str = "/background";

impl Endpoint {
    /// Whether a request may become a background job. One that is answered before it is done is its author's own kind
    /// of that.
    pub fn takes_jobs(&self) -> bool {
        !self.manner.background && self.manner.verbs.iter().any(|verb| verb == "POST")
    }

    /// Whether files of its answers are brought to where the request or the server wants them, while the client waits:
    /// what an author shapes goes out as it is, and a task of his answers nobody.
    pub const fn uploads(&self) -> bool {
        !self.manner.background && !self.manner.shaped
    }
}

/// What there is to know of a model without running it: what docs and dashboards read.
#[derive(Clone)]
pub struct ModelCard {
    pub name: Arc<str>,
    /// What kind of model it is, `question-answering` for one.
    pub task: String,
    pub description: Option<String>,
    pub endpoints: Vec<Endpoint>,
}

/// A model that is served.
pub struct Model {
    pub card: ModelCard,
    pub group: Group,
    /// The longest time of a request that brings none.
    pub request_timeout: Option<Duration>,
    /// How long the last answer took in queue and run, in microseconds.
    pub(crate) last_micros: AtomicU32,
    activity: Activity,
}

/// A model's endpoint, as a path leads to it.
#[derive(Clone)]
pub struct Route {
    pub model: Arc<Model>,
    endpoint: usize,
}

impl Route {
    pub fn endpoint(&self) -> &Endpoint {
        &self.model.card.endpoints[self.endpoint]
    }

    pub fn contract(&self) -> &Contract {
        &self.endpoint().contract
    }
}

/// Models in the order of the settings, and their routes by path.
#[derive(Default)]
pub struct Routes {
    pub models: Vec<Arc<Model>>,
    by_path: HashMap<String, Route>,
}

impl Routes {
    /// # Errors
    /// When two endpoints are mounted at one path.
    pub fn new(models: Vec<Arc<Model>>) -> Result<Self, String> {
        let mut by_path: HashMap<String, Route> = HashMap::new();
        for model in &models {
            for (endpoint, mounted) in model.card.endpoints.iter().enumerate() {
                for path in &mounted.paths {
                    let route = Route {
                        model: Arc::clone(model),
                        endpoint,
                    };
                    if let Some(other) = by_path.insert(path.clone(), route) {
                        return Err(format!(
                            "{path} is mounted twice, by {} and by {}",
                            other.model.card.name, model.card.name
                        ));
                    }
                }
            }
        }
        Ok(Self { models, by_path })
    }

    /// The route at a path; a trailing slash is no other path.
    pub fn find(&self, path: &str) -> Option<&Route> {
        let trimmed = if path.len() > 1 {
            path.trim_end_matches('/')
        } else {
            path
        };
        self.by_path.get(if trimmed.is_empty() { "/" } else { trimmed })
    }

    /// The route whose requests become jobs at this path. To be asked for where nothing is mounted: what an author
    /// put at such a path is his.
    pub fn find_background(&self, path: &str) -> Option<&Route> {
        let below = path.trim_end_matches('/').strip_suffix(BACKGROUND)?;
        self.find(below).filter(|route| route.endpoint().takes_jobs())
    }
}

/// How one request is to be treated.
#[derive(Default)]
pub struct Call {
    pub id: Option<Arc<str>>,
    /// What the client grants; the model's limit holds where it is shorter.
    pub timeout: Option<Duration>,
    pub priority: Priority,
    /// Chunks that may wait for a slow reader; `None` for a client that wants one answer.
    pub stream_buffer: Option<usize>,
}

/// All that is served.
pub struct Service {
    routes: ArcSwap<Routes>,
    draining: AtomicBool,
    /// What reached no model.
    activity: Activity,
}

impl Service {
    pub fn new(routes: Routes) -> Self {
        Self {
            routes: ArcSwap::from_pointee(routes),
            draining: AtomicBool::new(false),
            activity: Activity::new(),
        }
    }

    pub fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// The route at a path.
    ///
    /// # Errors
    /// Not found, with the remedy.
    pub fn find(&self, path: &str) -> Result<Route, Error> {
        let routes = self.routes.load();
        routes.find(path).cloned().ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("nothing is served at {path}; /docs lists what is"),
            )
        })
    }

    /// The route whose requests become jobs at a path where nothing is mounted.
    pub fn find_background(&self, path: &str) -> Option<Route> {
        self.routes.load().find_background(path).cloned()
    }

    /// Refuses new requests from now on.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Requests admitted and not yet answered, over all models; jobs that run are none.
    pub fn admitted(&self) -> usize {
        self.routes.load().models.iter().map(|m| m.group.admitted()).sum()
    }

    /// Whether every configured model has a replica that serves, and the server does not drain.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.routes.load().models.iter().all(|m| m.group.serves())
    }

    /// Counts a request that was refused before it reached a model.
    pub fn count_refused(&self) {
        self.activity.receive();
    }

    /// Counts a request that only keeps the server awake: it ends as it comes.
    pub fn count_warm_up(&self) {
        self.activity.receive();
        self.activity.end(Instant::now());
    }

    /// How busy the server is, as autoscalers ask.
    pub fn load(&self) -> Load {
        let routes = self.routes.load();
        let models = &routes.models;
        let now = Instant::now();
        let ready = |replicas: &[ReplicaStatus]| replicas.iter().filter(|r| r.state == ReplicaState::Ready).count();
        let replicas: usize = models.iter().map(|m| ready(&m.group.snapshot().replicas)).sum();
        let under_way: usize = models.iter().map(|m| m.group.admitted()).sum();
        let activities = || models.iter().map(|m| &m.activity).chain([&self.activity]);
        let available = self.is_ready() && under_way < replicas;
        let idle = activities().map(|a| a.idle(now)).min().unwrap_or_default();
        Load {
            available,
            received: activities().map(|a| a.received.load(Ordering::Relaxed)).sum(),
            idle: if available && under_way == 0 {
                idle
            } else {
                Duration::ZERO
            },
            oldest: activities().filter_map(|a| a.oldest(now)).max().unwrap_or_default(),
        }
    }

    /// Submits a decoded request.
    ///
    /// # Errors
    /// Not ready while the model loads or the server drains; queue full, at once.
    pub fn submit(&self, route: &Route, input: Payload, call: Call) -> Result<Pending, Error> {
        let number = route.model.activity.receive();
        if self.is_draining() {
            return Err(Error::new(
                Kind::NotReady,
                "the server is shutting down; send the request to another instance",
            ));
        }
        let timeout = match (call.timeout, route.model.request_timeout) {
            (Some(asked), Some(limit)) => Some(asked.min(limit)),
            (asked, limit) => asked.or(limit),
        };
        let deadline = timeout.map(|t| Instant::now() + t);
        let ticket = Ticket {
            id: call.id.unwrap_or_else(|| Arc::from("")),
            handler: route.endpoint().handler,
            priority: call.priority,
            deadline,
            stream_buffer: call.stream_buffer,
        };
        let model = Arc::clone(&route.model);
        let (in_flight, receiver) = model.group.submit(input, ticket)?;
        let started = Instant::now();
        Ok(Pending {
            watch: Watch::new(model, number, started),
            in_flight,
            receiver,
            deadline,
            started,
            expired: false,
        })
    }
}

/// A run that takes no longer than this, queue included, is waited for awake.
const SHORT_MICROS: u32 = 60;
/// For how long.
const LOOK: Duration = Duration::from_micros(80);

impl Model {
    pub fn new(card: ModelCard, group: Group, request_timeout: Option<Duration>) -> Self {
        Self {
            card,
            group,
            request_timeout,
            last_micros: AtomicU32::new(u32::MAX),
            activity: Activity::new(),
        }
    }

    fn took(&self, timing: Timing) {
        let micros = (timing.queue + timing.compute).as_micros();
        self.last_micros
            .store(micros.try_into().unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// A submitted request. Dropped, it is cancelled and its place freed.
pub struct Pending {
    // Dropped before the place is freed: who sees an idle model sees when it became so.
    watch: Watch,
    in_flight: InFlight,
    receiver: ReplyReceiver,
    deadline: Option<Instant>,
    started: Instant,
    expired: bool,
}

impl Pending {
    /// Waits for the answer, at most until the deadline.
    pub async fn answer(self) -> (Result<Output, Error>, Timing) {
        let (result, timing, _) = self.answer_in_place().await;
        (result, timing)
    }

    /// As [`Pending::answer`], with the request's place, for whoever is not done with the request then.
    pub async fn answer_in_place(mut self) -> (Result<Output, Error>, Timing, Place) {
        let soon = self.soon().await;
        let done = match (soon, self.deadline) {
            (Some(last), _) => Ok(last),
            (None, None) => Ok(self.receiver.last().await),
            (None, Some(deadline)) => tokio::time::timeout_at(deadline.into(), self.receiver.last()).await,
        };
        let (result, timing) = match done {
            Ok(Final { result, timing }) => {
                self.watch.model.took(timing);
                self.watch.end(self.started, timing);
                (result, timing)
            }
            Err(_) => expired(self.started),
        };
        let place = Place {
            _in_flight: self.in_flight,
            deadline: self.deadline,
            started: self.started,
        };
        (result, timing, place)
    }

    /// Looks for the answer of a short run for a moment before this thread may go to sleep: to be woken costs more
    /// than such a run. Only where nobody else wants the cores, and other connections go on between two looks.
    async fn soon(&mut self) -> Option<Final> {
        let short = self.watch.model.last_micros.load(Ordering::Relaxed) <= SHORT_MICROS;
        if !short || self.watch.model.group.admitted() > 1 {
            return None;
        }
        while self.started.elapsed() < LOOK {
            if let Some(last) = self.receiver.try_last() {
                return Some(last);
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// The next event of a stream; the last one is final.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.event().await;
        if let Some(Event::Final(last)) = &event {
            self.watch.end(self.started, last.timing);
        }
        event
    }

    /// The next chunk of a stream, where one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.receiver.try_next()
    }

    async fn event(&mut self) -> Option<Event> {
        if self.expired {
            return None;
        }
        let Some(deadline) = self.deadline else {
            return self.receiver.next().await;
        };
        match tokio::time::timeout_at(deadline.into(), self.receiver.next()).await {
            Ok(event) => event,
            Err(_) => {
                self.expired = true;
                let (result, timing) = expired(self.started);
                Some(Event::Final(Final { result, timing }))
            }
        }
    }
}

/// The place of a request that was answered, among those admitted; dropped, it is free. What is done with the answer
/// before its client has it takes memory as the run did, and is limited by the same number.
pub struct Place {
    _in_flight: InFlight,
    deadline: Option<Instant>,
    started: Instant,
}

impl Place {
    /// Finishes what belongs to the answer, at most until the request's deadline.
    ///
    /// # Errors
    /// Those of what is done; deadline where that comes first.
    pub async fn finish(self, what: impl Future<Output = Result<Output, Error>>) -> Result<Output, Error> {
        match self.deadline {
            None => what.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), what)
                .await
                .unwrap_or_else(|_| expired(self.started).0),
        }
    }
}

fn expired(started: Instant) -> (Result<Output, Error>, Timing) {
    let waited = started.elapsed();
    let message = format!(
        "no answer within the deadline of {:.3} s; queueing counts",
        waited.as_secs_f64()
    );
    (
        Err(Error::new(Kind::Deadline, message)),
        Timing {
            queue: waited,
            compute: Duration::ZERO,
        },
    )
}
