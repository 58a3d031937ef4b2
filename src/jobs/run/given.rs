//! What a run gives before its last word: pieces of the answer, and how far it is.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Run;
use crate::jobs::job::WebhookEvent;
use crate::jobs::store::JobEvent;
use crate::payload::{Chunk, Output, whole};

/// Chunks that are published together at most.
const TOGETHER: usize = 64;
/// No webhook hears of progress more often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Keeps the pieces, and lets readers of events and the webhook know what came.
pub struct Given<'a> {
    run: &'a Run<'a>,
    chunks: Vec<Chunk>,
    /// What readers of events have not been shown yet.
    fresh: Vec<JobEvent>,
    /// When the webhook was last told of progress, and how often it was.
    told: Option<Instant>,
    number: u32,
}

impl<'a> Given<'a> {
    pub const fn nothing(run: &'a Run<'a>) -> Self {
        Self {
            run,
            chunks: Vec::new(),
            fresh: Vec::new(),
            told: None,
            number: 0,
        }
    }

    /// Takes what came, however it was waited for.
    pub async fn take(&mut self, chunk: Chunk) {
        if let Chunk::Progress(text) = &chunk {
            self.progress(serde_json::from_slice(text).unwrap_or_default()).await;
            return;
        }
        self.fresh.extend(shown(&chunk));
        self.chunks.push(chunk);
    }

    async fn progress(&mut self, progress: Value) {
        self.fresh.push(JobEvent::Progress(progress.clone()));
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        self.number += 1;
        let told = Some((self.number, progress));
        self.run.tell(WebhookEvent::Progress, told).await;
    }

    /// Whether more may come before it is published.
    pub const fn has_room(&self) -> bool {
        self.fresh.len() < TOGETHER
    }

    pub async fn publish(&mut self) {
        self.run.publish(std::mem::take(&mut self.fresh)).await;
    }

    /// The answer: the final output, or all pieces.
    pub fn whole(&self, output: Output) -> Output {
        whole(output, &self.chunks)
    }
}

/// A chunk as readers of events see it.
fn shown(chunk: &Chunk) -> Option<JobEvent> {
    match chunk {
        Chunk::Json(text) => serde_json::from_slice(text).ok().map(JobEvent::Chunk),
        Chunk::Bytes(bytes) => Some(JobEvent::Chunk(String::from_utf8_lossy(bytes).into_owned().into())),
        Chunk::Head(_) | Chunk::Progress(_) => None,
    }
}
