//! What a child prints, line by line into the log, and the news of its end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};

use crate::pipeline::Wake;

/// A longer line is cut into several.
const LONGEST: usize = 16 * 1024;
/// What a process that has ended left in its pipes is read for so long; others that it started may hold them open.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// The ends of a child's pipes, and what is told when it ends.
pub struct Watch {
    pub model: Arc<str>,
    pub replica: usize,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    pub ends: OwnedFd,
    pub ended: Arc<AtomicBool>,
    pub wake: Wake,
}

struct Pipe {
    fd: OwnedFd,
    line: Vec<u8>,
    open: bool,
}

impl Watch {
    /// Reads until the child has ended and its pipes are empty.
    pub fn run(self) {
        let span = tracing::info_span!("replica", model = %self.model, replica = self.replica);
        let _entered = span.enter();
        let pipe = |fd| Pipe {
            fd,
            line: Vec::new(),
            open: true,
        };
        let mut pipes = [pipe(self.stdout), pipe(self.stderr)];
        let mut until: Option<Instant> = None;
        loop {
            let open = pipes.iter().any(|p| p.open);
            let over = until.is_some_and(|end| Instant::now() >= end);
            if until.is_some() && (!open || over) {
                break;
            }
            let Ok(ready) = ready(&pipes, &self.ends, until) else {
                break;
            };
            for (pipe, name) in pipes.iter_mut().zip(["stdout", "stderr"]).filter(|(p, _)| p.open) {
                pipe.pump(name);
            }
            if ready && until.is_none() {
                // Before anything else: requests may be waiting for this.
                self.ended.store(true, Ordering::Release);
                self.wake.wake();
                until = Some(Instant::now() + AFTERWARDS);
            }
        }
        for (pipe, name) in pipes.iter_mut().zip(["stdout", "stderr"]) {
            pipe.line(name);
        }
    }
}

/// Waits for output or the end; tells whether it is the end.
fn ready(pipes: &[Pipe; 2], ends: &OwnedFd, until: Option<Instant>) -> io::Result<bool> {
    let timeout = until.map(|end| {
        let left = end.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    let mut watched: Vec<_> = pipes
        .iter()
        .filter(|p| p.open)
        .map(|p| PollFd::new(&p.fd, PollFlags::IN))
        .collect();
    if until.is_none() {
        watched.push(PollFd::new(ends, PollFlags::IN));
    }
    match poll(&mut watched, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let last = watched.last().is_some_and(|w| !w.revents().is_empty());
    Ok(until.is_none() && last)
}

impl Pipe {
    /// Reads what is there, if anything is; the pipe never makes anybody wait.
    fn pump(&mut self, name: &'static str) {
        let mut buffer = [0; 4096];
        loop {
            match read(self.fd.as_fd(), &mut buffer) {
                Ok(0) => {
                    self.open = false;
                    return;
                }
                Ok(n) => self.take(&buffer[..n], name),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.open = false;
                    return;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8], name: &'static str) {
        for byte in bytes {
            if *byte == b'\n' {
                self.line(name);
            } else {
                self.line.push(*byte);
                if self.line.len() >= LONGEST {
                    self.line(name);
                }
            }
        }
    }

    fn line(&mut self, stream: &'static str) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end();
        if !text.is_empty() {
            tracing::info!(target: "replica", stream, "{text}");
        }
        self.line.clear();
    }
}
