//! The life of a job: accepted, claimed, kept, put back, ended, forgotten.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use redis::Value;

use super::RedisJobs;
use super::row::{Row, broken};
use crate::error::Kind;
use crate::jobs::job::{Failure, Idempotency, JobId, NewJob, Outcome};
use crate::jobs::store::{Cancelled, Claim, Ending, Inserted, Kept, Lease, MOST_BYTES, NewDelivery, Return};
use crate::store::StoreError;
use crate::store::redis::{Call, Script};

/// Bodies up to this size come with the job; longer ones are read by themselves, with the time they need.
pub(super) const WHOLE: usize = 256 * 1024;
/// Jobs that one script forgets: no script may hold the others up for long.
const FORGOTTEN: usize = 200;
/// How long a server without jobs must have been silent to be struck off.
const GONE: Duration = Duration::from_secs(3600);

impl RedisJobs {
    pub(super) async fn insert_job(&self, job: NewJob, most: usize) -> Result<Inserted, StoreError> {
        let about = text(&job.input.about)?;
        let webhook = job.webhook.as_ref().map(text).transpose()?;
        // The id is the job's own: sent twice it is one job.
        let mut call = self
            .redis
            .call(&self.scripts.insert)
            .repeatable()
            .arg(job.id.to_string())
            .arg(&job.model)
            .arg(&job.path)
            .arg(&job.input.body)
            .arg(about)
            .arg(webhook.unwrap_or_default())
            .arg(job.upload_webhook.unwrap_or_default())
            .arg(job.created.to_string())
            .number(most);
        if let Some(idempotency) = &job.idempotency {
            call = call.arg(&idempotency.key).arg(hex(&idempotency.digest));
        }
        let mut row = Row::of(call.run().await?)?.ok_or_else(|| broken("no answer"))?;
        match (row.text(0)?.as_deref(), job.idempotency) {
            (Some("new"), _) => Ok(Inserted::New),
            (Some("full"), _) => Ok(Inserted::Full),
            (Some("known"), _) => match self.whole(row.take(1)).await? {
                Some(known) => Ok(Inserted::Known(Box::new(known))),
                // Forgotten while it was read.
                None => Err(StoreError::Away("the job of this key was just forgotten".to_owned())),
            },
            (Some("conflict"), Some(Idempotency { key, .. })) => {
                let digest = row.text(1)?.as_deref().and_then(unhex);
                let digest = digest.ok_or_else(|| broken("the digest of a key"))?;
                Ok(Inserted::Conflict(Idempotency { key, digest }))
            }
            _ => Err(broken("no answer to a new job")),
        }
    }

    pub(super) async fn claim_jobs(&self, model: &str, most: usize) -> Result<Vec<Claim>, StoreError> {
        let call = self
            .redis
            .call(&self.scripts.claim)
            .arg(model)
            .arg(&self.server)
            .number(most)
            .number(millis(self.lease))
            .arg(Timestamp::now().to_string())
            .number(WHOLE)
            .number(MOST_BYTES);
        let rows = Row::all(call.run().await?)?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let (Ok(job), Ok(attempt)) = (row.id(), row.attempt()) else {
                tracing::error!(model, "a claimed job without an id or a number cannot be read");
                continue;
            };
            let lease = Lease {
                job,
                model: model.to_owned(),
                attempt,
            };
            let read = match row.job() {
                Ok(read) => read,
                Err(error) => {
                    self.give_up(&lease, &error).await;
                    continue;
                }
            };
            match self.with_bodies(read).await {
                Ok(Some(job)) => claims.push(Claim { lease, job }),
                Ok(None) => {}
                // The others are claimed as well, and have to be run; this one comes again when its lease is over.
                Err(error) => tracing::warn!(job = %lease.job, model, %error, "a claimed job cannot be read"),
            }
        }
        Ok(claims)
    }

    /// Ends a job that can never be read, or each server would claim it again.
    async fn give_up(&self, lease: &Lease, error: &StoreError) {
        tracing::error!(job = %lease.job, model = %lease.model, "a job is given up: {error}");
        let ending = Ending {
            outcome: Outcome::Failed(Failure::new(Kind::PipelineFailed, error.to_string())),
            at: Timestamp::now(),
            delivery: None,
        };
        // Where that fails, it is claimed once more when its lease is over.
        if let Err(error) = self.finish_job(lease, &ending).await {
            tracing::warn!(job = %lease.job, %error, "the end of a job could not be recorded");
        }
    }

    pub(super) async fn keep_leases(&self, leases: &[Lease]) -> Result<Vec<Kept>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.redis.call(&self.scripts.keep).repeatable().arg(&self.server);
        for lease in leases {
            call = call.arg(lease.job.to_string()).number(lease.attempt);
        }
        let Value::Array(answers) = call.run().await? else {
            return Err(broken("no leases"));
        };
        let kept = answers.into_iter().map(|answer| match answer {
            Value::Int(1) => Kept::Yes,
            Value::Int(2) => Kept::Cancelling,
            _ => Kept::Lost,
        });
        Ok(kept.collect())
    }

    pub(super) async fn put_job_back(&self, lease: &Lease, why: Return) -> Result<bool, StoreError> {
        let call = self
            .of_lease(&self.scripts.put_back, lease)
            .arg(if why == Return::Lost { "1" } else { "0" });
        Ok(call.run().await? == Value::Int(1))
    }

    pub(super) async fn finish_job(&self, lease: &Lease, ending: &Ending) -> Result<bool, StoreError> {
        let call = self
            .of_lease(&self.scripts.finish, lease)
            .arg(ending.outcome.status().name())
            .arg(ending.at.to_string())
            .number(ending.at.as_microsecond());
        let call = match &ending.outcome {
            Outcome::Succeeded(answer) => call.arg(&answer.content_type).arg(&answer.body).arg(""),
            Outcome::Failed(failure) => call.arg("").arg("").arg(text(failure)?),
            Outcome::Cancelled => call.arg("").arg("").arg(""),
        };
        let call = with_delivery(call, ending.delivery.as_ref());
        Ok(call.run().await? == Value::Int(1))
    }

    pub(super) async fn cancel_job(
        &self,
        id: JobId,
        at: Timestamp,
        delivery: Option<&NewDelivery>,
    ) -> Result<Cancelled, StoreError> {
        let call = self
            .redis
            .call(&self.scripts.cancel)
            .arg(id.to_string())
            .arg(at.to_string())
            .number(at.as_microsecond())
            .number(WHOLE);
        let answer = with_delivery(call, delivery).run().await?;
        let mut row = Row::of(answer)?.ok_or_else(|| broken("no answer"))?;
        let what = row.text(0)?;
        let Some(job) = self.whole(row.take(1)).await?.map(Box::new) else {
            return Ok(Cancelled::Unknown);
        };
        match what.as_deref() {
            Some("now") => Ok(Cancelled::Now(job)),
            Some("soon") => Ok(Cancelled::Soon(job)),
            Some("over") => Ok(Cancelled::Over(job)),
            _ => Err(broken("no answer to a cancellation")),
        }
    }

    pub(super) async fn count_unfinished(&self, model: &str) -> Result<usize, StoreError> {
        let call = self.redis.call(&self.scripts.unfinished).repeatable().arg(model);
        count(&call.run().await?)
    }

    pub(super) async fn forget_jobs(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut all = 0;
        loop {
            let call = self
                .redis
                .call(&self.scripts.forget)
                .number(before.as_microsecond())
                .number(FORGOTTEN);
            let answer = call.run().await?;
            let Value::Array(counts) = &answer else {
                return Err(broken("no numbers"));
            };
            let [looked_at, forgotten] = &counts[..] else {
                return Err(broken("no numbers"));
            };
            all += count(forgotten)?;
            if count(looked_at)? < FORGOTTEN {
                break;
            }
        }
        self.redis.call(&self.scripts.tidy).number(millis(GONE)).run().await?;
        Ok(all)
    }

    /// A call that begins with a lease.
    pub(super) fn of_lease<'a>(&'a self, script: &'a Script, lease: &Lease) -> Call<'a> {
        self.redis.call(script).arg(lease.job.to_string()).number(lease.attempt)
    }
}

/// Ends a call with a delivery, if there is one.
pub(super) fn with_delivery<'a>(call: Call<'a>, delivery: Option<&NewDelivery>) -> Call<'a> {
    match delivery {
        Some(delivery) => call
            .arg(&delivery.id)
            .arg(&delivery.url)
            .arg(&delivery.body)
            .arg(if delivery.terminal { "1" } else { "0" })
            .arg(if delivery.skippable { "1" } else { "0" }),
        None => call,
    }
}

fn text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(format!("a job cannot be written: {error}")))
}

fn count(answer: &Value) -> Result<usize, StoreError> {
    match answer {
        Value::Int(number) => usize::try_from(*number).map_err(|_| broken("no number")),
        _ => Err(broken("no number")),
    }
}

/// At least one.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

/// Ten years in milliseconds: more would pass what Redis and Lua count exactly.
const LONGEST: u64 = 315_360_000_000;

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What [`hex`] wrote.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    if pairs.len() != digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
