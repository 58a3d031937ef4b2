//! The end of a job: recorded once and with what is told of it, and forgotten after its time.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use super::rows::{json, rows};
use super::schema::code;
use super::{deliveries, reading};
use crate::error::Kind;
use crate::jobs::job::{Answer, Failure, JobId, Outcome, Status};
use crate::jobs::store::{Cancelled, Ending, Lease, MOST_BYTES, NewDelivery};
use crate::store::StoreError;

/// False when the lease is lost.
pub fn finish(
    connection: &Connection,
    lease: &Lease,
    ending: &Ending,
    progress: Option<&Value>,
) -> Result<bool, StoreError> {
    let (answer, failure) = match &ending.outcome {
        Outcome::Succeeded(answer) => (Some(answer), None),
        Outcome::Failed(failure) => (None, Some(json(failure)?)),
        Outcome::Cancelled => (None, None),
    };
    let ended: Option<i64> = connection
        .prepare_cached(
            "UPDATE jobs SET status = ?3, finished = ?4, progress = ?5, failure = ?6, answer_type = ?7
             WHERE id = ?1 AND status = 1 AND attempts = ?2 RETURNING seq",
        )?
        .query_row(
            (
                lease.job.as_bytes(),
                lease.attempt,
                code(ending.outcome.status()),
                ending.at.as_microsecond(),
                progress.map(json).transpose()?,
                failure,
                answer.map(|answer| &answer.content_type),
            ),
            |row| row.get(0),
        )
        .optional()?;
    let Some(seq) = ended else { return Ok(false) };
    if let Some(Answer { body, .. }) = answer {
        connection
            .prepare_cached("INSERT INTO answers (job, body) VALUES (?1, ?2)")?
            .execute((seq, &body[..]))?;
    }
    if let Some(delivery) = &ending.delivery {
        deliveries::insert(connection, lease.job, delivery, ending.at)?;
    }
    Ok(true)
}

/// Ends a job that cannot be read.
pub fn give_up(connection: &Connection, seq: i64, told: String, at: Timestamp) -> Result<(), StoreError> {
    let failure = json(&Failure::new(Kind::PipelineFailed, told))?;
    connection
        .prepare_cached("UPDATE jobs SET status = ?2, finished = ?3, failure = ?4 WHERE seq = ?1")?
        .execute((seq, code(Status::Failed), at.as_microsecond(), failure))?;
    Ok(())
}

pub fn cancel(
    connection: &Connection,
    id: JobId,
    at: Timestamp,
    delivery: Option<&NewDelivery>,
) -> Result<Cancelled, StoreError> {
    let Some(before) = reading::status(connection, id)? else {
        return Ok(Cancelled::Unknown);
    };
    match before {
        Status::Queued => {
            connection
                .prepare_cached("UPDATE jobs SET status = ?2, finished = ?3 WHERE id = ?1")?
                .execute((id.as_bytes(), code(Status::Cancelled), at.as_microsecond()))?;
            if let Some(delivery) = delivery {
                deliveries::insert(connection, id, delivery, at)?;
            }
        }
        Status::Running => {
            connection
                .prepare_cached("UPDATE jobs SET cancelling = 1 WHERE id = ?1")?
                .execute([id.as_bytes()])?;
        }
        Status::Succeeded | Status::Failed | Status::Cancelled => {}
    }
    let Some(job) = reading::by_id(connection, id)?.map(Box::new) else {
        return Ok(Cancelled::Unknown);
    };
    Ok(match before {
        Status::Queued => Cancelled::Now(job),
        Status::Running => Cancelled::Soon(job),
        Status::Succeeded | Status::Failed | Status::Cancelled => Cancelled::Over(job),
    })
}

/// Deletes up to `most` jobs that ended before then, and all that belongs to them; how many. One of which somebody is
/// still to be told stays until that is settled: its webhooks may be tried for longer than it is kept.
pub fn forget(connection: &Connection, before: Timestamp, most: usize) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, id, coalesce((SELECT length(body) FROM inputs WHERE job = jobs.seq), 0)
             + coalesce((SELECT length(body) FROM answers WHERE job = jobs.seq), 0)
         FROM jobs WHERE status >= 2 AND finished < ?1
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.job = jobs.id AND d.state = 0) LIMIT ?2",
    )?;
    let over = statement.query_map((before.as_microsecond(), rows(most)), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let over: Vec<(i64, [u8; 16], i64)> = over.collect::<rusqlite::Result<_>>()?;
    let (mut forgotten, mut bytes) = (0, 0);
    for (seq, id, size) in &over {
        // To free a long body is to read it.
        if bytes >= MOST_BYTES {
            break;
        }
        deliveries::forget(connection, id)?;
        for delete in [
            "DELETE FROM inputs WHERE job = ?1",
            "DELETE FROM answers WHERE job = ?1",
            "DELETE FROM jobs WHERE seq = ?1",
        ] {
            connection.prepare_cached(delete)?.execute([seq])?;
        }
        forgotten += 1;
        bytes += usize::try_from(*size).unwrap_or(0);
    }
    Ok(forgotten)
}
