//! States of replicas and of the group they form; what health, check and dashboard read.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::backoff::CRASH_LOOP;
use crate::device::Device;

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ReplicaState {
    Loading,
    Compiling,
    Ready,
    /// It failed and waits to be built again.
    Restarting,
    Stopped,
}

impl ReplicaState {
    const ALL: [Self; 5] = [
        Self::Loading,
        Self::Compiling,
        Self::Ready,
        Self::Restarting,
        Self::Stopped,
    ];
}

/// Where a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupState {
    Loading,
    Compiling,
    Ready,
    /// Some replicas serve, others are gone.
    Degraded,
    Failed,
    Unloaded,
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loading => "loading",
            Self::Compiling => "compiling",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unloaded => "unloaded",
        })
    }
}

/// What one replica tells of itself.
#[derive(Debug)]
pub struct ReplicaCell {
    pub device: Device,
    state: AtomicU8,
    failures: AtomicU32,
    restarts: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl ReplicaCell {
    pub fn new(device: Device) -> Self {
        Self {
            device,
            state: AtomicU8::new(ReplicaState::Loading as u8),
            failures: AtomicU32::new(0),
            restarts: AtomicU64::new(0),
            last_error: Mutex::new(None),
        }
    }

    pub fn set(&self, state: ReplicaState) {
        self.state.store(state as u8, Ordering::Release);
    }

    pub fn state(&self) -> ReplicaState {
        ReplicaState::ALL[usize::from(self.state.load(Ordering::Acquire))]
    }

    /// Counts a failure in a row and keeps its message. Returns how many in a row.
    pub fn failed(&self, message: &str) -> u32 {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        self.restarts.fetch_add(1, Ordering::AcqRel);
        self.set(ReplicaState::Restarting);
        self.failures.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// A batch was answered: the row of failures ends.
    pub fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Release);
        }
    }

    fn in_crash_loop(&self) -> bool {
        self.failures.load(Ordering::Acquire) >= CRASH_LOOP
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One replica in a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct ReplicaStatus {
    pub replica: usize,
    pub device: Device,
    pub state: ReplicaState,
    /// How often it was built again.
    pub restarts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A model's state at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    pub state: GroupState,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub replicas: Vec<ReplicaStatus>,
    /// Requests admitted: queued and running.
    pub admitted: usize,
    /// Requests standing in the queue.
    pub waiting: usize,
    /// Replica threads that hung and were given up.
    pub lost_threads: usize,
}

/// The board all replicas of a group write on.
#[derive(Debug)]
pub struct Board {
    cells: Vec<Arc<ReplicaCell>>,
    started: Instant,
    wait_timeout: Duration,
    ever_ready: AtomicU8,
    unloaded: AtomicU8,
    pub lost_threads: Arc<AtomicUsize>,
}

impl Board {
    pub fn new(devices: &[Device], wait_timeout: Duration) -> Self {
        Self {
            cells: devices.iter().map(|d| Arc::new(ReplicaCell::new(*d))).collect(),
            started: Instant::now(),
            wait_timeout,
            ever_ready: AtomicU8::new(0),
            unloaded: AtomicU8::new(0),
            lost_threads: Arc::default(),
        }
    }

    pub fn cell(&self, replica: usize) -> Arc<ReplicaCell> {
        Arc::clone(&self.cells[replica])
    }

    pub fn ready(&self, replica: usize) {
        self.cells[replica].set(ReplicaState::Ready);
        self.ever_ready.store(1, Ordering::Release);
    }

    pub fn unload(&self) {
        self.unloaded.store(1, Ordering::Release);
    }

    /// Whether every replica is in a crash loop.
    pub fn all_crash(&self) -> bool {
        self.cells
            .iter()
            .all(|c| c.in_crash_loop() && c.state() != ReplicaState::Ready)
    }

    /// Whether requests may be queued now.
    pub fn takes_requests(&self) -> bool {
        self.ever_ready.load(Ordering::Acquire) != 0 && self.unloaded.load(Ordering::Acquire) == 0 && !self.all_crash()
    }

    pub fn state(&self) -> GroupState {
        if self.unloaded.load(Ordering::Acquire) != 0 {
            return GroupState::Unloaded;
        }
        let count = |state| self.cells.iter().filter(|c| c.state() == state).count();
        let ready = count(ReplicaState::Ready);
        if ready == self.cells.len() {
            return GroupState::Ready;
        }
        if self.all_crash() {
            return GroupState::Failed;
        }
        if self.ever_ready.load(Ordering::Acquire) != 0 {
            // A model that serves with what it has while others still load is ready for its clients.
            let failing = self.cells.iter().any(|c| c.state() == ReplicaState::Restarting) || ready == 0;
            return if failing {
                GroupState::Degraded
            } else {
                GroupState::Ready
            };
        }
        if self.started.elapsed() > self.wait_timeout {
            return GroupState::Failed;
        }
        if count(ReplicaState::Compiling) > 0 {
            GroupState::Compiling
        } else {
            GroupState::Loading
        }
    }

    /// Whether at least one replica serves.
    pub fn serves(&self) -> bool {
        self.cells.iter().any(|c| c.state() == ReplicaState::Ready)
    }

    /// Why the model is not ready, in a sentence.
    pub fn reason(&self) -> Option<String> {
        let state = self.state();
        if matches!(state, GroupState::Ready | GroupState::Unloaded) {
            return None;
        }
        let error = self
            .cells
            .iter()
            .filter(|c| c.state() != ReplicaState::Ready)
            .find_map(|c| c.last_error());
        error.or_else(|| {
            (state == GroupState::Failed).then(|| {
                format!(
                    "not ready within {} s (SERVER_WAIT_TIMEOUT)",
                    self.wait_timeout.as_secs_f64()
                )
            })
        })
    }

    pub fn replicas(&self) -> Vec<ReplicaStatus> {
        let status = |(replica, c): (usize, &Arc<ReplicaCell>)| ReplicaStatus {
            replica,
            device: c.device,
            state: c.state(),
            restarts: c.restarts.load(Ordering::Acquire),
            last_error: c.last_error(),
        };
        self.cells.iter().enumerate().map(status).collect()
    }
}
