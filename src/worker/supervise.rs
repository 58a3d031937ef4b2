//! Spawns the replica threads of a group and watches their runs.
//!
//! A run that nobody waits for any more is asked to end; one that was past its deadline and does not return
//! even then has hung: its thread is given up and another takes its place.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::gather::BatchPolicy;
use super::intake::Intake;
use super::replica::Replica;
use super::status::Board;
use crate::pipeline::{Build, ReplicaContext, RunControl, RunState};

/// How often runs are looked at: the most by which a run outlives the last request that wanted it.
const TICK: Duration = Duration::from_millis(20);
/// Linux keeps 15 bytes of a thread's name.
const THREAD_NAME: usize = 15;

/// What replica threads are made from.
pub struct Spawn {
    pub contexts: Vec<ReplicaContext>,
    pub build: Arc<dyn Build>,
    pub policy: BatchPolicy,
    pub intake: Intake,
    pub board: Arc<Board>,
    pub hang_grace: Duration,
}

/// The supervisor's thread.
pub struct Supervisor {
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Watched {
    thread: JoinHandle<()>,
    control: Arc<RunControl>,
    given_up: Arc<AtomicBool>,
}

impl Supervisor {
    pub fn start(spawn: Spawn) -> std::io::Result<Self> {
        let mut replicas = Vec::with_capacity(spawn.contexts.len());
        for replica in 0..spawn.contexts.len() {
            replicas.push(spawn.replica(replica)?);
        }
        let name = thread_name(&spawn.contexts[0].model, "/sup");
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || spawn.watch(replicas))?;
        Ok(Self {
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Waits for all threads to end; false when they did not within `patience`.
    pub fn join(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return true;
        };
        while !thread.is_finished() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        thread.join().is_ok()
    }
}

impl Spawn {
    fn replica(&self, replica: usize) -> std::io::Result<Watched> {
        let control = Arc::new(RunControl::default());
        let given_up = Arc::new(AtomicBool::new(false));
        let work = Replica {
            context: self.contexts[replica].clone(),
            build: Arc::clone(&self.build),
            policy: self.policy,
            intake: self.intake.of(replica),
            board: Arc::clone(&self.board),
            control: Arc::clone(&control),
            given_up: Arc::clone(&given_up),
        };
        let lost = LostThread {
            given_up: Arc::clone(&given_up),
            count: Arc::clone(&self.board.lost_threads),
        };
        let name = thread_name(&self.contexts[replica].model, &format!("/{replica}"));
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let _lost = lost;
            work.run();
        })?;
        Ok(Watched {
            thread,
            control,
            given_up,
        })
    }

    fn watch(self, mut replicas: Vec<Watched>) {
        while !self.intake.stopped_within(TICK) {
            let now = Instant::now();
            for (i, watched) in replicas.iter_mut().enumerate() {
                let RunState::Unwanted { since, expired: true } = watched.control.supervise(now) else {
                    continue;
                };
                if now.duration_since(since) < self.hang_grace {
                    continue;
                }
                let model = &self.contexts[i].model;
                match self.replica(i) {
                    Ok(fresh) => {
                        tracing::error!(%model, replica = i, "a run hung past its deadline; its thread is given up and replaced");
                        self.board
                            .cell(i)
                            .failed("a run hung past its deadline; the replica was replaced");
                        self.board.lost_threads.fetch_add(1, Ordering::AcqRel);
                        watched.given_up.store(true, Ordering::Release);
                        *watched = fresh;
                    }
                    Err(error) => tracing::error!(%model, replica = i, "no thread to replace a hung replica: {error}"),
                }
            }
        }
        for watched in replicas {
            drop(watched.thread.join());
        }
    }
}

/// A thread that was given up and returned after all is lost no longer.
struct LostThread {
    given_up: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Drop for LostThread {
    fn drop(&mut self) {
        if self.given_up.load(Ordering::Acquire) {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// The model's name cut so that the suffix survives in the 15 bytes Linux keeps.
fn thread_name(model: &str, suffix: &str) -> String {
    let mut cut = model.len().min(THREAD_NAME.saturating_sub(suffix.len()));
    while !model.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{suffix}", &model[..cut])
}

#[cfg(test)]
mod tests {
    use super::thread_name;

    #[test]
    fn the_suffix_survives_a_long_model_name() {
        assert_eq!(thread_name("digits", "/0"), "digits/0");
        assert_eq!(thread_name("question_answering", "/12"), "question_ans/12");
        assert_eq!(thread_name("ééééééééé", "/0").len(), 14);
    }
}
