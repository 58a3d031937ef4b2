//! Jobs as they are accepted. Thousands a second may come, all through the one writer: it is given rows that are
//! ready.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::reading;
use super::rows::json;
use crate::jobs::job::{Idempotency, JobId, NewJob};
use crate::jobs::store::Inserted;
use crate::store::StoreError;

/// A job that is to be accepted, as its columns.
pub struct NewRow {
    id: JobId,
    model: String,
    path: String,
    created: i64,
    about: String,
    webhook: Option<String>,
    upload_webhook: Option<String>,
    idempotency: Option<Idempotency>,
    body: Bytes,
}

impl NewRow {
    pub fn new(job: NewJob) -> Result<Self, StoreError> {
        Ok(Self {
            about: json(&job.input.about)?,
            webhook: job.webhook.as_ref().map(json).transpose()?,
            id: job.id,
            model: job.model,
            path: job.path,
            created: job.created.as_microsecond(),
            upload_webhook: job.upload_webhook,
            idempotency: job.idempotency,
            body: job.input.body,
        })
    }

    pub fn insert(&self, connection: &Connection, most: usize) -> Result<Inserted, StoreError> {
        if let Some(idempotency) = &self.idempotency
            && let Some(before) = sent_before(connection, idempotency)?
        {
            return Ok(before);
        }
        if unfinished(connection, &self.model)? >= most {
            return Ok(Inserted::Full);
        }
        let key = self.idempotency.as_ref();
        let seq = connection
            .prepare_cached(
                "INSERT INTO jobs
                 (id, model, path, turn, created, about, webhook, upload_webhook, idempotency_key, digest)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .insert((
                self.id.as_bytes(),
                &self.model,
                &self.path,
                self.created,
                &self.about,
                &self.webhook,
                &self.upload_webhook,
                key.map(|sent| &sent.key),
                key.map(|sent| &sent.digest),
            ))?;
        connection
            .prepare_cached("INSERT INTO inputs (job, body) VALUES (?1, ?2)")?
            .execute((seq, &self.body[..]))?;
        Ok(Inserted::New)
    }
}

/// What the same key brought before.
fn sent_before(connection: &Connection, sent: &Idempotency) -> Result<Option<Inserted>, StoreError> {
    let known: Option<([u8; 16], [u8; 32])> = connection
        .prepare_cached("SELECT id, digest FROM jobs WHERE idempotency_key = ?1")?
        .query_row([&sent.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, digest)) = known else { return Ok(None) };
    if digest != sent.digest {
        return Ok(Some(Inserted::Conflict(Idempotency {
            key: sent.key.clone(),
            digest,
        })));
    }
    let job = reading::by_id(connection, Uuid::from_bytes(id))?;
    Ok(job.map(|job| Inserted::Known(Box::new(job))))
}

/// Queued and running jobs of a model.
pub fn unfinished(connection: &Connection, model: &str) -> Result<usize, StoreError> {
    let count: Option<i64> = connection
        .prepare_cached("SELECT jobs FROM backlogs WHERE model = ?1")?
        .query_row([model], |row| row.get(0))
        .optional()?;
    Ok(usize::try_from(count.unwrap_or(0)).unwrap_or(0))
}
