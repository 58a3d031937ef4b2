//! Jobs as they are read.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use uuid::Uuid;

use super::rows::{from_json, rows, time};
use super::schema;
use crate::jobs::job::{Answer, Input, Job, JobId, Outcome, Status};
use crate::jobs::store::Filter;
use crate::store::StoreError;

/// What [`job`] reads, and the bodies behind it.
macro_rules! columns {
    () => {
        "j.id, j.model, j.path, j.status, j.about, j.webhook, j.upload_webhook, j.created, j.started, j.finished, \
         j.attempts, j.losses, j.interruptions, j.progress, j.cancelling, j.failure, j.answer_type"
    };
}
const INPUT: usize = 17;
const ANSWER: usize = 18;

macro_rules! whole {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", i.body, a.body FROM jobs j LEFT JOIN inputs i ON i.job = j.seq ",
            "LEFT JOIN answers a ON a.job = j.seq WHERE ",
            $condition
        )
    };
}

pub fn by_id(connection: &Connection, id: JobId) -> Result<Option<Job>, StoreError> {
    let mut statement = connection.prepare_cached(whole!("j.id = ?1"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(with_bodies).transpose()
}

pub fn by_seq(connection: &Connection, seq: i64) -> Result<Option<Job>, StoreError> {
    let mut statement = connection.prepare_cached(whole!("j.seq = ?1"))?;
    let mut rows = statement.query([seq])?;
    rows.next()?.map(with_bodies).transpose()
}

pub fn status(connection: &Connection, id: JobId) -> Result<Option<Status>, StoreError> {
    let code: Option<u8> = connection
        .prepare_cached("SELECT status FROM jobs WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    code.map(schema::status).transpose()
}

/// Newest first, without bodies. What cannot be read is left out, and makes room for what can.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Job>, StoreError> {
    let (mut jobs, mut rest) = (Vec::new(), filter.clone());
    while rest.limit > 0 {
        let rows = page(connection, &rest)?;
        let is_last = rows.len() < rest.limit;
        rest.before = rows.last().map(|(id, _)| *id);
        for (id, read) in rows {
            match read {
                Ok(job) => jobs.push(job),
                Err(StoreError::Broken(told)) => tracing::error!(job = %id, "a job is not listed: {told}"),
                Err(error) => return Err(error),
            }
        }
        if is_last {
            break;
        }
        rest.limit = filter.limit - jobs.len();
    }
    Ok(jobs)
}

/// A job of a page by its id, or why it cannot be read.
type Listed = (JobId, Result<Job, StoreError>);

/// So many rows. Each filter has an index that ends with the id, so that a page costs what it holds.
fn page(connection: &Connection, filter: &Filter) -> Result<Vec<Listed>, StoreError> {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    if let Some(model) = &filter.model {
        conditions.push("j.model = ?");
        values.push(Column::Text(model.clone()));
    }
    if let Some(status) = filter.status {
        conditions.push("j.status = ?");
        values.push(Column::Integer(schema::code(status).into()));
    }
    if let Some(before) = filter.before {
        conditions.push("j.id < ?");
        values.push(Column::Blob(before.as_bytes().to_vec()));
    }
    values.push(Column::Integer(rows(filter.limit)));
    let condition = if conditions.is_empty() {
        "true".to_owned()
    } else {
        conditions.join(" AND ")
    };
    let columns = columns!();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {columns} FROM jobs j WHERE {condition} ORDER BY j.id DESC LIMIT ?"
    ))?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut jobs = Vec::new();
    while let Some(row) = found.next()? {
        jobs.push((Uuid::from_bytes(row.get(0)?), job(row)));
    }
    Ok(jobs)
}

fn with_bodies(row: &Row<'_>) -> Result<Job, StoreError> {
    let mut job = job(row)?;
    job.input.body = body(row, INPUT)?;
    if let Some(Outcome::Succeeded(answer)) = &mut job.outcome {
        answer.body = body(row, ANSWER)?;
    }
    Ok(job)
}

fn body(row: &Row<'_>, index: usize) -> Result<Bytes, StoreError> {
    let body: Option<Vec<u8>> = row.get(index)?;
    Ok(body.unwrap_or_default().into())
}

fn job(row: &Row<'_>) -> Result<Job, StoreError> {
    let text = |index: usize| row.get::<_, Option<String>>(index);
    let moment = |index: usize| -> Result<Option<Timestamp>, StoreError> {
        row.get::<_, Option<i64>>(index)?.map(time).transpose()
    };
    let status = schema::status(row.get(3)?)?;
    let outcome = match status {
        Status::Queued | Status::Running => None,
        Status::Succeeded => Some(Outcome::Succeeded(Answer {
            content_type: text(16)?.unwrap_or_default(),
            body: Bytes::new(),
        })),
        Status::Failed => Some(Outcome::Failed(from_json(&text(15)?.unwrap_or_default())?)),
        Status::Cancelled => Some(Outcome::Cancelled),
    };
    Ok(Job {
        id: Uuid::from_bytes(row.get(0)?),
        model: row.get(1)?,
        path: row.get(2)?,
        status,
        input: Input {
            body: Bytes::new(),
            about: from_json(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?)?,
        },
        webhook: text(5)?.map(|text| from_json(&text)).transpose()?,
        upload_webhook: text(6)?,
        created: time(row.get(7)?)?,
        started: moment(8)?,
        finished: moment(9)?,
        attempts: row.get(10)?,
        losses: row.get(11)?,
        interruptions: row.get(12)?,
        progress: text(13)?.map(|text| from_json(&text)).transpose()?,
        cancelling: row.get(14)?,
        outcome,
    })
}
