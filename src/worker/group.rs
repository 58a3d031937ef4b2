//! The replicas of one model, as the service sees them: admit, submit, look, stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::gather::BatchPolicy;
use super::queue::{Permit, Priority, Queue, queue};
use super::status::{Board, Snapshot};
use super::supervise::{Spawn, Supervisor};
use crate::device::Device;
use crate::error::{Error, Kind};
use crate::payload::Payload;
use crate::pipeline::{Build, ReplicaContext, ReplyReceiver, Request, RequestState, Wake, stream, unary};
use crate::store::{KeyValue, Store};

/// What a group is started from.
pub struct GroupSpec {
    pub model: Arc<str>,
    pub build: Arc<dyn Build>,
    /// One device a replica.
    pub devices: Vec<Device>,
    /// Threads inside one run of a replica.
    pub threads: usize,
    pub batch: BatchPolicy,
    /// Requests admitted at once, queued and running.
    pub queue_size: usize,
    pub cache_dir: PathBuf,
    /// How long the model may take to get ready.
    pub wait_timeout: Duration,
    /// How long a terminated run may take to return before its thread is given up.
    pub hang_grace: Duration,
    /// Where the model's keys and values are kept, apart from those of other models.
    pub store: Option<Arc<dyn KeyValue>>,
}

/// How a request is to be treated.
pub struct Ticket {
    pub id: Arc<str>,
    pub handler: usize,
    pub priority: Priority,
    pub deadline: Option<Instant>,
    /// How long the run may take, for work whose wait does not count.
    pub limit: Option<Duration>,
    /// Chunks that may wait for a slow reader; `None` for a client that wants one answer.
    pub stream_buffer: Option<usize>,
}

/// A running group. Dropped, it stops.
pub struct Group {
    model: Arc<str>,
    /// Rows that all replicas together run at once.
    capacity: usize,
    replicas: usize,
    queue: Queue,
    board: Arc<Board>,
    supervisor: Supervisor,
}

/// A request under way. Dropped before its answer arrived, it cancels the request and frees its place.
pub struct InFlight {
    state: Arc<RequestState>,
    _permit: Option<Permit>,
}

impl InFlight {
    /// When a replica took the request up; `None` while it waits.
    pub fn begun(&self) -> Option<Instant> {
        self.state.begun()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // After the answer this finds nothing left to cancel.
        self.state.cancel();
    }
}

impl Group {
    /// Starts the supervisor, which starts the replicas; returns at once.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(spec: GroupSpec) -> std::io::Result<Self> {
        let (queue, intake) = queue(spec.queue_size, spec.devices.len());
        let replicas = spec.devices.len();
        let capacity = replicas.saturating_mul(spec.batch.max_size);
        let board = Arc::new(Board::new(&spec.devices, spec.wait_timeout));
        let store = spec.store.map(|engine| Store::new(engine, Arc::clone(&spec.model)));
        let contexts = spec.devices.iter().enumerate().map(|(replica, device)| ReplicaContext {
            model: Arc::clone(&spec.model),
            replica,
            device: *device,
            threads: spec.threads,
            cache_dir: spec.cache_dir.clone(),
            wake: Wake::default(),
            store: store.clone(),
        });
        let spawn = Spawn {
            contexts: contexts.collect(),
            build: spec.build,
            policy: spec.batch,
            intake,
            board: Arc::clone(&board),
            hang_grace: spec.hang_grace,
        };
        let supervisor = Supervisor::start(spawn)?;
        Ok(Self {
            model: spec.model,
            capacity,
            replicas,
            queue,
            board,
            supervisor,
        })
    }

    /// Admits a request and queues it.
    ///
    /// # Errors
    /// Not ready while the model loads or after it failed; queue full, at once.
    pub fn submit(&self, input: Payload, ticket: Ticket) -> Result<(InFlight, ReplyReceiver), Error> {
        if !self.board.takes_requests() {
            return Err(self.not_ready());
        }
        let permit = self.queue.admit(ticket.priority)?;
        let admitted = Instant::now();
        let (reply, receiver) = match ticket.stream_buffer {
            None => unary(admitted),
            Some(buffer) => stream(admitted, buffer.max(1)),
        };
        let rows = input.rows();
        let state = RequestState::new(input);
        let request = Request::new(ticket.id, rows, Arc::clone(&state), reply)
            .with_handler(ticket.handler)
            .run_alone(ticket.priority == Priority::Job { alone: true })
            .with_deadline(ticket.deadline)
            .with_limit(ticket.limit);
        self.queue.send(request, ticket.priority)?;
        Ok((InFlight { state, _permit: permit }, receiver))
    }

    fn not_ready(&self) -> Error {
        let state = self.board.state();
        let message = match self.board.reason() {
            Some(reason) => format!("model {} is {state}: {reason}", self.model),
            None => format!(
                "model {} is {state}; try again when /health/readiness answers 200",
                self.model
            ),
        };
        Error::new(Kind::NotReady, message)
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.board.state(),
            reason: self.board.reason(),
            replicas: self.board.replicas(),
            admitted: self.queue.admitted(),
            waiting: self.queue.waiting(),
            lost_threads: self.board.lost_threads.load(Ordering::Acquire),
        }
    }

    /// How many there are, whatever their state.
    pub const fn replicas(&self) -> usize {
        self.replicas
    }

    /// Whether interactive requests have come lately.
    pub fn is_asked(&self) -> bool {
        self.queue.is_asked()
    }

    /// Rows that all replicas together run at once.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether at least one replica serves.
    pub fn serves(&self) -> bool {
        self.board.serves()
    }

    /// Requests admitted whose client still waits.
    pub fn admitted(&self) -> usize {
        self.queue.admitted()
    }

    /// Threads that hung and were given up.
    pub fn lost_threads(&self) -> usize {
        self.board.lost_threads.load(Ordering::Acquire)
    }

    /// Stops the replicas after the batch they are in, and waits for their threads up to `patience`.
    /// Returns whether all ended.
    pub fn stop(&self, patience: Duration) -> bool {
        self.board.unload();
        self.queue.stop();
        self.supervisor.join(patience)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.queue.stop();
    }
}
