//! Transport-neutral serving: find the model, check its state, attach deadline and id, submit, cancel.
//!
//! Every protocol ends here, and knows no more of a model than its contract and its route. Knows no HTTP.

mod activity;
mod heavy;
mod pending;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use activity::Load;
use activity::{Activity, Watch};
pub use heavy::decoding;
pub use pending::Pending;

use crate::contract::{Contract, Manner};
use crate::error::{Error, Kind};
use crate::payload::Payload;
use crate::pipeline::Timing;
use crate::worker::{Group, Priority, ReplicaState, ReplicaStatus, Ticket};

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
    /// What the client grants; the model's limit holds where it is shorter. It is the time of the answer, and of a job
    /// that of its run: a job waits for as long as requests come.
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
        let is_job = matches!(call.priority, Priority::Job { .. });
        let deadline = timeout.filter(|_| !is_job).map(|t| Instant::now() + t);
        let limit = timeout.filter(|_| is_job);
        let ticket = Ticket {
            id: call.id.unwrap_or_else(|| Arc::from("")),
            handler: route.endpoint().handler,
            priority: call.priority,
            deadline,
            limit,
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
            limit,
            started,
            expired: false,
        })
    }
}

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
