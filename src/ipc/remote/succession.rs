//! A child that has answered enough is followed by a fresh one, without a gap.

use super::super::process::Process;
use super::Remote;

impl Remote {
    /// Starts a successor when it is time, and lets it take over when it is ready. Between runs.
    pub(super) fn succeed(&mut self) {
        match self.successor.take() {
            Some(next) => self.hand_over(next),
            None if self.has_answered_enough() => match self.spec.start(&self.context) {
                Ok(next) => self.successor = Some(next),
                Err(error) => self.postpone(error.message()),
            },
            None => {}
        }
    }

    /// Whether another child is to take the place of this one.
    pub(super) fn has_answered_enough(&self) -> bool {
        self.replace_at.is_some_and(|at| self.answered >= at)
    }

    fn hand_over(&mut self, mut next: Process) {
        match next.is_ready() {
            Ok(true) => {
                retire(std::mem::replace(&mut self.process, next));
                self.answered = 0;
                self.replace_at = self.spec.max_requests;
                tracing::debug!("the replica's process was replaced after max_requests");
            }
            Ok(false) if next.started().elapsed() < self.spec.start_timeout => self.successor = Some(next),
            Ok(false) => self.postpone("it took too long to get ready"),
            Err(error) => self.postpone(error.message()),
        }
    }

    /// The process at hand goes on for as many requests again.
    fn postpone(&mut self, why: &str) {
        tracing::warn!("the process that was to replace this one after max_requests failed: {why}");
        self.replace_at = self.spec.max_requests.map(|n| self.answered + n);
    }
}

/// Lets a process end beside the work: its farewell may take a while.
fn retire(process: Process) {
    // Without a thread it is dropped, and so ended, here and now.
    drop(
        std::thread::Builder::new()
            .name("retire".to_owned())
            .spawn(move || drop(process)),
    );
}
