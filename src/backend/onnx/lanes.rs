//! Threads of one replica that each make whole runs, on a session of their own: of a batch that is cut into several
//! runs, each thread takes the next one as soon as it is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use ort::session::Session;

use super::model::Opener;
use super::session::{Runs, Terminate, first_line, run};
use crate::error::Error;
use crate::tensor::Tensor;

/// As many as the replica has threads. Dropped, they end after the run they are in.
pub struct Lanes {
    /// There until the end.
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
}

/// A run with its number.
struct Job {
    run: usize,
    inputs: Vec<Tensor>,
}

type Done = (usize, Result<Vec<Tensor>, Error>);

/// What a thread works with.
struct Lane {
    session: Session,
    output_names: Arc<[String]>,
    interrupt: Arc<Terminate>,
}

impl Lanes {
    /// Opens their sessions, all at once.
    ///
    /// # Errors
    /// When the system gives no thread, or the model cannot be loaded again.
    pub(super) fn start(
        opener: &Opener,
        output_names: &Arc<[String]>,
        interrupt: &Arc<Terminate>,
    ) -> Result<Self, String> {
        let (jobs, jobs_rx) = unbounded::<Job>();
        let (done_tx, done) = unbounded();
        let (ready_tx, ready) = unbounded();
        let mut lanes = Self {
            jobs: Some(jobs),
            done,
            threads: Vec::with_capacity(opener.threads),
        };
        // MODEL/N of the replica becomes MODEL/N.K.
        let replica = thread::current().name().unwrap_or("replica").to_owned();
        for number in 0..opener.threads {
            let (jobs, done, told) = (jobs_rx.clone(), done_tx.clone(), ready_tx.clone());
            let (opener, output_names, interrupt) = (opener.clone(), Arc::clone(output_names), Arc::clone(interrupt));
            let work = move || {
                let session = match opener.open(1) {
                    Ok(session) => session,
                    Err(error) => return drop(told.send(Err(first_line(&error)))),
                };
                let lane = Lane {
                    session,
                    output_names,
                    interrupt,
                };
                if told.send(Ok(())).is_ok() {
                    drop(told);
                    lane.work(&jobs, &done);
                }
            };
            let thread = thread::Builder::new().name(format!("{replica}.{number}")).spawn(work);
            lanes.threads.push(thread.map_err(|e| e.to_string())?);
        }
        drop(ready_tx);
        let loaded = ready.into_iter().collect::<Result<Vec<()>, String>>()?;
        if loaded.len() < opener.threads {
            return Err("a thread ended while it loaded the model".to_owned());
        }
        Ok(lanes)
    }

    /// How many runs go on at once.
    pub fn width(&self) -> usize {
        self.threads.len()
    }

    /// Makes all of these runs.
    pub fn run_each(&self, runs: &mut dyn Runs) {
        let Some(jobs) = &self.jobs else { return };
        let (mut sent, mut under_way) = (0, 0);
        loop {
            // One waits, so that a lane that is done has its next run at once; the others may turn out to be unwanted.
            while under_way <= self.width()
                && let Some(inputs) = runs.next()
            {
                // Lanes take runs as long as this end is there.
                drop(jobs.send(Job { run: sent, inputs }));
                sent += 1;
                under_way += 1;
            }
            if under_way == 0 {
                return;
            }
            let Ok((run, outputs)) = self.done.recv() else { return };
            under_way -= 1;
            runs.done(run, outputs);
        }
    }
}

impl Drop for Lanes {
    /// Waits for them: sessions are released before the process ends, and before the model is loaded anew.
    fn drop(&mut self) {
        self.jobs = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Lane {
    fn work(mut self, jobs: &Receiver<Job>, done: &Sender<Done>) {
        while let Ok(Job { run: number, inputs }) = jobs.recv() {
            let Self {
                session,
                output_names,
                interrupt,
            } = &mut self;
            let made = catch_unwind(AssertUnwindSafe(|| run(session, output_names, interrupt, &inputs)));
            // A run that panicked is over, too: somebody waits for it.
            let outputs =
                made.unwrap_or_else(|_| Err(Error::pipeline("a run of the model panicked; the log has more")));
            drop(inputs);
            if done.send((number, outputs)).is_err() {
                return;
            }
        }
    }
}
