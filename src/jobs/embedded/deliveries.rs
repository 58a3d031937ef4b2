//! Webhook deliveries: those of a job one after another, each as often as it takes.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use uuid::Uuid;

use super::rows::{rows, time};
use crate::jobs::job::JobId;
use crate::jobs::store::{Delivery, DeliveryState, MOST_BYTES, NewDelivery, Posted};
use crate::store::StoreError;

/// The numbers that tables have for states.
const PENDING: u8 = 0;
const DELIVERED: u8 = 1;
const DEAD: u8 = 2;

/// Deliveries, and `$body` of each: what is posted is read only to be posted. A list of a thousand may stand for as many
/// outputs of many megabytes.
macro_rules! select {
    ($body:literal, $rest:literal) => {
        concat!(
            "SELECT d.id, d.job, d.url, d.terminal, d.state, d.attempts, d.created, d.at, d.status, d.error, ",
            $body,
            " FROM deliveries d ",
            $rest
        )
    };
}

/// Adds a delivery behind the others of its job. One that is there already stays as it is: a job that runs again tells
/// of its start but once.
pub fn insert(connection: &Connection, job: JobId, delivery: &NewDelivery, at: Timestamp) -> Result<(), StoreError> {
    if delivery.skippable && is_one_pending(connection, job)? {
        return Ok(());
    }
    let inserted: Option<i64> = connection
        .prepare_cached(
            "INSERT INTO deliveries (id, job, url, terminal, created, at, due) VALUES (?1, ?2, ?3, ?4, ?5, ?5,
                 CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE job = ?2 AND state = 0) THEN NULL ELSE ?5 END)
             ON CONFLICT (id) DO NOTHING RETURNING seq",
        )?
        .query_row(
            (
                &delivery.id,
                job.as_bytes(),
                &delivery.url,
                delivery.terminal,
                at.as_microsecond(),
            ),
            |row| row.get(0),
        )
        .optional()?;
    if let Some(seq) = inserted {
        connection
            .prepare_cached("INSERT INTO posts (delivery, body) VALUES (?1, ?2)")?
            .execute((seq, &delivery.body[..]))?;
    }
    Ok(())
}

fn is_one_pending(connection: &Connection, job: JobId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM deliveries WHERE job = ?1 AND state = 0 LIMIT 1")?
        .exists([job.as_bytes()])?)
}

/// Takes what is due. It is due again when `lease` is over, in case nobody settles it.
pub fn due(connection: &Connection, most: usize, lease: Duration, now: Timestamp) -> Result<Vec<Delivery>, StoreError> {
    let micros = now.as_microsecond();
    let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
    let mut statement =
        connection.prepare_cached("SELECT seq FROM deliveries WHERE due <= ?1 ORDER BY due, seq LIMIT ?2")?;
    let seqs = statement.query_map((micros, rows(most)), |row| row.get::<_, i64>(0))?;
    let seqs: Vec<i64> = seqs.collect::<rusqlite::Result<_>>()?;
    let (mut taken, mut bytes) = (Vec::with_capacity(seqs.len()), 0);
    for seq in seqs {
        if bytes >= MOST_BYTES {
            break;
        }
        connection
            .prepare_cached("UPDATE deliveries SET due = ?2 WHERE seq = ?1")?
            .execute((seq, micros.saturating_add(lease)))?;
        let sql = select!("p.body", "LEFT JOIN posts p ON p.delivery = d.seq WHERE d.seq = ?1");
        for delivery in several(connection, sql, [seq])? {
            bytes += delivery.body.len();
            taken.push(delivery);
        }
    }
    Ok(taken)
}

/// When the next delivery is due.
pub fn next(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = connection
        .prepare_cached("SELECT min(due) FROM deliveries WHERE due IS NOT NULL")?
        .query_row((), |row| row.get(0))?;
    due.map(time).transpose()
}

/// Records a post. One that was settled before stays as it is.
pub fn settle(
    connection: &Connection,
    id: &str,
    job: JobId,
    posted: &Posted,
    now: Timestamp,
) -> Result<(), StoreError> {
    let now = now.as_microsecond();
    let (state, at, status, error) = match posted {
        Posted::Delivered { status } => (DELIVERED, now, Some(*status), None),
        Posted::Again { at, status, error } => (PENDING, at.as_microsecond(), *status, Some(error)),
        Posted::Dead { status, error } => (DEAD, now, *status, Some(error)),
    };
    let due = (state == PENDING).then_some(at);
    let settled = connection
        .prepare_cached(
            "UPDATE deliveries SET state = ?2, attempts = attempts + 1, at = ?3, due = ?4, status = ?5, error = ?6
             WHERE id = ?1 AND state = 0",
        )?
        .execute((id, state, at, due, status, error))?;
    if settled == 1 && state != PENDING {
        connection
            .prepare_cached(
                "UPDATE deliveries SET due = ?2 WHERE due IS NULL
                 AND seq = (SELECT min(seq) FROM deliveries WHERE job = ?1 AND state = 0)",
            )?
            .execute((job.as_bytes(), now))?;
    }
    Ok(())
}

pub fn of(connection: &Connection, job: JobId) -> Result<Vec<Delivery>, StoreError> {
    several(
        connection,
        select!("NULL", "WHERE d.job = ?1 ORDER BY d.seq"),
        [job.as_bytes()],
    )
}

/// Newest first, `before` being the last of the page before.
pub fn dead(connection: &Connection, before: Option<&str>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    let limit = rows(limit);
    match before {
        None => several(
            connection,
            select!(
                "NULL",
                "WHERE d.state = 2 AND d.terminal = 1 ORDER BY d.seq DESC LIMIT ?1"
            ),
            [limit],
        ),
        Some(before) => several(
            connection,
            select!(
                "NULL",
                "WHERE d.state = 2 AND d.terminal = 1 AND d.seq < (SELECT seq FROM deliveries WHERE id = ?1) \
                 ORDER BY d.seq DESC LIMIT ?2"
            ),
            (before, limit),
        ),
    }
}

/// Makes a dead letter due, as if it had never been posted: it is posted again as often as a new one.
pub fn resend(connection: &Connection, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let again = connection
        .prepare_cached(
            "UPDATE deliveries SET state = 0, attempts = 0, at = ?2, due = ?2
             WHERE id = ?1 AND state = 2 AND terminal = 1",
        )?
        .execute((id, now.as_microsecond()))?;
    Ok(again == 1)
}

pub fn forget(connection: &Connection, job: &[u8; 16]) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM posts WHERE delivery IN (SELECT seq FROM deliveries WHERE job = ?1)")?
        .execute([job])?;
    connection
        .prepare_cached("DELETE FROM deliveries WHERE job = ?1")?
        .execute([job])?;
    Ok(())
}

fn several(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<Delivery>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params)?;
    let mut deliveries = Vec::new();
    while let Some(row) = found.next()? {
        deliveries.push(delivery(row)?);
    }
    Ok(deliveries)
}

fn delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let body: Option<Vec<u8>> = row.get(10)?;
    Ok(Delivery {
        id: row.get(0)?,
        job: Uuid::from_bytes(row.get(1)?),
        url: row.get(2)?,
        body: Bytes::from(body.unwrap_or_default()),
        created: time(row.get(6)?)?,
        state: match row.get::<_, u8>(4)? {
            PENDING => DeliveryState::Pending,
            DELIVERED => DeliveryState::Delivered,
            _ => DeliveryState::Dead,
        },
        attempts: row.get(5)?,
        at: time(row.get(7)?)?,
        error: row.get(9)?,
        status: row.get(8)?,
        terminal: row.get(3)?,
    })
}
